"""Plan of one tick: required changes, orders left alone, nothing spent twice."""

from __future__ import annotations

from typing import Any

import pytest
from core_kit import GRID, QuoteTexts, dec, fill, intent, listen, make_state, quotes, rest, settings, tracked

from mm_trio.model.orders import OrderDiff
from mm_trio.quoting.plan import TickPlan, plan_tick
from mm_trio.state.maker_state import MakerState


def plan(state: MakerState, **changed: Any) -> TickPlan:
    return plan_tick(GRID, state.inventory, state.order_state, settings(**changed))


def converge(state: MakerState, **changed: Any) -> MakerState:
    """Let everything that the plan wants come true."""
    diff = plan(state, **changed).diff
    oid = 1000 + max((order.oid for order in state.order_state.get_current_orders()), default=0)
    for gone in (*diff.cancels, *(target for target, _ in diff.modifies)):
        state.order_state.on_cancel_confirmed(gone)
    for i, order in enumerate((*(aim for _, aim in diff.modifies), *diff.places)):
        state.order_state.on_place_confirmed(oid + i, order.side, order.level_index, order.price, order.size)
    return state


def book(state: MakerState) -> list[QuoteTexts]:
    orders = sorted(state.order_state.get_current_orders(), key=lambda o: -o.level_index)
    return [(o.side, o.level_index, f"{o.size:f}") for o in orders]


def take(state: MakerState, level: int, size: str | int, *, fee: str = "0") -> None:
    """A taker fills what rests on a level."""
    (order,) = [o for o in state.order_state.get_current_orders() if o.level_index == level]
    tid = 1 + int(order.filled * 100)
    booked = listen(state)
    state.apply_fill(fill(order.oid, tid, size, fee=fee), now_s=0)
    assert booked


def touched_levels(diff: OrderDiff) -> set[int]:
    return {order.level_index for order in (*diff.places, *(aim for _, aim in diff.modifies))}


# --- the boundary -----------------------------------------------------------------------------


def test_a_clean_start_places_the_whole_ladder_and_the_next_tick_nothing() -> None:
    state = make_state(token=12, usdc=205)
    first = plan(state)
    assert (first.boundary_level, first.observed_level) == (7, 10)
    assert quotes(first.diff.places)[:4] == [("sell", 7, "2.00"), ("sell", 8, "5"), ("sell", 9, "5"), ("buy", 6, "5")]

    after = plan(converge(state))

    assert not after.diff
    assert after.boundary_level == after.observed_level == 7


@pytest.mark.parametrize("token, level, size", [(10, 7, "2"), (10, 7, "4.99"), (10, 8, "2"), (12, 7, "1.5")])
def test_a_partly_filled_order_is_right_as_it_is(token: int, level: int, size: str) -> None:
    state = converge(make_state(token=token, usdc=1000))

    take(state, level, size)

    assert not plan(state).diff


def test_a_bid_filled_in_part_below_a_partial_ask_adds_to_that_ask() -> None:
    """HIP-2 renews both orders then: seen in its own fills as two new, adjacent oids."""
    state = converge(make_state(token=12, usdc=1000))
    take(state, 6, 2)

    diff = plan(state).diff

    assert quotes(aim for _, aim in diff.modifies) == [("sell", 7, "4.00"), ("buy", 6, "5")]
    assert (diff.places, diff.cancels) == ((), ())


def test_a_whole_bid_filled_flips_its_level_and_nothing_else() -> None:
    state = converge(make_state(token=10, usdc=202))
    take(state, 7, 5)

    diff = plan(state).diff

    assert quotes(diff.places) == [("sell", 7, "5")]
    assert (diff.modifies, diff.cancels) == ((), ())


def test_a_whole_ask_filled_becomes_a_bid_at_its_own_level() -> None:
    state = converge(make_state(token=10, usdc=1000))
    take(state, 8, 5)

    diff = plan(state).diff

    assert quotes(diff.places) == [("buy", 8, "5")]
    assert (diff.modifies, diff.cancels) == ((), ())


