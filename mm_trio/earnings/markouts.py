"""Prices after our fills, against what we paid and got."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from mm_trio.earnings.exact import NOTHING

__all__ = ["AT_FILL_MS", "HORIZONS_MS", "LVR_AFTER_MS", "Markout", "Mids", "Tallied"]

# The last price before a fill; then those after it.
AT_FILL_MS = 0
HORIZONS_MS = (AT_FILL_MS, 1_000, 10_000, 60_000, 300_000, 3_600_000)
# Loss against rebalancing is told against the price so long after the fill.
LVR_AFTER_MS = 1_000
# The middle of the book at each of `HORIZONS_MS`; None where it is not known.
Mids: TypeAlias = Sequence[Decimal | None]


@dataclass(slots=True)
class Markout:
    """Sum of `base * (mid - price)` over the fills that have this mid."""

    n: int = 0
    amount: Decimal = NOTHING


class Tallied:
    """Markouts of a period, by horizon."""

    def __init__(self) -> None:
        self._n = [0] * len(HORIZONS_MS)
        self._amounts = [NOTHING] * len(HORIZONS_MS)

    def add(self, base: Decimal, price: Decimal, mids: Mids) -> None:
        """Add a fill. Call it within `exactly()`."""
        counts, amounts = self._n, self._amounts
        last, amount = None, NOTHING
        for index, mid in enumerate(mids):
            if mid is None:
                continue
            if mid is not last:
                # Where the market stood still, several horizons have one object for their mid.
                last, amount = mid, base * (mid - price)
            counts[index] += 1
            amounts[index] += amount

    def merge(self, other: Tallied) -> None:
        """Add all fills of another one. Call it within `exactly()`."""
        self._n = [mine + theirs for mine, theirs in zip(self._n, other._n, strict=True)]
        self._amounts = [mine + theirs for mine, theirs in zip(self._amounts, other._amounts, strict=True)]

    def get(self, horizon_ms: int) -> Markout:
        """Return the sum of one horizon."""
        index = HORIZONS_MS.index(horizon_ms)
        return Markout(self._n[index], self._amounts[index])
