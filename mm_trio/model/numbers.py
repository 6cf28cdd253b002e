"""Exact numbers: money and sizes are `Decimal`."""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation
from typing import TypeAlias

__all__ = ["EXACT", "Number", "make_exact", "round_up", "to_decimal"]

# A sum of Decimals keeps 28 digits by itself. These are enough for every amount that is read, with 60 digits before the
# point and 130 behind it, and for a product of two.
EXACT = Context(prec=400)
Number: TypeAlias = Decimal | int | str | float


def to_decimal(value: Number, *, name: str = "number") -> Decimal:
    """Read a number exactly.

    A float is read through its shortest repr, so that 0.1 is one tenth. Errors: ValueError for a value that is not a
    finite number.
    """
    try:
        number = value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"{name} must be a finite number, got {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return number


def make_exact(value: object, *names: str) -> None:
    """Turn fields given as int, str or float into Decimals.

    Called once, where a frozen value is made.
    """
    for name in names:
        given = getattr(value, name)
        if type(given) is not Decimal:
            object.__setattr__(value, name, to_decimal(given, name=name))


def round_up(amount: Decimal, *, unit: Decimal) -> Decimal:
    """Round to the next whole number of units that is not below.

    Never `-(-amount // unit)`, because `//` of a Decimal cuts towards zero and so rounds down there.
    """
    return (amount / unit).to_integral_value(ROUND_CEILING) * unit
