"""Check L7 and L8: levels that are due have orders.

L7 grants a minute, which starts again when something is refused. L8 grants two ticks and the round trips, and is asked
only where nothing explains an empty level.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mm_trio.sim.base.judge import Judge
from mm_trio.sim.oracle.expected_book import Slot

__all__ = ["PATIENCE_S", "Emptiness", "Starvation"]

PATIENCE_S = 60.0


class Starvation:
    """Record of since when each level lacks its order."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._since_s: dict[Slot, float] = {}

    def check(self, due: Iterable[Slot], resting: dict[Slot, Decimal], *, now_s: float, refused_s: float) -> None:
        """Compare the levels due now with the open orders.

        `refused_s` is when an order of the maker was last refused.
        """
        missing = [slot for slot in due if slot not in resting]
        self._since_s = {slot: max(self._since_s.get(slot, now_s), refused_s) for slot in missing}
        late = [slot for slot, since_s in self._since_s.items() if now_s - since_s > PATIENCE_S]
        self._judge.check("L7", not late, lambda: f"levels due for {PATIENCE_S:.0f} s have no order: {late}")

    def forget(self) -> None:
        """Restart the minute of every level.

        Used while the maker does not quote or does not know which orders are open.
        """
        self._since_s.clear()


class Emptiness:
    """Record of how long each due level has lacked its order.

    Time in which the maker waits for an answer is not counted.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._empty_s: dict[Slot, float] = {}
        self._looked_s = 0.0

    def check(self, missing: Iterable[Slot], *, now_s: float, most_s: float) -> None:
        """Count the time since the last look for levels that lack their order."""
        passed_s, self._looked_s = now_s - self._looked_s, now_s
        self._empty_s = {slot: self._empty_s.get(slot, -passed_s) + passed_s for slot in missing}
        late = [slot for slot, empty_s in self._empty_s.items() if empty_s > most_s]
        self._judge.check("L8", not late, lambda: f"levels due for {most_s:.1f} s have no order: {late}")

    def excuse(self, *, now_s: float) -> None:
        """Leave out the time since the last look."""
        self._looked_s = now_s

    def forget(self, *, now_s: float) -> None:
        """Begin anew for every level."""
        self._looked_s = now_s
        self._empty_s.clear()
