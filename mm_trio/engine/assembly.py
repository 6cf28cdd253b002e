"""Construction of a session from market, journal and settings.

Every part is complete before the next one receives it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TypeAlias

import trio

from mm_trio.concurrency.late_lines import LateLines
from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.engine.feed_watchdog import FeedWatchdog
from mm_trio.engine.grid_assembly import (
    Basis,
    Common,
    GridBasis,
    GridCore,
    GridTerms,
    Knowledge,
    Seams,
    draw_epoch,
    find_facts,
    make_grid,
    make_grid_core,
    record_of,
)
from mm_trio.engine.grid_joiner import GridJoiner
from mm_trio.engine.session import Feeds, Session
from mm_trio.grids.account import Account
from mm_trio.grids.grid import Grid
from mm_trio.grids.operator_requests import StandingKeeper
from mm_trio.grids.schedule import ReconcileSchedule, make_wall_clock, read_machine_clock
from mm_trio.grids.shared_funds import SharedFunds
from mm_trio.grids.shared_look import SharedAnswers, SharesBalances, take_all
from mm_trio.grids.stops import Stops
from mm_trio.guard.cover import CancelCover, CoverWhileWatched, ListsOrders
from mm_trio.guard.dead_man import DeadMan
from mm_trio.guard.life_signs import LifeSigns
from mm_trio.guard.silence import OwnSilence
from mm_trio.halts.standing_file import KeepsStanding, VolatileStanding
from mm_trio.journal.recovery import recover, recover_grids
from mm_trio.journal.replay import Recovered
from mm_trio.journal.writer import JournalWriter
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.errors import ConfigError, Contradiction, VenueError
from mm_trio.model.journal_entries import Entry, Of
from mm_trio.model.market import Market
from mm_trio.quoting.item_shares import SILENT_AFTER_S, ItemShares
from mm_trio.quoting.placing_gate import PlacingGate
from mm_trio.sending.absent_coins import AbsentCoins, may_rest
from mm_trio.sending.account_limits import AccountLimitGuard
from mm_trio.sending.action_lane import ActionLane
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.state.order_state import OrderState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue import wire
from mm_trio.venue.feed_connection import Feed, FeedConnection
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.thread_bridge import Inbox
from mm_trio.witness.market_check import find_market_change
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.reservation import Reservation
from mm_trio.witness.venue_clock import VenueClock

__all__ = ["AccountStops", "open_session"]

_log = logging.getLogger(__name__)

# Weight that has to be free for the fee rates: their own, and most of what a start asks for.
RATES_WEIGHT = 300
RATES_WITHIN_S = 2.0


async def open_session(
    seams: Seams,
    grids: Sequence[tuple[GridTerms, Knowledge]],
    budget: RateLimitBudget,
    *,
    own: AccountStops | None = None,
    on_left: Callable[[Grid], None] | None = None,
) -> Session:
    """Look up the markets, replay the journal, make the session.

    Each grid comes with the knowledge of a maker without an earlier session. `own` are limits and standing of the
    account; without them there is one grid, whose own they are. `on_left` is told of each grid that is taken out.
    Errors: ConfigError for an unknown coin or an order
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
        epoch = draw_epoch(seams.rng, taken=taken)
        taken.add(epoch)
        bases.append(GridBasis(terms, market, known, recovered, epoch, facts))
    silence = None if seams.guard is None else OwnSilence(seams.guard.after_s, now_s=trio.current_time())
    basis = Basis(
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
    return _assemble(basis, own, on_left)


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
    facts = [find_facts(market, network=seams.network, rates=rates) for market in markets]
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


def _assemble(basis: Basis, own: AccountStops | None, on_left: Callable[[Grid], None] | None) -> Session:
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
        make_grid_core,
        basis,
        writer=writer,
        reconciling=reconciling,
        stop_wanted=stop_wanted,
        late_lines=LateLines(),
    )
    made = [make_core(grid) for grid in basis.grids]
    funds = None if basis.is_alone else _share_funds(made)
    stops = _make_account_stops(basis, own, made)
    # Of ledgers that no grid keeps: their orders may rest until that is proven.
    unsettled: dict[str, Recovered] = {}
    cover, signs = _make_signs(basis, partial(_list_orders, made, unsettled), watchdog)
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
    common = Common(
        account=account,
        lane=ActionLane(gateway, is_shared=not basis.is_alone),
        shares=ItemShares(silent_after_s=max(SILENT_AFTER_S, *(3 * core.schedule.interval_s for core in made))),
        grids=grids,
        feed=feed,
        watchdog=watchdog,
    )
    grids += [make_grid(basis, core, common) for core in made]
    absent = _make_absent(basis, common, writer, unsettled)
    joiner = None if funds is None else GridJoiner(basis, made, grids, make_core, common, funds, dormant, absent)
    feeds = Feeds(inbox, watchdog)
    return Session(account, feeds, grids, stop_wanted=stop_wanted, absent=absent, joiner=joiner, on_left=on_left)


