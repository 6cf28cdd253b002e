"""The maker's questions to the venue, as coroutines with deadlines and typed answers; and its socket.

Every blocking call of the SDK goes through the `run_sync` seam, here and in `actions`, nowhere else. A question
raises a `VenueError` when no usable answer came.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.model.errors import Busy, ProtocolError, Unreachable
from mm_trio.model.market import Balances, Market
from mm_trio.model.replies import Fill, OpenOrder, OrderStatus
from mm_trio.venue import wire
from mm_trio.venue.ip_weight import IpWeight, find_weight, find_weight_of_rows
from mm_trio.venue.sdk import VENUE_FAILURES, make_cloid, make_read_error

__all__ = ["VenueClient", "ask_while_busy"]

_log = logging.getLogger(__name__)

# Longer than the SDK's own HTTP timeout (which bounds one read, not the answer): what takes longer is lost.
READ_TIMEOUT_S = 10.0
ACK_LOOK_S = 0.02
# The weight of an IP address is counted over a minute: so long a start waits for it, looking now and then.
START_PATIENCE_S = 70.0
BUSY_PAUSE_S = 5.0
FILLS_PER_PAGE = 2_000  # the venue's most per answer
MAX_FILL_PAGES = 50  # the venue promises 10,000 fills; ten times that is no history but a fault


async def ask_while_busy(ask: Callable[[], Awaitable[Any]], *, until_s: float) -> Any:
    """Ask again and again where the venue is Busy, until that moment of the loop's clock. Errors: what `ask` raises."""
    while True:
        try:
            return await ask()
        except Busy as error:
            if trio.current_time() + BUSY_PAUSE_S > until_s:
                raise
            _log.info("%s: the venue wants us to wait, again in %g s", error, BUSY_PAUSE_S)
            await trio.sleep(BUSY_PAUSE_S)