def test_a_whole_bid_filled_less_its_fee_flips_its_level_too() -> None:
    """The fee of a buy is taken in base: what arrived is a rest just short of an order."""
    state = converge(make_state(token=10, usdc=1000))
    take(state, 7, 5, fee="0.002")

    diff = plan(state).diff

    assert quotes(diff.places) == [("sell", 7, "4.99")]
    assert (diff.modifies, diff.cancels) == ((), ())


def test_a_partly_filled_bid_short_by_its_fee_costs_no_request() -> None:
    state = converge(make_state(token=10, usdc=1000))
    take(state, 7, 2, fee="0.0008")

    assert not plan(state).diff


def test_the_inside_spread_is_one_step_through_every_kind_of_fill() -> None:
    state = converge(make_state(token=25, usdc=1000))
    for level, size in [(5, 2), (5, 3), (5, 4), (4, 1), (5, 1), (4, 4), (4, 5), (3, 5)]:
        take(state, level, size)
        converge(state)
        asks = [o.level_index for o in state.order_state.get_current_orders() if o.side == "sell"]
        bids = [o.level_index for o in state.order_state.get_current_orders() if o.side == "buy"]

        assert min(asks) - max(bids) == 1
        assert sorted([*asks, *bids]) == list(range(10))


def test_drift_is_seen_as_a_difference_between_both_boundaries() -> None:
    state = converge(make_state(token=10, usdc=1000))
    (ask,) = [o for o in state.order_state.get_current_orders() if o.level_index == 8]
    state.order_state.remove_ghost(ask.oid)

    drifted = plan(state)

    assert (drifted.boundary_level, drifted.observed_level) == (8, 9)
    assert quotes(drifted.diff.places) == [("sell", 8, "5")]


# --- crumbs -----------------------------------------------------------------------------------


def test_a_bid_filled_down_to_a_crumb_stays_and_costs_no_request() -> None:
    state = converge(make_state(token=10, usdc=1000), min_notional=10)
    take(state, 7, "4.7")

    after = plan(state, min_notional=10)

    assert not after.diff
    assert ("buy", 7, "0.3") in book(state)


def test_an_ask_filled_down_to_a_crumb_stays_and_costs_no_request() -> None:
    state = converge(make_state(token=10, usdc=1000), min_notional=10)
    take(state, 8, "4.7")

    assert not plan(state, min_notional=10).diff
    assert ("sell", 8, "0.3") in book(state)


def test_an_ask_filled_down_to_a_crumb_is_still_where_we_quote_from() -> None:
    state = converge(make_state(token=10, usdc=1000), min_notional=10)
    take(state, 8, "4.7")

    after = plan(state, min_notional=10)

    assert after.boundary_level == after.observed_level == 8


def test_a_crumb_in_doubt_is_still_where_we_quote_from() -> None:
    state = converge(make_state(token=10, usdc=1000), min_notional=10)
    take(state, 8, "4.7")
    (crumb,) = [o for o in state.order_state.get_current_orders() if o.level_index == 8]
    state.order_state.on_doubt(crumb.oid)

    assert plan(state, min_notional=10).boundary_level == 8


def test_where_the_crumb_of_an_ask_has_left_we_quote_from_above_its_level() -> None:
    state = converge(make_state(token=10, usdc=1000), min_notional=10)
    take(state, 8, "4.7")
    (crumb,) = [o for o in state.order_state.get_current_orders() if o.level_index == 8]
    state.order_state.on_cancel_confirmed(crumb.oid)

    after = plan(state, min_notional=10)

    assert after.boundary_level == 9
    assert quotes(after.diff.places) == [("buy", 8, "4.70")]


def test_an_ask_that_is_a_crumb_leaves_where_a_full_one_would_go_without_its_tokens() -> None:
    """The account holds a little less than the ledger: the crumb is for more than the rest beside the full orders."""
    state = converge(make_state(token=10, usdc=1000), min_notional=10)
    take(state, 8, "4.7")
    state.inventory.on_balance_update(dec("5.2"), dec(1000))

    diff = plan(state, min_notional=10).diff
    assert [state.order_state.orders[oid].level_index for oid in diff.cancels] == [8]

    after = book(converge(state, min_notional=10))
    assert ("sell", 9, "5") in after
    assert sum(dec(size) for side, _, size in after if side == "sell") <= dec("5.2")


