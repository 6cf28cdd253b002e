"""Plausible mistakes, each made in one place of the maker.

Only tests patch them in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import trio

from mm_trio.engine.feed_router import FeedRouter
from mm_trio.engine.feed_watchdog import FeedWatchdog
from mm_trio.funds.movements import Movements
from mm_trio.grids.grid import Grid
from mm_trio.grids.operator_requests import StandingKeeper
from mm_trio.grids.reconciler import Reconciler
from mm_trio.grids.shared_funds import SharedFunds
from mm_trio.grids.shutdown import LeftOrder
from mm_trio.halts.standing import ACTIVE, Standing
from mm_trio.journal.recovery import recover
from mm_trio.journal.replay import Recovered
from mm_trio.journal.writer import JournalWriter
from mm_trio.limits.holding import HoldingLimits
from mm_trio.limits.order_limits import find_order_breach
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.cloid import encode_cloid
from mm_trio.model.errors import JournalBusy, LedgerError
from mm_trio.model.journal_entries import Booked, Moved, MoveKind, NeverPlaced
from mm_trio.model.orders import OrderDiff
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import Fill, Refusal, Refused, Unknown
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.incremental_planner import IncrementalPlanner
from mm_trio.quoting.item_shares import ItemShares, Share
from mm_trio.quoting.order_differ import compute_diff, is_within_dead_zone
from mm_trio.quoting.placing_gate import GridGate, PlacingGate
from mm_trio.quoting.quoting_engine import _split_with_gap as split_with_gap
from mm_trio.quoting.quoting_engine import split_sides
from mm_trio.refusals.memory import RefusalMemory
from mm_trio.refusals.pause import KindPause
from mm_trio.sending.batch_emitter import BatchEmitter
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.seen_fills import EarlyReports, SeenFills
from mm_trio.state.snapshot_diff import read_snapshot
from mm_trio.venue.feed_connection import FeedConnection
from mm_trio.venue.ip_weight import IpWeight
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.reservation import Reservation
from mm_trio.witness.signer_row import SignerRow
from mm_trio.witness.venue_clock import VenueClock

__all__ = ["MUTANTS", "MUTANTS_BESIDE", "MUTANTS_OF_GRIDS", "MUTANTS_OF_TESTS"]

Patch = Callable[[pytest.MonkeyPatch], None]

MUTANTS: dict[str, Patch] = {}
# Those that the simulated world cannot cause, or that its next connection heals by telling all fills again;
# `tests/tasks/test_planted_mistakes.py` catches them.
MUTANTS_OF_TESTS: dict[str, Patch] = {}
# Those of a maker whose orders may leave beside their entries.
MUTANTS_BESIDE: dict[str, Patch] = {}
# Those of a maker with several grids.
MUTANTS_OF_GRIDS: dict[str, Patch] = {}


def mutant(patch: Patch) -> Patch:
    """Register a mistake under the words of its function's name."""
    MUTANTS[patch.__name__.replace("_", " ")] = patch
    return patch


def mutant_beside(patch: Patch) -> Patch:
    """Register a mistake of a maker whose ledger is beside the request."""
    MUTANTS_BESIDE[patch.__name__.replace("_", " ")] = patch
    return patch


def mutant_of_grids(patch: Patch) -> Patch:
    """Register a mistake of a maker with several grids."""
    MUTANTS_OF_GRIDS[patch.__name__.replace("_", " ")] = patch
    return patch


def mutant_of_a_test(patch: Patch) -> Patch:
    """Register a mistake that a test catches, and no seed."""
    MUTANTS_OF_TESTS[patch.__name__.replace("_", " ")] = patch
    return patch


# --- Fills and the ledger ---


@mutant
def a_fill_seen_twice_counts_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SeenFills, "add", lambda self, key: True)


@mutant
def a_fill_of_an_order_not_yet_known_is_dropped_for_good(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EarlyReports, "add_fill", lambda self, fill: None)


