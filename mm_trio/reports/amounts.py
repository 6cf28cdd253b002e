"""Amounts as cells of a table: as many decimals as a reader can use, and all of them behind."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mm_trio.earnings.exact import shorten
from mm_trio.pages.page import Number

__all__ = ["bps", "count", "find_decimals", "money", "share"]


def find_decimals(amounts: Iterable[Decimal | None]) -> int:
    """Find how many decimals a column of amounts needs: those that are there, and six figures or so of the largest."""
    known = [amount for amount in amounts if amount is not None]
    largest = max(map(abs, known), default=Decimal(0))
    most = next(decimals for least, decimals in ((1000, 2), (1, 4), (0, 8)) if largest >= least)
    return max((_count_decimals(amount, most) for amount in known), default=0)


def _count_decimals(amount: Decimal, most: int) -> int:
    digits, exponent = amount.as_tuple()[1:]
    if not amount or not isinstance(exponent, int):
        return 0
    idle = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return min(most, max(0, -(exponent + idle)))


def money(amount: Decimal | None, decimals: int, *, is_signed: bool = False, unit: str = "") -> Number:
    """Return an amount with so many decimals."""
    return Number(amount, unit, decimals, is_signed)


def count(n: int | None) -> Number:
    """Return a whole number."""
    return Number(n)


def bps(amount: Decimal | None, volume: Decimal, *, unit: str = "") -> Number:
    """Return an amount in basis points of a volume; unknown without either."""
    ratio = None if amount is None else shorten(amount * 10_000, volume, places=6)
    return Number(ratio, unit, 2, is_signed=True)


def share(part: Decimal | int | str | None, whole: Decimal | int = 1, *, unit: str = "") -> Number:
    """Return a part of a whole in per cent."""
    ratio = None if part is None else shorten(Decimal(part) * 100, Decimal(whole), places=6)
    return Number(ratio, unit, 2)
