"""L7: a level that is due for a minute, with nothing refused meanwhile, has its order."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mm_trio.sim.base.judge import Judge
from mm_trio.sim.oracle.expected_book import Slot

__all__ = ["PATIENCE_S", "Starvation"]

PATIENCE_S = 60.0


class Starvation:
    """Keeps since when each level is due without an order."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._since_s: dict[Slot, float] = {}

    def check(self, due: Iterable[Slot], resting: dict[Slot, Decimal], *, now_s: float, refused_s: float) -> None:
        """What is due now and what rests; when something of the maker's was refused last."""
        missing = [slot for slot in due if slot not in resting]
        self._since_s = {slot: max(self._since_s.get(slot, now_s), refused_s) for slot in missing}
        late = [slot for slot, since_s in self._since_s.items() if now_s - since_s > PATIENCE_S]
        self._judge.check("L7", not late, lambda: f"due for {PATIENCE_S:.0f} s, and without an order: {late}")

    def forget(self) -> None:
        """Nobody quotes just now, or knows what rests: the minute begins anew."""
        self._since_s.clear()