@mutant
def a_fill_of_an_order_that_left_is_not_ours(patch: pytest.MonkeyPatch) -> None:
    on_fill = OrderState.on_fill

    def ignore(self: OrderState, tid: int, oid: int, sz: Any, **options: Any) -> Any:
        return on_fill(self, tid, oid, sz, **options) if self.find(oid) or not self.find_left(oid) else None

    patch.setattr(OrderState, "on_fill", ignore)


@mutant
def the_ledger_counts_in_floats(patch: pytest.MonkeyPatch) -> None:
    move = Inventory._move

    def move_floats(self: Inventory, token: Decimal, usdc: Decimal, fee: Decimal, fee_token: Any) -> None:
        move(self, Decimal(float(token)), Decimal(float(usdc)), Decimal(float(fee)), fee_token)

    patch.setattr(Inventory, "_move", move_floats)


@mutant
def fees_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    book = Inventory.book
    patch.setattr(Inventory, "book", lambda self, fill: book(self, replace(fill, fee=Decimal(0))))


@mutant
def fees_are_all_in_quote(patch: pytest.MonkeyPatch) -> None:
    book = Inventory.book
    patch.setattr(Inventory, "book", lambda self, fill: book(self, replace(fill, fee_token="quote")))


@mutant
def fills_are_not_written_down(patch: pytest.MonkeyPatch) -> None:
    record = JournalWriter.record
    patch.setattr(JournalWriter, "record", lambda self, entry: isinstance(entry, Booked) or record(self, entry))


@mutant
def a_restart_begins_from_the_allocation_again(patch: pytest.MonkeyPatch) -> None:
    async def forget(journal: Any, **options: Any) -> Recovered:
        found = await recover(journal, **options)
        found.inventory.virtual_token, found.inventory.virtual_usdc = found.inventory.allocation
        return found

    patch.setattr("mm_trio.engine.assembly.recover", forget)


# --- What is offered ---


@mutant
def the_whole_account_is_offered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Inventory, "effective_token", property(lambda self: self.account_token))
    patch.setattr(Inventory, "effective_usdc", property(lambda self: self.account_usdc))


@mutant
def a_lot_more_is_offered_than_there_is(patch: pytest.MonkeyPatch) -> None:
    honest: Any = Inventory.__dict__["effective_usdc"]
    read = honest.fget
    patch.setattr(Inventory, "effective_usdc", property(lambda self: read(self) * Decimal("1.01")))


@mutant
def orders_are_not_post_only(patch: pytest.MonkeyPatch) -> None:
    from mm_trio.venue import wire

    encode = wire.encode_order

    def encode_gtc(order: Any, **options: Any) -> dict[str, Any]:
        return {**encode(order, **options), "order_type": {"limit": {"tif": "Gtc"}}}

    patch.setattr(wire, "encode_order", encode_gtc)


@mutant
def prices_are_a_tick_beside_the_ladder(patch: pytest.MonkeyPatch) -> None:
    from mm_trio.venue import wire

    encode = wire.encode_order

    def encode_beside(order: Any, **options: Any) -> dict[str, Any]:
        row = encode(order, **options)
        return {**row, "limit_px": round(row["limit_px"] * Decimal("1.001"), 3)}

    patch.setattr(wire, "encode_order", encode_beside)


@mutant
def prices_are_rounded_half_to_even(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PricingGrid, "_compute_levels", PricingGrid._compute_half_even)


@mutant
def a_bid_that_bought_in_part_is_topped_up(patch: pytest.MonkeyPatch) -> None:
    def top_up(terms: Any, boundary: int, tranches: Any, *, resting_bid: Decimal | None = None) -> Any:
        whole = None if resting_bid is None else terms.order_size - tranches.remainder
        return split_sides(terms, boundary, tranches, resting_bid=whole)

    for module in ("quoting_engine", "ladder_ranges"):
        patch.setattr(f"mm_trio.quoting.{module}.split_sides", top_up)


@mutant
def a_gap_is_a_level_too_wide(patch: pytest.MonkeyPatch) -> None:
    def split_wide(terms: Any, tranches: Any) -> Any:
        return split_with_gap(terms._replace(gap_levels=terms.gap_levels + 1), tranches)

    patch.setattr("mm_trio.quoting.quoting_engine._split_with_gap", split_wide)


