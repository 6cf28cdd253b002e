"""What of an operator's values may be shown: never what is, or nearly is, a key or a passphrase."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["ELSEWHERE", "SHOWN_CHARS", "hide_secrets", "is_secret", "names_secret", "show", "show_name"]

SHOWN_CHARS = 60
_KEY_HEX, _HIDDEN_HEX = 64, 48  # digits of a key; from how many on digits are not shown (an address has 40)
_NEXT_DIGIT = r"(?:[\s_:,.-]{0,2}[0-9a-fA-F])"  # after what people put between digits
_HIDDEN = re.compile(f"[0-9a-fA-F]{_NEXT_DIGIT}{{{_HIDDEN_HEX - 1},}}")
_KEY = re.compile(f"[0-9a-fA-F]{_NEXT_DIGIT}{{{_KEY_HEX - 1},}}")
_SECRET_NAMES = ("key", "secret", "mnemonic", "passphrase", "password", "seedphrase")
_PHRASE_WORDS = (12, 15, 18, 21, 24)  # of a mnemonic, BIP 39
ELSEWHERE = (
    "a key or passphrase does not belong here; take it out, replace it if others could read it, and give the key by "
    "MM_TRIO_PRIVATE_KEY, MM_TRIO_KEY_FILE or MM_TRIO_KEYSTORE"
)


def hide_secrets(text: str) -> str:
    """The text without runs of hex digits that are, or nearly are, a private key; an address stays."""
    return _HIDDEN.sub("<hidden>", text)


def names_secret(name: str) -> bool:
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    is_named = squeezed in ("pk", "seed") or any(word in squeezed for word in _SECRET_NAMES)
    return is_named or is_secret(name)


def is_secret(value: object) -> bool:
    if isinstance(value, int):
        return 4 * _HIDDEN_HEX < value.bit_length() <= 4 * _KEY_HEX  # a key without its quotes
    if not isinstance(value, str):
        return False
    words = value.split()
    is_phrase = len(words) in _PHRASE_WORDS and all(word.isalpha() for word in words)
    return is_phrase or _KEY.search(value) is not None


def show(value: object) -> str:
    """A value on one line, short, as the operator wrote it or nearly."""
    if is_secret(value) or (isinstance(value, str) and re.search("//.*@", value)):  # //user:password@host
        return "<hidden>"
    if isinstance(value, Mapping | list):
        return "a table" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int) and value.bit_length() > 4 * _KEY_HEX:
        return f"a number of {value.bit_length()} bits"  # Python refuses to write the longest
    text = hide_secrets(str(value).lower() if isinstance(value, bool) else repr(value))
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 3]}..."


def show_name(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]{1,40}", name) else show(name)
