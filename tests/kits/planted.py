"""Forty more plausible mistakes, and a plugin that runs any test with one of them.

`pytest -p planted TESTS` with `MM_TRIO_PLANTED` set to a mistake's name makes that mistake in the maker, for all of
these tests. The folder of this module has to be on `PYTHONPATH`. Only tests patch them in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from types import SimpleNamespace
from typing import Any, Self

import pytest

from mm_trio.engine.session import Session
from mm_trio.funds.holds import Usable
from mm_trio.grids.schedule import TickSchedule
from mm_trio.journal import sqlite_journal, writer
from mm_trio.journal.end_mark import EndMark, write_mark
from mm_trio.journal.ledger_schema import link
from mm_trio.journal.replay import Recovered
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.journal.writer import JournalWriter
from mm_trio.model.entry_codec import encode_entry
from mm_trio.model.journal_entries import Adjusted, Checkpoint, Entry, Remembered, Requested, Sent
from mm_trio.model.orders import FillResult, Intent, Phase
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import Cancelled, FillKey, Refused
from mm_trio.quoting.placing_gate import PlacingGate
from mm_trio.quoting.quoting_engine import Tranches, compute_depth, cut_tranches
from mm_trio.quoting.send_plan import BatchKind, plan_batches
from mm_trio.sending.batch_emitter import BatchEmitter
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_phases import OPEN, TRANSITIONS, Event
from mm_trio.state.order_state import OrderState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.seen_fills import SeenFills
from mm_trio.venue import wire
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.witness.fill_check import find_contradiction
from mm_trio.witness.venue_clock import VenueClock

__all__ = ["PLANTED", "PLANTED_VARIABLE", "Planted"]

Patch = Callable[[pytest.MonkeyPatch], None]

PLANTED_VARIABLE = "MM_TRIO_PLANTED"


@dataclass(frozen=True, slots=True)
class Planted:
    """One mistake, and what has to catch it.

    `tests` are ids of pytest, and then no seed shows it. Without them a rule of the simulation has to catch it.
    """

    patch: Patch
    tests: tuple[str, ...] = ()


PLANTED: dict[str, Planted] = {}


def planted(*tests: str) -> Callable[[Patch], Patch]:
    """Register a mistake under the words of its function's name."""

    def register(patch: Patch) -> Patch:
        PLANTED[patch.__name__.replace("_", " ")] = Planted(patch, tests)
        return patch

    return register


def pytest_configure(config: pytest.Config) -> None:
    """Make the mistake that the environment names, until pytest ends."""
    name = os.environ.get(PLANTED_VARIABLE)
    if name is not None:
        patch = pytest.MonkeyPatch()
        PLANTED[name].patch(patch)
        config.add_cleanup(patch.undo)


# --- Model ---


@planted()
def two_fills_of_an_order_in_one_block_are_one_fill(patch: pytest.MonkeyPatch) -> None:
    add = SeenFills.add

    def add_one(self: SeenFills, key: FillKey) -> bool:
        return all((k.oid, k.time_ms) != (key.oid, key.time_ms) for k in self.keys_since(-1)) and add(self, key)

    patch.setattr(SeenFills, "add", add_one)


@planted()
def the_ladder_is_computed_from_unrounded_prices(patch: pytest.MonkeyPatch) -> None:
    compute = PricingGrid._compute_levels

    def compute_exactly(self: PricingGrid, start: Decimal) -> tuple[Decimal, ...]:
        one: Any = SimpleNamespace(n_orders=1, sz_decimals=self.sz_decimals, tick_size=self.tick_size)
        return tuple(compute(one, start * (1 + self.tick_size) ** i)[0] for i in range(self.n_orders))

    patch.setattr(PricingGrid, "_compute_levels", compute_exactly)


# --- Witness ---


@planted()
def the_machines_clock_is_taken_for_the_venues(patch: pytest.MonkeyPatch) -> None:
    def read_machine(self: VenueClock) -> tuple[float, float]:
        return self.read_clocks().wall_ms, self.read_clocks().wall_ms

    patch.setattr(VenueClock, "_estimates", read_machine)


@planted(
    "tests/unit/witness/test_venue_clock.py::test_one_wrong_answer_moves_nothing_and_a_second_one_is_asked_for",
)
def one_answer_is_enough_to_move_the_venues_time(patch: pytest.MonkeyPatch) -> None:
    def believe(self: VenueClock, now: Any, venue_ms: int, took_ms: float) -> None:
        self._expired.on_compared(explains=True)
        self._anchor, self._anchor_ms = now, venue_ms
        self._compared_s = now.loop_ms / 1000
        self._proposed = self._doubt = None

    patch.setattr(VenueClock, "_estimate", believe)


