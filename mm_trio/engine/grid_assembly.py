"""Construction of one grid, from what the operator wants of it and what is made for the whole account."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.concurrency.late_lines import LateLines
from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.engine.asked_before import AskedBefore
from mm_trio.engine.feed_watchdog import FeedWatchdog
from mm_trio.grids.account import Account
from mm_trio.grids.events import SessionEvents
from mm_trio.grids.grid import Grid, GridParts
from mm_trio.grids.operator_requests import StandingKeeper
from mm_trio.grids.reconciler import Reconciler
from mm_trio.grids.schedule import ReconcileSchedule, TickSchedule
from mm_trio.grids.startup import check_order_size
from mm_trio.grids.stops import Stops
from mm_trio.guard.cover import GuardTerms
from mm_trio.guard.silence import OwnSilence
from mm_trio.halts.standing_file import KeepsStanding, VolatileStanding
from mm_trio.journal.recovery import LedgerFile
from mm_trio.journal.replay import Recovered
from mm_trio.journal.writer import CHECKPOINT_EVERY, JournalWriter
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.journal_entries import Entry, Of, Record
from mm_trio.model.market import Market
from mm_trio.model.settings import MakerSettings, find_changed_terms
from mm_trio.quoting.grid_quoter import GridQuoter
from mm_trio.quoting.item_shares import ItemShares
from mm_trio.quoting.open_order_shares import share_open_orders
from mm_trio.quoting.placing_gate import GridGate
from mm_trio.recorder.record_keeping import Connected, RecordKeeping
from mm_trio.recorder.recorder import Recorder
from mm_trio.sending.action_lane import ActionLane
from mm_trio.sending.batch_emitter import BatchEmitter
from mm_trio.sending.limit_guard import LimitGuard
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.manual_cancels import ManualCancels
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats
from mm_trio.venue.feed_connection import Feed
from mm_trio.venue.rest_client import VenueClient
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.opening_check import Opening
from mm_trio.witness.venue_clock import VenueClock

if TYPE_CHECKING:
    from mm_trio.transport.native import NativeTransport

__all__ = [
    "Basis",
    "Common",
    "GridBasis",
    "GridCore",
    "GridTerms",
    "Knowledge",
    "Seams",
    "draw_epoch",
    "find_facts",
    "make_grid",
    "make_grid_core",
    "record_of",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seams:
    """Outside objects of an account: SDK, threads, disk, chance, calendar.

    `run_sync(fn, *args, **options)` makes a blocking call. `reopen_feed` gives `info` a fresh socket; None replaces the
    SDK's. `wall_ms` None: the wall clock at the start of the session, carried on; the clock that is compared with the
    venue's is then the machine's own. `used_weight` is the request weight that this process used just before. A
    checkpoint follows every `checkpoint_every` entries of the journal. `key_life` watches over the end of the signer's
    key. `guard`: where to leave signs of life and signed cancels; None leaves none. `dead_man`: the venue cancels
    everything when this process is dead. `network` is written into the journal. `asked`: what the venue need not be
    asked for again. `transport` None: feeds and actions go over the SDK's threads.
    """

    info: Any
    exchange: Any
    address: str
    run_sync: RunSync
    reopen_feed: Callable[[], object] | None
    journal: LedgerFile | None
    rng: random.Random
    wall_ms: Callable[[], int] | None
    used_weight: int = 0
    checkpoint_every: int = CHECKPOINT_EVERY
    key_life: KeyLife | None = None
    guard: GuardTerms | None = None
    dead_man: bool = False
    network: str | None = None
    asked: AskedBefore | None = None
    transport: NativeTransport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridTerms:
    """What the operator wants of one grid.

    `limits` are the operator's; `standing` is where a halt of the grid lasts. `check_opening` gets what a start knows
    of the price that it opens with, and raises where it must not. `recorder` records the market and our own book; None
    records nothing.
    """

    settings: MakerSettings
    limits: RiskLimits = NO_LIMITS
    standing: KeepsStanding = field(default_factory=VolatileStanding)
    check_opening: Callable[[Opening], None] | None = None
    recorder: Recorder | None = None


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Orders, inventory and counts of one grid.

    They are empty before the first session.
    """

    order_state: OrderState
    inventory: Inventory
    stats: RunStats

    def with_ledger(self, recovered: Recovered) -> Knowledge:
        """Replace orders and inventory by those of an earlier session."""
        return replace(self, order_state=recovered.order_state, inventory=recovered.inventory)


