"""What the maker is told, and what that moves: each fill once, whoever brings it and whenever."""

from __future__ import annotations

from itertools import permutations

import pytest
from core_kit import OURS, TERMINAL_STATUSES, THEIRS, dec, fill, intent, listen, make_state, rest, row, tracked

from mm_trio.model.market import Balances
from mm_trio.model.replies import OpenOrder, OrderUpdate
from mm_trio.state.inventory import BalanceVerdict
from mm_trio.state.maker_state import MakerState


def ledger(state: MakerState) -> tuple[str, str]:
    return f"{state.inventory.effective_token:f}", f"{state.inventory.effective_usdc:f}"


def with_bid(**options: bool) -> MakerState:
    state = make_state(**options)
    rest(state.order_state, tracked(1, "buy", 0))
    return state


def update(seen: OpenOrder, status: str) -> OrderUpdate:
    return OrderUpdate(seen, status, live=status in ("open", "triggered"))


def resting(state: MakerState) -> dict[int, str]:
    return {order.oid: f"{order.size:f}" for order in state.order_state.get_current_orders()}


# --- fills ------------------------------------------------------------------------------------


def test_a_fill_moves_order_ledger_and_budget_at_once() -> None:
    state = with_bid()

    told = listen(state)

    state.apply_fill(fill(1, 77, 2, fee="0.001", fee_token="base"), now_s=8.0)

    (booked,) = told
    assert (booked.level_index, booked.size, booked.fully_filled) == (0, dec(2), False)
    assert (ledger(state), resting(state)) == (("51.999", "960"), {1: "3"})
    assert (state.rate_limit.cum_vlm, state.unquiet_s) == (dec(40), 8.0)


def test_a_fill_replayed_in_a_snapshot_changes_nothing() -> None:
    state = with_bid()
    told = fill(1, 77, 2)
    state.apply_fill(told, now_s=8.0)
    before = (ledger(state), resting(state), state.rate_limit.cum_vlm, state.unquiet_s)
    booked = listen(state)

    state.apply_fill(told, now_s=99.0)

    assert booked == []
    assert (ledger(state), resting(state), state.rate_limit.cum_vlm, state.unquiet_s) == before


def test_a_fill_that_is_in_the_first_balances_is_never_applied() -> None:
    """The peer applies the snapshot: a restart with a partly filled order subtracts its fills again."""
    state = with_bid()
    state.remember_fill(fill(1, 77, 2, time_ms=5000))
    booked = listen(state)

    state.apply_fill(fill(1, 77, 2, time_ms=5000), now_s=8.0)

    assert booked == []
    assert (ledger(state), resting(state)) == (("50", "1000"), {1: "5"})


def test_only_the_history_moves_the_time_up_to_which_it_was_read() -> None:
    """A frame that did would hide an older fill of which no frame came."""
    state = with_bid()
    state.remember_fill(fill(1, 77, 2, time_ms=5000))
    state.apply_fill(fill(1, 78, 1, time_ms=9000), now_s=8.0)
    assert state.history.looked_up_ms == 5000

    state.history.on_looked_up(fill(1, 79, 1, time_ms=7000))
    state.history.on_looked_up(fill(1, 80, 1, time_ms=6000))
    assert state.history.looked_up_ms == 7000


def test_a_frame_that_tells_of_long_ago_is_believed_once_the_history_says_so() -> None:
    """An order of an earlier session has no deadline that would bound its fills."""
    state = with_bid()
    state.note_opened(1_000_000)
    told = listen(state)

    state.apply_fill(fill(1, 77, 2, time_ms=989_999), now_s=8.0)
    assert (told, ledger(state)) == ([], ("50", "1000"))

    state.apply_history([fill(1, 77, 2, time_ms=1_005_000)], now_s=9.0)
    state.apply_fill(fill(1, 77, 2, time_ms=1_005_000), now_s=9.0)
    state.apply_fill(fill(1, 78, 1, time_ms=995_000), now_s=9.0)
    assert (len(told), ledger(state)) == (2, ("53", "940"))


def test_the_price_of_the_fill_counts_and_the_order_s_where_it_is_silent() -> None:
    state = with_bid()
    state.apply_fill(fill(1, 77, 2, price="19.5"), now_s=0)
    state.apply_fill(fill(1, 78, 1), now_s=0)

    assert ledger(state) == ("53", "941.0")


