"""An exchange with scripted takers that notes how its one maker keeps up: the side that measures."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import trio
from makers import COIN, N_ORDERS, START_PRICE, TAKER

from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.sandbox import (
    DEFAULT_MARKETS,
    Auth,
    CancelByCloid,
    CancelByOid,
    Command,
    Deposit,
    Effect,
    Exchange,
    Gateway,
    Limits,
    ModifyOrders,
    NewOrder,
    PlaceOrders,
    SignedAction,
    serve,
)

__all__ = ["Script", "run_venue"]

PLENTY = Decimal(10) ** 9
FURTHEST = 8  # levels that the market may move from where it began
SETTLE_S = 4.0  # before the first taker and after the last: longer than any tick
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Script:
    """Takers: so many, so often on average, with pauses and sides drawn from `seed`.

    Even ones keep at least half of the average pause between them. Poisson takers come as they do in a market: in
    bursts, and with long pauses.
    """

    n_fills: int
    every_s: float
    seed: int
    is_poisson: bool = False

    @property
    def lasts_s(self) -> float:
        """At the most; of Poisson takers nearly certainly."""
        return 1.5 * self.n_fills * self.every_s + 2 * SETTLE_S + 10 * self.every_s

    def draw_pause_s(self, rng: Random) -> float:
        """Until the next taker; in step with nobody's ticks."""
        return rng.expovariate(1 / self.every_s) if self.is_poisson else self.every_s * rng.uniform(0.5, 1.5)


@dataclass
class Record:
    """What is seen of the maker while the takers trade. A fill waits for an order at its price on the other side."""

    maker: str
    boundary: int = 0  # the lowest level that should be asked at
    is_on: bool = False
    is_timed: bool = False  # whether the best prices are watched: from the first taker to just after the last
    received_s: float = 0.0  # when an action was last read; what checking its signature takes is the exchange's own
    n_fills: int = 0
    n_actions: int = 0
    n_items: int = 0
    n_questions: int = 0
    waits_s: list[float] = field(default_factory=list)
    wrong_s: float = 0.0
    traded_s: float = 0.0
    _owed: dict[tuple[bool, Decimal], float] = field(default_factory=dict)  # (is a bid, price) -> fill told at

    def on_request(self, command: Command) -> None:
        """The action of the maker that was received last; replacements in it end their fills' waits."""
        orders: tuple[NewOrder, ...] = ()
        match command:
            case PlaceOrders(orders=orders):
                self.n_items += len(orders)
            case ModifyOrders(modifies=modifies):
                self.n_items += len(modifies)
                orders = tuple(order for _, order in modifies)
            case CancelByOid(cancels=cancels) | CancelByCloid(cancels=cancels):
                self.n_items += len(cancels)
        self.n_actions += 1
        for order in orders:
            told_s = self._owed.pop((order.is_buy, order.price), None)
            if told_s is not None:
                self.waits_s.append(self.received_s - told_s)

    def on_fill(self, *, of_bid: bool, price: Decimal, now_s: float) -> None:
        """A whole order of the maker was taken, and its frame is on the way."""
        self.n_fills += 1
        self.boundary += -1 if of_bid else 1
        # a level that was taken back before it was quoted again is owed nothing
        self._owed.pop((of_bid, price), None)
        self._owed[not of_bid, price] = now_s


class MeasuredAuth(Auth):
    """Notes when an action was received."""

    def __init__(self, exchange: Exchange, record: Record) -> None:
        super().__init__(lambda address: address in exchange.addresses())
        self._record = record

    def admit(self, request: SignedAction, *, now_ms: int) -> str:
        self._record.received_s = time.perf_counter()
        return super().admit(request, now_ms=now_ms)


