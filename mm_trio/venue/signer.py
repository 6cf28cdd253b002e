"""Signatures of actions, as the SDK makes them, without what the SDK does anew for each one.

An action is hashed, the hash is wrapped into a typed message whose other parts never change, and that message's
hash is signed (venue page "Signing"). The SDK encodes the whole message each time: ten times the work.
"""

from __future__ import annotations

from typing import Any

import coincurve
from eth_utils.crypto import keccak

__all__ = ["ActionSigner"]

_DOMAIN = keccak(
    keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + keccak(text="Exchange")
    + keccak(text="1")
    + (1337).to_bytes(32, "big")  # the same on both networks
    + bytes(32)
)
_AGENT = keccak(text="Agent(string source,bytes32 connectionId)")


class ActionSigner:
    """Signs action hashes with the key of `wallet`, for one network. It never shows the key."""

    def __init__(self, wallet: Any, *, is_mainnet: bool) -> None:
        self._key = coincurve.PrivateKey(bytes(wallet.key))
        self._head = _AGENT + keccak(text="a" if is_mainnet else "b")

    def sign(self, action_hash: bytes) -> dict[str, Any]:
        """The signature as the venue takes it: r and s as hex without leading zeros, v 27 or 28."""
        message_hash = keccak(b"\x19\x01" + _DOMAIN + keccak(self._head + action_hash))
        signature = self._key.sign_recoverable(message_hash, hasher=None)  # r, s, and which of the two points
        r, s = (hex(int.from_bytes(part, "big")) for part in (signature[:32], signature[32:64]))
        return {"r": r, "s": s, "v": 27 + signature[64]}
