"""Construction of a session from market, journal and settings.

Every part is complete before the next one receives it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.engine.feed_watchdog import FeedWatchdog
from mm_trio.engine.operator_requests import StandingKeeper
from mm_trio.engine.session import Account, Session, describe_quoting
from mm_trio.grids.events import SessionEvents
from mm_trio.grids.schedule import TickSchedule, make_wall_clock, read_machine_clock
from mm_trio.grids.startup import check_order_size
from mm_trio.guard.cover import CancelCover
from mm_trio.guard.dead_man import DeadMan
from mm_trio.guard.life_signs import LifeSigns
from mm_trio.guard.silence import OwnSilence
from mm_trio.guard.terms import GuardTerms
from mm_trio.halts.standing_file import KeepsStanding, VolatileStanding
from mm_trio.journal.recovery import LedgerFile, recover
from mm_trio.journal.replay import Recovered
from mm_trio.journal.writer import CHECKPOINT_EVERY, JournalWriter
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.errors import Contradiction, VenueError
from mm_trio.model.journal_entries import Began, Entry, Numbered, Requested
from mm_trio.model.market import Market
from mm_trio.model.settings import MakerSettings, find_changed_terms
from mm_trio.quoting.grid_quoter import GridQuoter
from mm_trio.quoting.placing_gate import PlacingGate
from mm_trio.recorder.record_keeping import Connected, RecordKeeping
from mm_trio.recorder.recorder import Recorder
from mm_trio.sending.limit_guard import LimitGuard
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.manual_cancels import ManualCancels
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats
from mm_trio.venue.feed_connection import FeedConnection
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.thread_bridge import Inbox
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.market_check import find_market_change
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.opening_check import Opening
from mm_trio.witness.venue_clock import VenueClock

__all__ = ["Knowledge", "Seams", "open_session"]

_log = logging.getLogger(__name__)

# Weight that has to be free for the fee rates: their own, and most of what a start asks for.
RATES_WEIGHT = 300
RATES_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Seams:
    """Outside objects of a maker: SDK, threads, disk, chance, calendar.

    `run_sync(fn, *args, **options)` makes a blocking call. `reopen_feed` gives `info` a fresh socket; None replaces the
    SDK's. `wall_ms` None: the wall clock at the start of the session, carried on; the clock that is compared with the
    venue's is then the machine's own. `used_weight` is the request weight that this process used just before. A
    checkpoint follows every `checkpoint_every` entries of the journal. `check_opening` gets what a start knows of the
    price that it opens with, and raises where it must not. `key_life` watches over the end of the signer's key.
    `limits` are the operator's; `standing` is where a halt lasts. `guard`: where to leave signs of life and signed
    cancels; None leaves none. `dead_man`: the venue cancels everything when this process is dead. `recorder` records
    the market and our own book; None records nothing. `network` is written into the journal.
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
    check_opening: Callable[[Opening], None] | None = None
    key_life: KeyLife | None = None
    limits: RiskLimits = NO_LIMITS
    standing: KeepsStanding = field(default_factory=VolatileStanding)
    guard: GuardTerms | None = None
    dead_man: bool = False
    recorder: Recorder | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Orders, inventory, budget and counts.

    They are empty before the first session.
    """

    order_state: OrderState
    inventory: Inventory
    budget: RateLimitBudget
    stats: RunStats

    def with_ledger(self, recovered: Recovered) -> Knowledge:
        """Replace orders and inventory by those of an earlier session."""
        return replace(self, order_state=recovered.order_state, inventory=recovered.inventory)


@dataclass(frozen=True, slots=True)
class _Basis:
    """Settings, market and journal that a session is made from.

    `recovered` is None without a journal. `silence` None: there is no guard. `facts` of the venue are for the journal.
    """

    settings: MakerSettings
    seams: Seams
    pools: ThreadPools
    client: VenueClient
    market: Market
    recovered: Recovered | None
    wall_ms: Callable[[], int]
    clock: VenueClock
    silence: OwnSilence | None
    facts: Mapping[str, str]


async def open_session(settings: MakerSettings, seams: Seams, blank: Knowledge) -> Session:
    """Look up the market, replay the journal, make the session.

    `blank` is the knowledge of a maker without an earlier session. Errors: ConfigError for an unknown coin or an order
    size that cannot be quoted, VenueError, JournalError; Contradiction where the market is not the ledger's.
    """
    wall_ms = seams.wall_ms or make_wall_clock()
    clock = VenueClock(
        wall_ms,
        wall_ms=seams.wall_ms or read_machine_clock,
        now_s=trio.current_time,
        # Looked up on the class: an object that answers to every name tells no time.
        compares=hasattr(type(seams.info), "l2_snapshot"),
    )
    pools = ThreadPools(seams.run_sync)
    client = VenueClient(
        seams.info, address=seams.address, run_sync=pools.reads, whole_fills=seams.journal is not None, clock=clock
    )
    client.weight.on_request(seams.used_weight, now_s=trio.current_time())
    with client.waiting_while_busy():
        market = await client.fetch_market(settings.coin)
        # Before the ledger is read, because what it believes of nonces and deadlines depends on the venue's time.
        await client.compare_clock(market.coin)
    recovered, facts = None, dict[str, str]()
    if seams.journal is not None:
        facts = await _find_facts(client, market, network=seams.network)
        recovered = await recover(
            seams.journal, order_size=settings.quoting.order_size, run_sync=pools.journal, wall_ms=clock.earliest_ms()
        )
        _check_market(market, recovered)
    guard, now_s = seams.guard, trio.current_time()
    silence = None if guard is None else OwnSilence(guard.after_s, now_s=now_s)
    return _assemble(_Basis(settings, seams, pools, client, market, recovered, wall_ms, clock, silence, facts), blank)


async def _find_facts(client: VenueClient, market: Market, *, network: str | None) -> dict[str, str]:
    """Find what the journal tells of the venue; nothing depends on it, so what is not known is left out."""
    facts = {"network": network, "token_id": market.base.token_id}
    if client.weight.compute_wait_s(RATES_WEIGHT, now_s=trio.current_time()) <= 0:
        with trio.move_on_after(RATES_WITHIN_S):
            try:
                rates = await client.fetch_rates()
            except VenueError as error:
                _log.info("fee rates not read: error=%s; the journal does without them", error)
            else:
                facts |= {} if rates is None else {"maker_rate": f"{rates[0]:f}", "taker_rate": f"{rates[1]:f}"}
    return {name: value for name, value in facts.items() if value is not None}


def _check_market(market: Market, recovered: Recovered) -> None:
    """Refuse a market that is not the ledger's. Errors: Contradiction."""
    change = find_market_change(recovered.parameters, market)
    if change is not None:
        raise Contradiction(
            f"the venue names another market {market.coin} than the one that this ledger was kept for: {change}. "
            "Nothing is sent. Compare with the venue's web page; if the new market is right, the ledger is not its "
            "own: move the state folder away and start with --take-over"
        )


