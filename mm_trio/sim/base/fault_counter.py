"""Faults as they strike: chance for each, a switch for all, and a count of those that changed something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from mm_trio.sandbox import FaultKind

__all__ = ["FaultCounter"]


class FaultCounter:
    """Which faults a run has, and how often each struck. `is_on` goes off for the phase without faults."""

    def __init__(self, rates: Mapping[FaultKind, float]) -> None:
        self._rates = rates
        self.struck: Counter[FaultKind] = Counter()
        self.is_on = True

    def pick(self, rng: Random, kinds: Sequence[FaultKind]) -> FaultKind | None:
        """The fault of these that strikes now, if any. One draw, whatever their number."""
        roll = rng.random()
        if not self.is_on:
            return None
        for kind in kinds:
            roll -= self._rates.get(kind, 0.0)
            if roll < 0:
                return kind
        return None

    def rate(self, kind: FaultKind) -> float:
        """Strikes a second, or the probability of one; 0 where this run does not have it."""
        return self._rates.get(kind, 0.0)

    def count(self, kind: FaultKind, *, n: int = 1) -> None:
        """It changed something that was sent or received."""
        if n:
            self.struck[kind] += n
