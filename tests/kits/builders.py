"""A market in a box for the tests of the maker: one exchange core, a maker's clients, takers by hand."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import trio
from troubled_venue import TroubledVenue

from mm_trio import WsState
from mm_trio.concurrency.blocking_calls import CommitThenSend, RunSync
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import (
    CancelByOid,
    Command,
    Deposit,
    Effect,
    Fill,
    NewOrder,
    OrderRecord,
    PlaceOrders,
    Tif,
    Withdraw,
)
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, Markets

MAKER = "0x" + "a1" * 20
TAKER = "0x" + "b2" * 20
COIN = "@107"  # HYPE/USDC in the default market: two decimals of size
BASE, QUOTE = 150, 0
ALLOCATION: dict[str, Any] = {"allocated_token": 100, "allocated_usdc": 5000}  # all that a World's maker has
EPOCH_MS = 1_790_000_000_000  # where the venue's calendar stands when a test begins


@dataclass(frozen=True)
class Call:
    """One call of a method that a test listened to (fixture `spy`)."""

    args: tuple[Any, ...]
    options: dict[str, Any]
    result: Any


Spy = Callable[[object, str], list[Call]]


def dec(number: str | int) -> Decimal:
    return Decimal(number)


def booked(maker: WsState) -> tuple[Decimal | None, Decimal | None]:
    """What the maker's own ledger says of its allocation; None for a side without one."""
    return maker.inventory.virtual_token, maker.inventory.virtual_usdc