@planted(
    "tests/unit/venue/test_order_gateway.py::test_a_cancel_gets_the_later_deadline_where_two_clocks_part",
)
def cancels_expire_by_the_lower_estimate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderGateway, "compute_cancel_expiry_ms", OrderGateway.compute_expiry_ms)


@planted(
    "tests/tasks/test_frames_against_history.py::test_r14_a_frame_that_contradicts_the_order_is_not_booked",
)
def a_fill_of_more_than_is_left_is_believed(patch: pytest.MonkeyPatch) -> None:
    def overlook_size(fill: Any, order: Any, *, by_clock: bool) -> str | None:
        return find_contradiction(fill, replace(order, is_sized=False), by_clock=by_clock)

    patch.setattr("mm_trio.state.order_state.find_contradiction", overlook_size)


# --- State: the ledger ---


@planted()
def a_rebate_is_booked_as_a_fee(patch: pytest.MonkeyPatch) -> None:
    book = Inventory.book
    patch.setattr(Inventory, "book", lambda self, fill: book(self, replace(fill, fee=abs(fill.fee))))


@planted()
def a_fee_in_base_leaves_the_allocation_alone(patch: pytest.MonkeyPatch) -> None:
    move = Inventory._move

    def move_account(self: Inventory, token: Decimal, usdc: Decimal, fee: Decimal, fee_token: Any) -> None:
        move(self, token, usdc, fee, fee_token)
        if fee_token == "base" and self.virtual_token is not None:
            self.virtual_token += fee

    patch.setattr(Inventory, "_move", move_account)


@planted()
def a_new_allocation_replaces_the_ledger(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.state.inventory._shift", lambda virtual, before, now: now)


@planted(
    "tests/tasks/test_balances.py::test_two_looks_within_two_seconds_count_as_one",
)
def the_first_balance_that_differs_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Inventory, "_is_confirmed", lambda self, asked_s, quiet_since_s: True)


@planted(
    "tests/unit/state/test_maker_state.py::test_what_others_hold_is_taken_off_the_total",
    "tests/tasks/test_balances.py::test_an_order_not_ours_holds_what_we_may_not_offer",
)
def orders_of_other_hands_hold_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MakerState, "_find_usable", lambda self, side, total, held: Usable(total, total))


@planted()
def a_refused_fill_counts_as_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SeenFills, "take_back", lambda self, key: None)


@planted()
def the_free_slot_of_a_used_up_budget_is_always_free(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RateLimitBudget, "slot_is_free", lambda self, now_s: True)


# --- State: orders ---


@planted()
def a_fill_does_not_shrink_its_order(patch: pytest.MonkeyPatch) -> None:
    book = OrderState._book

    def book_alone(self: OrderState, fill: Any, now_s: float) -> FillResult:
        before = self._table.find(fill.oid)
        result = book(self, fill, now_s)
        after = self._table.find(fill.oid)
        if before is not None and after is not None and after.status in OPEN:
            self._table.put(replace(after, size=before.size))
        return result

    patch.setattr(OrderState, "_book", book_alone)


@planted()
def an_order_that_ended_before_its_fills_is_over(patch: pytest.MonkeyPatch) -> None:
    for phase in (Phase.RESTING, Phase.IN_DOUBT, Phase.END_UNSETTLED):
        patch.setitem(TRANSITIONS[phase], Event.ENDED_SHORT, Phase.GONE)


@planted()
def an_order_that_was_replaced_is_not_taken_off(patch: pytest.MonkeyPatch) -> None:
    on_seen = OrderState.on_intent_seen

    def keep_old(self: OrderState, intent: Intent, oid: int, *, now_s: float) -> Any:
        return on_seen(self, replace(intent, replaces=None), oid, now_s=now_s)

    patch.setattr(OrderState, "on_intent_seen", keep_old)


@planted()
def a_checkpoint_lacks_the_orders_in_flight(patch: pytest.MonkeyPatch) -> None:
    summarise = OrderState.summarise

    def leave_out(self: OrderState, **options: Any) -> tuple[Entry, ...]:
        return tuple(entry for entry in summarise(self, **options) if not isinstance(entry, Sent))

    patch.setattr(OrderState, "summarise", leave_out)