@pytest.mark.parametrize("fee_token, after", [("base", "51.5"), ("quote", "52"), ("PURR", "52"), (None, "51.5")])
def test_a_fee_is_booked_in_its_token_and_a_third_token_leaves_ours_alone(fee_token: str | None, after: str) -> None:
    state = with_bid()

    state.apply_fill(fill(1, 77, 2, fee="0.5", fee_token=fee_token), now_s=0)

    assert ledger(state) == (after, "959.5" if fee_token == "quote" else "960")


@pytest.mark.parametrize("cloid", [OURS, OURS.upper().replace("X", "x")])
def test_a_fill_with_the_cloid_of_an_order_in_flight_makes_it_known_before_any_answer(cloid: str) -> None:
    state = make_state()
    state.order_state.on_sent(intent("buy", 0))

    booked = listen(state)

    state.apply_fill(fill(9, 77, 2, cloid=cloid), now_s=0)

    assert [result.size for result in booked] == [2]
    assert (resting(state), state.order_state.get_intents()) == ({9: "3"}, ())


def test_fills_of_strangers_move_nothing() -> None:
    state = with_bid()

    booked = listen(state)

    state.apply_fill(fill(404, 77, 2, cloid=THEIRS), now_s=0)

    assert booked == []
    assert ledger(state) == ("50", "1000")


@pytest.mark.parametrize("steps", list(permutations(["answer", "open", "fill", "end"])), ids="-".join)
@pytest.mark.parametrize("has_cloid", [True, False])
def test_answer_update_fill_and_end_of_one_order_may_come_in_any_order(steps: tuple[str, ...], has_cloid: bool) -> None:
    state = make_state()
    sent, cloid = intent("buy", 0), OURS if has_cloid else None
    state.order_state.on_sent(sent)
    actions = {
        "answer": lambda: state.apply_arrival(sent, 9, now_s=0),
        "open": lambda: state.apply_order_update(update(row(9, original=5, cloid=cloid), "open"), now_s=0),
        "fill": lambda: state.apply_fill(fill(9, 77, 2, cloid=cloid), now_s=0),
        "end": lambda: state.apply_order_update(update(row(9, size=3, original=5, cloid=cloid), "canceled"), now_s=0),
    }
    for step in steps:
        actions[step]()  # type: ignore[no-untyped-call]

    assert (ledger(state), resting(state)) == (("52", "960"), {})
    assert state.order_state.get_doubts() == ()


# --- order updates ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", TERMINAL_STATUSES)
def test_every_terminal_status_ends_an_order_of_ours(status: str) -> None:
    state = with_bid()

    booked = listen(state)

    is_stranger = state.apply_order_update(update(row(1, size=5), status), now_s=0)

    assert (booked, is_stranger, resting(state)) == ([], False, {})


def test_an_update_with_the_reduced_size_before_the_fill_does_not_count_it_twice() -> None:
    """The peer: 10 to 4 by the update, to -2 by the fill, "fully filled", dropped while 4 rest."""
    state = make_state()
    rest(state.order_state, tracked(1, "buy", 0, 10))
    state.apply_order_update(update(row(1, size=4, original=10), "open"), now_s=0)

    told = listen(state)

    state.apply_fill(fill(1, 77, 6), now_s=0)

    (booked,) = told
    assert not booked.fully_filled
    assert resting(state) == {1: "4"}


@pytest.mark.parametrize(
    "cloid, keep_foreign, is_adopted",
    [(None, False, True), (THEIRS, False, True), (OURS, True, True), (None, True, False), (THEIRS, True, False)],
)
def test_an_unknown_order_that_rests_is_adopted_unless_it_is_a_stranger_to_be_kept(
    cloid: str | None, keep_foreign: bool, is_adopted: bool
) -> None:
    state = make_state(keep_foreign=keep_foreign)

    booked = listen(state)

    is_stranger = state.apply_order_update(update(row(9, cloid=cloid), "open"), now_s=0)

    assert (booked, is_stranger) == ([], False)
    assert resting(state) == ({9: "5"} if is_adopted else {})


def test_the_late_end_of_a_replaced_order_leaves_its_replacement_alone() -> None:
    state = with_bid()
    sent = intent("buy", 0, 4, replaces=1)
    state.order_state.on_sent(sent)
    state.apply_order_update(update(row(9, size=4, original=4, cloid=OURS), "open"), now_s=0)

    state.apply_order_update(update(row(1, size=5, original=5, cloid=OURS), "canceled"), now_s=0)

    assert resting(state) == {9: "4"}
    assert state.order_state.get_doubts() == ()