def _assemble(basis: _Basis, blank: Knowledge) -> Session:
    settings, seams, recovered = basis.settings, basis.seams, basis.recovered
    known = blank if recovered is None or recovered.is_new else blank.with_ledger(recovered)
    schedule = TickSchedule(settings.interval_s, settings.reconcile_every)
    events = SessionEvents(
        settings, stats=known.stats, inventory=known.inventory, schedule=schedule, silence=basis.silence
    )
    if seams.recorder is not None:
        events.start_marking(seams.recorder.take_fill)
    epoch = _draw_epoch(seams.rng, taken=set() if recovered is None else recovered.epochs)
    state = _make_state(basis, known, epoch=epoch, events=events)
    quoter = GridQuoter(
        state, settings.quoting, stats=known.stats, last_boundary=_find_last_boundary(settings, recovered)
    )
    nonces = Nonces(basis.clock, last=0 if recovered is None else recovered.last_nonce)
    limits = LimitGuard(
        seams.limits,
        state,
        standing=seams.standing.standing,
        wall_ms=basis.clock.latest_ms,
        peak=Decimal(0) if recovered is None else recovered.peak,
    )
    writer = JournalWriter(
        seams.journal,
        run_sync=basis.pools.journal,
        send_sync=basis.pools.actions,
        wall_ms=basis.wall_ms,
        summarise=partial(_summarise, describe_quoting(settings, state, basis.facts), quoter, nonces, epoch, limits),
        n_since_checkpoint=0 if recovered is None else recovered.n_since_checkpoint,
        checkpoint_every=seams.checkpoint_every,
    )
    state.start_recording(writer.record, expects_transfers=recovered is not None)
    account = _make_account(basis, state, writer=writer, nonces=nonces, limits=limits)
    return Session(
        settings,
        account=account,
        quoter=quoter,
        events=events,
        schedule=schedule,
        recovered=recovered,
        epoch=epoch,
        check_opening=seams.check_opening,
    )


def _make_state(basis: _Basis, known: Knowledge, *, epoch: int, events: SessionEvents) -> MakerState:
    """Make the state on the market's ladder.

    Errors: ConfigError for an order size that cannot be quoted.
    """
    settings, market, recovered = basis.settings, basis.market, basis.recovered
    grid = settings.make_grid(market.base.sz_decimals, ladder=None if recovered is None else recovered.ladder_rule)
    if grid.ladder != "hip2":
        _log.warning(
            'ladder rule: this ledger began with prices rounded %s and keeps them; [strategy] ladder = "hip2" moves '
            "every level to HIP-2's price",
            grid.ladder,
        )
    check_order_size(grid, settings.quoting.order_size, settings.quoting.min_notional)
    return MakerState(
        market,
        grid,
        known.order_state,
        known.inventory,
        known.budget,
        Ownership(
            market.coin,
            keep_foreign=settings.keeps_foreign,
            epochs={epoch} if recovered is None else {*recovered.epochs, epoch},
            knows_all_sessions=recovered is not None,
        ),
        FillHistory(
            market.coin,
            looked_up_ms=0 if recovered is None else recovered.looked_up_ms,
            must_join=recovered is not None,
            unlisted=() if recovered is None else recovered.unlisted,
        ),
        ManualCancels(pause_s=settings.hand_cancel_pause_s, on_detected=events.on_cancelled_by_hand),
        on_booked=events.on_booked,
        on_contradicted=events.on_contradicted,
    )


