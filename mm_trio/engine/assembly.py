"""Construction of a session from market, journal and settings.

Every part is complete before the next one receives it.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.concurrency.late_lines import LateLines
from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.engine.asked_before import AskedBefore
from mm_trio.engine.feed_watchdog import FeedWatchdog
from mm_trio.engine.session import Feeds, Session
from mm_trio.grids.account import Account
from mm_trio.grids.events import SessionEvents
from mm_trio.grids.grid import Grid, GridParts
from mm_trio.grids.operator_requests import StandingKeeper
from mm_trio.grids.reconciler import Reconciler
from mm_trio.grids.schedule import ReconcileSchedule, TickSchedule, make_wall_clock, read_machine_clock
from mm_trio.grids.shared_funds import SharedFunds
from mm_trio.grids.shared_look import SharedAnswers, SharesBalances, take_all
from mm_trio.grids.startup import check_order_size
from mm_trio.grids.stops import Stops
from mm_trio.guard.cover import CancelCover, CoverWhileWatched
from mm_trio.guard.dead_man import DeadMan
from mm_trio.guard.life_signs import LifeSigns
from mm_trio.guard.silence import OwnSilence
from mm_trio.guard.terms import GuardTerms
from mm_trio.halts.standing_file import KeepsStanding, VolatileStanding
from mm_trio.journal.recovery import LedgerFile, recover, recover_grids
from mm_trio.journal.replay import Recovered, replay
from mm_trio.journal.writer import CHECKPOINT_EVERY, JournalWriter
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.errors import ConfigError, Contradiction, VenueError
from mm_trio.model.journal_entries import Entry, Of, Record
from mm_trio.model.market import Market
from mm_trio.model.settings import MakerSettings, find_changed_terms
from mm_trio.quoting.grid_quoter import GridQuoter
from mm_trio.quoting.item_shares import SILENT_AFTER_S, ItemShares
from mm_trio.quoting.open_order_shares import share_open_orders
from mm_trio.quoting.placing_gate import GridGate, PlacingGate
from mm_trio.recorder.record_keeping import Connected, RecordKeeping
from mm_trio.recorder.recorder import Recorder
from mm_trio.sending.absent_coins import AbsentCoins
from mm_trio.sending.account_limits import AccountLimitGuard
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
from mm_trio.venue import wire
from mm_trio.venue.feed_connection import Feed, FeedConnection
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.thread_bridge import Inbox
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.market_check import find_market_change
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.opening_check import Opening
from mm_trio.witness.reservation import Reservation
from mm_trio.witness.venue_clock import VenueClock

if TYPE_CHECKING:
    from mm_trio.transport.native import NativeTransport

__all__ = ["AccountStops", "GridTerms", "Knowledge", "Seams", "open_session"]

_log = logging.getLogger(__name__)

# Weight that has to be free for the fee rates: their own, and most of what a start asks for.
RATES_WEIGHT = 300
RATES_WITHIN_S = 2.0


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
class _GridBasis:
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
class _Basis:
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
    grids: tuple[_GridBasis, ...]
    is_alone: bool
    coins: set[str]
    absent: Mapping[str, Recovered]


async def open_session(
    seams: Seams,
    grids: Sequence[tuple[GridTerms, Knowledge]],
    budget: RateLimitBudget,
    *,
    own: AccountStops | None = None,
) -> Session:
    """Look up the markets, replay the journal, make the session.

    Each grid comes with the knowledge of a maker without an earlier session. `own` are limits and standing of the
    account; without them there is one grid, whose own they are. Errors: ConfigError for an unknown coin or an order
    size that cannot be quoted, VenueError, JournalError; Contradiction where a market is not the ledger's.
    """
    wall_ms, clock = _take_clocks(seams)
    pools = ThreadPools(seams.run_sync)
    client = VenueClient(
        seams.info, address=seams.address, run_sync=pools.reads, whole_fills=seams.journal is not None, clock=clock
    )
    client.weight.on_request(seams.used_weight, now_s=trio.current_time())
    coins = [terms.settings.coin for terms, _ in grids]
    if seams.asked is None:
        with client.waiting_while_busy():
            markets = await client.fetch_markets(coins)
            # Before the ledger is read, because what it believes of nonces and deadlines depends on the venue's time.
            await client.compare_clock(markets[0].coin)
    else:
        markets = tuple(wire.find_market(seams.asked.spot_meta, coin) for coin in coins)
    found, absent = await _recover(seams, [terms for terms, _ in grids], markets, client, pools, is_alone=own is None)
    earlier = (*(recovered for recovered, _ in found if recovered is not None), *absent.values())
    taken: set[int] = set().union(*(recovered.epochs for recovered in earlier))
    bases = []
    for (terms, blank), market, (recovered, facts) in zip(grids, markets, found, strict=True):
        known = blank if recovered is None or recovered.is_new else blank.with_ledger(recovered)
        epoch = _draw_epoch(seams.rng, taken=taken)
        taken.add(epoch)
        bases.append(_GridBasis(terms, market, known, recovered, epoch, facts))
    silence = None if seams.guard is None else OwnSilence(seams.guard.after_s, now_s=trio.current_time())
    basis = _Basis(
        seams,
        pools,
        client,
        clock,
        wall_ms,
        silence,
        budget,
        tuple(bases),
        is_alone=own is None,
        coins={market.coin for market in markets},
        absent=absent,
    )
    return _assemble(basis, own)


_Found: TypeAlias = list[tuple[Recovered | None, Mapping[str, str]]]


async def _recover(
    seams: Seams,
    terms: Sequence[GridTerms],
    markets: Sequence[Market],
    client: VenueClient,
    pools: ThreadPools,
    *,
    is_alone: bool,
) -> tuple[_Found, Mapping[str, Recovered]]:
    """Replay the journal for each grid, and find what it is told of the venue.

    Return too the ledgers of coins that are in the journal and are not quoted now.
    """
    if seams.journal is None:
        return [(None, {}) for _ in markets], {}
    rates = _write_rates(await _find_rates(client) if seams.asked is None else seams.asked.rates)
    sizes = {market.coin: each.settings.quoting.order_size for market, each in zip(markets, terms, strict=True)}
    wall_ms = client.clock.earliest_ms()
    if not is_alone:
        found = await recover_grids(seams.journal, order_sizes=sizes, run_sync=pools.journal, wall_ms=wall_ms)
    else:
        (coin,) = sizes
        found = {coin: await recover(seams.journal, order_size=sizes[coin], run_sync=pools.journal, wall_ms=wall_ms)}
    for market in markets:
        _check_market(market, found[market.coin])
    absent = {coin: each for coin, each in found.items() if coin not in sizes and not each.is_new}
    facts = [_find_facts(market, network=seams.network, rates=rates) for market in markets]
    return [(found[market.coin], each) for market, each in zip(markets, facts, strict=True)], absent


def _take_clocks(seams: Seams) -> tuple[Callable[[], int], VenueClock]:
    """Return the calendar and the venue's clock on it, compared if that was done before."""
    if seams.asked is not None:
        return seams.asked.wall_ms, seams.asked.clock
    wall_ms = seams.wall_ms or make_wall_clock()
    clock = VenueClock(
        wall_ms,
        wall_ms=seams.wall_ms or read_machine_clock,
        now_s=trio.current_time,
        # Looked up on the class: an object that answers to every name tells no time.
        compares=hasattr(type(seams.info), "l2_snapshot"),
    )
    return wall_ms, clock