def _make_absent(basis: Basis, common: Common, writer: JournalWriter, unsettled: dict[str, Recovered]) -> AbsentCoins:
    """Make what cancels orders of coins that are not quoted, and let it keep their ledgers in `unsettled`.

    Of a pair that the venue does not have any more nothing rests.
    """
    gateway = common.account.gateway
    unsettled |= {coin: each for coin, each in basis.absent.items() if may_rest(each) and gateway.sign_for(coin)}
    desks = {
        coin: OrderDesk(gateway, common.lane, coin=coin, record=partial(record_of, writer.record, coin))
        for coin in unsettled
    }
    return AbsentCoins(basis.client, basis.budget, unsettled, desks)


def _make_reservation(basis: Basis, nonces: Nonces) -> Reservation | None:
    """Make what lets requests leave beside their entries; None where they wait. Errors: ConfigError."""
    if all(grid.terms.settings.ledger == "ahead" for grid in basis.grids):
        return None
    if not basis.is_alone:
        raise ConfigError('ledger must be "ahead" where one journal has several grids, got "beside"')
    return Reservation(basis.grids[0].epoch, clock=basis.clock, nonces=nonces)


def _make_account_stops(basis: Basis, own: AccountStops | None, made: Sequence[GridCore]) -> Stops:
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


def _make_answers(basis: Basis, grids: Sequence[Grid], share: SharesBalances) -> SharedAnswers:
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


def _share_funds(made: Sequence[GridCore]) -> SharedFunds:
    """Make what shares the account's tokens between grids, and tell it of their fills. Errors: ConfigError."""

    def want_look(coin: str, after_s: float) -> None:
        for core in made:
            if core.state.market.coin == coin:
                core.schedule.want_reconcile(after_s)

    funds = SharedFunds([core.state for core in made], want_look=want_look)
    for core in made:
        core.events.start_telling(partial(funds.on_booked, core.state))
    return funds


def _make_feed(seams: Seams, client: VenueClient) -> tuple[Inbox, Feed]:
    """Make the connection of the feeds, and the inbox that it fills."""
    if seams.transport is not None:
        feed = seams.transport.make_feed(seams.address)
        return feed.inbox, feed
    return Inbox(), FeedConnection(seams.info, address=seams.address, ask=client.ask, reopen=seams.reopen_feed)


def _make_signs(
    basis: Basis, list_orders: ListsOrders, watchdog: FeedWatchdog
) -> tuple[CancelCover, LifeSigns] | tuple[None, None]:
    """Make what the guard reads; nothing where there is none."""
    terms = basis.seams.guard
    if terms is None:
        return None, None
    cover = CancelCover(terms, basis.seams.exchange, clock_ms=basis.clock.earliest_ms, list_orders=list_orders)
    signs = LifeSigns(
        cover,
        run_sync=basis.pools.signs,
        client=basis.client,
        find_heard_s=lambda: watchdog.heard_s,
        silence=basis.silence,
    )
    return cover, signs


def _list_orders(made: Sequence[GridCore], unsettled: Mapping[str, Recovered]) -> list[tuple[str, OrderState]]:
    """List the orders of all grids that there are now, and those that no grid looks after."""
    return [
        *((core.state.market.coin, core.state.order_state) for core in made),
        *((coin, each.order_state) for coin, each in unsettled.items()),
    ]


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
