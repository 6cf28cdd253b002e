"""Summary of a run of one market."""

from __future__ import annotations

from dataclasses import dataclass

from mm_trio.grids.shutdown import LeftOrder
from mm_trio.state.stats import RunStats

__all__ = ["RunSummary"]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Summary of a run."""

    stats: RunStats
    orders_may_rest: tuple[str, ...]
    halted_because: tuple[str, ...] = ()
    orders_left: tuple[LeftOrder, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the summary as plain JSON values."""
        return {
            **self.stats.to_json(),
            "orders_may_rest": list(self.orders_may_rest),
            "orders_left": [left.to_json() for left in self.orders_left],
            "halted_because": list(self.halted_because),
        }