def test_nothing_below_the_minimum_is_ever_sent() -> None:
    for token in range(0, 500, 7):
        diff = plan(make_state(token=dec(token) / 10, usdc=dec(token)), min_notional=10).diff  # type: ignore[arg-type]

        assert all(order.size * order.price >= 10 for order in diff.places)


# --- doubts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("level, filled, flips", [(9, 7, "sell"), (8, 7, "sell"), (3, 8, "buy"), (7, 8, "buy")])
def test_nothing_is_sent_for_the_level_of_an_order_in_doubt_and_other_levels_go_on(
    level: int, filled: int, flips: str
) -> None:
    state = converge(make_state(token=10, usdc=1000))
    (order,) = [o for o in state.order_state.get_current_orders() if o.level_index == level]
    state.order_state.on_doubt(order.oid)
    take(state, filled, 5)

    diff = plan(state).diff

    assert level not in touched_levels(diff)
    assert order.oid not in diff.cancels
    assert quotes(diff.places) == [(flips, filled, "5")]


def test_an_order_in_flight_counts_as_resting_and_as_spent() -> None:
    state = make_state(token=10, usdc=100)
    state.order_state.on_sent(intent("buy", 7))  # 102.12 of quote
    assert {order.side for order in plan(state).diff.places} == {"sell"}

    state.order_state.on_never_placed(intent("buy", 7).cloid)
    assert {order.side for order in plan(state).diff.places} == {"sell", "buy"}


def test_nothing_is_sent_that_would_meet_a_doubt() -> None:
    state = make_state(token=25, usdc=1000)
    state.order_state.on_sent(intent("buy", 7))

    asks = [order.level_index for order in plan(state).diff.places if order.side == "sell"]

    assert min(asks) == 8


def test_fills_not_told_yet_lock_their_level() -> None:
    state = converge(make_state(token=10, usdc=1000))
    (bid,) = [o for o in state.order_state.get_current_orders() if o.level_index == 7]
    state.order_state.on_modify_response(bid.oid, bid.oid, "filled")
    assert 7 not in touched_levels(plan(state).diff)

    state.apply_fill(fill(bid.oid, 77, 5), now_s=0)

    assert quotes(plan(state).diff.places) == [("sell", 7, "5")]


# --- tolerances and windows -------------------------------------------------------------------


def test_no_tolerance_keeps_more_resting_than_we_own() -> None:
    state = converge(make_state(token=50, usdc=0))
    state.inventory.on_balance_update("49.9", 0)  # within the tolerance of 1 %

    diff = plan(state, dead_zone_bps=5, price_tolerance_bps=1, size_tolerance_pct=3).diff

    assert [(aim.level_index, str(aim.size)) for _, aim in diff.modifies] == [(0, "4.90")]


def test_an_order_on_a_level_twice_is_cancelled_but_for_the_oldest() -> None:
    state = converge(make_state(token=10, usdc=1000))
    rest(state.order_state, tracked(9000, "buy", 3))

    assert plan(state).diff == OrderDiff(cancels=[9000])


def test_the_far_ends_of_a_window_lag_and_the_inside_never_does() -> None:
    options: dict[str, Any] = {"active_levels": 2, "window_slack": 1}
    state = converge(make_state(token=25, usdc=1000), **options)
    assert [entry[:2] for entry in book(state)] == [("sell", 6), ("sell", 5), ("buy", 4), ("buy", 3)]
    take(state, 5, 5)

    diff = plan(state, **options).diff

    assert quotes(diff.places) == [("buy", 5, "5")]  # one ask and three bids: within the slack
    assert diff.cancels == ()