@planted()
def a_checkpoint_lacks_the_fills_that_were_counted(patch: pytest.MonkeyPatch) -> None:
    summarise = OrderState.summarise

    def leave_out(self: OrderState, **options: Any) -> tuple[Entry, ...]:
        entries = summarise(self, **options)
        return tuple(replace(entry, keys=()) if isinstance(entry, Remembered) else entry for entry in entries)

    patch.setattr(OrderState, "summarise", leave_out)


# --- Quoting ---


@planted()
def a_remainder_gets_no_ask(patch: pytest.MonkeyPatch) -> None:
    def compute_full(grid: PricingGrid, tokens: Decimal, order_size: Decimal, *, bid_levels: Any) -> int:
        return max(0, grid.n_orders - cut_tranches(tokens, order_size=order_size, lot=grid.lot).full)

    for module in ("plan", "incremental_planner"):
        patch.setattr(f"mm_trio.quoting.{module}.compute_boundary", compute_full)


@planted()
def a_part_of_a_lot_counts_as_a_lot(patch: pytest.MonkeyPatch) -> None:
    def cut_upwards(balance: Decimal, *, order_size: Decimal, lot: Decimal) -> Tranches:
        return cut_tranches(balance.quantize(lot, rounding=ROUND_CEILING), order_size=order_size, lot=lot)

    for module in ("plan", "quoting_engine", "ladder_ranges"):
        patch.setattr(f"mm_trio.quoting.{module}.cut_tranches", cut_upwards)


@planted()
def a_window_is_one_level_wider(patch: pytest.MonkeyPatch) -> None:
    def compute_wide(resting: int, *, most: int, slack: int) -> int:
        return compute_depth(resting, most=most + 1, slack=slack)

    for module in ("quoting_engine", "incremental_planner"):
        patch.setattr(f"mm_trio.quoting.{module}.compute_depth", compute_wide)


@planted()
def places_are_sent_before_cancels(patch: pytest.MonkeyPatch) -> None:
    def plan_hastily(*args: Any, **options: Any) -> Any:
        return tuple(sorted(plan_batches(*args, **options), key=lambda batch: batch.kind is not BatchKind.PLACES))

    patch.setattr("mm_trio.sending.batch_emitter.plan_batches", plan_hastily)


# --- Venue ---


@planted()
def a_lost_action_is_sent_again_with_a_new_nonce(patch: pytest.MonkeyPatch) -> None:
    prepare, send = OrderGateway._prepare, OrderGateway._send_once
    made: dict[int, Any] = {}

    def prepare_and_note(self: OrderGateway, method: str, items: Any, shares: Any, **options: Any) -> Any:
        made[id(self)] = method, items, shares, options
        return prepare(self, method, items, shares, **options)

    async def send_anew(self: OrderGateway, action: Any, *, earlier: Any) -> Any:
        if earlier is not None:
            method, items, shares, options = made[id(self)]
            action = prepare(self, method, items, shares, **{**options, "nonce": self.take_nonce()})
        return await send(self, action, earlier=earlier)

    patch.setattr(OrderGateway, "_prepare", prepare_and_note)
    patch.setattr(OrderGateway, "_send_once", send_anew)


@planted()
def the_answer_to_bytes_sent_twice_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.venue.order_gateway._read_again", lambda answers: answers)


@planted()
def a_balance_is_what_is_free_of_it(patch: pytest.MonkeyPatch) -> None:
    parse = wire.parse_balances

    def parse_free(raw: Any, market: Any) -> Any:
        rows = [row | {"total": str(Decimal(row["total"]) - Decimal(row.get("hold", 0)))} for row in raw["balances"]]
        return parse({"balances": rows}, market)

    patch.setattr(wire, "parse_balances", parse_free)


@planted()
def a_refused_cancel_is_taken_for_done(patch: pytest.MonkeyPatch) -> None:
    send = OrderDesk.send_cancels

    async def hope(self: OrderDesk, oids: Sequence[int], **options: Any) -> Any:
        return tuple(Cancelled() if isinstance(a, Refused) else a for a in await send(self, oids, **options))

    patch.setattr(OrderDesk, "send_cancels", hope)


@planted()
def a_refused_modify_leaves_its_order_as_it_was(patch: pytest.MonkeyPatch) -> None:
    send = OrderDesk.send_modifies

    async def hope(self: OrderDesk, make: Any, *, most: int) -> Any:
        answers = await send(self, make, most=most)
        return tuple(replace(a, untouched=True) if isinstance(a, Refused) else a for a in answers)

    patch.setattr(OrderDesk, "send_modifies", hope)


