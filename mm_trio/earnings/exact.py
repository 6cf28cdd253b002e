"""Sums that are never rounded."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, FloatOperation, Inexact, InvalidOperation, Overflow, localcontext

__all__ = ["NOTHING", "Linear", "exactly", "shorten"]

NOTHING = Decimal(0)
# More digits than any sum of amounts has. Only those that are there cost time, and a sum that had more would raise.
_EXACT = Context(prec=10_000, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, FloatOperation])
# Of a ratio, which has no last digit.
_SHORT = Context(prec=28)


def exactly() -> AbstractContextManager[Context]:
    """Compute with every digit; a result that had to be rounded raises Inexact."""
    return localcontext(_EXACT)


def shorten(part: Decimal, whole: Decimal, *, places: int) -> Decimal | None:
    """Return a ratio to so many places; None where the whole is not above zero."""
    if whole <= 0:
        return None
    with localcontext(_SHORT):
        ratio = part / whole
        return ratio.quantize(Decimal(1).scaleb(-places)) if abs(ratio) < 10**12 else ratio


@dataclass(frozen=True, slots=True)
class Linear:
    """Amount in quote that depends on the mark: `quote + base * mark`."""

    quote: Decimal = NOTHING
    base: Decimal = NOTHING

    def __add__(self, other: Linear) -> Linear:
        with exactly():
            return Linear(self.quote + other.quote, self.base + other.base)

    def __sub__(self, other: Linear) -> Linear:
        with exactly():
            return Linear(self.quote - other.quote, self.base - other.base)

    def at(self, mark: Decimal | None) -> Decimal | None:
        """Return the amount at a mark; without one it is known only where no base is in it."""
        with exactly():
            if not self.base:
                return self.quote
            return None if mark is None else self.quote + self.base * mark
