"""Start of a session from the venue's answers.

Orders, fills, balances and budget are read over REST into one `MakerState`, before the feeds are subscribed. Fills
that the venue lists before it is asked for the balances are included in those balances. A fill between the two
requests could be in either: then all is read again. So the fills are listed, then orders and balances are asked for at
once, then the fills are listed again; the budget, which depends on none of them, is asked for beside the first list.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

import trio

from mm_trio.concurrency.together import call_together, settle
from mm_trio.funds.movements import FundEvent
from mm_trio.grids.shared_look import Look
from mm_trio.model.errors import ConfigError, Contradiction, HistoryLost, LedgerCut, Unreachable
from mm_trio.model.journal_entries import Began, Numbered
from mm_trio.model.market import Balances, Market
from mm_trio.model.numbers import round_up
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import Fill, OpenOrder, ReadFills
from mm_trio.model.settings import LEAST_IN_MINIMA
from mm_trio.state.fill_history import FILLS_OVERLAP_MS, FillHistory
from mm_trio.state.inventory import BalanceCheck
from mm_trio.state.maker_state import MakerState, describe_lacking
from mm_trio.state.snapshot_diff import describe_rival_fills, describe_rivals
from mm_trio.venue.rest_client import VenueClient
from mm_trio.witness.ledger_end import describe_lost_entries, describe_unnamed

__all__ = ["check_order_size", "resume_state", "seed_state"]

_log = logging.getLogger(__name__)

# A pair that trades between two requests ten times in a row cannot be read consistently.
SEED_TRIES = 10
REACH_TRIES, REACH_PAUSE_S = 4, 1.0
# Between two looks for a fill so young that the venue may list it late.
YOUNG_PAUSE_S = 5.0
# Answers in a row that do not know the order of a fill, before it is another venue's.
UNKNOWN_TRIES = 3


def check_order_size(grid: PricingGrid, order_size: Decimal, min_notional: Decimal) -> None:
    """Refuse an order size that could not be quoted.

    It has to be whole lots, and worth 1.01 times the venue's minimum at the lowest level. Below twice that minimum a
    warning is logged, because both parts of a partly filled order can be too small to place. Errors: ConfigError.
    """
    if order_size <= 0 or order_size % grid.lot:
        raise ConfigError(f"order_sz must be a whole number of lots of {grid.lot}, above 0, got {order_size}")
    notional = order_size * grid.levels[0]
    if notional < LEAST_IN_MINIMA * min_notional:
        least = round_up(LEAST_IN_MINIMA * min_notional / grid.levels[0], unit=grid.lot)
        raise ConfigError(
            f"order_sz {order_size} is worth {notional:f} at the lowest level {grid.levels[0]}, which is below 1.01 "
            f"times the minimum of {min_notional}; set order_sz to at least {least}, or raise start_px"
        )
    if notional < 2 * min_notional:
        _log.warning(
            "small order size: order_sz=%s is worth less than twice the minimum of %s at level 0; both parts of a "
            "partly filled order can be too small to place",
            order_size,
            min_notional,
        )


async def seed_state(look: Look, state: MakerState, *, take_over: bool = False) -> tuple[OpenOrder, ...]:
    """Read orders, balances and budget for a first start.

    Return the open orders that are not taken over. Errors: VenueError; ConfigError where orders of another instance
    rest or have traded, because then this is not a first start.
    """
    client, began_ms = look.client, look.client.clock.earliest_ms()
    found = await _read_consistently(look, state.market, since_ms=0)
    rows, fills = found.rows, found.read.fills
    await _check_first_start(client, state, rows, fills, take_over=take_over)
    for fill in fills:
        state.remember_fill(fill)
    state.history.on_read(found.read)
    orphans = state.seed_orders(rows, now_s=trio.current_time())
    state.note_others(rows)
    now_ms = client.clock.latest_ms()
    balances = look.share(state.market, found.balances, asked_s=None)
    state.apply_balances(balances, asked_s=None, now_s=trio.current_time(), now_ms=now_ms)
    state.rate_limit.sync_from_exchange(*found.give_budget())
    state.on_opened(began_ms)
    return orphans


async def resume_state(
    look: Look,
    state: MakerState,
    *,
    newest_fill_ms: int,
    wall_ms: Callable[[], int],
    take_over: bool = False,
) -> tuple[tuple[OpenOrder, ...], BalanceCheck]:
    """Resume from a replayed ledger.

    Missed fills are booked, and open orders are found.
    `newest_fill_ms` is the time of the newest fill in the ledger; the venue still has to list that fill, and every
    other one that only a frame told.
    Return the open orders that belong to no level, and the verdict on the balances. A differing balance is adopted
    when a second request, seconds later, differs too.
    Errors: VenueError; HistoryLost where the venue's fills do not reach back to the ledger's end; LedgerCut where the
    ledger lacks entries, or another instance trades; Contradiction where the venue lacks booked fills.
    """
    orders, client = state.order_state, look.client
    asked_s, began_ms = look.asked_s, client.clock.earliest_ms()
    found = await _read_consistently(
        look,
        state.market,
        since_ms=state.history.look_up_from_ms,
        on_others=state.inventory.movements.on_told,
    )
    rows = found.rows
    fills = await _check_end(client, state, rows, found.read.fills, take_over=take_over)
    await _check_reach(client, state, found.read, newest_ms=newest_fill_ms, wall_ms=wall_ms)
    now_s = trio.current_time()
    ours = [row for row in rows if row.coin == state.market.coin]
    for row in ours:
        if (intent := state.match_intent(row)) is not None:
            state.apply_arrival(intent, row.oid, now_s=now_s)
    astray = {order.oid for order in orders.relevel(state.grid.level_for_price)}
    for row in ours:
        if row.oid not in astray:
            orders.on_seen_resting(row.oid, now_s=now_s)
    # An open order of ours may be missing from the ledger. It is seeded with its size before the fills, which reduce it
    # to its present size below.
    unknown = [
        replace(row, size=row.size + state.sum_uncounted(fill for fill in fills if fill.oid == row.oid))
        for row in ours
        if not orders.is_known(row.oid)
    ]
    orphans = state.seed_orders(unknown, now_s=now_s)
    state.apply_history(fills, now_s=now_s)
    state.history.on_read(found.read)
    state.note_trades(fills)
    state.note_others(rows)
    state.note_opened(began_ms)
    balances = look.share(state.market, found.balances, asked_s=asked_s)
    check = state.apply_balances(balances, asked_s=asked_s, now_s=now_s, now_ms=wall_ms())
    state.rate_limit.sync_from_exchange(*found.give_budget())
    return (*orphans, *(row for row in ours if row.oid in astray)), check


async def _check_first_start(
    client: VenueClient, state: MakerState, rows: Iterable[OpenOrder], fills: Sequence[Fill], *, take_over: bool
) -> None:
    """Refuse to start beside or after another instance.

    With `take_over` its sessions become ours instead. Errors: ConfigError, VenueError.
    """
    unnamed: tuple[Fill, ...] = ()
    # Without a durable ledger it is not known which orders of this program are another instance's.
    if state.ownership.knows_all_sessions:
        fills, unnamed = await client.name_fills(fills, is_known=lambda fill: False)
    rivals, traded = state.ownership.find_rivals(rows), state.ownership.find_rivals(fills)
    if take_over:
        lost = state.find_lost_entries(fills, rows)
        _take_over(state, () if lost is None else lost.last_numbers)
    elif rivals:
        raise ConfigError(f"{describe_rivals(rivals)}; if it has stopped for good, take over its orders: --take-over")
    elif traded:
        raise ConfigError(
            f"{describe_rival_fills(traded)}, or start anew with --take-over: the configured [allocation] then counts "
            "as the present amounts"
        )
    elif unnamed:
        raise ConfigError(f"{describe_unnamed(unnamed, state.market.coin)}; it then begins at the present amounts")


async def _check_end(
    client: VenueClient, state: MakerState, rows: Sequence[OpenOrder], fills: Sequence[Fill], *, take_over: bool
) -> tuple[Fill, ...]:
    """Refuse a ledger that lacks entries at its end.

    With `take_over` the sessions that it lacks become ours instead. Return the fills, with the cloids that had to be
    asked for. Errors: LedgerCut, VenueError.
    """
    named, unnamed = await client.name_fills(fills, is_known=state.order_state.is_accounted_for)
    lost = state.find_lost_entries(named, rows)
    if take_over:
        _take_over(state, () if lost is None else lost.last_numbers)
        return named
    # An order in flight when the last session ended is in the ledger, and its doubt is settled after the start.
    intents = [intent.quote for intent in state.order_state.get_intents()]
    unnamed = tuple(
        fill
        for fill in unnamed
        if not any((q.side, q.price) == (fill.side, fill.price) and fill.size <= q.size for q in intents)
    )
    if lost is None and not unnamed:
        return named
    coin = state.market.coin
    reason = describe_unnamed(unnamed, coin) if lost is None else describe_lost_entries(lost, coin)
    state.history.on_cut(reason)
    raise LedgerCut(reason)


def _take_over(state: MakerState, last_numbers: Iterable[tuple[int, int]]) -> None:
    """Make sessions ours, given as (epoch, highest number)."""
    for epoch, number in last_numbers:
        if epoch not in state.ownership.epochs:
            state.ownership.epochs.add(epoch)
            state.record(Began(epoch, {}))
        state.order_state.sent_numbers.raise_to(epoch, number)
        state.record(Numbered(epoch, number))


async def _check_reach(
    client: VenueClient, state: MakerState, read: ReadFills, *, newest_ms: int, wall_ms: Callable[[], int]
) -> None:
    """Check that the history has the ledger's fills.

    If the newest one is missing, fills after that one may be missing too. One that is too young may be listed late: it
    is waited for. Errors: VenueError, HistoryLost, Contradiction.
    """
    history = state.history
    is_ours, newest_ms = newest_ms >= history.read_ms, max(newest_ms, history.read_ms)
    n_asked, n_unknown = 1, 0
    while True:
        history.on_listed(fill.key for fill in read.fills)
        late_before_ms = wall_ms() - FILLS_OVERLAP_MS
        is_reached = not newest_ms or history.reaches(newest_ms, read, is_ours=is_ours)
        # A history that begins later says nothing of fills before it.
        first_ms = min(read.moments, default=0)
        lacking = [key for key in history.find_old_unlisted(before_ms=late_before_ms) if (key.time_ms or 0) >= first_ms]
        if is_reached and not lacking:
            history.on_started(trio.current_time())
            return
        is_young = not is_reached and newest_ms > late_before_ms
        if n_asked > REACH_TRIES:
            n_unknown = 0 if is_young and await _is_order_known(client, history, newest_ms) else n_unknown + 1
        # One answer that does not know an order may be a replica's that lags.
        if n_unknown >= (UNKNOWN_TRIES if is_young else 1):
            break
        # A replica may lag behind an earlier answer.
        await trio.sleep(REACH_PAUSE_S if n_asked <= REACH_TRIES else YOUNG_PAUSE_S)
        since_ms = history.look_up_from_ms
        read = (await client.fetch_fill_pages(since_ms)).read(state.market, since_ms=since_ms)
        n_asked += 1
    if is_reached:
        raise Contradiction(describe_lacking(lacking))
    raise HistoryLost(
        f"the venue's fill history of {state.market.coin} does not contain our last known fill (time "
        f"{newest_ms}); later fills may be missing too, so the ledger cannot be brought up to date. "
        "`mm-trio ledger audit` shows the difference; to start anew from the configured allocation, move the state "
        "folder away and start with --take-over"
    )


async def _is_order_known(client: VenueClient, history: FillHistory, time_ms: int) -> bool:
    """Return whether the venue knows the order of a fill at this time.

    Else the fill is not late: this is another venue, such as a sandbox that was started anew.
    """
    oids = {key.oid for key in history.find_old_unlisted(before_ms=time_ms + 1) if key.time_ms == time_ms}
    return any([(await client.fetch_order_status(oid=oid)).order is not None for oid in oids if oid is not None])


@dataclass(frozen=True, slots=True)
class _Found:
    """Open orders, balances and fills of one moment.

    `give_budget` gives volume and requests used, or raises why they are not known, when all else is checked.
    """

    rows: tuple[OpenOrder, ...]
    balances: Balances
    read: ReadFills
    give_budget: Callable[[], tuple[Decimal, int]]


async def _read_consistently(
    look: Look,
    market: Market,
    *,
    since_ms: int,
    on_others: Callable[[Iterable[FundEvent]], None] | None = None,
) -> _Found:
    listed, give_budget = await call_together(
        partial(look.fetch_fills, market, since_ms=since_ms, on_others=on_others),
        partial(settle, look.fetch_budget),
    )
    fills, moments = {fill.key: fill for fill in listed.fills}, set(listed.moments)
    for _ in range(SEED_TRIES):
        # Both lie between two lists of fills, and neither needs the other.
        rows, balances = await call_together(
            partial(look.fetch_open_orders, market), partial(look.fetch_balances, market)
        )
        newest_ms = max((fill.time_ms or 0 for fill in fills.values()), default=since_ms)
        # A fill of ours may be listed late, behind newer ones of other coins.
        again = await look.fetch_fills(market, since_ms=max(newest_ms, max(moments, default=0) - FILLS_OVERLAP_MS))
        later = {fill.key: fill for fill in again.fills}
        moments |= again.moments
        if later.keys() <= fills.keys():
            return _Found(rows, balances, ReadFills(tuple(fills.values()), frozenset(moments)), give_budget)
        fills |= later
    raise Unreachable(f"{market.coin} trades faster than its balances can be read ({SEED_TRIES} attempts)")