# --- adopting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "side, price, level",
    [
        ("buy", "20.06", 1),
        ("buy", "20.061", 1),
        ("sell", "20.5", 8),
        ("buy", "19.97", 0),
        ("buy", "19.9", None),
        ("sell", "20.6", None),
    ],
)
def test_an_order_is_adopted_at_the_level_within_half_a_step(side: str, price: str, level: int | None) -> None:
    state = make_state()
    orphans = state.seed_orders([row(1, side, price)], now_s=0)  # type: ignore[arg-type]

    orders = state.order_state.get_current_orders()
    assert [(o.level_index, o.price) for o in orders] == ([] if level is None else [(level, dec(price))])
    assert [o.oid for o in orphans] == ([1] if level is None else [])


def test_of_several_orders_on_one_level_one_is_adopted_and_the_others_are_orphans() -> None:
    """With the peer every order outside the grid shares level -1, and one evicts the other."""
    state = make_state()
    rows = [
        row(1, "buy", "20"),
        row(2, "buy", "20.001"),
        row(3, "buy", "90"),
        row(4, "buy", "91"),
        row(5, "sell", "20.5"),
    ]

    orphans = state.seed_orders(rows, now_s=0)

    assert [order.oid for order in orphans] == [2, 3, 4]
    assert set(resting(state)) == {1, 5}


def test_orders_of_other_coins_are_neither_adopted_nor_orphans() -> None:
    state = make_state()

    assert state.seed_orders([row(1, coin="@207"), row(2, coin="PURR/USDC")], now_s=0) == ()
    assert resting(state) == {}


# 40 of the quote are held by others, as long as the bid rests.
HELD = Balances(dec(50), dec(1000), dec(0), dec(140))

# --- balances ---------------------------------------------------------------------------------


def test_what_others_hold_is_taken_off_the_total() -> None:
    state = make_state(keep_foreign=True)
    state.note_others([row(9, "sell", "21", 3, coin="@207"), row(8, "buy", "10", 4)])

    check = state.apply_balances(Balances(dec(50), dec(1000)), asked_s=None, now_s=0)

    assert check.verdict is BalanceVerdict.ADOPTED
    assert ledger(state) == ("47", "960")


def test_of_a_unified_account_what_margin_holds_is_not_offered() -> None:
    state = make_state()

    state.apply_balances(Balances(dec(0), dec("512.25"), dec(0), dec("420.0")), asked_s=None, now_s=0)

    assert ledger(state) == ("0", "92.25")


def test_what_our_own_orders_hold_is_ours_to_offer() -> None:
    state = with_bid()

    check = state.apply_balances(Balances(dec(50), dec(1000), dec(3), dec(140)), asked_s=None, now_s=0)

    assert ledger(state) == ("47", "960")
    assert check.held == Balances(dec(3), dec(40))


def test_what_orders_to_be_cancelled_hold_is_ours_to_offer() -> None:
    state = make_state()
    state.note_others([row(9, "buy", "20", 3)])

    state.apply_balances(Balances(dec(50), dec(1000), dec(0), dec(100)), asked_s=None, now_s=0)

    assert ledger(state) == ("50", "960")


def test_a_stated_hold_is_believed_over_the_open_orders_of_others() -> None:
    state = make_state(keep_foreign=True)
    state.note_others([row(8, "buy", "10", 4)])

    state.apply_balances(Balances(dec(50), dec(1000), dec(0), dec(15)), asked_s=None, now_s=0)

    assert ledger(state) == ("50", "985")


@pytest.mark.parametrize("held", ["100", "200"])
def test_an_order_in_flight_may_explain_a_hold_or_not(held: str) -> None:
    state = with_bid()
    state.order_state.on_sent(intent("buy", 3))

    check = state.apply_balances(Balances(dec(50), dec(1000), dec(0), dec(held)), asked_s=9.0, now_s=9.0)

    assert check.verdict is BalanceVerdict.EQUAL


def test_a_hold_older_than_our_orders_offers_no_more_than_there_is() -> None:
    state = with_bid()

    state.apply_balances(Balances(dec(50), dec(1000), dec(0), dec(0)), asked_s=None, now_s=0)

    assert ledger(state) == ("50", "1000")