async def run_inline(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The `run_sync` of deterministic tests: no thread, no time."""
    await trio.lowlevel.checkpoint()
    return fn(*args)


def in_steps(run_sync: RunSync) -> RunSync:
    """A seam that makes the two calls of one errand one after the other, so that it knows them by their names."""

    async def run(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if isinstance(fn, CommitThenSend):
            return await fn.take_steps(run_sync)
        return await run_sync(fn, *args, **options)

    return run


def run_with_latency(there_s: float, back_s: float) -> Callable[..., Any]:
    """A `run_sync` with a network in it: the effect happens between the two waits."""

    async def run(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        await trio.sleep(there_s)
        try:
            return fn(*args)
        finally:
            await trio.sleep(back_s)

    return run


class Hanging:
    """A `run_sync` that never answers once `hangs` is set."""

    def __init__(self) -> None:
        self.hangs = False

    async def __call__(self, fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if self.hangs:
            await trio.sleep_forever()
        return fn(*args)


class WatchedFront(Gateway):
    """A front that lets tests look at the exchange after every change, whoever made it."""

    def __init__(self, exchange: Exchange, *, now_ms: Callable[[], int], web_data2: bool) -> None:
        super().__init__(exchange, now_ms=now_ms, web_data2=web_data2)
        self.checks: list[Callable[[], object]] = []

    def apply(self, command: Command) -> tuple[Effect, ...]:
        effects = super().apply(command)
        for check in self.checks:
            check()
        return effects


class World:
    """The exchange, a funded maker and taker, and the maker's clients. Time is the loop's.

    `signing`: the maker's exchange can sign and post apart.
    """

    def __init__(
        self,
        *,
        token: str | int = "100",
        usdc: str | int = "5000",
        coin: str = COIN,
        markets: Markets = DEFAULT_MARKETS,
        web_data2: bool = False,
        signing: bool = False,
        **exchange: Any,
    ) -> None:
        self.coin = coin
        self.pair = markets.pair(coin)
        self.exchange = Exchange(markets, **exchange)
        self.started_s = trio.current_time()
        self.gateway = WatchedFront(self.exchange, now_ms=self.now_ms, web_data2=web_data2)
        self.venue = TroubledVenue(self.gateway)
        self.info = self.venue.info(MAKER)
        self.sdk_exchange = self.venue.signing_exchange(MAKER) if signing else self.venue.exchange(MAKER)
        self.fund(MAKER, token, usdc)
        self.fund(TAKER, 1_000_000_000, 1_000_000_000)

    def now_ms(self) -> int:
        return EPOCH_MS + int(1000 * (trio.current_time() - self.started_s))

    def fund(self, address: str, token: str | int, usdc: str | int) -> None:
        for index, amount in ((self.pair.base.index, token), (self.pair.quote.index, usdc)):
            if dec(amount):
                self.gateway.apply(Deposit(address, index, dec(amount)))

    def withdraw(self, address: str, token: str | int, usdc: str | int = 0) -> None:
        for index, amount in ((self.pair.base.index, token), (self.pair.quote.index, usdc)):
            if dec(amount):
                self.gateway.apply(Withdraw(address, index, dec(amount)))

    def maker(self, **changed: Any) -> WsState:
        """A maker on a ladder of 40 levels from 20, orders of 5; `changed` replaces or adds parameters."""
        parameters: dict[str, Any] = {
            "coin": self.coin,
            "start_px": "20",
            "n_orders": 40,
            "order_sz": "5",
            "info": self.info,
            "exchange": self.sdk_exchange,
            "address": MAKER,
            "run_sync": run_inline,
            "reopen_feed": self.venue.reopen_feed,
            "wall_ms": self.now_ms,
            "rng": random.Random(7),
        }
        parameters |= changed
        parameters["run_sync"] = in_steps(parameters["run_sync"])
        return WsState(**parameters)

    # --- takers -------------------------------------------------------------------------------

    def order(
        self,
        side: str,
        price: str | Decimal,
        size: str | Decimal,
        *,
        tif: Tif = "Ioc",
        address: str = TAKER,
        cloid: str | None = None,
    ) -> None:
        order = NewOrder(self.pair.asset, side == "buy", Decimal(price), Decimal(size), tif, cloid)
        self.gateway.apply(PlaceOrders(address, (order,)))

    def buy(self, size: str | Decimal, price: str | Decimal = "1000") -> None:
        """A taker buys: our asks are filled."""
        self.order("buy", self._cap(price, buy=True), size)

    def sell(self, size: str | Decimal, price: str | Decimal = "0.01") -> None:
        """A taker sells: our bids are filled."""
        self.order("sell", self._cap(price, buy=False), size)

    def _cap(self, price: str | Decimal, *, buy: bool) -> Decimal:
        """No worse than the worst resting price: the venue refuses prices far from its reference."""
        book = self.exchange.book(self.coin)
        levels = book.asks if buy else book.bids
        if not levels:
            return Decimal(price)
        return min(Decimal(price), levels[-1].price) if buy else max(Decimal(price), levels[-1].price)

    def cancel(self, *oids: int, address: str = MAKER) -> None:
        """Somebody cancels by hand."""
        self.gateway.apply(CancelByOid(address, tuple((self.pair.asset, oid) for oid in oids)))

    def spend_budget(self, n_items: int, address: str = MAKER) -> None:
        """Use up so many requests of an address, by cancels of orders that never were."""
        while n_items > 0:
            self.cancel(*range(1, min(n_items, 200) + 1), address=address)
            n_items -= 200

    def say(self, channel: str, data: object) -> None:
        """The venue sends this frame now, past those that are held."""
        self.info.ws_manager.dispatch({"channel": channel, "data": data})

    # --- looking ------------------------------------------------------------------------------

    def resting(self, address: str = MAKER) -> list[OrderRecord]:
        return [order for order in self.exchange.open_orders(address) if order.coin == self.coin]

    def book_of(self, maker: WsState) -> dict[tuple[str, int], Decimal]:
        """What rests of the maker's at the exchange: (side, level) -> size. Fails on two at one place."""
        found: dict[tuple[str, int], Decimal] = {}
        for order in self.resting():
            level = maker.grid.levels.index(order.price)
            pair = ("buy" if order.is_buy else "sell", level)
            assert pair not in found, f"two orders at {pair}"
            found[pair] = order.size
        return found

    def guard(self, maker: WsState) -> None:
        """From now on every change at the exchange is checked: no level holds two of ours, no quote meets ours."""

        def check() -> None:
            book = self.book_of(maker)
            bids = [level for side, level in book if side == "buy"]
            asks = [level for side, level in book if side == "sell"]
            assert not bids or not asks or max(bids) < min(asks), (bids, asks)

        self.gateway.checks.append(check)

    def ledger(self, token: str | int | Decimal | None, usdc: str | int | Decimal | None) -> tuple[Decimal, Decimal]:
        """An allocation and what the exchange's own record of the maker's fills makes of it."""
        assert token is not None, "no allocation"
        assert usdc is not None, "no allocation"
        base, quote = Decimal(token), Decimal(usdc)
        for fill in self.fills():
            if fill.coin == self.coin:
                sign = 1 if fill.is_buy else -1
                base += sign * fill.size - (fill.fee if fill.fee_token == self.pair.base.name else 0)
                quote -= sign * fill.size * fill.price + (fill.fee if fill.fee_token == self.pair.quote.name else 0)
        return base, quote

    def fills(self, address: str = MAKER) -> tuple[Fill, ...]:
        return self.exchange.fills(address)

    def totals(self, address: str = MAKER) -> tuple[Decimal, Decimal]:
        account = self.exchange.account(address)
        return account.total(self.pair.base.index), account.total(self.pair.quote.index)

    def levels(self, maker: WsState, side: str) -> list[int]:
        """Levels with an order of the maker's at the exchange, ascending."""
        return sorted(level for its_side, level in self.book_of(maker) if its_side == side)

    def calls(self, method: str) -> int:
        return sum(name == method for name, _ in self.venue.calls)

    # --- running ------------------------------------------------------------------------------

    async def beat_forever(self) -> None:
        """The venue speaks now and then, in a quiet market too."""
        while True:
            await trio.sleep(5)
            self.gateway.on_clock()

    @asynccontextmanager
    async def running(self, maker: WsState) -> AsyncIterator[WsState]:
        """The maker runs inside; it is cancelled at the end, and has left when this returns."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.beat_forever)
            finished = trio.Event()

            async def run() -> None:
                try:
                    await maker.run()
                finally:
                    finished.set()

            nursery.start_soon(run)
            await until(lambda: maker.stats.ticks > 0)
            yield maker
            nursery.cancel_scope.cancel()
        assert finished.is_set()


async def until(condition: Callable[[], object], *, within_s: float = 60.0) -> None:
    """Wait for a condition, looking often; virtual time makes that free."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - conditions of all kinds, and nobody to set an event
            await trio.sleep(0.01)