@mutant
def the_dead_zone_holds_sizes_back(patch: pytest.MonkeyPatch) -> None:
    is_within = IncrementalPlanner._is_within_dead_zone

    def compare_prices_alone(desired: Any, current: Any, dead_zone_bps: Any, *tolerances: Any) -> OrderDiff:
        sums = [(sum(o.size for o in orders), sum(o.size * o.price for o in orders)) for orders in (desired, current)]
        has_all = {order.slot for order in desired} == {order.slot for order in current}
        if has_all and is_within_dead_zone(sums[0], sums[1], dead_zone_bps):
            return OrderDiff()
        return compute_diff(desired, current, dead_zone_bps, *tolerances)

    def is_within_by_price(self: IncrementalPlanner, diff: OrderDiff, maker: Any, ladder: Any) -> bool:
        return is_within(self, OrderDiff(), maker, ladder)

    patch.setattr("mm_trio.quoting.plan.compute_diff", compare_prices_alone)
    patch.setattr(IncrementalPlanner, "_is_within_dead_zone", is_within_by_price)


# --- Unknown outcomes ---


@mutant
def no_answer_is_taken_for_a_refusal(patch: pytest.MonkeyPatch) -> None:
    send = OrderDesk.send_places

    async def guess(self: OrderDesk, make: Any, *, most: int) -> Any:
        answers = await send(self, make, most=most)
        return tuple(Refused(Refusal.OTHER, a.why) if isinstance(a, Unknown) else a for a in answers)

    patch.setattr(OrderDesk, "send_places", guess)


@mutant
def a_level_in_doubt_is_not_locked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderState, "get_doubts", lambda self, *, known_oids=True: ())
    patch.setattr(OrderState, "has_doubts", property(lambda self: False), raising=False)


@mutant
def an_order_in_flight_is_given_up_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.grids.reconciler.EXPIRY_GRACE_S", -10.0)


@mutant
def actions_do_not_expire(patch: pytest.MonkeyPatch) -> None:
    expiry = OrderGateway.compute_expiry_ms
    patch.setattr(OrderGateway, "compute_expiry_ms", lambda self, after_s: expiry(self, after_s + 600))


@mutant
def what_a_snapshot_misses_is_gone(patch: pytest.MonkeyPatch) -> None:
    def forget(self: Reconciler, oid: int, status: Any, now_s: float) -> None:
        self._state.order_state.remove_ghost(oid, now_s=now_s)

    patch.setattr(Reconciler, "_settle_missing", forget)


@mutant
def only_cancelled_orders_end(patch: pytest.MonkeyPatch) -> None:
    on_status = OrderState.on_status

    def ignore(self: OrderState, oid: int, status: str, **options: Any) -> None:
        if status in ("canceled", "open", "resting"):
            on_status(self, oid, status, **options)

    patch.setattr(OrderState, "on_status", ignore)


@mutant
def a_partial_fill_ends_the_order(patch: pytest.MonkeyPatch) -> None:
    book = OrderState._book

    def forget(self: OrderState, fill: Fill, now_s: float) -> Any:
        result = book(self, fill, now_s)
        self.remove_ghost(fill.oid, now_s=now_s)
        return result

    patch.setattr(OrderState, "_book", forget)


# --- Requests ---


@mutant
def the_journal_is_written_after_sending(patch: pytest.MonkeyPatch) -> None:
    async def late(self: JournalWriter, is_wanted: Any, send: Any, *args: Any) -> Any:
        return await self._run_sync(send, *args, abandon_on_cancel=True)

    patch.setattr(JournalWriter, "flush_then", late)


@mutant
def nonces_are_seconds(patch: pytest.MonkeyPatch) -> None:
    def by_the_clock(self: Nonces) -> int:
        self.last = self._clock.earliest_ms() // 1000 * 1000
        return self.last

    patch.setattr(Nonces, "take", by_the_clock)


