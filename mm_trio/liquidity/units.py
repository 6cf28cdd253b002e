"""Whole numbers in which every figure is computed, and their one text.

Prices and sizes are counted in 10^-8, notionals in 10^-16, so that sums and comparisons are exact for any length.
A number has one text alone: no exponent, no sign of plus, no zeros that could be left out.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

__all__ = [
    "AMOUNT_DIGITS",
    "NOTIONAL_DIGITS",
    "RATIO_DIGITS",
    "cut_down",
    "cut_up",
    "divide",
    "format_units",
    "parse_units",
    "to_units",
    "write_ratio",
]

AMOUNT_DIGITS = 8
NOTIONAL_DIGITS = 16
# Shares and means are written with so many decimals.
RATIO_DIGITS = 8
_PLAIN = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{0,15}[1-9]))?")
_MOST_FIGURES = 10_000


def to_units(number: Decimal, digits: int = AMOUNT_DIGITS) -> int:
    """Return a number above or equal to 0 in units of 10^-digits.

    Errors: ValueError for a number with more decimals, or too large for any market.
    """
    return parse_units(
        f"{number:f}".rstrip("0").rstrip(".") if number % 1 else f"{number.to_integral_value():f}", digits
    )


@lru_cache(maxsize=65_536)
def parse_units(text: str, digits: int = AMOUNT_DIGITS) -> int:
    """Read the one text of a number above or equal to 0. Errors: ValueError, also for a text of another form."""
    match = _PLAIN.fullmatch(text)
    decimals = "" if match is None else match[2] or ""
    if match is None or len(decimals) > digits:
        raise ValueError(f"{text[:40]!r} is not a plain number above or equal to 0 with at most {digits} decimals")
    return int(match[1] + decimals.ljust(digits, "0"))


def format_units(units: int, digits: int = AMOUNT_DIGITS) -> str:
    """Write units as the one text of their number."""
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), 10**digits)
    decimals = f"{part:0{digits}d}".rstrip("0") if part else ""
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def divide(numerator: int, denominator: int) -> int:
    """Divide and round half to even; `denominator` is above 0."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))


def write_ratio(numerator: int, denominator: int) -> str | None:
    """Write a share with eight decimals, rounded half to even; None where there is nothing to share."""
    if denominator == 0:
        return None
    return format_units(divide(numerator * 10**RATIO_DIGITS, denominator), RATIO_DIGITS)


def cut_down(value: int) -> int:
    """Cut a number at or above 0 down to four significant figures."""
    if value < _MOST_FIGURES:
        return value
    unit: int = 10 ** (len(str(value)) - 4)
    return value - value % unit


def cut_up(value: int) -> int:
    """Cut a number at or above 0 up to four significant figures."""
    if value < _MOST_FIGURES:
        return value
    unit: int = 10 ** (len(str(value)) - 4)
    return value + -value % unit
