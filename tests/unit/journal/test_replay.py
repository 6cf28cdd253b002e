"""Replay of a journal after a restart.

Entries are applied to the same classes as at run time, and a fill that was counted never counts again.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import trio
from builders import EPOCH_MS, World, run_inline, until
from core_kit import GRID, MARKET, OURS, dec, desired, fill, intent, listen, make_state, rest, tracked

from mm_trio.journal.recovery import recover
from mm_trio.journal.replay import Recovered, replay
from mm_trio.journal.sqlite_journal import JournalRow
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import (
    Adjusted,
    Adopted,
    Allocated,
    Arrived,
    Began,
    Booked,
    Checkpoint,
    Ended,
    Entry,
    LookedUp,
    NeverPlaced,
    Quoted,
    Released,
    Remembered,
    Requested,
    Reserved,
    Sent,
    Summed,
)
from mm_trio.model.orders import Intent
from mm_trio.model.replies import FillKey
from mm_trio.state.fill_history import FILLS_OVERLAP_MS, FillHistory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.witness.venue_clock import DAY_MS

WALL_MS = 1_790_000_000_000
SENT = Sent(OURS, desired("buy", 1), None, WALL_MS, WALL_MS + 10_000)


def replayed(*entries: Entry, now_s: float = 50.0, wall_ms: int = WALL_MS) -> Recovered:
    return replay(entries, order_size=5, now_s=now_s, wall_ms=wall_ms)


def booked(tid: int, *, oid: int = 9, size: str = "2", time_ms: int = 1000) -> Booked:
    return Booked(oid, tid, time_ms, "@107", desired("buy", 1, size), dec("0.001"), "base")


def account(found: Recovered) -> tuple[str, str]:
    return f"{found.inventory.account_token:f}", f"{found.inventory.account_usdc:f}"


def sizes(orders: OrderState) -> dict[int, str]:
    return {order.oid: str(order.size) for order in orders.get_current_orders()}


def go_on(found: Recovered, entries: list[Entry]) -> MakerState:
    """The next life, recording."""
    orders, ledger = found.order_state, found.inventory
    state = MakerState(
        MARKET,
        GRID,
        orders,
        ledger,
        RateLimitBudget(),
        Ownership("@107", keep_foreign=False, epochs=found.epochs, knows_all_sessions=True),
        FillHistory("@107", looked_up_ms=found.looked_up_ms, must_join=True),
    )
    state.record = orders.record = ledger.record = entries.append
    return state


# --- reservations -----------------------------------------------------------------------------


def test_a_reservation_that_was_not_released_is_found() -> None:
    late = Reserved(2, 900, WALL_MS + 9, WALL_MS + 90)
    found = replayed(Reserved(1, 500, WALL_MS, WALL_MS), Released(1), Reserved(2, 500, WALL_MS, WALL_MS), late)

    assert found.reserved == {2: late}


def test_a_reservation_is_found_behind_a_checkpoint() -> None:
    reserved = Reserved(1, 500, WALL_MS, WALL_MS)

    assert replayed(Quoted(1), Checkpoint((Began(1, {}), reserved))).reserved == {1: reserved}


def test_nonces_go_on_above_a_reservation() -> None:
    assert replayed(Reserved(1, 500, WALL_MS + 9_000, WALL_MS), Requested(WALL_MS, "noop", 0, "", 0)).last_nonce == (
        WALL_MS + 9_000
    )


def test_an_order_with_a_reserved_number_proves_no_lost_end() -> None:
    assert replayed(Began(1, {}), Reserved(1, 500, 0, 0)).order_state.sent_numbers.get(1) == 500


def test_an_order_with_a_number_that_was_released_unused_proves_a_lost_end() -> None:
    assert replayed(Began(1, {}), Reserved(1, 500, 0, 0), Released(1)).order_state.sent_numbers.get(1) == 0


# --- one entry after the other ----------------------------------------------------------------


def test_no_entries_are_a_new_ledger() -> None:
    found = replayed()

    assert found.is_new
    assert (account(found), sizes(found.order_state), found.order_state.get_intents()) == (("0", "0"), {}, ())
    assert (found.looked_up_ms, found.last_nonce, found.boundary_level, found.n_entries) == (0, 0, None, 0)


def test_lives_parameters_nonces_and_the_boundary_are_those_of_the_last_word() -> None:
    found = replayed(
        Began(1, {"coin": "@107"}),
        Quoted(4),
        Requested(WALL_MS + 5, "bulk_orders", 1, "ab", 0),
        LookedUp(70),
        Began(2, {"coin": "@207"}),
        Began(3, {}),
        Quoted(0),
        Requested(WALL_MS, "noop", 0, "cd", 0),
        LookedUp(80),
    )

    assert (found.epochs, found.parameters, found.boundary_level) == ({1, 2, 3}, {"coin": "@207"}, 0)
    assert (found.last_nonce, found.looked_up_ms, found.n_entries, found.n_since_checkpoint) == (WALL_MS + 5, 80, 9, 9)
    assert not found.is_new


@pytest.mark.parametrize("looked_up_ms, ours_ms", [(1_000, 1_000), (50_000, 2_000), (62_001, 0), (1_999, 1_000)])
def test_a_look_up_to_another_coin_s_fill_is_known_as_such(looked_up_ms: int, ours_ms: int) -> None:
    """The next session asks whether the history has our fill of that time, and would miss one that never was."""
    ours = Remembered(-1, (FillKey(1_000, "@107", 1, 9), FillKey(2_000, "@107", 2, 9)))
    found = replayed(ours, LookedUp(looked_up_ms))

    assert (found.looked_up_ms, found.read_ours_ms) == (looked_up_ms, ours_ms)


def test_an_order_only_sent_stays_in_flight_until_its_expiry() -> None:
    """The ledger has no answer for it. Its expiry is a date of the venue's calendar, not of the loop's clock."""
    (found,) = replayed(SENT, now_s=50.0, wall_ms=WALL_MS + 4_000).order_state.get_intents()

    assert found == Intent(OURS, desired("buy", 1), None, 50.0, 56.0, WALL_MS + 10_000, WALL_MS)


def test_an_order_that_expired_long_ago_is_not_waited_for() -> None:
    (found,) = replayed(SENT, now_s=50.0, wall_ms=WALL_MS + 3_600_000).order_state.get_intents()

    assert found.expires_s < 50.0


def test_the_nonce_of_an_order_that_was_never_signed_is_used_up_too() -> None:
    assert replayed(SENT).last_nonce == WALL_MS


@pytest.mark.parametrize("method", ["bulk_orders", "earlier"])
def test_r2_a_nonce_that_the_venue_cannot_have_taken_is_not_believed(method: str) -> None:
    """A clock three days ahead wrote it; the other one, an hour ahead, may be used."""
    wrong, possible = WALL_MS + 3 * DAY_MS, WALL_MS + DAY_MS // 24
    entries = [Requested(nonce, method, 1, "ab" * 32, nonce + 10_000) for nonce in (possible, wrong)]

    assert replayed(SENT, *entries).last_nonce == possible
    assert replayed(*entries, wall_ms=wrong).last_nonce == wrong


def test_an_order_that_arrived_may_rest_and_has_to_be_seen_before_it_is_believed() -> None:
    found = replayed(SENT, Arrived(OURS, 9), booked(7)).order_state

    assert sizes(found) == {9: "3"}
    (order,) = found.get_current_orders()
    assert (order.status, order.cloid, order.touched_s) == ("in_doubt", OURS, 50.0)
    assert found.get_intents() == ()


@pytest.mark.parametrize(
    "end",
    [
        NeverPlaced(OURS, "refused"),
        Arrived(OURS, 9),
        Adopted(9, desired("buy", 1), OURS, dec(0)),
    ],
    ids=lambda entry: type(entry).__name__,
)
def test_an_order_whose_fate_was_recorded_is_in_flight_no_more(end: Entry) -> None:
    assert replayed(SENT, end).order_state.get_intents() == ()


@pytest.mark.parametrize(
    "end", [Ended(9, "cancelled", None), Ended(9, "canceled", dec(5)), Ended(9, "ghost", None), booked(7, size="5")]
)
def test_an_order_that_ended_is_gone_and_known_to_its_late_fills(end: Entry) -> None:
    found = replayed(SENT, Arrived(OURS, 9), end).order_state

    assert (sizes(found), found.get_doubts()) == ({}, ())
    assert found.on_fill(77, 9, 1, time_ms=2000, coin="@107") is not None


def test_an_order_that_ended_short_of_its_fills_is_in_doubt_until_they_are_told() -> None:
    found = replayed(SENT, Arrived(OURS, 9), Ended(9, "canceled", dec(3))).order_state

    assert [str(order.size) for order in found.get_fills_due()] == ["2"]


def test_a_replacement_that_arrived_ended_what_it_replaces() -> None:
    old = Adopted(8, desired("buy", 1), None, dec(0))
    new = Sent(OURS, desired("buy", 1, 4), 8, None, 0)

    assert sizes(replayed(old, new).order_state) == {8: "5"}
    assert sizes(replayed(old, new, Arrived(OURS, 9)).order_state) == {9: "4"}
    assert sizes(replayed(old, new, Arrived(OURS, 9), Ended(8, "cancelled", None)).order_state) == {9: "4"}


def test_a_cancelled_order_is_settled_by_the_fill_history_first() -> None:
    """So it is not in doubt after a restart: its last fills are read from the history before anything is placed."""
    assert replayed(SENT, Arrived(OURS, 9), Ended(9, "cancelled", None)).order_state.get_unsettled() == ()


def test_sums_are_those_of_fills_adjustments_and_allocations() -> None:
    found = replayed(
        Allocated(dec(10), None),
        Adjusted(dec(50), dec(1000), "balance"),
        SENT,
        Arrived(OURS, 9),
        booked(7),
        Allocated(dec(12), dec(300)),
        booked(8, size="1"),
    )

    spent = 2 * GRID.levels[1]
    last = GRID.levels[1]
    ledger = found.inventory
    assert (ledger.account_token, ledger.account_usdc) == (dec("52.998"), 1000 - spent - last)
    assert (ledger.virtual_token, ledger.virtual_usdc) == (dec("14.998"), 300 - last)
    assert ledger.allocation == (dec(12), dec(300))


def test_a_fill_of_an_order_nobody_remembers_counts_as_it_was_recorded() -> None:
    found = replayed(booked(7))

    assert account(found)[0] == "1.999"
    assert found.order_state.on_fill(7, 9, 2, time_ms=1000, coin="@107") is None


@pytest.mark.parametrize("told_by", [booked(7), Remembered(-1, (FillKey(1000, "@107", 7, 9),)), Remembered(1000, ())])
def test_a_fill_that_was_recorded_in_any_way_never_counts_again(told_by: Entry) -> None:
    orders = replayed(SENT, Arrived(OURS, 9), told_by).order_state

    assert orders.on_fill(7, 9, 2, time_ms=1000, coin="@107") is None
    assert orders.on_fill(8, 9, 1, time_ms=1001, coin="@107") is not None


@pytest.mark.parametrize(
    "entries",
    [
        (Arrived(OURS, 9),),
        (SENT, Arrived(OURS, 9), Arrived(OURS, 10)),
        (Checkpoint((Checkpoint(()),)),),
    ],
    ids=["arrived, never sent", "arrived twice", "a checkpoint within one"],
)
def test_entries_that_contradict_each_other_are_refused(entries: tuple[Entry, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        replayed(*entries)


def test_an_order_sent_twice_is_a_contradiction_too() -> None:
    with pytest.raises(ValueError, match=r"."):
        replayed(SENT, SENT)


async def test_a_contradiction_is_a_trouble_of_the_ledger_for_who_recovers() -> None:
    class Paper:
        path = "paper"
        is_new = False

        def read(self) -> Iterable[JournalRow]:
            return [JournalRow(1, 0, Arrived(OURS, 9))]

        def append(self, entries: object, *, at_ms: int) -> None:
            raise AssertionError

        def mark_end(self) -> None:
            raise AssertionError

    with pytest.raises(JournalError, match=f"contradicts itself: .*{OURS}"):
        await recover(Paper(), order_size=5, run_sync=run_inline, wall_ms=WALL_MS)


# --- checkpoints ------------------------------------------------------------------------------


def lived() -> tuple[list[Entry], MakerState]:
    """Something of everything: resting, partly filled, in flight, left, untold, and money that moved."""
    state = make_state(token=0, usdc=0)
    entries: list[Entry] = []
    state.record = state.order_state.record = state.inventory.record = entries.append
    state.inventory.on_allocated(Allocated(dec(40), None))
    state.inventory.on_balance_update(50, 1000)
    rest(state.order_state, *(tracked(oid, "buy", oid) for oid in (1, 2, 3, 4, 5)))
    state.apply_fill(fill(1, 70, 2), now_s=1.0)
    state.apply_fill(fill(2, 71, 5), now_s=1.0)
    state.order_state.on_cancel_confirmed(3, now_s=1.0)
    state.order_state.on_modify_response(4, 4, "canceled", remaining=3, now_s=1.0)
    state.order_state.on_sent(intent("sell", 7))
    state.order_state.on_sent(intent("buy", 5, 4, cloid="0x" + "0" * 31 + "5", replaces=5))
    return entries, state


def same(found: Recovered, other: Recovered) -> bool:
    def view(one: Recovered) -> tuple[object, ...]:
        orders, ledger = one.order_state, one.inventory
        return (
            ledger.summarise(),
            {(o.oid, o.side, o.level_index, o.price, o.size, o.cloid, o.filled) for o in orders.get_current_orders()},
            {(o.oid, o.size) for o in orders.get_fills_due()},
            set(orders.get_intents()),
            one.epochs,
            one.looked_up_ms,
        )

    return view(found) == view(other)


def test_a_checkpoint_says_all_that_the_entries_before_it_did() -> None:
    entries, state = lived()

    assert same(replayed(Checkpoint(state.summarise())), replayed(*entries))


def test_a_ledger_that_no_session_changes_is_summed_up_whole() -> None:
    entries, _ = lived()
    before = replayed(Began(3, {"n": "40"}), *entries, Quoted(7), Began(4, {"n": "50"}), LookedUp(900))

    after = replayed(Checkpoint(before.summarise()))

    assert same(after, before)
    assert (after.last_quoted, after.parameters, after.last_nonce) == (
        before.last_quoted,
        before.parameters,
        before.last_nonce,
    )
    assert after.unlisted.keys() == before.unlisted.keys()


def test_a_checkpoint_on_the_way_changes_nothing_for_who_reads_from_the_beginning() -> None:
    """It says how things stand, not what happened: an order in flight there is the one that was sent before."""
    entries, state = lived()

    assert same(replayed(*entries, Checkpoint(state.summarise())), replayed(*entries))


def test_only_new_fills_count_after_a_checkpoint() -> None:
    """Fills counted before the checkpoint never count again; late ones do count."""
    _, state = lived()
    orders = replayed(Checkpoint(state.summarise())).order_state

    for tid, oid in ((70, 1), (71, 2)):
        assert orders.on_fill(tid, oid, 1, time_ms=1000, coin="@107") is None
    for tid, oid in ((80, 1), (81, 2), (82, 3), (83, 4), (84, 5)):
        assert orders.on_fill(tid, oid, "0.01", time_ms=1000, coin="@107") is not None


def test_a_fill_of_an_order_unknown_at_a_checkpoint_counts_later() -> None:
    """The venue reports the order and the fill again after the restart."""
    state = make_state()
    state.apply_fill(fill(1, 70, 2), now_s=1.0)
    orders = replayed(Checkpoint(state.summarise())).order_state
    assert orders.on_fill(70, 1, 2, time_ms=1000, coin="@107") is None

    (result,) = orders.on_place_confirmed(1, "buy", 1, GRID.levels[1], 5)

    assert result.size == 2


def test_entries_are_counted_from_the_last_checkpoint_on() -> None:
    found = replayed(Began(1, {}), Quoted(3), Checkpoint((Began(1, {}), Summed(None, None, dec(1), dec(2)))), Quoted(4))

    assert (found.n_since_checkpoint, account(found), found.boundary_level) == (1, ("1", "2"), 4)


def test_an_early_checkpoint_keeps_fills_and_history_position() -> None:
    """Take a checkpoint before the first reconciliation of a session.

    A fill known to an earlier session once counted again after two restarts.
    """
    looked_up_ms = 10_000_000
    old = fill(1, 70, 2, time_ms=looked_up_ms - FILLS_OVERLAP_MS - 5_000)
    first: list[Entry] = [Began(1, {})]
    state = make_state(token=0, usdc=0)
    state.record = state.order_state.record = state.inventory.record = first.append
    rest(state.order_state, tracked(1, "buy", 1))
    state.apply_fill(old, now_s=1.0)
    state.history.on_looked_up(old)
    state.history.on_looked_up(fill(0, 71, 1, time_ms=looked_up_ms))
    state.on_reconciled()
    one = Checkpoint(state.summarise())

    second = go_on(replayed(one), [])
    two = Checkpoint((Began(1, {}), *second.summarise()))
    third = go_on(replayed(two), [])

    assert third.history.looked_up_ms == looked_up_ms
    before = third.inventory.account_token
    told = listen(third)
    third.apply_fill(old, now_s=2.0)
    assert told == []
    assert third.inventory.account_token == before


class Paper:
    """A journal in memory."""

    is_new = False

    def __init__(self) -> None:
        self.rows: list[JournalRow] = []

    def read(self) -> list[JournalRow]:
        starts = [n for n, row in enumerate(self.rows) if isinstance(row.entry, Checkpoint)]
        return self.rows[starts[-1] if starts else 0 :]

    def append(self, entries: Iterable[Entry], *, at_ms: int) -> None:
        for entry in entries:
            self.rows.append(JournalRow(len(self.rows) + 1, at_ms, entry))

    def mark_end(self) -> None:
        pass

    def replayed(self) -> Recovered:
        return replayed(*(row.entry for row in self.read()), wall_ms=EPOCH_MS)

    @property
    def highest_nonce(self) -> int:
        return max(row.entry.nonce for row in self.rows if isinstance(row.entry, Requested))


async def test_a_maker_s_checkpoint_keeps_what_its_next_life_goes_on_with(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its highest nonce, or a clock set back would send it below; what it was told to quote, and from where."""
    world, paper = World(signing=True), Paper()
    async with world.running(world.maker(journal=paper)) as maker:
        await until(lambda: len(world.resting()) > 5)
        assert maker._session is not None
        # The next commit ends with a checkpoint.
        monkeypatch.setattr(maker._session.account.writer, "_checkpoint_every", 1)
        boundary = maker.boundary_level
    assert isinstance(paper.rows[-1].entry, Checkpoint)
    whole = replayed(*(row.entry for row in paper.rows if not isinstance(row.entry, Checkpoint)), wall_ms=EPOCH_MS)

    found = paper.replayed()

    assert same(found, whole)
    assert found.last_nonce == whole.last_nonce == paper.highest_nonce
    assert found.parameters == whole.parameters
    assert found.boundary_level == whole.boundary_level == boundary