def test_a_look_during_which_an_order_ended_is_asked_again() -> None:
    state = with_bid()
    seen = [state.apply_balances(HELD, asked_s=s, now_s=s).verdict for s in (10.0, 12.5)]
    state.order_state.on_cancel_confirmed(1, now_s=13.0)
    seen.append(state.apply_balances(HELD, asked_s=12.9, now_s=13.1).verdict)

    assert seen == [BalanceVerdict.ASK_AGAIN, BalanceVerdict.ADOPTED, BalanceVerdict.ASK_AGAIN]


def test_a_balance_is_not_believed_while_an_order_is_in_doubt() -> None:
    state = with_bid()
    state.order_state.on_doubt(1)
    looks = [100.0, 103.0, 106.0, 109.0]

    seen = [state.apply_balances(Balances(dec(40), dec(1000)), asked_s=s, now_s=s).verdict for s in looks]
    assert seen == [BalanceVerdict.ASK_AGAIN] * 4

    state.order_state.on_seen_resting(1)
    later = [state.apply_balances(Balances(dec(40), dec(1000)), asked_s=s, now_s=s).verdict for s in (112.0, 115.0)]
    assert later == [BalanceVerdict.ASK_AGAIN, BalanceVerdict.ADOPTED]


def test_a_fill_between_two_looks_keeps_the_ledger() -> None:
    state = with_bid()
    state.apply_balances(Balances(dec(40), dec(1000)), asked_s=100.0, now_s=100.1)
    state.apply_fill(fill(1, 77, 2), now_s=101.0)

    check = state.apply_balances(Balances(dec(40), dec(1000)), asked_s=104.0, now_s=104.1)

    assert check.verdict is BalanceVerdict.ASK_AGAIN
    assert ledger(state) == ("52", "960")


@pytest.mark.parametrize("update_first", [True, False])
def test_an_order_adopted_at_its_reduced_size_is_not_counted_down_twice(update_first: bool) -> None:
    state = make_state()
    if not update_first:
        state.apply_fill(fill(9, 77, 2), now_s=0)
    state.apply_order_update(update(row(9, size=3, original=5), "open"), now_s=0)
    state.apply_fill(fill(9, 77, 2), now_s=0)  # a replay, where it was told before

    assert resting(state) == {9: "3"}


# --- who hears of it --------------------------------------------------------------------------


def test_a_booked_fill_is_announced_once_the_ledger_has_moved() -> None:
    state = with_bid()
    heard: list[tuple[str, str]] = []
    state.on_booked = lambda result: heard.append(ledger(state))

    state.apply_fill(fill(1, 77, 2), now_s=0)
    state.apply_fill(fill(1, 77, 2), now_s=0)

    assert heard == [("52", "960")]


def test_fills_that_waited_for_their_order_are_announced_in_the_order_they_came() -> None:
    state = make_state()
    booked = listen(state)
    for tid, size in ((77, 2), (78, 1)):
        state.apply_fill(fill(9, tid, size), now_s=0)
    assert booked == []

    state.apply_order_update(update(row(9, size=2, original=5), "open"), now_s=0)

    assert [result.tid for result in booked] == [77, 78]


# --- orders that the ledger never sent --------------------------------------------------------


def with_ledger() -> MakerState:
    """A maker beside a durable ledger whose only session has sent no order."""
    state = make_state()
    state.ownership.knows_all_sessions = True
    return state


def test_an_order_of_ours_that_was_never_sent_stays_unproven_until_a_later_look_does_not_have_it() -> None:
    """A look that was under way when the message came may be older than the order."""
    state = with_ledger()
    before = state.unproven
    state.apply_order_update(update(row(7, cloid=OURS), "open"), now_s=8.0)
    told = state.unproven

    state.on_disproved(before)
    after_the_look_under_way = state.unproven
    state.on_disproved(told)

    assert told is not None
    assert "order 7 of ours" in told
    assert after_the_look_under_way == told
    assert state.unproven is None
    assert resting(state) == {}


def test_evidence_that_comes_again_during_a_look_outlives_it() -> None:
    state = with_ledger()
    state.apply_order_update(update(row(7, cloid=OURS), "open"), now_s=8.0)
    told = state.unproven
    state.apply_order_update(update(row(7, cloid=OURS), "open"), now_s=9.0)

    state.on_disproved(told)

    assert state.unproven == told