async def _find_rates(client: VenueClient) -> tuple[Decimal, Decimal] | None:
    """Find the account's fee rates; nothing depends on them, so what is not known is left out."""
    if client.weight.compute_wait_s(RATES_WEIGHT, now_s=trio.current_time()) > 0:
        return None
    with trio.move_on_after(RATES_WITHIN_S):
        try:
            rates = await client.fetch_rates()
        except VenueError as error:
            _log.info("fee rates not read: error=%s; the journal does without them", error)
        else:
            return rates
    return None


def _find_facts(market: Market, *, network: str | None, rates: Mapping[str, str]) -> Mapping[str, str]:
    """Find what the journal tells of the venue."""
    facts = {"network": network, "token_id": market.base.token_id, **rates}
    return {name: value for name, value in facts.items() if value is not None}


def _write_rates(rates: tuple[Decimal, Decimal] | None) -> dict[str, str]:
    return {} if rates is None else {"maker_rate": f"{rates[0]:f}", "taker_rate": f"{rates[1]:f}"}


def _check_market(market: Market, recovered: Recovered) -> None:
    """Refuse a market that is not the ledger's. Errors: Contradiction."""
    change = find_market_change(recovered.parameters, market)
    if change is not None:
        raise Contradiction(
            f"the venue names another market {market.coin} than the one that this ledger was kept for: {change}. "
            "Nothing is sent. Compare with the venue's web page; if the new market is right, the ledger is not its "
            "own: move the state folder away and start with --take-over"
        )


# --- Assembly ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStops:
    """What the operator wants of an account with several grids: its standing."""

    standing: KeepsStanding = field(default_factory=VolatileStanding)
    limits: RiskLimits = NO_LIMITS


