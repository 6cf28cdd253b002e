"""Signatures of certificates: EIP-191, as wallets sign messages (personal_sign)."""

from __future__ import annotations

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from mm_trio.config.keys import CURVE_ORDER, Secret

__all__ = ["find_address", "recover", "sign"]


def find_address(key: Secret) -> str:
    """Return the address of a key, in small letters."""
    address: str = key.lend(lambda text: Account.from_key(text).address)
    return address.lower()


def sign(key: Secret, text: str) -> str:
    """Sign a text; the result is 0x and 130 hex digits: r, s, v."""
    signature: bytes = key.lend(lambda secret: bytes(Account.sign_message(encode_defunct(text=text), secret).signature))
    return f"0x{signature.hex()}"


def recover(text: str, signature: str) -> str | None:
    """Return the address that signed a text; None where the signature is not valid, or not in its one form."""
    raw = bytes.fromhex(signature.removeprefix("0x"))
    # Of each signature there are two with other numbers, and the first half of s is the one that is made.
    if len(raw) != 65 or raw[64] not in (27, 28) or 2 * int.from_bytes(raw[32:64], "big") > CURVE_ORDER:
        return None
    try:
        address: str = Account.recover_message(encode_defunct(text=text), signature=raw)
    except (ValueError, TypeError, BadSignature, ValidationError):
        return None
    return address.lower()
