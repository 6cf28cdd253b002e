"""Properties of a plan: it never spends what we do not own or crosses our own orders."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from effort import FACTOR
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ladders import grids, in_lots, inventories, states

from mm_trio.model.orders import DesiredOrder, Doubt, FillResult, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.plan import TickPlan, plan_tick
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState

many = settings(max_examples=80 * FACTOR, deadline=None)
Order = DesiredOrder | TrackedOrder


@dataclass
class Scene:
    """A state, what a tick makes of it, and what may rest once that is done."""

    grid: PricingGrid
    inventory: Inventory
    state: OrderState
    settings: QuoteSettings
    plan: TickPlan

    @property
    def sent(self) -> list[DesiredOrder]:
        return [*self.plan.diff.places, *(aim for _, aim in self.plan.diff.modifies)]

    @property
    def left_alone(self) -> list[TrackedOrder]:
        touched = {*self.plan.diff.cancels, *(oid for oid, _ in self.plan.diff.modifies)}
        return [o for o in self.state.get_current_orders() if o.status == "resting" and o.oid not in touched]

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        return self.state.get_doubts()


@st.composite
def scenes(draw: st.DrawFn, *, in_quiet: bool = False) -> Scene:
    grid = draw(grids)
    order_size = draw(in_lots(grid, 4, 700))
    active = draw(st.none() | st.integers(1, 8))
    quote_settings = QuoteSettings(
        order_size=order_size,
        min_notional=order_size * grid.levels[0] * draw(st.sampled_from((0, 5, 40, 80))) / 100,
        active_levels=active,
        window_slack=draw(st.integers(0, 3 if active is None else active - 1)),
        gap_levels=draw(st.sampled_from((0, 0, 1, 2))),
        dead_zone_bps=Decimal(draw(st.sampled_from((0, 5, 10_000)))),
        price_tolerance_bps=Decimal(1),
        size_tolerance_pct=Decimal(draw(st.sampled_from((0, 1, 50)))),
    )
    state = OrderState() if in_quiet else draw(states(grid, order_size))
    inventory = draw(inventories(grid, order_size))
    return Scene(grid, inventory, state, quote_settings, plan_tick(grid, inventory, state, quote_settings))


def tokens(orders: list[Order]) -> Decimal:
    return sum((o.size for o in orders if o.side == "sell"), Decimal(0))


def cost(orders: list[Order]) -> Decimal:
    return sum((o.size * o.price for o in orders if o.side == "buy"), Decimal(0))


@many
@given(scenes())
def test_no_more_rests_than_is_owned(scene: Scene) -> None:
    """Where doubts and crumbs alone are more than that, nothing is added on their side."""
    after: list[Order] = [*scene.sent, *scene.left_alone, *(doubt.quote for doubt in scene.doubts)]
    crumbs = [o for o in scene.left_alone if o.size * o.price < scene.settings.min_notional]
    unavoidable: list[Order] = [*(doubt.quote for doubt in scene.doubts), *crumbs]

    assert tokens(after) <= max(scene.inventory.effective_token, tokens(unavoidable))
    assert cost(after) <= max(scene.inventory.effective_usdc, cost(unavoidable))


@many
@given(scenes())
def test_nothing_is_sent_on_the_level_of_a_doubt_or_where_it_would_meet_one(scene: Scene) -> None:
    sent, doubts = scene.sent, scene.doubts

    assert not {o.level_index for o in sent} & {d.quote.level_index for d in doubts}
    assert not {*scene.plan.diff.cancels, *(oid for oid, _ in scene.plan.diff.modifies)} & {d.oid for d in doubts}
    for order in sent:
        for doubt in doubts:
            if order.side != doubt.quote.side:
                assert (order.price > doubt.quote.price) is (order.side == "sell")


@many
@given(scenes())
def test_no_level_holds_two_orders_and_no_quote_meets_another(scene: Scene) -> None:
    after: list[Order] = [*scene.sent, *scene.left_alone]

    assert max(Counter(o.level_index for o in after).values(), default=0) <= 1
    asks, bids = ([o.price for o in after if o.side == side] for side in ("sell", "buy"))
    assert not asks or not bids or min(asks) > max(bids)


@many
@given(st.data())
def test_a_bid_on_the_level_of_the_remainder_is_left_as_it_is(data: st.DataObject) -> None:
    """Whatever remains of it, and whatever the remainder is; the quote covers all bids."""
    grid = data.draw(grids)
    order_size = data.draw(in_lots(grid, 4, 700))
    lots, level = int(order_size / grid.lot), data.draw(st.integers(0, grid.n_orders - 1))
    remainder = data.draw(in_lots(grid, 1, lots - 1))
    state = OrderState()
    for n, price in enumerate(grid.levels):
        if n == level or data.draw(st.booleans()):
            state.on_place_confirmed(n + 1, "sell" if n > level else "buy", n, price, data.draw(in_lots(grid, 1, lots)))
    tokens = (grid.n_orders - 1 - level) * order_size + remainder
    inventory = Inventory(order_size, account_token=tokens, account_usdc=2 * sum(grid.levels) * order_size)
    minimum = order_size * grid.levels[0] * data.draw(st.sampled_from((0, 5, 40, 80))) / 100
    quote_settings = QuoteSettings(order_size=order_size, min_notional=minimum, size_tolerance_pct=Decimal(0))

    diff = plan_tick(grid, inventory, state, quote_settings).diff

    assert level + 1 not in {*diff.cancels, *(oid for oid, _ in diff.modifies)}
    assert level not in {order.level_index for order in diff.places}


@many
@given(scenes())
def test_every_order_sent_is_on_the_ladder_in_whole_lots_and_worth_the_minimum(scene: Scene) -> None:
    for order in scene.sent:
        assert order.price == scene.grid.levels[order.level_index]
        assert order.size > 0
        assert order.size % scene.grid.lot == 0
        assert order.size <= scene.settings.order_size
    assert all(o.size * o.price >= scene.settings.min_notional for o in scene.plan.diff.places)


@many
@given(scenes())
def test_planning_changes_nothing_and_gives_the_same_again(scene: Scene) -> None:
    before = (scene.state.get_current_orders(), scene.state.get_doubts(), scene.inventory.account_token)

    assert plan_tick(scene.grid, scene.inventory, scene.state, scene.settings) == scene.plan
    assert (scene.state.get_current_orders(), scene.state.get_doubts(), scene.inventory.account_token) == before


@many
@given(scenes(in_quiet=True))
def test_what_a_tick_wanted_needs_no_second_one(scene: Scene) -> None:
    for oid, order in enumerate(scene.plan.diff.places):
        scene.state.on_place_confirmed(oid, order.side, order.level_index, order.price, order.size)

    again = plan_tick(scene.grid, scene.inventory, scene.state, scene.settings)

    assert not again.diff
    assert again.boundary_level == again.observed_level == scene.plan.boundary_level


@many
@given(scenes(in_quiet=True), st.data())
def test_a_best_ask_filled_in_part_is_still_where_we_quote_from(scene: Scene, data: st.DataObject) -> None:
    state, inventory, lot = scene.state, scene.inventory, scene.grid.lot
    for oid, order in enumerate(scene.plan.diff.places):
        state.on_place_confirmed(oid, order.side, order.level_index, order.price, order.size)
    best = state.orders.find_at("sell", scene.plan.boundary_level)
    assume(best is not None and best.size > lot)
    assert best is not None

    filled = state.on_fill(1, best.oid, data.draw(in_lots(scene.grid, 1, int(best.size / lot) - 1)), price=best.price)
    assert isinstance(filled, FillResult)
    inventory.book(filled)
    after = plan_tick(scene.grid, inventory, state, scene.settings)

    assert after.boundary_level == after.observed_level == scene.plan.boundary_level


@many
@given(scenes(), st.integers(1, 6))
def test_a_state_without_doubts_converges_within_a_few_ticks(scene: Scene, seed: int) -> None:
    state, oid = scene.state, 1000 * seed
    for intent in state.get_intents():
        state.on_never_placed(intent.cloid)
    for doubt in state.get_doubts():
        assert doubt.oid is not None
        state.remove_ghost(doubt.oid)
    for _ in range(4):
        diff = plan_tick(scene.grid, scene.inventory, state, scene.settings).diff
        for gone in (*diff.cancels, *(target for target, _ in diff.modifies)):
            state.on_cancel_confirmed(gone)
        for order in (*(aim for _, aim in diff.modifies), *diff.places):
            oid += 1
            state.on_place_confirmed(oid, order.side, order.level_index, order.price, order.size)

    assert not plan_tick(scene.grid, scene.inventory, state, scene.settings).diff
