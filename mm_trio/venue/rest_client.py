"""Questions of the maker to the venue, as coroutines with deadlines and typed answers.

Every blocking call of the SDK goes through the `run_sync` seam, here and in `order_gateway`, nowhere else. A
question raises a `VenueError` when no usable answer came.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any, Self, TypeVar

import trio

from mm_trio.concurrency.blocking_calls import NoFreeThread, RunSync
from mm_trio.funds.movements import FundEvent
from mm_trio.messages.fields import read_list
from mm_trio.messages.fund_updates import FundUpdates, parse_fund_updates
from mm_trio.messages.other_trades import parse_other_trades
from mm_trio.model.errors import Busy, ProtocolError, Unreachable, VenueError
from mm_trio.model.market import Balances, Book, Market, SpotMeta
from mm_trio.model.replies import Fill, ListedAgent, OpenOrder, OrderStatus, ReadFills
from mm_trio.venue import wire
from mm_trio.venue.http_session import VENUE_FAILURES, make_read_error
from mm_trio.venue.ip_weight import FOR_SHUTDOWN, IpWeight, find_weight, find_weight_of_rows
from mm_trio.venue.sdk import make_cloid
from mm_trio.witness.venue_clock import VenueClock

__all__ = [
    "FUNDS_PER_PAGE",
    "FillPages",
    "OpenOrderRows",
    "VenueClient",
    "ask_while_busy",
    "log_left_out",
]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

# Twice what bounds a whole answer, after which its thread ends. Only a name that is looked up can take longer.
READ_TIMEOUT_S = 10.0
# The weight of an IP address is counted over a minute. A start waits that long for it, and asks now and then.
START_PATIENCE_S = 70.0
BUSY_PAUSE_S = 5.0
# The venue's most per answer.
FILLS_PER_PAGE = 2_000
FUNDS_PER_PAGE = 500
# Questions of one comparison of the clocks, and the pause between two. Two that agree settle it.
CLOCK_TRIES, CLOCK_PAUSE_S = 5, 1.0
# The venue promises 10,000 fills. Ten times that is a fault and not a history.
MAX_FILL_PAGES = 50
# Their weight is a third of what an IP address has in a minute.
MOST_ORDERS_NAMED = 200
NAME_TRIES, NAME_PAUSE_S = 3, 1.0


async def ask_while_busy(ask: Callable[[], Awaitable[_T]], *, until_s: float) -> _T:
    """Ask again and again while the venue is busy.

    `until_s` is on the loop's clock. Errors: what `ask` raises; Busy when the time is up.
    """
    while True:
        try:
            return await ask()
        except Busy as error:
            if trio.current_time() + BUSY_PAUSE_S > until_s:
                raise
            _log.info("rate limited by the venue: error=%s retry_s=%g", error, BUSY_PAUSE_S)
            await trio.sleep(BUSY_PAUSE_S)


def log_left_out(meta: SpotMeta) -> None:
    """Log how many rows of the pairs could not be read."""
    if meta.unreadable:
        _log.warning(
            "rows of spotMeta unreadable: rows=%d first=%s; left out", len(meta.unreadable), meta.unreadable[0][1]
        )


@dataclass(frozen=True, slots=True)
class OpenOrderRows:
    """Answer about the open orders of an account, of every coin."""

    raw: Any
    rows: tuple[OpenOrder, ...]
    is_whole: bool

    @classmethod
    def parse(cls, raw: Any) -> Self:
        """Read the rows that can be read. Errors: ProtocolError where it is no list."""
        rows, unreadable = wire.read_open_orders(raw)
        return cls(raw, rows, not unreadable)

    def read(self, market: Market) -> tuple[OpenOrder, ...]:
        """Return all rows.

        Errors: ProtocolError for an unreadable row of our market, or of no market that can be read; one of another coin
        is left out.
        """
        return self.read_coins((market.coin,))

    def read_coins(self, coins: Iterable[str]) -> tuple[OpenOrder, ...]:
        """Return all rows. Errors: as `read`, for any of these coins."""
        if self.is_whole:
            return self.rows
        for coin in coins:
            rows, unreadable = wire.parse_open_orders(self.raw, coin)
        _log.warning(
            "open orders of other coins unreadable: rows=%d first=%s; left out", len(unreadable), unreadable[0]
        )
        return rows


@dataclass(frozen=True, slots=True)
class FillPages:
    """Answer about the fills of an account, of every coin, oldest first.

    `whole`: a fill that leaves out what an exact ledger needs is refused. `is_plausible` judges the venue's times.
    """

    pages: tuple[Sequence[Any], ...]
    whole: bool
    is_plausible: Callable[[int], bool]

    def read(
        self,
        market: Market,
        *,
        since_ms: int,
        on_others: Callable[[Iterable[FundEvent]], None] | None = None,
        siblings: Collection[str] = (),
    ) -> ReadFills:
        """Return the fills of our coin from `since_ms` on, and when others were told.

        `on_others` gets what trades of other pairs moved of our tokens, but for pairs of other grids. Errors:
        ProtocolError for an unreadable row, because no fill may be missed here.
        """
        fills: list[Fill] = []
        moments: set[int] = set()
        for rows in self.pages:
            page, bad = wire.parse_fills(rows, market, whole=self.whole)
            if bad:
                raise bad[0]
            # A row from the future would move the watermark of the history past every later fill.
            if late := [fill for fill in page if not self.is_plausible(fill.time_ms or 0)]:
                raise ProtocolError("userFillsByTime.time", late[0].time_ms)
            fills.extend(fill for fill in page if fill.time_ms is None or fill.time_ms >= since_ms)
            moments.update(moment for moment in wire.read_fill_times(rows) if self.is_plausible(moment))
            if on_others is not None:
                others = rows if not siblings else [row for row in rows if _find_coin(row) not in siblings]
                on_others(parse_other_trades(others, market))
        return ReadFills(tuple(fills), frozenset(moments))


class VenueClient:
    """Questions about one account, and the request weight they use.

    `info` is the SDK's object or one of its shape; `address` is the account. `whole_fills`: refuse a fill that
    leaves out what an exact ledger needs. `patience_s`: how long each question may wait while the venue is busy.
    `clock` is compared with the venue's; without one nothing is compared. No question is sent beyond the weight of this
    IP address, except the rows of its answer.
    """

    def __init__(
        self,
        info: Any,
        *,
        address: str,
        run_sync: RunSync,
        read_timeout_s: float = READ_TIMEOUT_S,
        whole_fills: bool = False,
        patience_s: float = 0.0,
        clock: VenueClock | None = None,
    ) -> None:
        self._info = info
        self._address = address
        self._run_sync = run_sync
        self._whole_fills = whole_fills
        self._read_timeout_s = read_timeout_s
        self._patience_s = patience_s
        self._patient_until_s = float("-inf")
        self._keep = FOR_SHUTDOWN
        self.weight = IpWeight()
        # By coin, of the last comparison of the clocks where its answer could be read.
        self.books: dict[str, Book | None] = {}
        self.clock = clock or VenueClock(lambda: 0)
        # When the last usable answer or message of the venue came, on the loop's clock.
        self.heard_s = float("-inf")

    def on_heard(self) -> None:
        """Note that the venue was heard, also over another connection."""
        self.heard_s = trio.current_time()

    async def fetch_market(self, coin: str) -> Market:
        """Fetch the pair named `coin`.

        Errors: ConfigError for an unknown one, VenueError.
        """
        (market,) = await self.fetch_markets([coin])
        return market

    async def fetch_markets(self, coins: Iterable[str]) -> tuple[Market, ...]:
        """Fetch several pairs with one question.

        Errors: ConfigError for an unknown one, VenueError.
        """
        meta = wire.parse_spot_meta(await self.ask(self._info.spot_meta))
        log_left_out(meta)
        return tuple(wire.find_market(meta, coin) for coin in coins)

    async def fetch_open_orders(self, market: Market) -> tuple[OpenOrder, ...]:
        """Fetch the open orders of the account, of every coin (weight 20).

        Errors: VenueError; an unreadable row of our market is one, an unreadable row of another coin is left out.
        """
        return (await self.fetch_open_order_rows()).read(market)

    async def fetch_open_order_rows(self) -> OpenOrderRows:
        """Fetch the open orders of the account, for readers of several coins (weight 20). Errors: VenueError."""
        return OpenOrderRows.parse(await self.ask(self._info.open_orders, self._address))

    async def fetch_balances(self, market: Market) -> Balances:
        """Fetch the totals of the market's two tokens (weight 2)."""
        return self.read_balances(await self.fetch_balance_rows(), market)

    def read_balances(self, raw: Any, market: Market) -> Balances:
        """Read totals and holds of the market's two tokens. Errors: ProtocolError."""
        return wire.parse_balances(raw, market)

    async def fetch_balance_rows(self) -> Any:
        """Fetch the balances of the account, as the venue tells them (weight 2)."""
        return await self.ask(self._info.spot_user_state, self._address)

    async def fetch_book(self, market: Market) -> Book:
        """Fetch the best levels of the market's book (weight 2)."""
        return wire.parse_book(await self.ask(self._info.l2_snapshot, market.coin), market.coin)

    async def fetch_budget(self) -> tuple[Decimal, int]:
        """Fetch volume and requests used of the address (weight 20)."""
        return wire.parse_rate_limit(await self.ask(self._info.user_rate_limit, self._address))

    async def fetch_rates(self) -> tuple[Decimal, Decimal] | None:
        """Fetch the rates of maker and taker on spot (weight 20); None where they cannot be asked for."""
        if not hasattr(type(self._info), "user_fees"):
            return None
        return wire.parse_spot_rates(await self.ask(self._info.user_fees, self._address))

    async def fetch_agents(self, owner: str) -> tuple[ListedAgent, ...]:
        """Fetch the named agents of an account (weight 20)."""
        return wire.parse_agents(await self.ask(self._info.extra_agents, owner))

    async def fetch_role(self, address: str) -> tuple[str, str | None]:
        """Fetch the role of an address, and its owner where it has one (weight 60)."""
        return wire.parse_role(await self.ask(self._info.user_role, address))

    async def fetch_fills(
        self, market: Market, *, since_ms: int, on_others: Callable[[Iterable[FundEvent]], None] | None = None
    ) -> tuple[Fill, ...]:
        """Fetch every fill of our coin from `since_ms` on, oldest first.

        `on_others` gets what trades of other pairs moved of our tokens. Weight 20, and 1 per 20 rows, for each page.
        Errors: VenueError; an unreadable row is one, because no fill may be missed here.
        """
        pages = await self.fetch_fill_pages(since_ms)
        return pages.read(market, since_ms=since_ms, on_others=on_others).fills

    async def fetch_fill_pages(self, since_ms: int) -> FillPages:
        """Fetch every fill of the account from `since_ms` on, for readers of several coins.

        Weight 20, and 1 per 20 rows, for each page. Errors: VenueError.
        """
        pages: list[Sequence[Any]] = []
        for _ in range(MAX_FILL_PAGES):
            rows = read_list(await self.ask(self._info.user_fills_by_time, self._address, since_ms), "userFillsByTime")
            pages.append(rows)
            if len(rows) < FILLS_PER_PAGE:
                return FillPages(tuple(pages), self._whole_fills, self.clock.is_plausible)
            last_ms = wire.newest_fill_ms(rows)
            # A page full of one instant would come for ever, so it is stepped over.
            if last_ms <= since_ms:
                last_ms = since_ms + 1
            since_ms = last_ms
        raise ProtocolError("userFillsByTime", f"more than {MAX_FILL_PAGES} pages")

    @property
    def lists_movements(self) -> bool:
        """Return whether movements of funds can be asked for."""
        # Looked up on the class: an object that answers to every name lists nothing.
        return hasattr(type(self._info), "user_non_funding_ledger_updates")

    async def fetch_fund_updates(self, market: Market, *, since_ms: int) -> FundUpdates:
        """Fetch a page of the movements of funds from `since_ms` on, oldest first.

        Weight 20, and 1 per 20 rows. Errors: VenueError.
        """
        rows = await self.ask(self._info.user_non_funding_ledger_updates, self._address, since_ms)
        updates = parse_fund_updates(rows, market, address=self._address)
        # Such a row would be in the way of every later one.
        if updates.last_ms is not None and not self.clock.is_plausible(updates.last_ms):
            raise ProtocolError("userNonFundingLedgerUpdates.time", updates.last_ms)
        return updates

    async def compare_clock(self, coin: str) -> None:
        """Compare our clock with the venue's (weight 2 for each question).

        It asks until two answers agree where the first one contradicts what was known. Errors: VenueError.
        """
        if not self.clock.compares:
            return
        for n in range(1, CLOCK_TRIES + 1):
            failure: VenueError | None = None
            asked = self.clock.read_clocks()
            try:
                raw = await self.ask(self._info.l2_snapshot, coin)
                venue_ms = wire.parse_book_time(raw)
                self.books[coin] = _find_book(raw, coin)
                if not self.clock.on_answer(asked, venue_ms):
                    failure = Unreachable("l2_snapshot: the answer came too late to compare the clocks by it")
            except VenueError as error:
                failure = error
            if failure is None and not self.clock.wants_another:
                return
            if n < CLOCK_TRIES:
                await trio.sleep(CLOCK_PAUSE_S)
        if failure is not None or self.clock.is_contradicted:
            why = failure or "l2_snapshot: its answers contradict each other"
            raise Unreachable(f"the clock could not be compared with the venue's: {why}") from failure

    async def fetch_order_status(self, *, oid: int | None = None, cloid: str | None = None) -> OrderStatus:
        """Fetch the status of one order, by oid or by cloid (weight 2)."""
        if oid is not None:
            return wire.parse_order_status(await self.ask(self._info.query_order_by_oid, self._address, oid))
        assert cloid is not None
        question = make_cloid(cloid)
        return wire.parse_order_status(await self.ask(self._info.query_order_by_cloid, self._address, question))

    async def name_fills(
        self, fills: Sequence[Fill], *, is_known: Callable[[Fill], bool]
    ) -> tuple[tuple[Fill, ...], tuple[Fill, ...]]:
        """Complete fills that came without the cloid of their order.

        Asks for the orders that `is_known` does not know (weight 2 each), for the newest `MOST_ORDERS_NAMED` of them.
        Orders that took liquidity are not asked for: this program sends none. An order that the venue does not know is
        asked for `NAME_TRIES` times, because a replica may lag. Return all fills, and those whose order was not asked
        for or is not known to the venue.
        """
        unnamed = [fill for fill in fills if fill.cloid is None and not fill.crossed and not is_known(fill)]
        missing = list(dict.fromkeys(fill.oid for fill in reversed(unnamed)))[:MOST_ORDERS_NAMED]
        cloids: dict[int, str | None] = {}
        for n in range(NAME_TRIES):
            if n and missing:
                await trio.sleep(NAME_PAUSE_S)
            orders = {oid: (await self.fetch_order_status(oid=oid)).order for oid in missing}
            cloids |= {oid: order.cloid for oid, order in orders.items() if order is not None}
            missing = [oid for oid in missing if oid not in cloids]
        named = tuple(replace(fill, cloid=cloids[fill.oid]) if fill.oid in cloids else fill for fill in fills)
        return named, tuple(fill for fill in unnamed if fill.oid not in cloids)

    @contextmanager
    def waiting_while_busy(self) -> Iterator[None]:
        """Let questions wait until this IP address has weight again.

        For a start: 70 s at most, for all questions together.
        """
        self._patient_until_s = trio.current_time() + START_PATIENCE_S
        try:
            yield
        finally:
            self._patient_until_s = float("-inf")

    def on_shutdown(self) -> None:
        """Let questions use the weight that was kept for this."""
        self._keep = 0

    async def ask(self, call: Callable[..., _T], *args: object) -> _T:
        """Make any blocking call of the SDK, with a deadline.

        Inside `waiting_while_busy` it is made again where the venue is busy. Errors: Unreachable; Busy also where the
        weight of this IP address is used up, and then nothing was sent.
        """
        until_s = max(self._patient_until_s, trio.current_time() + self._patience_s)
        return await ask_while_busy(partial(self._ask_once, call, *args), until_s=until_s)

    async def _ask_once(self, call: Callable[..., _T], *args: object) -> _T:
        named = getattr(call, "func", call)
        name: str = getattr(named, "__name__", "request")
        self._take_weight(name)
        try:
            with trio.fail_after(self._read_timeout_s):
                answer: _T = await self._run_sync(call, *args, abandon_on_cancel=True)
                self.on_heard()
                _log.debug("venue answered: question=%s", name)
                self.weight.on_request(find_weight_of_rows(name, answer), now_s=trio.current_time())
                return answer
        except trio.TooSlowError:
            raise Unreachable(f"{name}: no answer in {self._read_timeout_s:g} s") from None
        except NoFreeThread as error:
            raise Unreachable(f"{name}: not asked: {error}") from error
        except VENUE_FAILURES as error:
            raise make_read_error(name, error) from error

    def _take_weight(self, name: str) -> None:
        """Count a question against this IP address. Errors: Busy."""
        weight, now_s = find_weight(name), trio.current_time()
        wait_s = self.weight.compute_wait_s(weight, keep=self._keep, now_s=now_s) if weight else 0.0
        if wait_s > 0:
            raise Busy(f"{name}: the request weight of this minute is used up; there is some again in {wait_s:.1f} s")
        self.weight.on_request(weight, now_s=now_s)


def _find_coin(row: Any) -> Any:
    return row.get("coin") if isinstance(row, Mapping) else None


def _find_book(raw: Any, coin: str) -> Book | None:
    """Read the levels of a book that was asked for its time; None where they are unreadable."""
    try:
        return wire.parse_book(raw, coin)
    except VenueError:
        return None