@mutant
def a_wrong_clock_is_no_reason_to_pause(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(VenueClock, "find_fault", lambda self: None)


@mutant
def a_cloid_names_its_place_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.sending.batch_emitter.encode_cloid", lambda parts: encode_cloid(replace(parts, number=0)))


@mutant
def orders_of_other_hands_are_cancelled(patch: pytest.MonkeyPatch) -> None:
    def read_greedily(*args: Any, ownership: Ownership, **options: Any) -> Any:
        greedy = Ownership(ownership.coin, keep_foreign=False)
        return read_snapshot(*args, ownership=greedy, **options)

    patch.setattr("mm_trio.grids.reconciler.read_snapshot", read_greedily)


@mutant
def the_minimum_is_not_known(patch: pytest.MonkeyPatch) -> None:
    def without_minimum(**options: Any) -> QuoteSettings:
        return QuoteSettings(**{**options, "min_notional": Decimal(0)})

    patch.setattr("mm_trio.model.settings.QuoteSettings", without_minimum)


@mutant
def a_used_up_budget_stays_used_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RateLimitBudget, "sync_from_exchange", lambda self, volume, n_requests, **_: None)


@mutant
def a_used_up_budget_is_no_reason_to_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RateLimitBudget, "remaining", lambda self: 10_000)


# --- The feed ---


@mutant
def a_closed_socket_goes_unnoticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FeedConnection, "is_alive", lambda self: True)


@mutant
def silence_goes_unnoticed(patch: pytest.MonkeyPatch) -> None:
    begin = FeedWatchdog.__init__

    def begin_deaf(self: FeedWatchdog, *args: Any, **options: Any) -> None:
        begin(self, *args, **{**options, "stale_after_s": None})

    patch.setattr(FeedWatchdog, "__init__", begin_deaf)


@mutant
def acknowledgements_are_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    async def go_on(self: FeedConnection, feeds: Any, *, within_s: float) -> None:
        return

    patch.setattr(FeedConnection, "wait_acknowledged", go_on)


@mutant
def a_new_socket_is_quoted_on_before_anything_is_read(patch: pytest.MonkeyPatch) -> None:
    async def go_on(session: Any) -> None:
        session.account.gate.start_quoting()
        for grid in session.alive:
            grid.schedule.want_reconcile(0)
        session.wake_ticks()

    patch.setattr("mm_trio.engine.tasks.read_anew", go_on)


@mutant
def ticks_go_on_while_paused(patch: pytest.MonkeyPatch) -> None:
    ask_gate, ask_gateway = PlacingGate.may_place, OrderGateway.may_place
    patch.setattr(PlacingGate, "may_place", lambda self: not self.is_shutting_down)
    patch.setattr(GridGate, "may_place", lambda self: not self.is_shutting_down)
    # Only cancels get past it.
    patch.setattr(OrderGateway, "may_place", lambda self: ask_gate(self._gate) and ask_gateway(self))
    # They are asked again just before they leave.
    send_cancels = OrderDesk.send_cancels
    patch.setattr(
        OrderDesk,
        "send_cancels",
        lambda self, oids, *, if_placing=False, **options: send_cancels(self, oids, **options),
    )


# --- What a second source would say ---


@mutant_of_a_test
def look_ups_of_fills_do_not_overlap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.state.fill_history.FILLS_OVERLAP_MS", 0)


@mutant
def an_order_filled_at_once_is_believed_to_rest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BatchEmitter, "_apply_filled", lambda self, intent, answer, *, now_s: None)


@mutant_of_a_test
def an_order_adopted_at_a_start_has_its_fills_counted_off_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MakerState, "sum_uncounted", lambda self, fills: Decimal(0))


@mutant_of_a_test
def a_snapshot_is_as_old_as_its_answer(patch: pytest.MonkeyPatch) -> None:
    def read_young(*args: Any, asked_s: float, **options: Any) -> Any:
        return read_snapshot(*args, asked_s=trio.current_time(), **options)

    patch.setattr("mm_trio.grids.reconciler.read_snapshot", read_young)


@mutant
def a_frame_is_believed_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.state.order_state.find_contradiction", lambda fill, order, *, by_clock: None)