def _assemble(basis: _Basis, own: AccountStops | None) -> Session:
    seams, client = basis.seams, basis.client
    first = basis.grids[0].terms.settings
    reconciling = ReconcileSchedule(first.reconcile_every, n_grids=len(basis.grids))
    inbox, feed = _make_feed(seams, client)
    watchdog = FeedWatchdog(
        feed,
        inbox,
        stale_after_s=first.feed_stale_after_s,
        lag_limit_s=first.feed_lag_limit_s,
        wall_ms=basis.wall_ms,
        venue_ms=basis.clock.latest_ms,
        rng=seams.rng,
    )
    earlier = (*(grid.recovered for grid in basis.grids if grid.recovered is not None), *basis.absent.values())
    nonces = Nonces(basis.clock, last=max((each.last_nonce for each in earlier), default=0))
    grids: list[Grid] = []
    dormant = {coin: each.summarise() for coin, each in basis.absent.items()}
    writer = JournalWriter(
        seams.journal,
        run_sync=basis.pools.journal,
        send_sync=basis.pools.actions,
        wall_ms=basis.wall_ms,
        summarise=partial(_summarise, grids, dormant),
        n_since_checkpoint=sum(each.n_since_checkpoint for each in earlier),
        checkpoint_every=seams.checkpoint_every,
        reservation=_make_reservation(basis, nonces),
    )
    gate = PlacingGate(
        find_feed_fault=lambda: watchdog.find_fault() or basis.clock.find_fault(),
        find_journal_fault=lambda: writer.obstacle,
        feed_is_alive=feed.is_alive,
    )
    stop_wanted = trio.Event()
    make_core = partial(
        _make_grid_core,
        basis,
        writer=writer,
        reconciling=reconciling,
        stop_wanted=stop_wanted,
        late_lines=LateLines(),
    )
    made = [make_core(grid) for grid in basis.grids]
    funds = None if basis.is_alone else _share_funds(made)
    stops = _make_account_stops(basis, own, made)
    cover, signs = _make_signs(basis, [core.state for core in made], watchdog)
    gateway = OrderGateway(
        seams.exchange,
        gate=gate,
        limits=stops.limits,
        cover=None if cover is None else CoverWhileWatched(cover),
        nonces=nonces,
        weight=client.weight,
        poster=None if seams.transport is None else seams.transport.poster,
        run_sync=basis.pools.actions,
        ledger=writer,
        clock=basis.clock,
    )
    account = Account(
        client=client,
        answers=_make_answers(basis, grids, take_all if funds is None else funds),
        writer=writer,
        gate=gate,
        gateway=gateway,
        budget=basis.budget,
        stops=stops,
        reconciling=reconciling,
        wall_ms=basis.clock.latest_ms,
        key_life=seams.key_life,
        signs=signs,
        dead_man=DeadMan(gateway, basis.budget) if seams.dead_man else None,
    )
    common = _Common(
        account=account,
        lane=ActionLane(gateway, is_shared=not basis.is_alone),
        shares=ItemShares(silent_after_s=max(SILENT_AFTER_S, *(3 * core.schedule.interval_s for core in made))),
        widths={core.state.market.coin: _find_width(core) for core in made},
        feed=feed,
        watchdog=watchdog,
    )
    grids += [_make_grid(basis, core, common) for core in made]
    absent = _make_absent(basis, common, writer)
    joiner = None if funds is None else _Joiner(basis, made, grids, make_core, common, funds, dormant, absent)
    return Session(account, Feeds(inbox, watchdog), grids, stop_wanted=stop_wanted, absent=absent, joiner=joiner)


def _make_absent(basis: _Basis, common: _Common, writer: JournalWriter) -> AbsentCoins:
    """Make what cancels orders of coins that are not quoted.

    Of a pair that the venue does not have any more nothing rests.
    """
    gateway = common.account.gateway
    ledgers = {coin: ledger for coin, ledger in basis.absent.items() if gateway.sign_for(coin)}
    desks = {
        coin: OrderDesk(gateway, common.lane, coin=coin, record=partial(_record_of, writer.record, coin))
        for coin in ledgers
    }
    return AbsentCoins(basis.client, basis.budget, ledgers, desks)


@dataclass(frozen=True, slots=True)
class _GridCore:
    """Parts of a grid that need nothing of the account."""

    basis: _GridBasis
    schedule: TickSchedule
    events: SessionEvents
    state: MakerState
    quoter: GridQuoter
    stops: Stops
    record: Record