@planted(
    "tests/unit/quoting/test_placing_gate.py::test_a_pause_names_its_reason_and_ends_by_quoting_again",
)
def the_gate_is_not_asked_behind_the_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PlacingGate, "may_still_place", lambda self: True)


# --- Journal ---


@planted()
def a_checkpoint_stands_before_the_entries_that_it_sums_up(patch: pytest.MonkeyPatch) -> None:
    begin = writer._Writing.__init__

    def begin_with_it(self: Any, journal: Any, entries: Sequence[Entry], at_ms: int) -> None:
        begin(self, journal, sorted(entries, key=lambda entry: not isinstance(entry, Checkpoint)), at_ms)

    patch.setattr(writer._Writing, "__init__", begin_with_it)


@planted(
    "tests/unit/journal/test_end_mark.py::test_what_a_locked_journal_refused_is_not_marked",
)
def the_end_mark_is_written_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    append = Journal.append

    def mark_and_append(self: Journal, entries: Sequence[Entry], *, at_ms: int) -> None:
        end = self._end
        for entry in entries:
            kind, values = encode_entry(entry)
            body = sqlite_journal._to_json(values)
            end = EndMark(end.seq + 1, link(end.chain, end.seq + 1, at_ms, kind, body))
        write_mark(self.path.parent, end)
        append(self, entries, at_ms=at_ms)

    patch.setattr(Journal, "append", mark_and_append)


@planted()
def a_flush_does_not_wait_for_the_last_entry(patch: pytest.MonkeyPatch) -> None:
    flush = JournalWriter.flush

    async def flush_most(self: JournalWriter) -> None:
        if self._n_recorded - self._n_durable > 1:
            await flush(self)

    patch.setattr(JournalWriter, "flush", flush_most)


@planted()
def what_comes_in_during_a_commit_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    commit = JournalWriter._commit

    async def forget(self: JournalWriter) -> None:
        await commit(self)
        self._pending.clear()
        self._n_durable = self._n_recorded

    patch.setattr(JournalWriter, "_commit", forget)


@planted()
def a_replay_forgets_fees(patch: pytest.MonkeyPatch) -> None:
    on_booked = OrderState.on_booked_before
    patch.setattr(OrderState, "on_booked_before", lambda self, entry: replace(on_booked(self, entry), fee=Decimal(0)))


def _replay_without(kind: type, patch: pytest.MonkeyPatch) -> None:
    apply = Recovered.apply

    def skip(self: Recovered, entry: Entry, **options: Any) -> None:
        if not isinstance(entry, kind):
            apply(self, entry, **options)

    patch.setattr(Recovered, "apply", skip)


@planted()
def a_replay_ignores_changes_of_balances(patch: pytest.MonkeyPatch) -> None:
    _replay_without(Adjusted, patch)


@planted(
    "tests/unit/journal/test_replay.py::test_lives_parameters_nonces_and_the_boundary_are_those_of_the_last_word",
)
def a_replay_ignores_the_nonces_of_cancels(patch: pytest.MonkeyPatch) -> None:
    _replay_without(Requested, patch)


# --- Engine ---


@planted()
def every_session_marks_its_orders_alike(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.engine.assembly.draw_epoch", lambda rng, *, taken: 7)


@planted(
    "tests/tasks/test_shutdown.py::test_a_place_still_unanswered_on_the_way_out_is_cancelled_by_its_cloid",
)
def a_shutdown_forgets_what_is_in_flight(patch: pytest.MonkeyPatch) -> None:
    async def forget(self: BatchEmitter, budget: Any) -> None:
        return

    patch.setattr(BatchEmitter, "cancel_in_flight", forget)


@planted(
    "tests/tasks/test_ledger_end.py::test_r1_the_mark_names_the_last_entry_of_a_session",
)
def the_last_entries_are_not_written(patch: pytest.MonkeyPatch) -> None:
    async def forget(self: Session) -> None:
        return

    patch.setattr(Session, "_write_rest", forget)


@planted(
    "tests/tasks/test_contract.py::test_a_fill_is_answered_within_a_fifth_of_a_second",
)
def a_fill_wakes_no_tick(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TickSchedule, "wake_tick", lambda self: None)


@planted(
    "tests/tasks/test_turns.py::test_a_tick_waits_for_the_end_of_a_reconciliation",
)
def ticks_and_reconciliations_take_no_turns(patch: pytest.MonkeyPatch) -> None:
    class NoLock:
        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            return

    patch.setattr("mm_trio.grids.grid.UncontendedLock", NoLock)