@mutant_of_a_test
def a_fill_is_missing_after_ten_seconds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.grids.reconciler.UNREPORTED_PATIENCE_S", 10.0)


# --- Shutdown ---


@mutant
def the_way_out_is_not_verified(patch: pytest.MonkeyPatch) -> None:
    async def hope(
        gateway: Any, client: Any, state: Any, emitter: BatchEmitter, *_: Any, **options: Any
    ) -> tuple[LeftOrder, ...]:
        oids = {order.oid for order in state.order_state.get_current_orders()}
        await emitter.emit(OrderDiff(cancels=oids), state.rate_limit)
        return ()

    patch.setattr("mm_trio.grids.grid.cancel_and_verify", hope)


@mutant
def leaving_does_not_stop_what_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderGateway, "on_shutdown", lambda self, within_s: None)
    patch.setattr(PlacingGate, "shut_down", lambda self: None)
    patch.setattr(GridGate, "shut_down", lambda self: None)


@mutant
def leaving_takes_as_long_as_it_takes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.engine.session.GRACE_S", 300.0)


# --- The process and its memory ---


@mutant
def the_state_folder_is_not_locked(patch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def hold(lock: Any, refusal: str) -> Iterator[None]:
        yield

    patch.setattr("mm_trio.journal.data_dir._hold", hold)


@mutant
def the_key_is_in_the_log(patch: pytest.MonkeyPatch) -> None:
    begin = OrderGateway.__init__

    def begin_talking(self: OrderGateway, exchange: Any, **options: Any) -> None:
        begin(self, exchange, **options)
        logging.getLogger("mm_trio.venue.order_gateway").debug("signing with %s", vars(exchange.wallet))

    patch.setattr(OrderGateway, "__init__", begin_talking)


@mutant
def signatures_are_in_the_journal(patch: pytest.MonkeyPatch) -> None:
    prepare = OrderGateway._prepare

    def prepare_and_tell(self: OrderGateway, *args: Any, **options: Any) -> Any:
        action = prepare(self, *args, **options)
        (signed,) = action.args
        self._ledger.record(NeverPlaced("none", signed.signature))
        return action

    patch.setattr(OrderGateway, "_prepare", prepare_and_tell)


@mutant
def what_was_asked_is_remembered_for_ever(patch: pytest.MonkeyPatch) -> None:
    def sum_up(self: IpWeight, now_s: float) -> int:
        return sum(weight for at_s, weight in self._used if at_s > now_s - 61)

    patch.setattr(IpWeight, "used", sum_up)


@mutant
def what_was_in_flight_is_forgotten_by_a_restart(patch: pytest.MonkeyPatch) -> None:
    async def forget(journal: Any, **options: Any) -> Recovered:
        found = await recover(journal, **options)
        found.order_state._table.in_flight.clear()
        return found

    patch.setattr("mm_trio.engine.assembly.recover", forget)


@mutant
def a_level_that_was_in_the_way_once_is_given_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.refusals.pause.FIRST_PAUSE_S", 1e9)
    patch.setattr("mm_trio.refusals.pause.LONGEST_PAUSE_S", 1e9)


@mutant
def what_was_refused_is_sent_again_at_every_tick(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RefusalMemory, "holds_back", lambda self, order, **options: False)


@mutant
def a_lost_key_is_tried_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SignerRow, "is_lost", property(lambda self: False))


@mutant
def a_refused_kind_is_never_tried_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KindPause, "_pick", lambda self, suspects: ())


@mutant
def without_budget_nothing_is_cancelled(patch: pytest.MonkeyPatch) -> None:
    send = BatchEmitter._send_cancels

    async def save(self: BatchEmitter, oids: Any, emission: Any) -> None:
        if emission.budget.remaining() > 0:
            await send(self, oids, emission)

    patch.setattr(BatchEmitter, "_send_cancels", save)


# --- A locked journal ---


@mutant
def a_locked_journal_ends_the_maker(patch: pytest.MonkeyPatch) -> None:
    class NeverRaised(Exception):
        pass

    patch.setattr("mm_trio.journal.writer.JournalBusy", NeverRaised)


