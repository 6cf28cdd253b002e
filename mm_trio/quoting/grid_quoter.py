"""One coin's quoting: its ladder, orders, inventory, planner and statistics.

Knows no socket, clock or task, so that an account may have several.
"""

from __future__ import annotations

from mm_trio.model.journal_entries import Entry, Quoted
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.incremental_planner import IncrementalPlanner
from mm_trio.quoting.plan import TickPlan
from mm_trio.state.maker_state import MakerState
from mm_trio.state.stats import RunStats

__all__ = ["GridQuoter"]


class GridQuoter:
    """Plan what should rest, and keep what one coin is known to have.

    `last_boundary` is what an earlier session quoted from; it tells which side the level of the remainder had,
    until orders of ours rest and tell it themselves.
    """

    def __init__(
        self, state: MakerState, settings: QuoteSettings, *, stats: RunStats, last_boundary: int | None = None
    ) -> None:
        self.state = state
        self.stats = stats
        self.boundary_level: int | None = None
        self._last_boundary = last_boundary
        self._planner = IncrementalPlanner(state.grid, state.inventory, state.order_state, settings)

    def plan(self) -> TickPlan:
        """Compute what should change now; what it quotes from becomes the boundary."""
        plan = self._planner.plan(last_boundary=self._last_boundary)
        if self.state.order_state.orders:
            self._last_boundary = None
        return plan

    def start(self) -> int:
        """Plan for the first time, without sending; return the boundary level."""
        self.boundary_level = self.plan().boundary_level
        return self.boundary_level

    def plan_tick(self) -> TickPlan:
        """Plan what this tick sends, and record the boundary where it moved."""
        plan = self.plan()
        if plan.boundary_level != self.boundary_level or self.stats.ticks == 0:
            self.state.record(Quoted(plan.boundary_level))
        self.boundary_level = plan.boundary_level
        return plan

    def summarise(self) -> tuple[Entry, ...]:
        """Return the entries that recreate this coin's state, for a checkpoint."""
        boundary = () if self.boundary_level is None else (Quoted(self.boundary_level),)
        return (*self.state.summarise(), *boundary)
