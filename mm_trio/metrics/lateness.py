"""How late the event loop wakes its tasks: what holds it up holds up orders too."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Never

import trio

__all__ = ["BUCKETS_S", "Lateness", "LatenessCounts"]

LOOK_EVERY_S = 0.25
# 20 ms is the most that anything beside the maker may cost a tick.
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(frozen=True, slots=True)
class LatenessCounts:
    """How often it was late by at most each of `BUCKETS_S`, and by more; counts are not summed up."""

    counts: tuple[int, ...]
    sum_s: float


class Lateness:
    """Histogram of the loop's lateness since the start."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0

    @property
    def counts(self) -> LatenessCounts:
        """Return what was counted until now."""
        return LatenessCounts(tuple(self._counts), self._sum_s)

    def on_woken(self, late_s: float) -> None:
        """Count one waking."""
        self._counts[bisect_left(BUCKETS_S, late_s)] += 1
        self._sum_s += late_s

    async def watch_forever(self) -> Never:
        """Look four times a second. A waking that comes late is not made up for."""
        while True:
            due_s = trio.current_time() + LOOK_EVERY_S
            await trio.sleep_until(due_s)
            self.on_woken(max(0.0, trio.current_time() - due_s))
