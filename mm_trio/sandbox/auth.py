"""Who signed this, for whom does it act, and was it sent before?

Knows the venue's hash of an action and its EIP-712 envelope; the nonce rules are in `nonces`. Knows neither orders
nor sockets, and reads no clock: `now_ms` is an argument. Actions that a wallet signs directly (transfers,
approval of agents) have another envelope and are not offered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgpack
from eth_keys.exceptions import BadSignature
from eth_keys.main import KeyAPI
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from mm_trio.sandbox.nonces import KEPT_NONCES, Nonces

__all__ = ["KEPT_NONCES", "Auth", "AuthRefused", "SignedAction", "Unpackable", "recover_signer"]

_KEYS = KeyAPI()  # picks coincurve where that is installed, once

# EIP-712, all that does not depend on the action. Source "b": every network but mainnet.
_DOMAIN_SEPARATOR = keccak(
    keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + keccak(text="Exchange")
    + keccak(text="1")
    + (1337).to_bytes(32, "big")
    + bytes(32)
)
_AGENT_PREFIX = keccak(text="Agent(string source,bytes32 connectionId)") + keccak(text="b")


class AuthRefused(Exception):
    """The venue says no at the top level; `text` is its answer, word for word."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Unpackable(Exception):
    """The action has no msgpack form (a number beyond 64 bits, deep nesting): nobody can have signed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAction:
    """One body of `POST /exchange`, its fields checked for type and nothing else.

    `action` keeps the key order in which it arrived: the hash depends on it.
    """

    action: dict[str, object]
    nonce: int
    r: int
    s: int
    v: int
    vault: str | None = None
    expires_after: int | None = None


class Auth:
    """The door of the exchange: signer to account, and each nonce once.

    `has_account` tells whether an address (lower case) has ever held anything.
    """

    def __init__(self, has_account: Callable[[str], bool]) -> None:
        self._has_account = has_account
        self._master_of: dict[str, str] = {}
        self._nonces: dict[str, Nonces] = {}

    def register_agent(self, agent: str, *, master: str) -> None:
        """Let the key of `agent` act for `master`. One agent has one master; the last word holds."""
        self._master_of[agent.lower()] = master.lower()

    def find_master(self, agent: str) -> str | None:
        """The account that an agent acts for; None for who is no agent."""
        return self._master_of.get(agent.lower())

    def admit(self, request: SignedAction, *, now_ms: int) -> str:
        """The account that this request acts for; its nonce is spent from here on.

        Gives: the account's address in lower case.
        Errors: `AuthRefused` with the venue's text, and then no nonce is spent; `Unpackable`.
        Source: hypercore's probes: refusals for the signer or the vault come before the nonce is looked at.
        """
        signer = recover_signer(request)
        if signer is None:
            raise AuthRefused("Unable to recover signer.")
        account = self._master_of.get(signer, signer)
        if not self._has_account(account):
            raise AuthRefused(f"User or API Wallet {signer} does not exist.")
        if request.vault is not None:
            raise AuthRefused(f"Vault not registered: {request.vault.lower()}")
        # only known signers get a nonce set, so the number of sets is bounded by accounts and agents
        refusal = self._nonces.setdefault(signer, Nonces()).admit(request.nonce, now_ms=now_ms)
        if refusal is not None:
            raise AuthRefused(refusal)
        return account


def recover_signer(request: SignedAction) -> str | None:
    """The address whose key made this signature, in lower case; None if it is no signature at all.

    A changed action gives another address, not None: that is how signatures on this curve work.
    Errors: `Unpackable`.
    """
    digest = keccak(b"\x19\x01" + _DOMAIN_SEPARATOR + keccak(_AGENT_PREFIX + _compute_connection_id(request)))
    if request.v not in (27, 28):
        return None
    try:
        signature = _KEYS.Signature(vrs=(request.v - 27, request.r, request.s))
        public_key = _KEYS.ecdsa_recover(digest, signature)
    except (BadSignature, ValidationError):
        return None
    return str(public_key.to_address())


def _compute_connection_id(request: SignedAction) -> bytes:
    """The venue's hash of action, nonce, vault and expiry."""
    expiry = b""
    try:
        packed = msgpack.packb(request.action) + request.nonce.to_bytes(8, "big")
        if request.expires_after is not None:
            expiry = b"\x00" + request.expires_after.to_bytes(8, "big")
    except (OverflowError, ValueError) as error:
        raise Unpackable(str(error)) from error
    vault = b"\x00" if request.vault is None else b"\x01" + bytes.fromhex(request.vault.removeprefix("0x"))
    return bytes(keccak(packed + vault + expiry))