def _make_grid_core(
    basis: _Basis,
    grid: _GridBasis,
    *,
    writer: JournalWriter,
    reconciling: ReconcileSchedule,
    stop_wanted: trio.Event,
    late_lines: LateLines,
) -> _GridCore:
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
    record = writer.record if basis.is_alone else partial(_record_of, writer.record, grid.market.coin)
    state.start_recording(record, expects_transfers=recovered is not None or not basis.is_alone)
    stops = Stops(
        limits,
        StandingKeeper(terms.standing, write_sync=basis.pools.journal, look_sync=basis.pools.requests),
        count_fills=lambda: grid.known.stats.fills,
        wake=schedule.wake_tick,
        wall_ms=basis.clock.latest_ms,
    )
    return _GridCore(grid, schedule, events, state, quoter, stops, record)


def _record_of(record: Record, coin: str, entry: Entry) -> None:
    """Record an entry of one grid in the journal of all."""
    record(Of(coin, entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What the grids of an account have in common. `widths`: how many orders each may have open at most."""

    account: Account
    lane: ActionLane
    shares: ItemShares
    widths: dict[str, int]
    feed: Feed
    watchdog: FeedWatchdog

    def share_cap(self, state: MakerState, cap: int) -> int:
        """Return the cap of open orders of one grid, others' orders included."""
        n_others, coin = state.others.n_open, state.market.coin
        return share_open_orders(self.widths, room=cap - n_others)[coin] + n_others


def _find_width(core: _GridCore) -> int:
    quoting, n_levels = core.basis.terms.settings.quoting, core.state.grid.n_orders
    window = n_levels if quoting.active_levels is None else quoting.active_levels + quoting.window_slack
    return min(n_levels, 2 * window)


def _make_grid(basis: _Basis, core: _GridCore, common: _Common) -> Grid:
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


def _make_reservation(basis: _Basis, nonces: Nonces) -> Reservation | None:
    """Make what lets requests leave beside their entries; None where they wait. Errors: ConfigError."""
    if all(grid.terms.settings.ledger == "ahead" for grid in basis.grids):
        return None
    if not basis.is_alone:
        raise ConfigError('ledger must be "ahead" where one journal has several grids, got "beside"')
    return Reservation(basis.grids[0].epoch, clock=basis.clock, nonces=nonces)


def _make_account_stops(basis: _Basis, own: AccountStops | None, made: Sequence[_GridCore]) -> Stops:
    """Make the standing of all grids; of the only one it is its own."""
    if own is None:
        return made[0].stops

    def wake() -> None:
        for core in made:
            core.schedule.wake_tick()

    return Stops(
        AccountLimitGuard(
            own.limits,
            [(core.state, core.stops.limits) for core in made],
            standing=own.standing.standing,
            wall_ms=basis.clock.latest_ms,
        ),
        StandingKeeper(own.standing, write_sync=basis.pools.journal, look_sync=basis.pools.requests),
        count_fills=lambda: sum(core.quoter.stats.fills for core in made),
        wake=wake,
        wall_ms=basis.clock.latest_ms,
        of_all=True,
    )


def _make_answers(basis: _Basis, grids: Sequence[Grid], share: SharesBalances) -> SharedAnswers:
    """Make what grids share of the venue's answers; one alone asks for itself.

    A grid that ended is not read any more, so what it has not read makes no question longer.
    """
    if basis.is_alone:
        return SharedAnswers(basis.client)

    def find_fills_since_ms() -> float:
        wanted = (grid.state.history.look_up_from_ms for grid in grids if grid.failure is None)
        return min(wanted, default=math.inf)

    return SharedAnswers(
        basis.client,
        coins=basis.coins,
        find_fills_since_ms=find_fills_since_ms,
        share=share,
    )


def _share_funds(made: Sequence[_GridCore]) -> SharedFunds:
    """Make what shares the account's tokens between grids, and tell it of their fills. Errors: ConfigError."""

    def want_look(coin: str, after_s: float) -> None:
        for core in made:
            if core.state.market.coin == coin:
                core.schedule.want_reconcile(after_s)

    funds = SharedFunds([core.state for core in made], want_look=want_look)
    for core in made:
        core.events.start_telling(partial(funds.on_booked, core.state))
    return funds


@dataclass(frozen=True, slots=True)
class _Joiner:
    """What makes a grid one of those that an account has already, and takes it out again.

    `made` and `grids` are the lists that the account's parts read, `dormant` the entries of ledgers that no grid keeps
    now, which a checkpoint repeats.
    """

    basis: _Basis
    made: list[_GridCore]
    grids: list[Grid]
    make_core: Callable[[_GridBasis], _GridCore]
    common: _Common
    funds: SharedFunds
    dormant: dict[str, tuple[Entry, ...]]
    absent: AbsentCoins

    def join(self, terms: GridTerms, blank: Knowledge, market: Market) -> Grid:
        """Make a grid beside the others. Errors: ConfigError where it cannot be one."""
        if not self.common.account.gateway.sign_for(market.coin):
            raise ConfigError(f"{market.coin} is not known to this process; a pair that is so new needs a new start")
        taken = set().union(*(core.state.ownership.epochs for core in self.made))
        has_journal = self.basis.seams.journal is not None
        recovered = None
        if has_journal:
            earlier = self.dormant.get(market.coin, ())
            size, wall_ms = terms.settings.quoting.order_size, self.basis.clock.earliest_ms()
            recovered = replay(earlier, order_size=size, now_s=trio.current_time(), wall_ms=wall_ms)
            blank = blank if recovered.is_new else blank.with_ledger(recovered)
        facts = _find_facts(market, network=self.basis.seams.network, rates={})
        epoch = _draw_epoch(self.basis.seams.rng, taken=taken)
        core = self.make_core(_GridBasis(terms, market, blank, recovered, epoch, facts))
        self.funds.join(core.state)
        core.events.start_telling(partial(self.funds.on_booked, core.state))
        grid = _make_grid(self.basis, core, self.common)
        self.dormant.pop(market.coin, None)
        self.absent.leave(market.coin)
        self.basis.coins.add(market.coin)
        self.made.append(core)
        self.common.widths[market.coin] = _find_width(core)
        self.grids.append(grid)
        if isinstance(limits := self.common.account.stops.limits, AccountLimitGuard):
            limits.join(core.state, core.stops.limits)
        return grid

    def leave(self, grid: Grid) -> None:
        """Take out a grid that rests nothing any more."""
        coin = grid.coin
        # One that failed at its start may have booked fills there.
        self.dormant[coin] = grid.summarise(is_over=True) or ()
        self.basis.coins.discard(coin)
        self.made[:] = [core for core in self.made if core.state.market.coin != coin]
        self.grids[:] = [each for each in self.grids if each is not grid]
        self.common.widths.pop(coin, None)
        self.common.shares.forget(coin)
        self.funds.leave(coin)
        if isinstance(limits := self.common.account.stops.limits, AccountLimitGuard):
            limits.leave(grid.state)


def _make_state(basis: _Basis, grid: _GridBasis, *, events: SessionEvents) -> MakerState:
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
            looked_up_ms=0 if recovered is None else recovered.looked_up_ms,
            must_join=recovered is not None,
            unlisted=() if recovered is None else recovered.unlisted,
        ),
        ManualCancels(pause_s=settings.hand_cancel_pause_s, on_detected=events.on_cancelled_by_hand),
        on_booked=events.on_booked,
        on_contradicted=events.on_contradicted,
        coins=basis.coins,
    )