@dataclass(frozen=True, slots=True)
class GridBasis:
    """Market, ledger and terms that a grid is made from.

    `recovered` is None without a journal. `facts` of the venue are for the journal.
    """

    terms: GridTerms
    market: Market
    known: Knowledge
    recovered: Recovered | None
    epoch: int
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Basis:
    """What all parts of a session are made from.

    `silence` None: there is no guard. `budget` is the account's. `is_alone`: there is one grid, never another, and its
    entries carry no coin. `coins` are those of all grids, changed where one comes or goes; `absent` are the ledgers of
    other coins in the journal.
    """

    seams: Seams
    pools: ThreadPools
    client: VenueClient
    clock: VenueClock
    wall_ms: Callable[[], int]
    silence: OwnSilence | None
    budget: RateLimitBudget
    grids: tuple[GridBasis, ...]
    is_alone: bool
    coins: set[str]
    absent: Mapping[str, Recovered]


def find_facts(market: Market, *, network: str | None, rates: Mapping[str, str]) -> Mapping[str, str]:
    """Find what the journal tells of the venue."""
    facts = {"network": network, "token_id": market.base.token_id, **rates}
    return {name: value for name, value in facts.items() if value is not None}


@dataclass(frozen=True, slots=True)
class GridCore:
    """Parts of a grid that need nothing of the account."""

    basis: GridBasis
    schedule: TickSchedule
    events: SessionEvents
    state: MakerState
    quoter: GridQuoter
    stops: Stops
    record: Record


def make_grid_core(
    basis: Basis,
    grid: GridBasis,
    *,
    writer: JournalWriter,
    reconciling: ReconcileSchedule,
    stop_wanted: trio.Event,
    late_lines: LateLines,
) -> GridCore:
    terms, recovered = grid.terms, grid.recovered
    settings = terms.settings
    schedule = TickSchedule(settings.interval_s, reconciling)
    events = SessionEvents(
        settings,
        stats=grid.known.stats,
        inventory=grid.known.inventory,
        schedule=schedule,
        silence=basis.silence,
        stop_wanted=stop_wanted,
        late_lines=late_lines,
    )
    if terms.recorder is not None:
        events.start_marking(terms.recorder.take_fill)
    state = _make_state(basis, grid, events=events)
    quoter = GridQuoter(
        state, settings.quoting, stats=grid.known.stats, last_boundary=_find_last_boundary(settings, recovered)
    )
    limits = LimitGuard(
        terms.limits,
        state,
        standing=terms.standing.standing,
        wall_ms=basis.clock.latest_ms,
        peak=Decimal(0) if recovered is None else recovered.peak,
    )
    record = writer.record if basis.is_alone else partial(record_of, writer.record, grid.market.coin)
    state.start_recording(record, expects_transfers=recovered is not None or not basis.is_alone)
    stops = Stops(
        limits,
        StandingKeeper(terms.standing, write_sync=basis.pools.journal, look_sync=basis.pools.requests),
        count_fills=lambda: grid.known.stats.fills,
        wake=schedule.wake_tick,
        wall_ms=basis.clock.latest_ms,
    )
    return GridCore(grid, schedule, events, state, quoter, stops, record)