@mutant
def what_a_locked_journal_refused_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    commit = JournalWriter._commit

    async def forget(self: JournalWriter) -> None:
        try:
            await commit(self)
        except JournalBusy:
            self._pending.clear()
            self._n_durable = self._n_recorded
            self.lock.on_written()

    patch.setattr(JournalWriter, "_commit", forget)


@mutant
def a_locked_journal_does_not_keep_orders_back(patch: pytest.MonkeyPatch) -> None:
    flush_then = JournalWriter.flush_then

    async def send_anyway(self: JournalWriter, is_wanted: Any, send: Any, *args: Any) -> Any:
        try:
            return await flush_then(self, is_wanted, send, *args)
        except JournalBusy:
            return await self._run_sync(send, *args, abandon_on_cancel=True)

    patch.setattr(JournalWriter, "flush_then", send_anyway)
    patch.setattr(JournalWriter, "obstacle", None)


@mutant
def an_order_at_its_limit_is_refused(patch: pytest.MonkeyPatch) -> None:
    find = find_order_breach

    def find_too_early(order: Any, limits: RiskLimits, *, mid: Decimal | None) -> Any:
        narrow = replace(limits, max_order_notional=(limits.max_order_notional or Decimal(10**15)) - Decimal("1E-9"))
        return find(order, narrow, mid=mid)

    patch.setattr("mm_trio.sending.limit_guard.find_order_breach", find_too_early)


@mutant
def a_price_limit_is_taken_from_the_wrong_end(patch: pytest.MonkeyPatch) -> None:
    find = find_order_breach

    def swap(order: Any, limits: RiskLimits, *, mid: Decimal | None) -> Any:
        return find(order, replace(limits, price_low=limits.price_high, price_high=limits.price_low), mid=mid)

    patch.setattr("mm_trio.sending.limit_guard.find_order_breach", swap)


@mutant
def a_limit_of_spend_lets_one_order_more_through(patch: pytest.MonkeyPatch) -> None:
    init = HoldingLimits.__init__

    def widen(self: HoldingLimits, limits: RiskLimits, **options: Any) -> None:
        most = limits.max_net_spend
        init(self, limits if most is None else replace(limits, max_net_spend=most * Decimal("1.5")), **options)

    patch.setattr(HoldingLimits, "__init__", widen)


# --- Halts ---


@mutant
def a_halt_is_acted_on_before_it_is_on_disk(patch: pytest.MonkeyPatch) -> None:
    tighten = StandingKeeper.tighten

    async def tighten_at_the_end(self: StandingKeeper, wanted: Standing) -> Standing:
        if getattr(self, "is_asked_before", False):
            return await tighten(self, wanted)
        self.is_asked_before = True  # type: ignore[attr-defined]
        return wanted

    patch.setattr(StandingKeeper, "tighten", tighten_at_the_end)


@mutant
def a_halt_is_ended_by_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.halts.standing_file.read_standing", lambda folder: ACTIVE)


@mutant
def a_halt_does_not_say_why(patch: pytest.MonkeyPatch) -> None:
    to_json = Standing.to_json
    patch.setattr(Standing, "to_json", lambda self: to_json(self) | {"why": "halted"})


# --- Movements of funds ---


@mutant
def a_movement_counts_at_every_look(patch: pytest.MonkeyPatch) -> None:
    explain = Movements.explain

    def explain_again(self: Movements, token: Decimal, usdc: Decimal) -> Any:
        told = dict(self._told)
        entries = explain(self, token, usdc)
        self._told = told
        return entries

    patch.setattr(Movements, "explain", explain_again)
    patch.setattr(Movements, "on_moved", lambda self, entry: None)


@mutant
def a_transfer_is_told_as_a_hand_trade(patch: pytest.MonkeyPatch) -> None:
    explain = Movements.explain

    def swap(self: Movements, token: Decimal, usdc: Decimal) -> Any:
        kinds = {MoveKind.TRANSFER.value: MoveKind.HAND_TRADE.value}
        return [
            replace(entry, kind=kinds.get(entry.kind, entry.kind)) if isinstance(entry, Moved) else entry
            for entry in explain(self, token, usdc)
        ]

    patch.setattr(Movements, "explain", swap)