@pytest.mark.parametrize("kept", [("token", 15), ("usdc", 100)])
def test_no_more_is_offered_than_an_allocation_allows(kept: tuple[str, int]) -> None:
    state = make_state(token=50, usdc=1000)
    name, amount = kept
    setattr(state.inventory, f"virtual_{name}", dec(amount))

    places = plan(state).diff.places

    offered = sum(o.size for o in places if o.side == "sell")
    spent = sum(o.size * o.price for o in places if o.side == "buy")
    assert (offered if name == "token" else spent) <= amount


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed, text",
    [
        ({"active_levels": 0}, "active_levels must be 1 or more .* got 0"),
        ({"active_levels": 5, "window_slack": 5}, "below active_levels, got 5 with active_levels=5"),
        ({"window_slack": -1}, "window_slack must be 0 or more .* got -1"),
        ({"min_notional": "-10"}, "min_notional must be 0 or more, got -10"),
        ({"dead_zone_bps": -5}, "dead_zone_bps must be 0 or more, got -5"),
        ({"price_tolerance_bps": -1}, "price_tolerance_bps must be 0 or more, got -1"),
        ({"size_tolerance_pct": -1}, "size_tolerance_pct must be 0 or more, got -1"),
    ],
)
def test_settings_that_cannot_be_quoted_are_named_with_value_and_range(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        settings(**changed)


def test_an_order_beside_a_doubt_of_the_other_side_counts_as_spent() -> None:
    """Its cancel succeeded, an ask took the level, and only then it turns out that fills of the bid are untold."""
    state = make_state(token=5, usdc=1000)
    rest(state.order_state, tracked(1, "buy", 8))
    state.order_state.on_cancel_confirmed(1)
    rest(state.order_state, tracked(2, "sell", 8))  # all the tokens rest here
    state.order_state.on_modify_response(1, 1, "canceled", remaining=3)

    assert [order for order in plan(state).diff.places if order.side == "sell"] == []


# --- a restart --------------------------------------------------------------------------------


@pytest.mark.parametrize(("last_boundary", "boundary"), [(None, 7), (8, 8), (7, 7), (9, 7)])
def test_a_restart_keeps_the_side_that_the_level_of_the_rest_had(last_boundary: int | None, boundary: int) -> None:
    """Two of the five on level 7 are ours: an ask of 2 there, or the bid of 3 that it was before."""
    state = make_state(token=12, usdc=205)

    found = plan_tick(GRID, state.inventory, state.order_state, settings(), last_boundary=last_boundary)

    assert found.boundary_level == boundary


def plan_restart(token: str, last_boundary: int) -> list[QuoteTexts]:
    """What a next life wants on level 8 (of 0 .. 9), where nothing of ours rests any more."""
    state = make_state(token=dec(token), usdc=1000)  # type: ignore[arg-type]
    found = plan_tick(GRID, state.inventory, state.order_state, settings(min_notional=10), last_boundary=last_boundary)
    return [quote for quote in quotes(found.desired) if quote[1] == 8]


@pytest.mark.parametrize("last_boundary", [8, 9])
def test_the_level_of_an_ask_that_had_shrunk_to_a_crumb_is_a_bid_after_a_restart(last_boundary: int) -> None:
    """The ask of 0.3 that rested there cannot be placed again, whichever side the journal remembers."""
    assert plan_restart("5.3", last_boundary) == [("buy", 8, "4.70")]


def test_what_a_crumb_grew_to_while_we_were_away_is_an_ask_again() -> None:
    """An ask of 0.3 was quoted from level 8, and a bid below it bought 2 before it was cancelled."""
    assert plan_restart("7.3", 8) == [("sell", 8, "2.30")]


def test_a_bid_that_cannot_be_paid_any_more_does_not_keep_its_level_after_a_restart() -> None:
    state = make_state(token=2, usdc=10)

    found = plan_tick(GRID, state.inventory, state.order_state, settings(min_notional=10), last_boundary=10)

    assert quotes(found.desired) == [("sell", 9, "2.00")]


def test_what_rests_on_the_level_of_the_rest_tells_its_side_whatever_was_before() -> None:
    state = converge(make_state(token=12, usdc=205))

    found = plan_tick(GRID, state.inventory, state.order_state, settings(), last_boundary=8)

    assert found.boundary_level == 7
