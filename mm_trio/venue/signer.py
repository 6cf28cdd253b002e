"""Signatures of actions, and an `Exchange` of the SDK's shape with signing and sending apart.

An action is hashed, the hash is wrapped into a typed message whose other parts never change, and that message's
hash is signed (venue page "Signing"). The SDK encodes the whole message each time, which is ten times the work.
The SDK's own `Exchange` is not imported: the library that encodes for it takes a quarter of a second at each start.
Tests compare every signature with the SDK's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import coincurve
import msgpack
from eth_hash.auto import keccak
from hyperliquid.api import API
from hyperliquid.info import Info

from mm_trio.limits.actions import find_action_fault
from mm_trio.limits.hosts import Network, find_host_fault
from mm_trio.model.errors import NotSigned
from mm_trio.venue.http_session import encode_json, is_loopback
from mm_trio.venue.wire import write_order

__all__ = ["ActionSigner", "SignedRequest", "SigningExchange", "UnsignedAction", "Wallet"]

# A cancel so marked does not wait its turn: 0.4 s instead of 0.7 s when measured. Source: venue page on latency.
FAST = {"f": True}
_DOMAIN = keccak(
    keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + keccak(b"Exchange")
    + keccak(b"1")
    + (1337).to_bytes(32, "big")  # The same on both networks.
    + bytes(32)
)
_AGENT = keccak(b"Agent(string source,bytes32 connectionId)")


class Wallet:
    """Private key with its address, which is all that it shows.

    `private_key` is in hex, with or without 0x. Errors: ValueError for what is not a key.
    """

    def __init__(self, private_key: str) -> None:
        self._key = coincurve.PrivateKey(bytes.fromhex(private_key.removeprefix("0x")))
        point = self._key.public_key.format(compressed=False)[1:]
        self.address = _write_address(keccak(point)[-20:])

    def __repr__(self) -> str:
        return f"<Wallet {self.address}>"

    @property
    def key(self) -> bytes:
        """Return the key, for a signer."""
        return self._key.secret


def _write_address(address: bytes) -> str:
    """Write an address in hex, whose capitals are its checksum (EIP-55)."""
    digits = address.hex()
    marks = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if mark >= "8" else d for d, mark in zip(digits, marks, strict=False))


class ActionSigner:
    """Signs action hashes with the key of `wallet`, for one network.

    It never shows the key.
    """

    def __init__(self, wallet: Any, *, network: Network) -> None:
        self._key = coincurve.PrivateKey(bytes(wallet.key))
        # All networks but mainnet share a source: what is signed for one of them is worth nothing on mainnet.
        self._head = _AGENT + keccak(b"a" if network == "mainnet" else b"b")

    def sign(self, action_hash: bytes) -> dict[str, Any]:
        """Sign an action's hash, in the venue's form.

        That is `r` and `s` as hex without leading zeros, and `v` as 27 or 28.
        """
        message_hash = keccak(b"\x19\x01" + _DOMAIN + keccak(self._head + action_hash))
        # 65 bytes: r, s, and which of the two points it is.
        signature = self._key.sign_recoverable(message_hash, hasher=None)
        r, s = (hex(int.from_bytes(part, "big")) for part in (signature[:32], signature[32:64]))
        return {"r": r, "s": s, "v": 27 + signature[64]}


@dataclass(frozen=True, slots=True)
class UnsignedAction:
    """Action that will be signed.

    `digest` is the hash that the signature is made over (venue: the connection id), in hex.
    """

    action: Mapping[str, Any]
    nonce: int
    expires_after: int | None
    digest: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Bytes of one signed action, the same however often they are sent."""

    # Hidden, because the signature is in it: any reader of it could send the action.
    body: bytes = field(repr=False)


