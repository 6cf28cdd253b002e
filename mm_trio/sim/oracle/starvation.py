"""Check L7: levels due for a minute have orders.

The minute starts again when something is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mm_trio.sim.base.judge import Judge
from mm_trio.sim.oracle.expected_book import Slot

__all__ = ["PATIENCE_S", "Starvation"]

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
