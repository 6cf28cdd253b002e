"""How near a number is to its limit. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

__all__ = ["LimitUse", "find_nearest", "measure_cap", "measure_floor"]

_Number: TypeAlias = Decimal | int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """A number beside the limit that it has to keep.

    `name` is that of the limit in `[limits]`. `number` None: it is not known now, or there is nothing that it could be
    of. `used` is 0 far from the limit and 1 at it, more beyond it; None where the number is not known.
    """

    name: str
    number: Decimal | None
    limit: Decimal
    unit: str
    used: float | None


def measure_cap(name: str, number: _Number | None, limit: _Number, unit: str) -> LimitUse:
    """Measure a number that must not be above its limit."""
    used = None
    if number is not None:
        used = _divide(number, limit, at_zero=number >= 0)
    return _make(name, number, limit, unit, used)


def measure_floor(name: str, number: _Number | None, limit: _Number, unit: str) -> LimitUse:
    """Measure a number that must not be below its limit."""
    used = None
    if number is not None:
        used = _divide(limit, number, at_zero=True) if number > 0 else 1.0
    return _make(name, number, limit, unit, used)


def find_nearest(uses: Iterable[LimitUse]) -> tuple[LimitUse, ...]:
    """Keep of the uses of each limit the one that is nearest to it, in the order of their first."""
    nearest: dict[str, LimitUse] = {}
    for use in uses:
        held = nearest.get(use.name)
        if held is None or (use.used is not None and (held.used is None or use.used > held.used)):
            nearest[use.name] = use
    return tuple(nearest.values())


def _divide(part: _Number, whole: _Number, *, at_zero: bool) -> float:
    """Divide, never below zero; where the whole is zero everything or nothing is used."""
    if whole == 0:
        return float(at_zero)
    return max(0.0, float(Decimal(part) / Decimal(whole)))


def _make(name: str, number: _Number | None, limit: _Number, unit: str, used: float | None) -> LimitUse:
    known = None if number is None else Decimal(number)
    return LimitUse(name=name, number=known, limit=Decimal(limit), unit=unit, used=used)
