"""Fields of the venue's messages, read strictly and without guessing.

Each reader names the field's path in its error. Errors: ProtocolError, for whatever the venue does not send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from mm_trio.model.errors import ProtocolError
from mm_trio.model.orders import Side

__all__ = [
    "MOST_TEXT_CHARS",
    "Rows",
    "get_field",
    "read_all_rows",
    "read_amount",
    "read_decimal",
    "read_integer",
    "read_list",
    "read_positive",
    "read_rows",
    "read_side",
    "read_text",
    "read_time_ms",
]

_T = TypeVar("_T")
# Before or behind the decimal point.
_MOST_DIGITS = 20
# All of a number in a text: 20 digits on both sides of the point, and a sign.
_MOST_NUMBER_CHARS = 42
# Plain digits. A token may have any number of decimals, and then a sum has more than a price or a size.
_LONG_AMOUNT = re.compile(r"-?[0-9]{1,60}(?:\.[0-9]{1,130})?")
# The longest text that is read is a client order id of 34 characters.
MOST_TEXT_CHARS = 200
# What the venue counts with, and what the ledger's file can hold.
_MOST_INTEGER = 2**63 - 1
# In ms: the year 2109.
_LATEST_MS = 2**42
_SIDES: dict[str, Side] = {"B": "buy", "A": "sell"}
# In this order, because checking a dict against `Mapping` takes ten times as long.
_OBJECT = (dict, Mapping)
# The rows that could be read, and the errors of those that could not.
Rows = tuple[tuple[_T, ...], tuple[ProtocolError, ...]]


def get_field(raw: Any, key: str, path: str) -> Any:
    """Return a field of an object."""
    if not isinstance(raw, _OBJECT) or key not in raw:
        raise ProtocolError(f"{path}.{key}", raw)
    return raw[key]


def read_list(raw: Any, path: str) -> Sequence[Any]:
    """Read a list."""
    if not isinstance(raw, list | tuple):
        raise ProtocolError(path, raw)
    return raw


def read_decimal(raw: Any, path: str) -> Decimal:
    """Read a number that a price or a size may be."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise ProtocolError(path, raw)
    # A text of a million digits takes long to read, and an integer of so many cannot even be printed.
    if len(raw) > _MOST_NUMBER_CHARS if isinstance(raw, str) else isinstance(raw, int) and raw.bit_length() > 80:
        raise ProtocolError(path, raw)
    try:
        number = Decimal(repr(raw) if isinstance(raw, float) else raw)
    except InvalidOperation:
        raise ProtocolError(path, raw) from None
    # Numbers larger than any market's would overflow in later arithmetic.
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise ProtocolError(path, raw)
    return number


def read_amount(raw: Any, path: str) -> Decimal:
    """Read a balance or a supply, with as many decimals as its token has."""
    if isinstance(raw, str) and raw.isascii() and _LONG_AMOUNT.fullmatch(raw):
        number = Decimal(raw)
        if number.adjusted() <= _MOST_DIGITS:
            return number
    return read_decimal(raw, path)


def read_positive(raw: Any, path: str) -> Decimal:
    """Read a number above zero."""
    number = read_decimal(raw, path)
    if number <= 0:
        raise ProtocolError(path, raw)
    return number


def read_integer(raw: Any, path: str, *, most: int = _MOST_INTEGER) -> int:
    """Read a whole number from 0 to `most`."""
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw <= most:
        raise ProtocolError(path, raw)
    return raw


def read_time_ms(raw: Any, path: str) -> int:
    """Read a time of the venue's calendar."""
    return read_integer(raw, path, most=_LATEST_MS)


def read_side(raw: Any, path: str) -> Side:
    """Read a side."""
    if not isinstance(raw, str) or raw not in _SIDES:
        raise ProtocolError(path, raw)
    return _SIDES[raw]


def read_text(raw: Any, path: str) -> str:
    """Read a text that is not too long."""
    if not isinstance(raw, str) or len(raw) > MOST_TEXT_CHARS:
        raise ProtocolError(path, raw)
    return raw


def read_rows(raw: Any, path: str, parse: Callable[[Any, str], _T]) -> Rows[_T]:
    """Parse row by row, so that a bad row spoils no other."""
    good: list[_T] = []
    bad: list[ProtocolError] = []
    for i, row in enumerate(read_list(raw, path)):
        try:
            good.append(parse(row, f"{path}[{i}]"))
        except ProtocolError as error:
            bad.append(error)
    return tuple(good), tuple(bad)


def read_all_rows(raw: Any, path: str, parse: Callable[[Any, str], _T]) -> tuple[_T, ...]:
    """Parse row by row; a bad row is an error. Errors: ProtocolError."""
    good, bad = read_rows(raw, path, parse)
    if bad:
        raise bad[0]
    return good