# --- The ledger beside the request -------------------------------------------------------------


@mutant_beside
def a_start_after_an_unclean_end_does_not_wait(patch: pytest.MonkeyPatch) -> None:
    async def go_on(reserved: Any, **options: Any) -> None:
        pass

    patch.setattr("mm_trio.grids.grid.outlast", go_on)


@mutant_beside
def what_the_ledger_lacks_is_not_adopted(patch: pytest.MonkeyPatch) -> None:
    def look_away(self: MakerState, rows: Any, *, now_s: float) -> Any:
        return ()

    apply_fill = MakerState._apply_fill

    def apply_known(self: MakerState, fill: Fill, *, now_s: float, is_listed: bool) -> None:
        is_ours = self.order_state.is_known(fill.oid) or self.order_state.find_intent((fill.cloid or "").lower())
        if is_ours or not is_listed:
            apply_fill(self, fill, now_s=now_s, is_listed=is_listed)

    patch.setattr(MakerState, "seed_orders", look_away)
    patch.setattr(MakerState, "_apply_fill", apply_known)


@mutant_beside
def a_reservation_is_written_after_the_send(patch: pytest.MonkeyPatch) -> None:
    late: list[Any] = []

    def renew_late(self: JournalWriter, *, spent: float) -> None:
        if self._reservation is not None and (entry := self._reservation.find_wanted(spent=spent)) is not None:
            self._reservation.on_durable(entry)
            late.append(entry)
            if len(late) > 1:
                self.record(late.pop(0))

    patch.setattr(JournalWriter, "_renew", renew_late)


@mutant_beside
def a_reservation_that_ran_out_covers_orders(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reservation, "covers", lambda self: self._durable is not None)
    patch.setattr(Reservation, "find_wanted", _reserve_once(Reservation.find_wanted))


@mutant_beside
def a_reservation_is_released_at_a_kill(patch: pytest.MonkeyPatch) -> None:
    """What an earlier session reserved is forgotten."""

    async def forget(journal: Any, **options: Any) -> Recovered:
        found = await recover(journal, **options)
        found.reserved.clear()
        return found

    patch.setattr("mm_trio.engine.assembly.recover", forget)


def _reserve_once(find_wanted: Any) -> Any:
    def find_first(self: Reservation, *, spent: float) -> Any:
        return find_wanted(self, spent=spent) if self._latest is None else None

    return find_first


# --- Several grids ---


@mutant_of_grids
def a_grid_is_shown_the_whole_account(patch: pytest.MonkeyPatch) -> None:
    show = SharedFunds._show

    def show_all(self: SharedFunds, state: Any, side: Any, balance: Any, **options: Any) -> Any:
        part = show(self, state, side, balance, **options)
        return part if options["asked_s"] is None else balance

    patch.setattr(SharedFunds, "_show", show_all)


@mutant_of_grids
def frames_of_one_coin_are_dropped(patch: pytest.MonkeyPatch) -> None:
    split = FeedRouter._split

    def lose(self: FeedRouter, *args: Any) -> dict[str, object]:
        last = list(self._readers)[-1]
        return {coin: part for coin, part in split(self, *args).items() if coin != last}

    patch.setattr(FeedRouter, "_split", lose)


@mutant_of_grids
def one_grid_gets_nothing_of_a_short_budget(patch: pytest.MonkeyPatch) -> None:
    allot = ItemShares.allot

    def starve(self: ItemShares, coin: str, *, remaining: int, **options: Any) -> Share:
        if remaining <= 0 and coin == max(self._grids):
            return Share(remaining, may_use_slot=False)
        return allot(self, coin, remaining=remaining, **options)

    patch.setattr(ItemShares, "allot", starve)


@mutant_of_grids
def a_halt_of_one_grid_ends_all(patch: pytest.MonkeyPatch) -> None:
    def end_all(self: Grid, error: LedgerError) -> None:
        raise error

    patch.setattr(Grid, "fail", end_all)
