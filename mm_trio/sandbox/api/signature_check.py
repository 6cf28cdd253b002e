"""Recovery of the signer's address from the venue's two envelopes.

An L1 action is hashed as msgpack with its nonce, vault and expiry; a user-signed action (transfers, approval of
agents) field by field. Both go through EIP-712. What the address may do is checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgpack
from eth_keys.exceptions import BadSignature
from eth_keys.main import KeyAPI
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

__all__ = [
    "USER_SIGNED_FIELDS",
    "Signature",
    "SignedAction",
    "Unpackable",
    "recover_signer",
    "recover_user",
]

# Uses coincurve if that is installed; the choice is made once.
_KEYS = KeyAPI()
_U256 = 1 << 256
_DOMAIN_TYPE = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_AGENT_TYPE = keccak(text="Agent(string source,bytes32 connectionId)")
_CHAINS = {is_mainnet: keccak(text="Mainnet" if is_mainnet else "Testnet") for is_mainnet in (True, False)}
_SOURCES = {is_mainnet: keccak(text="a" if is_mainnet else "b") for is_mainnet in (True, False)}

# Type and name of each signed field, after `hyperliquidChain`. Source: the official SDK, *Signing*.
USER_SIGNED_FIELDS: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "approveAgent": (
        "ApproveAgent",
        (("address", "agentAddress"), ("string", "agentName"), ("uint64", "nonce")),
    ),
    "approveBuilderFee": (
        "ApproveBuilderFee",
        (("string", "maxFeeRate"), ("address", "builder"), ("uint64", "nonce")),
    ),
    "usdSend": (
        "UsdSend",
        (("string", "destination"), ("string", "amount"), ("uint64", "time")),
    ),
    "spotSend": (
        "SpotSend",
        (("string", "destination"), ("string", "token"), ("string", "amount"), ("uint64", "time")),
    ),
    "withdraw3": (
        "Withdraw",
        (("string", "destination"), ("string", "amount"), ("uint64", "time")),
    ),
    "usdClassTransfer": (
        "UsdClassTransfer",
        (("string", "amount"), ("bool", "toPerp"), ("uint64", "nonce")),
    ),
    "sendAsset": (
        "SendAsset",
        (
            ("string", "destination"),
            ("string", "sourceDex"),
            ("string", "destinationDex"),
            ("string", "token"),
            ("string", "amount"),
            ("string", "fromSubAccount"),
            ("uint64", "nonce"),
        ),
    ),
}


class Unpackable(Exception):
    """Raised for an action that msgpack cannot encode.

    A number beyond 64 bits or deep nesting: nobody can have signed it.
    """


@dataclass(frozen=True, slots=True)
class Signature:
    """Three numbers of a secp256k1 signature."""

    r: int
    s: int
    v: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAction:
    """Body of `POST /exchange`, with field types checked.

    `action` is hashed in the key order that it has here.
    """

    action: Mapping[str, object]
    nonce: int
    r: int
    s: int
    v: int
    vault: str | None = None
    expires_after: int | None = None


def recover_signer(request: SignedAction, *, is_mainnet: bool = False) -> str | None:
    """Return the address that signed an L1 action.

    The address is in lower case; None if the signature is malformed. A changed action gives another address, not None:
    that is how signatures on this curve work.
    Errors: `Unpackable`. Source: docs *Signing*; every network but mainnet signs with source "b".
    """
    struct = keccak(_AGENT_TYPE + _SOURCES[is_mainnet] + _compute_connection_id(request))
    return _recover(_find_domain("Exchange", 1337) + struct, Signature(request.r, request.s, request.v))


def recover_user(
    kind: str,
    fields: Mapping[str, str | int | bool],
    chain_id: int,
    signature: Signature,
    *,
    is_mainnet: bool = False,
) -> str | None:
    """Return the address that signed a user-signed action.

    The address is in lower case; None if the signature is malformed. `fields` holds each field of
    `USER_SIGNED_FIELDS[kind]`, checked for its type.
    Every network but mainnet is "Testnet", so an action signed for the other one gives another address.
    Source: the official SDK, *Signing*.
    """
    name, types = USER_SIGNED_FIELDS[kind]
    declared = "".join(f",{of_type} {field}" for of_type, field in types)
    words = [keccak(text=f"HyperliquidTransaction:{name}(string hyperliquidChain{declared})"), _CHAINS[is_mainnet]]
    words += [_encode_word(of_type, fields[field]) for of_type, field in types]
    return _recover(_find_domain("HyperliquidSignTransaction", chain_id) + keccak(b"".join(words)), signature)


# A client signs with one chain id; the bound protects against a client that tries them all.
@lru_cache(maxsize=16)
def _find_domain(name: str, chain_id: int) -> bytes:
    """Return an EIP-712 digest's start: magic bytes, domain separator."""
    domain = _DOMAIN_TYPE + keccak(text=name) + keccak(text="1") + (chain_id % _U256).to_bytes(32, "big") + bytes(32)
    return b"\x19\x01" + bytes(keccak(domain))


def _encode_word(of_type: str, value: str | int | bool) -> bytes:
    if of_type == "string":
        return bytes(keccak(str(value).encode("utf-8", "surrogatepass")))
    if of_type == "address":
        return bytes.fromhex(str(value).removeprefix("0x")).rjust(32, b"\0")
    return int(value).to_bytes(32, "big")


def _recover(signed: bytes, signature: Signature) -> str | None:
    if signature.v not in (27, 28):
        return None
    try:
        made = _KEYS.Signature(vrs=(signature.v - 27, signature.r, signature.s))
        public_key = _KEYS.ecdsa_recover(bytes(keccak(signed)), made)
    except (BadSignature, ValidationError):
        return None
    return str(public_key.to_address())


def _compute_connection_id(request: SignedAction) -> bytes:
    """Hash action, nonce, vault and expiry as the venue does."""
    expiry = b""
    try:
        packed = msgpack.packb(request.action) + request.nonce.to_bytes(8, "big")
        if request.expires_after is not None:
            expiry = b"\x00" + request.expires_after.to_bytes(8, "big")
    except (OverflowError, ValueError) as error:
        raise Unpackable(str(error)) from error
    vault = b"\x00" if request.vault is None else b"\x01" + bytes.fromhex(request.vault.removeprefix("0x"))
    return bytes(keccak(packed + vault + expiry))