def _make_account(
    basis: _Basis, state: MakerState, *, writer: JournalWriter, nonces: Nonces, limits: LimitGuard
) -> Account:
    seams, client = basis.seams, basis.client
    inbox = Inbox()
    feed = FeedConnection(seams.info, address=seams.address, ask=client.ask, reopen=seams.reopen_feed)
    watchdog = FeedWatchdog(
        feed,
        inbox,
        stale_after_s=basis.settings.feed_stale_after_s,
        lag_limit_s=basis.settings.feed_lag_limit_s,
        wall_ms=basis.wall_ms,
        venue_ms=basis.clock.latest_ms,
        rng=seams.rng,
    )
    gate = PlacingGate(
        find_feed_fault=lambda: watchdog.find_fault() or basis.clock.find_fault() or state.unproven,
        find_journal_fault=lambda: writer.obstacle,
        feed_is_alive=feed.is_alive,
        find_limit=limits.find_obstacle,
        is_stopped=lambda: limits.is_stopped,
    )
    cover, signs = _make_signs(basis, state, watchdog)
    gateway = OrderGateway(
        seams.exchange,
        gate=gate,
        limits=limits,
        cover=cover,
        nonces=nonces,
        weight=client.weight,
        run_sync=basis.pools.actions,
        ledger=writer,
        clock=basis.clock,
    )
    return Account(
        client=client,
        inbox=inbox,
        watchdog=watchdog,
        writer=writer,
        gate=gate,
        gateway=gateway,
        budget=state.rate_limit,
        wall_ms=basis.clock.latest_ms,
        limits=limits,
        standing=StandingKeeper(seams.standing, write_sync=basis.pools.journal, look_sync=basis.pools.requests),
        key_life=seams.key_life,
        signs=signs,
        dead_man=DeadMan(gateway, state.rate_limit) if seams.dead_man else None,
        record=_make_record(basis, feed, watchdog),
        facts=basis.facts,
    )


def _make_record(basis: _Basis, feed: FeedConnection, watchdog: FeedWatchdog) -> RecordKeeping | None:
    """Make what feeds the recorder; nothing where there is none."""
    if basis.seams.recorder is None:
        return None
    return RecordKeeping(
        basis.seams.recorder,
        feed,
        find_connected=lambda: Connected(*watchdog.find_connected()),
        wall_ms=basis.clock.latest_ms,
        run_sync=basis.pools.record,
    )


def _make_signs(
    basis: _Basis, state: MakerState, watchdog: FeedWatchdog
) -> tuple[CancelCover, LifeSigns] | tuple[None, None]:
    """Make what the guard reads; nothing where there is none."""
    terms = basis.seams.guard
    if terms is None:
        return None, None
    cover = CancelCover(terms, basis.seams.exchange, clock_ms=basis.clock.earliest_ms, orders=state.order_state)
    signs = LifeSigns(
        cover,
        run_sync=basis.pools.signs,
        client=basis.client,
        find_heard_s=lambda: watchdog.heard_s,
        silence=basis.silence,
    )
    return cover, signs


def _find_last_boundary(settings: MakerSettings, recovered: Recovered | None) -> int | None:
    """Return the boundary of an earlier session.

    None where that session had another ladder.
    """
    last = None if recovered is None else recovered.last_quoted
    if last is None or find_changed_terms(settings.parameters, last.parameters):
        return None
    return last.boundary_level


def _draw_epoch(rng: random.Random, *, taken: Collection[int]) -> int:
    """Draw the mark of this session's orders.

    No earlier session had it.
    """
    epoch = rng.getrandbits(32)
    while epoch in taken:
        epoch = rng.getrandbits(32)
    return epoch


def _summarise(
    quoting: dict[str, str], quoter: GridQuoter, nonces: Nonces, epoch: int, limits: LimitGuard
) -> tuple[Entry, ...] | None:
    """Return the entries of a checkpoint.

    The next session goes on from them. None before a session has planned: it would lose from where an earlier one
    quoted.
    """
    if quoter.boundary_level is None:
        return None
    return (
        *(Began(earlier, {}) for earlier in sorted(quoter.state.ownership.epochs)),
        Began(epoch, quoting),
        *(Numbered(earlier, number) for earlier, number in quoter.state.order_state.sent_numbers),
        *quoter.summarise(),
        *limits.summarise(),
        Requested(nonces.last, "earlier", 0, "", 0),
    )
