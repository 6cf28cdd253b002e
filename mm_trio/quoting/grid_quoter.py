"""Quoting of one coin: ladder, orders, inventory, planner, statistics.

It knows no socket, clock or task, so that one account may have several.
"""

from __future__ import annotations

from dataclasses import replace

from mm_trio.model.journal_entries import Entry, Quoted
from mm_trio.model.orders import Side
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.incremental_planner import IncrementalPlanner
from mm_trio.quoting.plan import TickPlan, plan_tick
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.stats import RunStats

__all__ = ["GridQuoter"]


class GridQuoter:
    """Planner and state of one coin.

    `last_boundary` is the boundary of an earlier session. It shows on which side the remainder's level was quoted,
    until open orders of ours show it.
    """

    def __init__(
        self, state: MakerState, settings: QuoteSettings, *, stats: RunStats, last_boundary: int | None = None
    ) -> None:
        self.state = state
        self.stats = stats
        self.boundary_level: int | None = None
        self._settings = settings
        self._last_boundary = last_boundary
        self._planner = IncrementalPlanner(state.grid, state.inventory, state.order_state, settings)

    def plan(self) -> TickPlan:
        """Compute the changes that are due now."""
        plan = self._planner.plan(last_boundary=self._last_boundary)
        if self.state.order_state.orders:
            self._last_boundary = None
        return plan

    def suppose(self, inventory: Inventory) -> tuple[MakerState, TickPlan]:
        """Plan for another inventory, and change nothing."""
        state = replace(self.state, inventory=inventory)
        plan = plan_tick(
            state.grid, state.inventory, state.order_state, self._settings, last_boundary=self._last_boundary
        )
        return state, plan

    def find_empty_sides(self) -> tuple[Side, ...]:
        """Return the sides whose amount is too small for any order."""
        grid, inventory, least = self.state.grid, self.state.inventory, self._settings.min_notional
        lots = inventory.effective_token // grid.lot * grid.lot
        sides: list[Side] = []
        if lots <= 0 or lots * grid.levels[-1] < least:
            sides.append("sell")
        if inventory.effective_usdc < max(least, grid.lot * grid.levels[0]):
            sides.append("buy")
        return tuple(sides)

    def start(self) -> TickPlan:
        """Plan once without sending, and quote from there."""
        plan = self.plan()
        self.boundary_level = plan.boundary_level
        return plan

    def plan_tick(self) -> TickPlan:
        """Plan this tick and record a moved boundary."""
        plan = self.plan()
        if plan.boundary_level != self.boundary_level or self.stats.ticks == 0:
            self.state.record(Quoted(plan.boundary_level))
        self.boundary_level = plan.boundary_level
        return plan

    def summarise(self) -> tuple[Entry, ...]:
        """Return entries that recreate this coin's state."""
        boundary = () if self.boundary_level is None else (Quoted(self.boundary_level),)
        return (*self.state.summarise(), *boundary)