class MeasuredFront(Gateway):
    """A front that tells the record of every command, and how long the best prices were wrong."""

    def __init__(self, exchange: Exchange, record: Record) -> None:
        super().__init__(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
        self._record = record
        self._grid = PricingGrid(START_PRICE, N_ORDERS, sz_decimals=2)
        self._seen_s = time.perf_counter()

    def info(self, request: object) -> object:
        self._record.n_questions += self._record.is_on
        return super().info(request)

    def apply(self, command: Command) -> tuple[Effect, ...]:
        sender = getattr(command, "address", "").lower()  # the exchange's owner has none
        is_makers = sender == self._record.maker
        if self._record.is_on and is_makers:
            self._record.on_request(command)
        self.look(until_s=self._record.received_s if is_makers else None)
        return super().apply(command)

    def look(self, *, until_s: float | None = None) -> None:
        """Count the time since the last look, in which nothing changed.

        What follows `until_s` is the exchange's own, which checks a signature, and is left out.
        """
        now_s = time.perf_counter()
        record, passed_s = self._record, max(0.0, (now_s if until_s is None else until_s) - self._seen_s)
        self._seen_s = now_s
        if record.is_timed:
            record.traded_s += passed_s
            record.wrong_s += passed_s * (self._find_best() != (record.boundary - 1, record.boundary))

    def find_boundary(self) -> int:
        """The level of the best ask."""
        ask = self._find_best()[1]
        assert ask is not None
        return ask

    def _find_best(self) -> tuple[int | None, int | None]:
        """The levels of the best bid and the best ask; another maker may round their prices in its own way."""
        bid, ask = self.exchange.best_bid_ask(COIN)
        level_for = self._grid.level_for_price
        return None if bid is None else level_for(bid), None if ask is None else level_for(ask)


def run_venue(pipe: Any, script: Script, maker: str, levels: int) -> None:
    """Tell the address, wait for a ladder of so many levels a side, let the takers trade, tell the record."""
    trio.run(_run, pipe, script, maker, levels)


async def _run(pipe: Any, script: Script, maker: str, levels: int) -> None:
    exchange = Exchange(DEFAULT_MARKETS.dense(), maker_fee="0", taker_fee="0", limits=Limits.off())
    record = Record(maker)
    gateway = MeasuredFront(exchange, record)
    pair = exchange.markets.pair(COIN)
    for owner in (maker, TAKER):
        for token in (pair.base.index, pair.quote.index):
            gateway.apply(Deposit(owner, token, PLENTY))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, gateway, MeasuredAuth(exchange, record))
        pipe.send(server.url)
        while min(len(exchange.book(COIN).bids), len(exchange.book(COIN).asks)) < levels:  # noqa: ASYNC110
            await trio.sleep(LOOK_EVERY_S)
        await trio.sleep(SETTLE_S)
        record.boundary = begin = gateway.find_boundary()
        gateway.look()
        record.is_on = record.is_timed = True
        await _take_all(gateway, record, script, begin)
        await trio.sleep(script.every_s)
        gateway.look()
        record.is_timed = False
        await trio.sleep(SETTLE_S)
        record.is_on = False
        names = ("n_fills", "n_actions", "n_items", "n_questions", "waits_s", "wrong_s", "traded_s")
        pipe.send({name: getattr(record, name) for name in names})
        await trio.sleep_forever()


async def _take_all(gateway: MeasuredFront, record: Record, script: Script, begin: int) -> None:
    """Each taker takes the whole best order of a side; at the end of the way they all turn back."""
    rng, due_s = Random(script.seed), trio.current_time()
    for _ in range(script.n_fills):
        due_s += script.draw_pause_s(rng)
        is_buy = rng.random() < 0.5 - (record.boundary - begin) / (2 * FURTHEST)
        await trio.sleep_until(due_s)
        _take_best(gateway, record, is_buy=is_buy)


def _take_best(gateway: MeasuredFront, record: Record, *, is_buy: bool) -> None:
    book = gateway.exchange.book(COIN, depth=1)
    levels = book.asks if is_buy else book.bids
    if not levels:
        return
    price, size = levels[0].price, levels[0].size
    asset = gateway.exchange.markets.pair(COIN).asset
    gateway.apply(PlaceOrders(TAKER, (NewOrder(asset=asset, is_buy=is_buy, price=price, size=size, tif="Ioc"),)))
    record.on_fill(of_bid=not is_buy, price=price, now_s=time.perf_counter())