class VenueClient:
    """`info` is the SDK's object or anything of its shape; `address` is the account.

    `whole_fills`: a fill that leaves out what an exact ledger needs is refused.
    """

    def __init__(
        self,
        info: Any,
        *,
        address: str,
        run_sync: RunSync,
        read_timeout_s: float = READ_TIMEOUT_S,
        whole_fills: bool = False,
    ) -> None:
        self.info = info
        self._address = address
        self.coin = ""  # the venue's name of our pair, once the market is known
        self._run_sync = run_sync
        self._whole_fills = whole_fills
        self._read_timeout_s = read_timeout_s
        self._patient_until_s = float("-inf")
        self.weight = IpWeight()

    # --- questions ----------------------------------------------------------------------------

    async def fetch_market(self, coin: str) -> Market:
        """The pair named `coin`. Errors: ConfigError for an unknown one, VenueError."""
        market = wire.parse_market(await self.ask(self.info.spot_meta), coin)
        self.coin = market.coin
        return market

    async def fetch_open_orders(self) -> tuple[OpenOrder, ...]:
        """Open orders of the account, of every coin (weight 20)."""
        raw = await self.ask(self.info.open_orders, self._address)
        rows, unreadable = wire.parse_open_orders(raw, self.coin)
        if unreadable:
            _log.warning("open orders: %d rows of other coins unreadable: %s", len(unreadable), unreadable[0])
        return rows

    async def fetch_balances(self, market: Market) -> Balances:
        """Totals of the market's two tokens (weight 2)."""
        return wire.parse_balances(await self.ask(self.info.spot_user_state, self._address), market)

    async def fetch_budget(self) -> tuple[Decimal, int]:
        """(volume, requests used) of the address (weight 20)."""
        return wire.parse_rate_limit(await self.ask(self.info.user_rate_limit, self._address))

    async def fetch_fills(self, market: Market, *, since_ms: int) -> tuple[Fill, ...]:
        """Every fill of our coin from `since_ms` on, oldest first (weight 20 and 1 per 20 rows a page).

        Errors: VenueError; a row that cannot be read is one, since no fill may be missed here.
        """
        fills: list[Fill] = []
        for _ in range(MAX_FILL_PAGES):
            rows = await self.ask(self.info.user_fills_by_time, self._address, since_ms)
            page, bad = wire.parse_fills(rows, market, whole=self._whole_fills)
            if bad:
                raise bad[0]
            fills.extend(page)
            if len(rows) < FILLS_PER_PAGE:
                return tuple(fills)
            last_ms = wire.newest_fill_ms(rows)
            if last_ms <= since_ms:  # a page full of one instant: step over it, or it comes for ever
                last_ms = since_ms + 1
            since_ms = last_ms
        raise ProtocolError("userFillsByTime", f"more than {MAX_FILL_PAGES} pages")

    async def fetch_order_status(self, *, oid: int | None = None, cloid: str | None = None) -> OrderStatus:
        """What the venue knows of one order, by oid or by cloid (weight 2)."""
        if oid is not None:
            return wire.parse_order_status(await self.ask(self.info.query_order_by_oid, self._address, oid))
        assert cloid is not None
        question = make_cloid(cloid)
        return wire.parse_order_status(await self.ask(self.info.query_order_by_cloid, self._address, question))

    @contextmanager
    def waiting_while_busy(self) -> Iterator[None]:
        """For a start: questions wait until the venue has weight for this IP address again, a minute at most."""
        self._patient_until_s = trio.current_time() + START_PATIENCE_S
        try:
            yield
        finally:
            self._patient_until_s = float("-inf")

    async def ask(self, call: Callable[..., Any], *args: Any) -> Any:
        """Any blocking call, with a deadline; while there is patience for that, again where it is Busy.

        Errors: Unreachable.
        """
        return await ask_while_busy(partial(self._ask_once, call, *args), until_s=self._patient_until_s)

    async def _ask_once(self, call: Callable[..., Any], *args: Any) -> Any:
        named = getattr(call, "func", call)
        name: str = getattr(named, "__name__", "request")
        try:
            with trio.fail_after(self._read_timeout_s):
                self.weight.on_request(find_weight(name), now_s=trio.current_time())
                answer = await self._run_sync(call, *args, abandon_on_cancel=True)
                self.weight.on_request(find_weight_of_rows(name, answer), now_s=trio.current_time())
                return answer
        except trio.TooSlowError:
            raise Unreachable(f"{name}: no answer in {self._read_timeout_s:g} s") from None
        except VENUE_FAILURES as error:
            raise make_read_error(name, error) from error

    # --- the socket ---------------------------------------------------------------------------

    def feed_is_alive(self) -> bool:
        """Whether the SDK's socket thread runs; it tells nothing of a connection gone silent."""
        manager = getattr(self.info, "ws_manager", None)
        return manager is not None and bool(manager.is_alive())

    def count_frames(self) -> int | None:
        """Frames that came on this connection, pongs too; None where the socket cannot tell."""
        manager = getattr(self.info, "ws_manager", None)
        return manager.n_frames if manager is not None and hasattr(type(manager), "ping") else None

    async def ping(self) -> None:
        """Ask the venue for a sign of life. Errors: Unreachable."""
        await self.ask(self.info.ws_manager.ping)

    async def wait_acknowledged(self, feeds: Collection[str], *, within_s: float) -> None:
        """Return when the venue acknowledged these subscriptions, where the socket can tell. Errors: Unreachable."""
        manager = getattr(self.info, "ws_manager", None)
        if manager is None or not hasattr(type(manager), "acknowledged"):
            return
        with trio.move_on_after(within_s):
            while not manager.acknowledged.issuperset(feeds):  # noqa: ASYNC110 - filled by a thread of the SDK's
                await trio.sleep(ACK_LOOK_S)
            return
        missing = sorted(set(feeds) - manager.acknowledged)
        raise Unreachable(f"subscriptions not acknowledged in {within_s:g} s: {', '.join(missing)}")

    async def subscribe(self, feed: str, callback: Callable[[Any], None]) -> None:
        """Subscribe to one feed on the connection that `info` has now. Errors: Unreachable."""
        subscription = {"type": feed}
        if feed != wire.HEARTBEAT_FEED:
            subscription["user"] = self._address
        try:
            await self.ask(self.info.subscribe, subscription, callback)
        except NotImplementedError as error:  # the SDK's word for a connection that has this feed already
            raise Unreachable(f"subscribe {feed}: {error}") from error
