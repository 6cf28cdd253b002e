"""Redaction of operators' values: keys and passphrases are never shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Never, final

__all__ = [
    "SECRET_ADVICE",
    "SHOWN_CHARS",
    "HiddenUrl",
    "hide_keys",
    "hide_secrets",
    "is_secret",
    "names_secret",
    "show",
    "show_name",
]

SHOWN_CHARS = 60
# Digits of a key, and from how many on digits are hidden. An address has 40, and is shown.
_KEY_HEX, _HIDDEN_HEX = 64, 48
# A hex digit, after the separators that people put between digits.
_NEXT_DIGIT = r"(?:[\s_:,.-]{0,2}[0-9a-fA-F])"
_HIDDEN = re.compile(f"[0-9a-fA-F]{_NEXT_DIGIT}{{{_HIDDEN_HEX - 1},}}")
_UNBROKEN = re.compile(f"[0-9a-fA-F]{{{_HIDDEN_HEX},}}")
_KEY = re.compile(f"[0-9a-fA-F]{_NEXT_DIGIT}{{{_KEY_HEX - 1},}}")
_SECRET_NAMES = ("key", "secret", "mnemonic", "passphrase", "password", "seedphrase")
# Of a mnemonic, BIP 39.
_PHRASE_WORDS = (12, 15, 18, 21, 24)
SECRET_ADVICE = (
    "a key or passphrase does not belong here; take it out, replace it if others could read it, and give the key by "
    "MM_TRIO_PRIVATE_KEY, MM_TRIO_KEY_FILE or MM_TRIO_KEYSTORE"
)


def hide_secrets(text: str) -> str:
    """Hide runs of hex digits that may be a private key.

    Runs that are nearly as long as a key are hidden too; an address stays.
    """
    return _HIDDEN.sub("<hidden>", text)


def hide_keys(text: str) -> str:
    """Hide unbroken runs of hex digits as long as a private key.

    For texts of ours, in which a list of order ids must stay.
    """
    return _UNBROKEN.sub("<hidden>", text)


def names_secret(name: str) -> bool:
    """Check whether a setting of this name would hold a secret."""
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    is_named = squeezed in ("pk", "seed") or any(word in squeezed for word in _SECRET_NAMES)
    return is_named or is_secret(name)


def is_secret(value: object) -> bool:
    """Check whether a value looks like a key or passphrase."""
    if isinstance(value, int):
        # A key without its quotes.
        return 4 * _HIDDEN_HEX < value.bit_length() <= 4 * _KEY_HEX
    if not isinstance(value, str):
        return False
    words = value.split()
    is_phrase = len(words) in _PHRASE_WORDS and all(word.isalpha() for word in words)
    return is_phrase or _KEY.search(value) is not None


def show(value: object) -> str:
    """Show a value on one short line, nearly as the operator wrote it."""
    # The pattern is that of //user:password@host.
    if is_secret(value) or (isinstance(value, str) and re.search("//.*@", value)):
        return "<hidden>"
    if isinstance(value, Mapping | list):
        return "a table" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int) and value.bit_length() > 4 * _KEY_HEX:
        # Python refuses to write the longest numbers.
        return f"a number of {value.bit_length()} bits"
    text = hide_secrets(str(value).lower() if isinstance(value, bool) else repr(value))
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 3]}..."


def show_name(name: str) -> str:
    """Show a setting's name, quoted where it is not a plain one."""
    return name if re.fullmatch("[A-Za-z0-9_-]{1,40}", name) else show(name)


# Elsewhere the part after // is a token or a topic as often as a host.
_SCHEMES_WITH_HOSTS = frozenset(
    f"{scheme}{secure}"
    for scheme in ("apprise", "form", "gotify", "http", "json", "mailto", "xml")
    for secure in ("", "s")
)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9.-]{1,60}|\[[0-9A-Fa-f:.]{2,40}\])(?P<port>:[0-9]{1,5})?")


@final
class HiddenUrl:
    """Address that may hold a token or a password; only `reveal()` shows it.

    What is shown of it is its scheme, and its host where that certainly is one. It is equal to itself only, so that no
    comparison reveals anything.
    """

    __slots__ = ("_open",)

    def __init__(self, url: str) -> None:
        # In a closure, because debuggers and error reporters walk over attributes and so find a function.
        self._open: Callable[[], str] = lambda: url

    def reveal(self) -> str:
        """Return the address. A caller must not keep it in a variable, because a traceback may show that."""
        return self._open()

    def __repr__(self) -> str:
        return _describe_url(self._open())

    __str__ = __repr__

    def __reduce__(self) -> Never:
        raise TypeError("a HiddenUrl is neither pickled nor copied")


def _describe_url(url: str) -> str:
    """Show the scheme of an address, and its host where that is no secret."""
    scheme, found, after = url.partition("://")
    if not found or not re.fullmatch("[A-Za-z][A-Za-z0-9+.-]{0,30}", scheme):
        return "<hidden>"
    place, *path = re.split(r"[/?#]", after, maxsplit=1)
    # A password may hold any sign: where a second @ follows, nobody knows what is the host.
    user, _, host = place.rpartition("@")
    is_clear = "@" not in user and "@" not in "".join(path)
    match = _HOST.fullmatch(host) if is_clear and scheme.lower() in _SCHEMES_WITH_HOSTS else None
    return f"{scheme.lower()}://{host}" if match and _is_host(match["host"]) else f"{scheme.lower()}://<hidden>"


def _is_host(text: str) -> bool:
    """Check whether a text is the name or number of a host, and not a token of one piece."""
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        return text == "localhost" or "." in text.strip(".")
    return True
