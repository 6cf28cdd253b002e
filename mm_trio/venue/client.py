"""The maker's questions and orders to the venue, as coroutines with deadlines and typed answers.

Every blocking call of the SDK goes through the `run_sync` seam, here and nowhere else. Questions raise a
`VenueError` when no usable answer came; actions never raise for the world's sake: an answer that did not
come is `Unknown`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import trio

from mm_trio.errors import ProtocolError, Unreachable
from mm_trio.model import (
    Answer,
    Balances,
    DesiredOrder,
    Fill,
    Intent,
    Market,
    OpenOrder,
    OrderStatus,
    Unknown,
)
from mm_trio.venue import wire
from mm_trio.venue.answers import parse_answers
from mm_trio.venue.hyperliquid import VENUE_FAILURES, describe_failure, make_cloid

__all__ = ["RunSync", "VenueClient"]

_log = logging.getLogger(__name__)

RunSync: TypeAlias = Callable[..., Awaitable[Any]]

# Longer than the SDK's own HTTP timeout (which bounds one read, not the answer): what takes longer is lost.
READ_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 6.0
FILLS_PER_PAGE = 2_000  # the venue's most per answer
MAX_FILL_PAGES = 50  # the venue promises 10,000 fills; ten times that is no history but a fault


class VenueClient:
    """`info` and `exchange` are the SDK's objects or anything of their shape; `address` is the account."""

    def __init__(
        self,
        info: Any,
        exchange: Any,
        *,
        address: str,
        run_sync: RunSync,
        read_timeout_s: float = READ_TIMEOUT_S,
        write_timeout_s: float = WRITE_TIMEOUT_S,
    ) -> None:
        self.info = info
        self._exchange = exchange
        self._address = address
        self.coin = ""  # the venue's name of our pair, once the market is known
        self.leave_by_s = float("inf")  # no action outlasts this moment of the loop's clock
        self._run_sync = run_sync
        self._read_timeout_s = read_timeout_s
        self._write_timeout_s = write_timeout_s

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
            page, bad = wire.parse_fills(rows, market)
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

    async def ask(self, call: Callable[..., Any], *args: Any) -> Any:
        """Any blocking call, with a deadline. Errors: Unreachable."""
        name = getattr(call, "__name__", None) or getattr(getattr(call, "func", None), "__name__", "request")
        try:
            with trio.fail_after(self._read_timeout_s):
                return await self._run_sync(call, *args, abandon_on_cancel=True)
        except trio.TooSlowError:
            raise Unreachable(f"{name}: no answer in {self._read_timeout_s:g} s") from None
        except VENUE_FAILURES as error:
            raise Unreachable(f"{name}: {describe_failure(error)}") from error

    # --- the socket ---------------------------------------------------------------------------

    def feed_is_alive(self) -> bool:
        """Whether the SDK's socket thread runs; it tells nothing of a connection gone silent."""
        manager = getattr(self.info, "ws_manager", None)
        return manager is not None and bool(manager.is_alive())

    async def subscribe(self, feed: str, callback: Callable[[Any], None]) -> None:
        """Subscribe to one feed on the connection that `info` has now. Errors: Unreachable."""
        subscription = {"type": feed}
        if feed != wire.HEARTBEAT_FEED:
            subscription["user"] = self._address
        try:
            await self.ask(self.info.subscribe, subscription, callback)
        except NotImplementedError as error:  # the SDK's word for a connection that has this feed already
            raise Unreachable(f"subscribe {feed}: {error}") from error

    # --- actions ------------------------------------------------------------------------------

    async def send_places(
        self, items: Sequence[tuple[DesiredOrder, str]], *, coin: str, expires_ms: int
    ) -> tuple[Answer, ...]:
        """Place orders, each with its cloid, post-only."""
        orders = [wire.encode_order(order, coin=coin, cloid=make_cloid(cloid)) for order, cloid in items]
        return await self._write(self._exchange.bulk_orders, orders, expires_ms=expires_ms)

    async def send_modifies(
        self, items: Sequence[tuple[int, DesiredOrder, str]], *, coin: str, expires_ms: int
    ) -> tuple[Answer, ...]:
        """Replace orders, each by a new one with its own cloid."""
        modifies = [
            {"oid": oid, "order": wire.encode_order(order, coin=coin, cloid=make_cloid(cloid))}
            for oid, order, cloid in items
        ]
        return await self._write(self._exchange.bulk_modify_orders_new, modifies, expires_ms=expires_ms)

    async def send_cancels(self, oids: Sequence[int], *, coin: str, expires_ms: int) -> tuple[Answer, ...]:
        """Cancel orders by oid."""
        cancels = [wire.encode_cancel(oid, coin=coin) for oid in oids]
        return await self._write(self._exchange.bulk_cancel, cancels, expires_ms=expires_ms)

    async def send_cancels_by_cloid(
        self, intents: Sequence[Intent], *, coin: str, expires_ms: int
    ) -> tuple[Answer, ...]:
        """Cancel orders whose oid we never learnt."""
        cancels = [{"coin": coin, "cloid": make_cloid(intent.cloid)} for intent in intents]
        return await self._write(self._exchange.bulk_cancel_by_cloid, cancels, expires_ms=expires_ms)

    async def _write(
        self, call: Callable[..., Any], items: list[dict[str, Any]], *, expires_ms: int
    ) -> tuple[Answer, ...]:
        """One action, whole: a request on its way is not cut off by our leaving, only by its deadline."""
        deadline_s = min(trio.current_time() + self._write_timeout_s, self.leave_by_s)
        why = f"no answer in {self._write_timeout_s:g} s"
        try:
            with trio.CancelScope(shield=True, deadline=deadline_s):
                raw = await self._run_sync(self._act, call, items, expires_ms, abandon_on_cancel=True)
                return parse_answers(raw, len(items))
        except VENUE_FAILURES as error:
            why = describe_failure(error)
        return (Unknown(why),) * len(items)

    def _act(self, call: Callable[..., Any], items: list[dict[str, Any]], expires_ms: int) -> Any:
        # one attribute of the SDK's object for all later actions: set before each one, on the one lane
        self._exchange.set_expires_after(expires_ms)
        return call(items)