def record_of(record: Record, coin: str, entry: Entry) -> None:
    """Record an entry of one grid in the journal of all."""
    record(Of(coin, entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the grids of an account have in common; `grids` are all of them, as they come and go."""

    account: Account
    lane: ActionLane
    shares: ItemShares
    grids: Sequence[Grid]
    feed: Feed
    watchdog: FeedWatchdog

    def share_cap(self, state: MakerState, cap: int) -> int:
        """Return the cap of open orders of one grid, others' orders included."""
        n_others, coin = state.others.n_open, state.market.coin
        widths = {grid.coin: grid.width for grid in self.grids}
        return share_open_orders(widths, room=cap - n_others)[coin] + n_others


def make_grid(basis: Basis, core: GridCore, common: Common) -> Grid:
    terms, state, account = core.basis.terms, core.state, common.account
    limits, of_all = core.stops.limits, account.stops.limits
    is_own = limits is of_all
    gate = GridGate(
        account.gate,
        find_fault=lambda: state.unproven,
        find_limit=limits.find_obstacle if is_own else lambda: limits.find_obstacle() or of_all.find_obstacle(),
        is_stopped=lambda: limits.is_stopped or of_all.is_stopped,
    )
    desk = OrderDesk(
        account.gateway,
        common.lane,
        coin=state.market.coin,
        record=core.record,
        gate=gate,
        limits=limits,
        counts_itself=not is_own,
    )
    emitter = BatchEmitter(
        desk,
        account.client,
        state,
        epoch=core.basis.epoch,
        stats=core.quoter.stats,
        shares=common.shares,
        share_cap=None if basis.is_alone else partial(common.share_cap, state),
    )
    return Grid(
        terms.settings,
        account,
        GridParts(
            quoter=core.quoter,
            events=core.events,
            schedule=core.schedule,
            gate=gate,
            stops=core.stops,
            emitter=emitter,
            reconciler=Reconciler(account.client, state, emitter),
            recovered=core.basis.recovered,
            epoch=core.basis.epoch,
            facts=core.basis.facts,
            check_opening=terms.check_opening,
            record=_make_record(basis, terms.recorder, common.feed, common.watchdog),
        ),
    )


def _make_state(basis: Basis, grid: GridBasis, *, events: SessionEvents) -> MakerState:
    """Make the state on the market's ladder.

    Errors: ConfigError for an order size that cannot be quoted.
    """
    settings, market, recovered = grid.terms.settings, grid.market, grid.recovered
    ladder = settings.make_grid(market.base.sz_decimals, ladder=None if recovered is None else recovered.ladder_rule)
    if ladder.ladder != "hip2":
        _log.warning(
            'ladder rule: this ledger began with prices rounded %s and keeps them; [strategy] ladder = "hip2" moves '
            "every level to HIP-2's price",
            ladder.ladder,
        )
    check_order_size(ladder, settings.quoting.order_size, settings.quoting.min_notional)
    return MakerState(
        market,
        ladder,
        grid.known.order_state,
        grid.known.inventory,
        basis.budget,
        Ownership(
            market.coin,
            keep_foreign=settings.keeps_foreign,
            epochs={grid.epoch} if recovered is None else {*recovered.epochs, grid.epoch},
            knows_all_sessions=recovered is not None,
        ),
        FillHistory(
            market.coin,
            looked_up_ms=0 if recovered is None else recovered.read_ours_ms,
            others_ms=0 if recovered is None else recovered.looked_up_ms,
            must_join=recovered is not None,
            unlisted=() if recovered is None else recovered.unlisted,
        ),
        ManualCancels(pause_s=settings.hand_cancel_pause_s, on_detected=events.on_cancelled_by_hand),
        on_booked=events.on_booked,
        on_contradicted=events.on_contradicted,
        coins=basis.coins,
    )


def _make_record(basis: Basis, recorder: Recorder | None, feed: Feed, watchdog: FeedWatchdog) -> RecordKeeping | None:
    """Make what feeds the recorder; nothing where there is none."""
    if recorder is None:
        return None
    return RecordKeeping(
        recorder,
        feed,
        find_connected=lambda: Connected(*watchdog.find_connected()),
        wall_ms=basis.clock.latest_ms,
        run_sync=basis.pools.record,
    )


def _find_last_boundary(settings: MakerSettings, recovered: Recovered | None) -> int | None:
    """Return the boundary of an earlier session.

    None where that session had another ladder.
    """
    last = None if recovered is None else recovered.last_quoted
    if last is None or find_changed_terms(settings.parameters, last.parameters):
        return None
    return last.boundary_level


def draw_epoch(rng: random.Random, *, taken: Collection[int]) -> int:
    """Draw the mark of this session's orders.

    No earlier session had it.
    """
    epoch = rng.getrandbits(32)
    while epoch in taken:
        epoch = rng.getrandbits(32)
    return epoch
