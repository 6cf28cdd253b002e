"""Draw faults at their rates and count their effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from mm_trio.sandbox import FaultKind

__all__ = ["FaultCounter"]


class FaultCounter:
    """Fault rates of one run and a count per fault.

    `is_on` is false during the phase without faults. Only faults that changed something are counted.
    """

    def __init__(self, rates: Mapping[FaultKind, float]) -> None:
        self._rates = rates
        self.struck: Counter[FaultKind] = Counter()
        self.is_on = True

    def pick(self, rng: Random, kinds: Sequence[FaultKind]) -> FaultKind | None:
        """Draw which of these faults strikes now, if any.

        It takes one random number however many kinds there are.
        """
        roll = rng.random()
        if not self.is_on:
            return None
        for kind in kinds:
            roll -= self._rates.get(kind, 0.0)
            if roll < 0:
                return kind
        return None

    def rate(self, kind: FaultKind) -> float:
        """Return strikes per second, or the probability of one.

        It is 0 where this run does not have the fault.
        """
        return self._rates.get(kind, 0.0)

    def count(self, kind: FaultKind, *, n: int = 1) -> None:
        """Count faults that changed something sent or received."""
        if n:
            self.struck[kind] += n