class SigningExchange(API):  # type: ignore[misc]
    """The SDK's client for actions, with signing and sending apart, for one network and some pairs.

    So nonce and deadline come from the order gateway, and the same bytes can be sent again. `assets` are the
    pairs' numbers: nothing else is signed for. None: only cancels are signed, of any pair. Errors: NotSigned where the
    network's actions must not go to `base_url`. `vault_address` is named in every action; `options` are those of the
    SDK's `Info`.
    """

    def __init__(
        self,
        wallet: Any,
        base_url: str,
        *,
        network: Network,
        assets: Collection[int] | None,
        vault_address: str | None = None,
        **options: Any,
    ) -> None:
        if (fault := find_host_fault(base_url, network, is_loopback=is_loopback(base_url))) is not None:
            raise NotSigned(fault)
        super().__init__(base_url, options.get("timeout"))
        self.vault_address = vault_address
        self.info = Info(base_url, skip_ws=True, **options)
        self._signer = ActionSigner(wallet, network=network)
        self._assets = None if assets is None else frozenset(assets)

    def sign_for(self, coin: str) -> bool:
        """Sign for another pair too from here on; return whether the venue has it."""
        assert self._assets is not None
        try:
            self._assets |= {self.info.name_to_asset(coin)}
        except KeyError:
            return False
        return True

    def make_action(
        self, method: str, items: Sequence[Mapping[str, Any]], *, nonce: int, expires_after: int | None
    ) -> UnsignedAction:
        """Make the action that the SDK's method of that name would send.

        Without `expires_after` it ends with its nonce.
        """
        (made,) = self.make_copies(method, items, nonces=[nonce], expires_after=expires_after)
        return made

    def make_copies(
        self, method: str, items: Sequence[Mapping[str, Any]], *, nonces: Sequence[int], expires_after: int | None
    ) -> list[UnsignedAction]:
        """Make one action several times over, once for each nonce."""
        action = self._encode_action(method, items)
        return [self._hash(action, nonce, expires_after) for nonce in nonces]

    def _hash(self, action: Mapping[str, Any], nonce: int, expires_after: int | None) -> UnsignedAction:
        packed: bytes = msgpack.packb(action) + nonce.to_bytes(8, "big")
        vault = self.vault_address
        packed += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
        if expires_after is not None:
            packed += b"\x00" + expires_after.to_bytes(8, "big")
        return UnsignedAction(action, nonce, expires_after, keccak(packed).hex())

    def sign_action(self, unsigned: UnsignedAction) -> SignedRequest:
        """Sign an action without sending it.

        Blocks for one signature. Errors: NotSigned for an action that a maker of these pairs never sends.
        """
        if (fault := find_action_fault(unsigned.action, assets=self._assets)) is not None:
            raise NotSigned(f"the action is not signed: {fault}")
        # Without a variable, because a traceback may show it, and whoever has the signature can send the action.
        return SignedRequest(
            encode_json(
                {
                    "action": unsigned.action,
                    "nonce": unsigned.nonce,
                    "signature": self._signer.sign(bytes.fromhex(unsigned.digest)),
                    "vaultAddress": self.vault_address,
                    "expiresAfter": unsigned.expires_after,
                }
            ).encode()
        )

    def _encode_action(self, method: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        asset = self.info.name_to_asset
        if method == "bulk_orders":
            orders = [write_order(item, asset(item["coin"])) for item in items]
            return {"type": "order", "orders": orders, "grouping": "na"}
        if method == "bulk_modify_orders_new":
            modifies = [
                {"oid": item["oid"], "order": write_order(item["order"], asset(item["order"]["coin"]))}
                for item in items
            ]
            return {"type": "batchModify", "modifies": modifies}
        if method == "bulk_cancel":
            cancels = [{"a": asset(item["coin"]), "o": item["oid"]} for item in items]
            return {"type": "cancel", "cancels": cancels, **FAST}
        if method == "bulk_cancel_by_cloid":
            cancels = [{"asset": asset(item["coin"]), "cloid": item["cloid"].to_raw()} for item in items]
            return {"type": "cancelByCloid", "cancels": cancels, **FAST}
        if method == "schedule_cancel":
            # Without a time it is taken back.
            return {"type": "scheduleCancel", **dict(items[0])}
        # Not an assertion, because without it an unknown method would be signed as a noop and use up its nonce.
        if method != "noop":
            raise NotSigned(f"no action is signed for the method {method}")
        return {"type": "noop"}

    def post_signed(self, signed: SignedRequest) -> Any:
        """Send signed bytes, for the first time or again.

        Blocks. Returns None where the answer is not JSON. Errors: `VENUE_FAILURES`.
        """
        response = self.session.post(f"{self.base_url}/exchange", data=signed.body, timeout=self.timeout)
        self._handle_exception(response)
        try:
            return response.json()
        except ValueError:
            # The request was delivered, but the outcome is unknown.
            return None
