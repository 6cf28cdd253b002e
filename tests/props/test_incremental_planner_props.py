"""Property of the incremental planner: its plans equal those of the plain function."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import SIDES, grids, in_lots, inventories, quote_for, sides, states

from mm_trio.model.orders import FillResult, Intent, Quote
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.incremental_planner import IncrementalPlanner
from mm_trio.quoting.ladder_ranges import LadderMaker
from mm_trio.quoting.plan import TickPlan, plan_tick
from mm_trio.quoting.quoting_engine import LadderTerms, compute_desired_orders
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState
from mm_trio.state.order_table import OpenOrders

many = settings(max_examples=120 * FACTOR, deadline=None)

STEPS = (
    "converge",
    "converge",
    "some",
    "fill",
    "fill",
    "fill",
    "cancel",
    "place",
    "doubt",
    "settle",
    "balance",
    "none",
)


class Bench:
    """One maker's state, moved step by step; after each the planner and the plain function are compared."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.grid: PricingGrid = self.draw(grids)
        self.order_size: Decimal = self.draw(in_lots(self.grid, 4, 700))
        self.settings = QuoteSettings(
            order_size=self.order_size,
            min_notional=self.order_size * self.grid.levels[0] * self.draw(st.sampled_from((0, 0, 5, 80))) / 100,
            active_levels=(active := self.draw(st.sampled_from((None, None, 1, 3, 6)))),
            window_slack=self.draw(st.integers(0, 3 if active is None else active - 1)),
            gap_levels=self.draw(st.sampled_from((0, 0, 1, 2))),
            dead_zone_bps=Decimal(self.draw(st.sampled_from((0, 5, 10_000)))),
            price_tolerance_bps=Decimal(1),
            size_tolerance_pct=Decimal(self.draw(st.sampled_from((0, 1, 50)))),
        )
        is_new = self.draw(st.booleans())
        self.state: OrderState = OrderState() if is_new else self.draw(states(self.grid, self.order_size))
        self.inventory: Inventory = self.draw(inventories(self.grid, self.order_size))
        self.planner = IncrementalPlanner(self.grid, self.inventory, self.state, self.settings)
        self._numbers = iter(range(1_000_000, 2_000_000))

    def compare(self) -> TickPlan:
        last = self.draw(st.sampled_from((None, None, None, 0, self.grid.n_orders // 2)))
        plain = plan_tick(self.grid, self.inventory, self.state, self.settings, last_boundary=last)
        found = self.planner.plan(last_boundary=last)
        assert found.diff == plain.diff
        assert tuple(found.desired) == tuple(plain.desired)
        assert len(found.desired) == len(plain.desired)
        assert (found.boundary_level, found.observed_level) == (plain.boundary_level, plain.observed_level)
        return found

    def step(self, name: str) -> None:
        getattr(self, name)()

    def none(self) -> None:
        """Nothing happens."""

    def converge(self) -> None:
        self._carry_out(1.0)

    def some(self) -> None:
        """What the budget does not cover is left out, far or near."""
        self._carry_out(0.5)

    def _carry_out(self, share: float) -> None:
        diff = self.compare().diff
        done = [each for each in self._items(diff) if share == 1.0 or self.draw(st.booleans())]
        for gone, order in done:
            if gone is not None:
                self.state.on_cancel_confirmed(gone)
            if order is not None:
                oid = next(self._numbers)
                self.state.on_place_confirmed(oid, order.side, order.level_index, order.price, order.size)

    def _items(self, diff: Any) -> Iterator[tuple[int | None, Any]]:
        yield from ((oid, None) for oid in diff.cancels)
        yield from diff.modifies
        yield from ((None, order) for order in diff.places)

    def _some_order(self) -> Any:
        orders = self.state.get_current_orders()
        return self.draw(st.sampled_from(orders)) if orders else None

    def fill(self) -> None:
        """Often the best of a side, sometimes any; whole or in part, with a fee in what is received."""
        order = self._some_order()
        if order is None:
            return
        best = self.state.orders.best_level(order.side)
        if best is not None and self.draw(st.booleans()):
            order = self.state.orders.find_at(order.side, best)
        lots = int(order.size / self.grid.lot)
        size = order.size if lots < 2 or self.draw(st.booleans()) else self.draw(in_lots(self.grid, 1, lots))
        fee = size * Decimal("0.0004") * (1 if order.side == "buy" else order.price)
        booked = self.state.on_fill(next(self._numbers), order.oid, size, price=order.price, fee=fee)
        assert isinstance(booked, FillResult)
        self.inventory.book(booked)

    def cancel(self) -> None:
        if (order := self._some_order()) is not None:
            self.state.on_cancel_confirmed(order.oid)

    def place(self) -> None:
        side, level = self.draw(sides), self.draw(st.integers(0, self.grid.n_orders - 1))
        size = self.draw(in_lots(self.grid, 1, int(self.order_size / self.grid.lot)))
        self.state.on_place_confirmed(next(self._numbers), side, level, self.grid.levels[level], size)

    def doubt(self) -> None:
        if self.draw(st.booleans()) and (order := self._some_order()) is not None:
            self.state.on_doubt(order.oid)
        else:
            n = next(self._numbers)
            level = self.draw(st.integers(0, self.grid.n_orders - 1))
            self.state.on_sent(Intent(f"0x{n:032x}", Quote("buy", level, self.grid.levels[level], self.order_size)))

    def settle(self) -> None:
        for order in self.state.get_current_orders():
            self.state.on_seen_resting(order.oid)
        for order in self.state.get_fills_due():
            self.state.remove_ghost(order.oid)
        for intent in self.state.get_intents():
            self.state.on_never_placed(intent.cloid)

    def balance(self) -> None:
        token = self.draw(in_lots(self.grid, 0, int(self.order_size / self.grid.lot) * 14))
        self.inventory.on_balance_update(token, self.draw(quote_for(self.grid, self.order_size)))


@many
@given(st.data(), st.lists(st.sampled_from(STEPS), min_size=1, max_size=12))
def test_the_planner_says_what_the_plain_function_says(data: st.DataObject, steps: list[str]) -> None:
    bench = Bench(data)
    bench.compare()
    for name in steps:
        bench.step(name)
        bench.compare()


@many
@given(st.data())
def test_a_ladder_of_ranges_holds_the_orders_of_the_plain_function(data: st.DataObject) -> None:
    grid = data.draw(grids)
    order_size = data.draw(in_lots(grid, 4, 700))
    minimum = order_size * grid.levels[0] * data.draw(st.sampled_from((0, 5, 80, 110, 150))) / 100
    boundary = data.draw(st.integers(0, grid.n_orders))
    tokens = data.draw(in_lots(grid, 0, int(order_size / grid.lot) * 14))
    quote = data.draw(quote_for(grid, order_size))
    gap = data.draw(st.integers(0, 4))
    bid = data.draw(st.none() | in_lots(grid, 1, 700))
    maker = LadderMaker(LadderTerms(grid, order_size, minimum, gap))
    plain = compute_desired_orders(
        grid, boundary, tokens, quote, order_size, min_notional=minimum, gap_levels=gap, resting_bid=bid
    )

    ladder = maker.compute(boundary, tokens, quote, resting_bid=bid)

    assert tuple(ladder) == plain
    assert len(ladder) == len(plain)
    assert ladder[:2] == plain[:2]
    for side in SIDES:
        rungs = ladder.of(side)
        of_side = {order.level_index: order for order in plain if order.side == side}
        assert {n: rungs.at(n) for n in range(grid.n_orders)} == {n: of_side.get(n) for n in range(grid.n_orders)}
        orders = of_side.values()
        assert [rungs.find_level(i) for i in range(len(rungs))] == [*of_side]
        assert all(tuple(rungs.cut(n)) == tuple(rungs)[:n] for n in range(1, len(rungs) + 2))
        assert maker.sum_up(rungs) == (sum(o.size for o in orders), sum(o.size * o.price for o in orders))


@many
@given(st.data())
def test_the_changes_between_two_ladders_are_where_their_orders_differ(data: st.DataObject) -> None:
    grid = data.draw(grids)
    order_size = data.draw(in_lots(grid, 4, 700))
    maker = LadderMaker(LadderTerms(grid, order_size, Decimal(0), data.draw(st.integers(0, 2))))
    before, after = (
        maker.compute(
            data.draw(st.integers(0, grid.n_orders)),
            data.draw(in_lots(grid, 0, int(order_size / grid.lot) * 14)),
            data.draw(quote_for(grid, order_size)),
        )
        for _ in range(2)
    )

    differing = {(order.side, order.level_index) for order in {*before} ^ {*after}}
    assert differing <= after.find_changes(before)


@many
@given(st.data(), st.lists(st.sampled_from(STEPS), min_size=1, max_size=12))
def test_what_resting_orders_keep_of_themselves_is_what_a_look_at_each_finds(
    data: st.DataObject, steps: list[str]
) -> None:
    bench = Bench(data)
    for name in steps:
        bench.step(name)
        check_sums(bench.state.orders)


def check_sums(orders: OpenOrders) -> None:
    for side in SIDES:
        mine = [order for order in orders.values() if order.side == side]
        levels = [order.level_index for order in mine]
        best = min if side == "sell" else max
        assert orders.sum_size(side) == sum(order.size for order in mine)
        assert orders.sum_cost(side) == sum(order.size * order.price for order in mine)
        assert orders.best_level(side) == best(levels, default=None)
        assert orders.best_price(side) == best((order.price for order in mine), default=None)
        assert set(orders.levels(side)) == set(levels)
        for order in mine:
            assert orders.find_at(side, order.level_index) is not None
            rest = [n.level_index for n in mine if n.level_index != order.level_index]
            there = {n.oid for n in mine if n.level_index == order.level_index}
            assert orders.best_level(side, without=there) == best(rest, default=None)
    assert {order.oid for order in orders.in_doubt} == {o.oid for o in orders.values() if o.status == "in_doubt"}
    pairs = [(order.side, order.level_index) for order in orders.values()]
    assert orders.has_doubles == (len(pairs) != len(set(pairs)))
    assert sorted(orders.slots()) == sorted(set(pairs))
