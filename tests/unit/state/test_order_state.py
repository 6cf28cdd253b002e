"""What rests, what is in flight, what is in doubt; endings, late fills and fills that come first."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest
from core_kit import GRID, OURS, TERMINAL_STATUSES, dec, desired, intent, rest, tracked

from mm_trio.model.journal_entries import Adopted, Arrived, Booked, Ended, Entry, NeverPlaced, Remembered, Sent
from mm_trio.model.orders import FillResult, ReconcileResult
from mm_trio.model.replies import FillKey
from mm_trio.state import order_state as module
from mm_trio.state.order_state import OrderState


def state_with(*oids: int) -> OrderState:
    """Bids of 5, one a level, oid 1 at level 1 and so on."""
    return rest(OrderState(), *(tracked(oid, "buy", oid) for oid in oids))


def sizes(state: OrderState) -> dict[int, str]:
    return {order.oid: str(order.size) for order in state.get_current_orders()}


def result(level: int, size: str | int, *, full: bool) -> FillResult:
    return FillResult("buy", level, GRID.levels[level], dec(size), full)


# --- fills ------------------------------------------------------------------------------------


def test_a_fill_takes_its_size_off_the_order() -> None:
    state = state_with(1, 2)

    booked = state.on_fill(77, 1, 2)

    assert booked == result(1, 2, full=False)
    assert sizes(state) == {1: "3", 2: "5"}


def test_a_fill_of_the_rest_ends_the_order() -> None:
    state = state_with(1)
    state.on_fill(77, 1, "4.99")

    booked = state.on_fill(78, 1, "0.01")

    assert booked == result(1, "0.01", full=True)
    assert sizes(state) == {}
    assert state.get_doubts() == ()


def test_a_fill_seen_twice_counts_once() -> None:
    state = state_with(1)
    state.on_fill(77, 1, 2)

    assert state.on_fill(77, 1, 2) is None
    assert sizes(state) == {1: "3"}


def test_a_fill_is_known_by_time_coin_trade_and_order_together() -> None:
    state = state_with(1, 2)
    told = [(1000, 1), (1000, 2), (1001, 1)]

    first = [state.on_fill(0, oid, 1, time_ms=time_ms, coin="@107") for time_ms, oid in told]
    again = [state.on_fill(0, oid, 1, time_ms=time_ms, coin="@107") for time_ms, oid in told]

    assert None not in first
    assert again == [None] * 3


def test_a_fill_that_comes_before_its_order_is_kept_until_the_order_is_known() -> None:
    """The peer remembers the trade id first and looks the order up then: such a fill was lost for good."""
    state = OrderState()
    assert state.on_fill(77, 1, 2) is None

    booked = state.on_place_confirmed(1, "buy", 1, GRID.levels[1], 5)

    assert booked == (result(1, 2, full=False),)
    assert sizes(state) == {1: "3"}
    assert state.on_fill(77, 1, 2) is None
    assert state.on_place_confirmed(1, "buy", 1, GRID.levels[1], 5) == ()


def test_a_fill_keeps_its_own_price_fee_and_trade_while_it_waits() -> None:
    state = OrderState()
    state.on_fill(77, 1, 2, price="19.99", fee="0.001", fee_token="base")

    (booked,) = state.on_place_confirmed(1, "buy", 1, GRID.levels[1], 5)

    assert (booked.price, booked.fee, booked.fee_token) == (dec("19.99"), dec("0.001"), "base")
    assert (booked.tid, booked.oid) == (77, 1)


def test_a_fill_remembered_from_the_start_never_counts() -> None:
    state = state_with(1)
    state.remember_fill(77, 1, time_ms=1000, coin="@107")

    assert state.on_fill(77, 1, 2, time_ms=1000, coin="@107") is None
    assert sizes(state) == {1: "5"}


@pytest.mark.parametrize(
    "ending",
    [
        lambda state: state.remove_ghost(1),
        lambda state: state.on_cancel_confirmed(1),
        lambda state: state.on_modify_response(1, 9, "resting"),
        lambda state: state.on_modify_response(1, 1, "canceled"),
        lambda state: state.on_modify_response(1, 1, "scheduledCancel", remaining=3),
        lambda state: state.on_intent_seen(intent("buy", 1, replaces=1), 9, now_s=1),
    ],
    ids=["ghost", "cancelled", "modified", "ended", "ended short", "replaced"],
)
def test_an_order_that_left_stays_known_to_its_late_fills(ending: Callable[[OrderState], object]) -> None:
    """The peer drops the fill in each of these, and offers the level again."""
    state = state_with(1)
    ending(state)

    booked = state.on_fill(77, 1, 2)

    assert booked is not None
    assert (booked.side, booked.level_index, booked.price, booked.size) == ("buy", 1, GRID.levels[1], dec(2))
    assert 1 not in sizes(state)
    assert state.on_fill(77, 1, 2) is None
    assert state.get_fills_due() == ()


def test_more_filled_than_rests_ends_the_order_and_never_counts_below_zero() -> None:
    state = state_with(1)

    booked = state.on_fill(77, 1, 7)

    assert booked == result(1, 7, full=True)
    assert sizes(state) == {}


# --- endings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", TERMINAL_STATUSES)
def test_every_terminal_status_ends_an_order(status: str) -> None:
    """The peer knows the word "canceled" alone and keeps a ghost in every other case."""
    state = state_with(1, 2)

    state.on_modify_response(1, 1, status)

    assert sizes(state) == {2: "5"}


@pytest.mark.parametrize("status", ["open", "triggered", "resting"])
def test_a_live_status_ends_nothing_and_settles_a_doubt(status: str) -> None:
    state = state_with(1)
    state.on_doubt(1)

    state.on_modify_response(1, 1, status, remaining=2)

    assert sizes(state) == {1: "5"}  # what rests is counted by fills alone, or they would count twice
    assert state.get_doubts() == ()


@pytest.mark.parametrize(
    "status, remaining, untold", [("filled", "0", "5"), ("canceled", "3", "2"), ("filled", None, "5")]
)
def test_an_order_that_ended_before_its_fills_were_told_is_in_doubt_until_they_are(
    status: str, remaining: str | None, untold: str
) -> None:
    state = state_with(1)
    state.on_modify_response(1, 1, status, remaining=remaining)

    (doubt,) = state.get_doubts()
    assert (doubt.quote.side, doubt.quote.level_index, str(doubt.quote.size)) == ("buy", 1, untold)
    assert state.is_taken("buy", 1)

    assert state.on_fill(77, 1, untold) == result(1, untold, full=True)
    assert state.get_doubts() == ()
    assert not state.is_taken("buy", 1)


@pytest.mark.parametrize("remaining", ["5", "6", None])
def test_an_ending_with_all_fills_told_leaves_no_doubt(remaining: str | None) -> None:
    state = state_with(1)

    state.on_modify_response(1, 1, "canceled", remaining=remaining)

    assert state.get_doubts() == ()
    assert state.find_left(1) is not None


def test_an_ending_told_twice_ends_once() -> None:
    state = state_with(1)
    for _ in range(2):
        state.on_modify_response(1, 1, "filled", remaining=0)
    state.on_fill(77, 1, 5)
    state.on_modify_response(1, 1, "filled", remaining=0)

    assert state.get_doubts() == ()


def test_an_ending_that_comes_before_its_order_is_applied_when_the_order_is_known() -> None:
    state = OrderState()
    state.on_modify_response(1, 1, "canceled", remaining=3)
    state.on_place_confirmed(1, "buy", 1, GRID.levels[1], 5)

    assert sizes(state) == {}
    assert [str(order.size) for order in state.get_fills_due()] == ["2"]


@pytest.mark.parametrize("order", list(permutations(["place", "fill", "end"])))
def test_place_fill_and_end_may_come_in_any_order(order: tuple[str, ...]) -> None:
    state = OrderState()
    booked: list[FillResult | None] = []
    for step in order:
        if step == "place":
            booked.extend(state.on_place_confirmed(1, "buy", 1, GRID.levels[1], 5))
        elif step == "fill":
            booked.append(state.on_fill(77, 1, 5))
        else:
            state.on_modify_response(1, 1, "filled", remaining=0)

    assert [fill for fill in booked if fill] == [result(1, 5, full=True)]
    assert (sizes(state), state.get_doubts()) == ({}, ())


def test_a_replay_of_a_confirmation_brings_no_order_back() -> None:
    state = state_with(1)
    state.on_cancel_confirmed(1)

    state.on_place_confirmed(1, "buy", 1, GRID.levels[1], 5)

    assert sizes(state) == {}


# --- modifies ---------------------------------------------------------------------------------


def test_a_modify_that_rests_under_a_new_oid_moves_the_order_there() -> None:
    state = state_with(1)

    state.on_modify_response(1, 9, "resting")

    (order,) = state.get_current_orders()
    assert (order.oid, order.side, order.level_index, str(order.size)) == (9, "buy", 1, "5")
    assert state.find_left(1) is not None


def test_the_late_word_that_the_old_oid_is_gone_leaves_the_new_one_alone() -> None:
    state = state_with(1)
    state.on_modify_response(1, 9, "resting")

    state.on_modify_response(1, 1, "canceled", remaining=5)

    assert sizes(state) == {9: "5"}


def test_a_modify_of_nobody_knows_what_adds_nothing() -> None:
    state = OrderState()

    assert state.on_modify_response(1, 9, "resting") == ()
    assert sizes(state) == {}


def test_fills_of_the_new_oid_may_come_before_the_answer() -> None:
    state = state_with(1)
    state.on_fill(77, 9, 2)

    assert state.on_modify_response(1, 9, "resting") == (result(1, 2, full=False),)
    assert sizes(state) == {9: "3"}


# --- in flight and in doubt -------------------------------------------------------------------


def test_an_order_in_flight_is_a_doubt_until_it_is_seen() -> None:
    state = OrderState()
    state.on_sent(intent("sell", 3))
    (doubt,) = state.get_doubts()

    state.on_intent_seen(intent("sell", 3), 9, now_s=2)

    assert (doubt.quote.side, doubt.quote.level_index, doubt.since_s, doubt.oid) == ("sell", 3, 1.0, None)
    assert (state.get_intents(), state.get_doubts(), sizes(state)) == ((), (), {9: "5"})


def test_an_order_proven_never_placed_is_forgotten() -> None:
    state = OrderState()
    state.on_sent(intent("sell", 3))

    state.on_never_placed(OURS)

    assert not state.is_taken("sell", 3)
    assert state.get_doubts() == ()


def test_a_replacement_in_flight_puts_its_target_in_doubt_and_takes_its_place() -> None:
    state = state_with(1)
    state.on_sent(intent("buy", 1, 4, replaces=1))
    assert {doubt.oid for doubt in state.get_doubts()} == {1, None}

    state.on_intent_seen(intent("buy", 1, 4, replaces=1), 9, now_s=2)

    assert sizes(state) == {9: "4"}
    assert state.get_doubts() == ()


def test_an_order_in_doubt_still_counts_as_resting_until_it_is_seen_again() -> None:
    state = state_with(1)
    state.on_doubt(1)
    assert [doubt.oid for doubt in state.get_doubts()] == [1]
    assert sizes(state) == {1: "5"}

    state.on_seen_resting(1)

    assert state.get_doubts() == ()


def test_doubts_without_known_oids_are_those_that_the_current_orders_lack() -> None:
    state = state_with(1, 2)
    state.on_doubt(1)
    state.on_modify_response(2, 2, "filled")
    state.on_sent(intent("sell", 3))

    assert [doubt.oid for doubt in state.get_doubts()] == [1, 2, None]
    assert [doubt.oid for doubt in state.get_doubts(known_oids=False)] == [2, None]


def test_a_word_about_an_order_nobody_knows_changes_nothing() -> None:
    state = state_with(1)
    before = state.get_current_orders()
    state.on_doubt(8)
    state.on_seen_resting(8)
    state.on_cancel_confirmed(8)
    state.remove_ghost(8)
    state.on_never_placed("0x0")

    assert state.get_current_orders() == before
    assert state.find(8) is None


def test_a_partial_fill_leaves_a_doubt_in_place() -> None:
    state = state_with(1)
    state.on_doubt(1)

    state.on_fill(77, 1, 2)

    assert [(doubt.oid, str(doubt.quote.size)) for doubt in state.get_doubts()] == [(1, "3")]


# --- reading ----------------------------------------------------------------------------------


def test_a_comparison_names_orphans_and_ghosts_and_changes_nothing() -> None:
    state = state_with(3, 1, 2)
    before = state.get_current_orders()

    assert state.reconcile([2, 9, 8]) == ReconcileResult(orphaned_oids=(8, 9), ghost_oids=(1, 3))
    assert state.get_current_orders() == before
    assert isinstance(before, tuple)


def test_the_observed_boundary_is_the_lowest_resting_ask() -> None:
    state = rest(OrderState(), tracked(1, "sell", 7), tracked(2, "sell", 6), tracked(3, "buy", 5))
    assert state.boundary_level(10) == 6

    state.on_fill(77, 2, 5)
    assert state.boundary_level(10) == 7
    state.on_cancel_confirmed(1)
    assert state.boundary_level(10) == 10


def test_a_level_is_taken_on_the_side_where_something_rests_or_may_rest() -> None:
    state = state_with(1)
    state.on_sent(intent("sell", 3))

    assert [state.is_taken("buy", 1), state.is_taken("sell", 3)] == [True, True]
    assert [state.is_taken("sell", 1), state.is_taken("buy", 3)] == [False, False]


# --- bounds -----------------------------------------------------------------------------------


def test_what_is_remembered_of_strangers_and_of_orders_that_left_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEFT_REMEMBERED", 3)
    monkeypatch.setattr(module, "PARKED_REMEMBERED", 3)
    state = OrderState()
    for oid in range(1, 6):
        state.on_fill(oid, 100 + oid, 1)  # of strangers
        state.on_modify_response(200 + oid, 200 + oid, "canceled", remaining=0)
        rest(state, tracked(oid, "buy", oid))
        state.on_cancel_confirmed(oid)

    assert [oid for oid in range(1, 6) if state.find_left(oid)] == [3, 4, 5]
    assert [oid for oid in range(101, 106) if state.on_place_confirmed(oid, "buy", 1, 20, 5)] == [103, 104, 105]


# --- cancelled by us, and not told yet what was left ------------------------------------------


def unsettled(state: OrderState) -> dict[int, str]:
    return {order.oid: str(order.size) for order in state.get_unsettled()}


def test_an_order_that_we_cancelled_is_unsettled_until_somebody_says_what_was_left() -> None:
    state = state_with(1, 2, 3)
    state.on_cancel_confirmed(1)
    state.on_intent_seen(intent("buy", 2, replaces=2), 9, now_s=1)
    state.on_modify_response(3, 3, "canceled", remaining=5)
    assert unsettled(state) == {1: "5", 2: "5"}
    assert state.get_doubts() == ()

    state.on_modify_response(1, 1, "canceled", remaining=5)

    assert unsettled(state) == {2: "5"}


def test_a_fill_makes_less_of_what_an_unsettled_order_may_have_traded() -> None:
    state = state_with(1)
    state.on_cancel_confirmed(1)
    state.on_fill(77, 1, 2)
    assert unsettled(state) == {1: "3"}

    state.on_fill(78, 1, 3)

    assert unsettled(state) == {}
    assert state.find_left(1) is not None


def test_an_unsettled_order_that_traded_before_it_left_is_untold_until_its_fill_is() -> None:
    state = state_with(1)
    state.on_cancel_confirmed(1)

    state.on_modify_response(1, 1, "canceled", remaining=3)

    assert (unsettled(state), [str(order.size) for order in state.get_fills_due()]) == ({}, ["2"])
    assert state.is_taken("buy", 1)


def test_the_fill_history_settles_whoever_left_before_it_was_asked_for() -> None:
    state = state_with(1, 2)
    state.on_cancel_confirmed(1, now_s=10.0)
    state.on_cancel_confirmed(2, now_s=10.1)

    state.on_fills_read(10.0)

    assert unsettled(state) == {2: "5"}
    assert state.find_left(1) is not None


# --- fills of orders of which nothing else is known -------------------------------------------


def test_an_order_that_left_unnoticed_is_known_to_its_fills_and_takes_no_level() -> None:
    state = OrderState()
    state.on_left_unnoticed(1, desired("buy", 1, 2), now_s=1.0)

    assert (sizes(state), state.is_taken("buy", 1)) == ({}, False)
    assert state.on_fill(77, 1, 2) == result(1, 2, full=True)
    assert state.on_fill(77, 1, 2) is None


def test_an_order_that_is_known_did_not_leave_unnoticed() -> None:
    state = state_with(1)

    state.on_left_unnoticed(1, desired("sell", 7, 1), now_s=1.0)

    assert sizes(state) == {1: "5"}


# --- another ladder ---------------------------------------------------------------------------


def test_orders_go_to_where_they_belong_on_another_ladder() -> None:
    state = state_with(1, 2)
    state.on_sent(intent("sell", 3))

    astray = state.relevel(lambda price: GRID.levels.index(price) + 10)

    assert astray == ()
    assert [order.level_index for order in state.get_current_orders()] == [11, 12]
    assert [order.quote.level_index for order in state.get_intents()] == [13]


def test_orders_that_belong_nowhere_or_where_another_is_are_named_and_stay() -> None:
    state = rest(OrderState(), tracked(1, "buy", 1), tracked(2, "buy", 2), tracked(3, "sell", 3), tracked(4, "buy", 4))
    there = {GRID.levels[1]: 7, GRID.levels[2]: 7, GRID.levels[3]: 7}

    astray = state.relevel(there.get)

    assert [order.oid for order in astray] == [2, 4]
    assert [order.level_index for order in state.get_current_orders()] == [7, 2, 7, 4]


def test_an_order_in_flight_that_belongs_nowhere_keeps_its_level() -> None:
    state = OrderState()
    state.on_sent(intent("sell", 3))

    state.relevel(lambda price: None)

    assert state.is_taken("sell", 3)


# --- what is recorded -------------------------------------------------------------------------


def recording(*oids: int) -> tuple[OrderState, list[Entry]]:
    state, entries = state_with(*oids), list[Entry]()
    state.record = entries.append
    return state, entries


def test_each_change_that_a_restart_must_know_is_recorded_once_and_in_order() -> None:
    state, entries = recording(1)
    old, new = intent("sell", 3), intent("buy", 1, 4, cloid="0x5", replaces=1)
    state.on_sent(old)
    state.on_never_placed(old.cloid, why="refused")
    state.on_never_placed(old.cloid, why="refused")
    state.on_sent(new)
    state.on_fill(77, 9, 1, time_ms=1000, coin="@107", price="19.99", fee="0.001", fee_token="base")
    state.on_intent_seen(new, 9, now_s=2)
    state.on_intent_seen(new, 9, now_s=2)
    state.on_fill(77, 9, 1, time_ms=1000, coin="@107")
    state.remove_ghost(9)
    state.remove_ghost(9)

    assert entries == [
        Sent.of(old),
        NeverPlaced(old.cloid, "refused"),
        Sent.of(new),
        Arrived("0x5", 9),
        Ended(1, "cancelled", None),
        Booked(9, 77, 1000, "@107", desired("buy", 1, 1, "19.99"), dec("0.001"), "base"),
        Ended(9, "ghost", None),
    ]


def test_an_order_taken_over_and_one_that_came_of_no_intent_of_ours_are_recorded_as_such() -> None:
    state, entries = recording()
    state.on_place_confirmed(1, "buy", 1, GRID.levels[1], 3, cloid=OURS, filled=2)
    state.on_place_confirmed(1, "buy", 1, GRID.levels[1], 3, cloid=OURS, filled=2)
    state.on_intent_seen(intent("sell", 3, cloid="0x5"), 9, now_s=2)

    assert entries == [
        Adopted(1, desired("buy", 1, 3), OURS, dec(2)),
        Adopted(9, desired("sell", 3), "0x5", dec(0)),
    ]


def test_an_ending_is_recorded_with_what_was_left_and_a_cancel_of_ours_by_both_words_of_it() -> None:
    state, entries = recording(1, 2)
    state.on_modify_response(1, 1, "canceled", remaining=3)
    state.on_cancel_confirmed(2)
    state.on_modify_response(2, 2, "canceled", remaining=5)

    assert entries == [Ended(1, "canceled", dec(3)), Ended(2, "cancelled", None), Ended(2, "canceled", dec(5))]


def test_doubts_and_words_about_strangers_are_not_recorded() -> None:
    state, entries = recording(1)
    state.on_doubt(1)
    state.on_seen_resting(1)
    state.on_fill(77, 8, 1)
    state.on_modify_response(8, 8, "canceled", remaining=0)
    state.on_cancel_confirmed(8)
    state.remove_ghost(8)
    state.on_never_placed("0x0")
    state.on_fills_read(100.0)

    assert entries == []


def test_an_order_in_flight_that_turns_out_to_be_one_we_know_is_recorded_as_no_more_in_flight() -> None:
    state, entries = recording(9)
    state.on_sent(intent("sell", 3))

    state.on_intent_seen(intent("sell", 3), 9, now_s=2)

    assert state.get_intents() == ()
    assert len(entries) == 2
    assert isinstance(entries[1], Arrived | NeverPlaced)


# --- after a restart --------------------------------------------------------------------------


def test_after_a_restart_all_that_may_rest_is_in_doubt_however_fresh() -> None:
    state = state_with(1, 2, 3)
    state.on_cancel_confirmed(2, now_s=10.0)
    state.on_modify_response(3, 3, "filled", now_s=10.0)

    state.on_restarted(now_s=50.0)

    (order,) = state.get_current_orders()
    assert (order.status, order.touched_s) == ("in_doubt", 50.0)
    assert [found.touched_s for oid in (2, 3) if (found := state.find_left(oid)) is not None] == [50.0, 50.0]
    assert unsettled(state) == {}


def test_a_summary_has_only_so_many_of_the_orders_that_left_and_the_latest_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LEFT_IN_CHECKPOINT", 2)
    state = state_with(1, 2, 3, 4)
    for oid in (1, 2, 3):
        state.on_cancel_confirmed(oid)

    entries = state.summarise(remember_after_ms=0)

    assert [entry.oid for entry in entries if isinstance(entry, Adopted)] == [2, 3, 4]


def test_a_summary_remembers_the_fills_after_a_time_and_not_those_of_orders_unknown_yet() -> None:
    state = state_with(1)
    for tid, oid, time_ms in ((77, 1, 1000), (78, 1, 1001), (79, 8, 1002)):
        state.on_fill(tid, oid, 1, time_ms=time_ms, coin="@107")

    assert state.summarise(remember_after_ms=1000)[0] == Remembered(1000, (FillKey(1001, "@107", 78, 1),))


def test_a_fill_told_before_what_is_remembered_counts_as_seen() -> None:
    state = state_with(1)
    state.remember_fills(Remembered(1000, (FillKey(1001, "@107", 78, 1),)))

    told = [(77, 1000), (78, 1001), (79, 1001)]
    counted = [tid for tid, time_ms in told if state.on_fill(tid, 1, 1, time_ms=time_ms, coin="@107") is not None]

    assert counted == [79]


def test_an_order_that_can_no_longer_arrive_is_waited_for_no_longer() -> None:
    state = OrderState()
    state.on_sent(intent("sell", 3))

    state.on_cannot_arrive_after(OURS, 4.0)
    state.on_cannot_arrive_after(OURS, 8.0)
    state.on_cannot_arrive_after("0x0", 8.0)

    assert [found.expires_s for found in state.get_intents()] == [4.0]


def test_orders_that_left_share_equal_amounts_digit_by_digit() -> None:
    """Each number of its own takes 100 bytes, and 20,000 such orders are remembered."""
    state = OrderState()
    for oid, size in ((1, "5.00"), (2, "5.00"), (3, "5.0")):
        rest(state, tracked(oid, "buy", oid, size))
        state.remove_ghost(oid)

    sizes_left = [state.find_left(oid).size for oid in (1, 2, 3)]  # type: ignore[union-attr]
    assert sizes_left[0] is sizes_left[1]
    assert [str(size) for size in sizes_left] == ["5.00", "5.00", "5.0"]
