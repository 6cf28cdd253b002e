"""Number of levels that a tick visits.

Counts are the same on every machine, unlike the times of a benchmark.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import count

import pytest

from mm_trio.model.orders import Side
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.incremental_planner import IncrementalPlanner
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState

ORDER_SIZE = Decimal(20)
MOST_OF_ONE = 4  # the filled level on either side, and a far end on either side
# a ladder of each length that no price collapses on: n -> (start price, step)
LADDERS = {100: ("20", "0.003"), 4_000: ("1", "0.0011")}


class Desk:
    """A maker whose orders are confirmed as soon as they are planned; half of the levels are asks."""

    def __init__(self, n: int, active: int | None, slack: int = 0) -> None:
        start_px, tick_size = LADDERS[n]
        self.grid = PricingGrid(start_px, n, tick_size=tick_size, sz_decimals=2)
        usdc = sum(self.grid.levels, Decimal(0)) * ORDER_SIZE
        self.inventory = Inventory(ORDER_SIZE, account_token=ORDER_SIZE * (n // 2), account_usdc=usdc)
        self.state = OrderState()
        settings = QuoteSettings(
            order_size=ORDER_SIZE, min_notional=Decimal(10), active_levels=active, window_slack=slack
        )
        self.planner = IncrementalPlanner(self.grid, self.inventory, self.state, settings)
        self._numbers = count(1)
        for _ in range(3):
            self.tick()

    def tick(self) -> int:
        """Plan and confirm; gives how many levels were looked at."""
        diff = self.planner.plan().diff
        looked_at = self.planner.n_compared
        for oid in (*diff.cancels, *(oid for oid, _ in diff.modifies)):
            self.state.on_cancel_confirmed(oid)
        for aim in (*diff.places, *(aim for _, aim in diff.modifies)):
            self.state.on_place_confirmed(next(self._numbers), aim.side, aim.level_index, aim.price, aim.size)
        return looked_at

    def fill_best(self, side: Side, n_levels: int = 1) -> None:
        for _ in range(n_levels):
            level = self.state.orders.best_level(side)
            assert level is not None
            order = self.state.orders.find_at(side, level)
            assert order is not None
            fill = self.state.on_fill(next(self._numbers), order.oid, order.size, price=order.price)
            assert fill is not None
            self.inventory.book(fill)


every_ladder = pytest.mark.parametrize("n", LADDERS)
every_window = pytest.mark.parametrize(("active", "slack"), [(20, 0), (20, 5), (None, 0)])


@every_ladder
@every_window
def test_an_idle_tick_looks_at_no_level(n: int, active: int | None, slack: int) -> None:
    desk = Desk(n, active, slack)

    looked_at = [desk.tick() for _ in range(3)]

    assert looked_at == [0, 0, 0]
    assert not desk.planner.plan().diff.places


@every_window
def test_a_filled_order_has_the_same_few_levels_looked_at_on_every_ladder(active: int | None, slack: int) -> None:
    looked_at: dict[int, list[int]] = {}
    for n in LADDERS:
        desk = Desk(n, active, slack)
        looked_at[n] = []
        for side in ("sell", "sell", "buy", "buy", "sell", "buy") * 5:
            desk.fill_best(side)
            looked_at[n].append(desk.tick())
            assert desk.tick() <= MOST_OF_ONE  # what was just confirmed
            assert desk.tick() == 0

    assert looked_at[100] == looked_at[4_000]
    assert min(looked_at[100]) >= 1
    assert max(looked_at[100]) <= MOST_OF_ONE


@every_window
def test_a_sweep_has_no_more_levels_looked_at_than_its_fills_would_one_by_one(active: int | None, slack: int) -> None:
    looked_at = {}
    for n in LADDERS:
        desk = Desk(n, active, slack)
        desk.fill_best("sell", 10)
        looked_at[n] = desk.tick()

    assert looked_at[100] == looked_at[4_000]
    assert looked_at[100] >= 10
    assert looked_at[100] <= 10 * MOST_OF_ONE