def _make_feed(seams: Seams, client: VenueClient) -> tuple[Inbox, Feed]:
    """Make the connection of the feeds, and the inbox that it fills."""
    if seams.transport is not None:
        feed = seams.transport.make_feed(seams.address)
        return feed.inbox, feed
    return Inbox(), FeedConnection(seams.info, address=seams.address, ask=client.ask, reopen=seams.reopen_feed)


def _make_record(basis: _Basis, recorder: Recorder | None, feed: Feed, watchdog: FeedWatchdog) -> RecordKeeping | None:
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


def _make_signs(
    basis: _Basis, states: Sequence[MakerState], watchdog: FeedWatchdog
) -> tuple[CancelCover, LifeSigns] | tuple[None, None]:
    """Make what the guard reads; nothing where there is none."""
    terms = basis.seams.guard
    if terms is None:
        return None, None
    cover = CancelCover(terms, basis.seams.exchange, clock_ms=basis.clock.earliest_ms, orders=states[0].order_state)
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


def _summarise(grids: Sequence[Grid], dormant: Mapping[str, tuple[Entry, ...]]) -> tuple[Entry, ...] | None:
    """Return the entries of a checkpoint.

    The next session goes on from them. None before every grid has planned. `dormant` are the entries of ledgers that
    no grid keeps now.
    """
    if len(grids) == 1 and not grids[0].is_one_of_many:
        return grids[0].summarise()
    entries = [Of(coin, entry) for coin, summary in dormant.items() for entry in summary]
    for grid in grids:
        if (of_grid := grid.summarise()) is None:
            return None
        entries += [Of(grid.coin, entry) for entry in of_grid]
    return tuple(entries)
