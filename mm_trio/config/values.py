"""Kinds of configuration values: their types, bounds, and descriptions."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TypeAlias

from mm_trio.config.redaction import HiddenUrl

__all__ = [
    "AMOUNT",
    "MAX_DIGITS",
    "NAME",
    "PRICE",
    "Kind",
    "Metadata",
    "boolean_value",
    "choice_value",
    "decimal_value",
    "hidden_url_value",
    "hidden_urls_value",
    "listening_host",
    "loopback_url",
    "minutes_value",
    "seconds_value",
    "text_value",
    "whole_value",
]

# A Decimal keeps that many through arithmetic in its default context.
MAX_DIGITS = 28


@dataclass(frozen=True, slots=True)
class Kind:
    """Kind of one value.

    `read` returns the value, or None where it does not fit the description in `allowed`. `is_hidden`: the value may
    hold a token or a password, so it is neither shown nor taken for a key by mistake.
    """

    allowed: str
    such_as: str
    read: Callable[[object], object | None]
    is_hidden: bool = False


Metadata: TypeAlias = dict[str, Kind]
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_EXACT = Context(prec=2 * MAX_DIGITS)


def _to_number(raw: object) -> Decimal | None:
    if isinstance(raw, float):
        # The shortest form: 0.1 is one tenth. Not-a-number and infinity do not match below.
        raw = repr(raw)
    if isinstance(raw, str):
        return Decimal(raw) if len(raw) <= MAX_DIGITS and _NUMBER.fullmatch(raw) else None
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 10**MAX_DIGITS:
        return Decimal(raw)
    return None


def decimal_value(least: str, most: str, unit: str, *, such_as: str) -> Metadata:
    """Describe an exact number between two bounds."""
    low, high = Decimal(least), Decimal(most)

    def read(raw: object) -> Decimal | None:
        number = _to_number(raw)
        # Adding 0 turns 1E+3 into 1000 and -0 into 0.
        return _EXACT.add(number, Decimal(0)) if number is not None and low <= number <= high else None

    return {"kind": Kind(f"a number from {least} to {most} ({unit})", such_as, read)}


def minutes_value(least: str, most: str, *, such_as: str) -> Metadata:
    """Describe a duration in minutes, read into a float."""
    return seconds_value(least, most, such_as=such_as, unit="minutes")


def seconds_value(least: str, most: str, *, such_as: str, unit: str = "seconds") -> Metadata:
    """Describe a duration in seconds, read into a float."""
    exact = decimal_value(least, most, unit, such_as=such_as)["kind"]

    def read(raw: object) -> float | None:
        number = exact.read(raw)
        return float(number) if isinstance(number, Decimal) else None

    return {"kind": Kind(exact.allowed, such_as, read)}


def whole_value(least: int, most: int, unit: str, *, such_as: str) -> Metadata:
    """Describe a whole number between two bounds."""

    def read(raw: object) -> int | None:
        if isinstance(raw, float) or (isinstance(raw, str) and not _WHOLE.fullmatch(raw)):
            return None
        number = _to_number(raw)
        return int(number) if number is not None and least <= number <= most else None

    return {"kind": Kind(f"a whole number from {least} to {most} ({unit})", such_as, read)}


def boolean_value(*, such_as: str) -> Metadata:
    """Describe a truth value."""

    def read(raw: object) -> bool | None:
        return raw if isinstance(raw, bool) else _WORDS.get(raw.lower()) if isinstance(raw, str) else None

    return {"kind": Kind("true or false", such_as, read)}


def text_value(pattern: str, allowed: str, *, such_as: str, then: Callable[[str], str | None] = str) -> Metadata:
    """Describe a text of a pattern.

    `then` turns the matched text into the value, or returns None to refuse it.
    """

    def read(raw: object) -> str | None:
        return then(raw) if isinstance(raw, str) and re.fullmatch(pattern, raw) else None

    return {"kind": Kind(allowed, such_as, read)}


def choice_value(*names: str) -> Metadata:
    """Describe a choice between fixed words."""
    return text_value("|".join(names), f"one of {', '.join(names)}", such_as=names[0])


PRICE = ("0.00000001", "1000000000", "quote per base")
# Amounts of some tokens are counted in millions of millions.
AMOUNT = ("0", "1000000000000000")
# Cannot be a path, because the state is kept in a folder of this name.
NAME = r"(?!\.)[^\s/@\\\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,32}"
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::([0-9]{1,5}))?/?")


def loopback_url(url: str) -> str | None:
    """Return a loopback address in the SDK's form, else None.

    A pattern reads it, because two parsers can see two hosts in one odd text.
    """
    match = _LOOPBACK.fullmatch(url)
    return url.rstrip("/") if match and 1 <= int(match[1] or 80) <= 65535 else None


def listening_host(host: str) -> str | None:
    """Return the address that a server may listen on, in its short form; None for a name, which may mean several."""
    try:
        return str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return "127.0.0.1" if host == "localhost" else None


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s\x00-\x1f\x7f]{1,2000}")


def hidden_urls_value(most: int, *, such_as: str) -> Metadata:
    """Describe addresses that may hold tokens: a list, or one text with blanks between them."""

    def read(raw: object) -> tuple[HiddenUrl, ...] | None:
        texts = raw.split() if isinstance(raw, str) else raw
        if not isinstance(texts, list) or len(texts) > most:
            return None
        is_whole = all(isinstance(text, str) and _URL.fullmatch(text) for text in texts)
        return tuple(map(HiddenUrl, texts)) if is_whole else None

    allowed = f"a list of at most {most} addresses in quotes, each SCHEME://… without blanks"
    return {"kind": Kind(allowed, such_as, read, is_hidden=True)}


def hidden_url_value(*, such_as: str) -> Metadata:
    """Describe an address of the web that may hold a token."""

    def read(raw: object) -> HiddenUrl | None:
        is_web = isinstance(raw, str) and re.match("https?://", raw) and _URL.fullmatch(raw)
        return HiddenUrl(str(raw)) if is_web else None

    return {"kind": Kind("an address in quotes, http://… or https://… without blanks", such_as, read, is_hidden=True)}
