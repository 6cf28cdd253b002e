"""The exchange of a fleet, as a process: it counts what the maker asks, and books every fill on its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

import trio

from mm_trio.sandbox import (
    DEFAULT_MARKETS,
    Auth,
    CancelByCloid,
    CancelByOid,
    Command,
    Deposit,
    Effect,
    Exchange,
    FillMade,
    Gateway,
    Limits,
    ModifyOrders,
    NewOrder,
    PlaceOrders,
    SandboxServer,
    serve,
)
from mm_trio.sandbox.api.ip_weights import weigh_question, weigh_rows

__all__ = ["Fleet", "run_venue"]

LOOK_EVERY_S = 0.1
MOST_PER_PAIR = 4  # whole orders on the way from the beginning, so that no ladder ends
# What an address may ask is counted and not refused: restarts follow each other faster than an operator's.
LIMITS = replace(Limits(), ip_weight_per_minute=None, ws_new_per_minute=None)


@dataclass(frozen=True, slots=True)
class Fleet:
    """An account, its pairs, what it has for each, and a taker for all of them."""

    account: str
    taker: str
    coins: Sequence[str]
    token: int
    usdc: int
    levels: int


class FleetFront(Gateway):
    """Notes what the maker asks and does, what its fills make of each pair, and when fills are quoted again."""

    def __init__(self, exchange: Exchange, fleet: Fleet) -> None:
        super().__init__(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
        self._maker = fleet.account.lower()
        self.questions: Counter[str] = Counter()
        self.weight = self.actions = self.items = 0
        self.waits_s: list[float] = []
        self.owed: dict[tuple[int, bool, Decimal], float] = {}
        self.fills = dict.fromkeys(fleet.coins, 0)
        self.parts = {coin: [Decimal(fleet.token), Decimal(fleet.usdc)] for coin in fleet.coins}

    def info(self, request: object) -> object:
        answer = super().info(request)
        if isinstance(request, dict):
            self.questions[str(request.get("type"))] += 1
        self.weight += weigh_question(request) + weigh_rows(request, answer)
        return answer

    def apply(self, command: Command) -> tuple[Effect, ...]:
        if getattr(command, "address", "").lower() == self._maker:
            self._note(command)
        effects = super().apply(command)
        for effect in effects:
            if isinstance(effect, FillMade) and effect.fill.address == self._maker:
                self._book(effect.fill)
        return effects

    def _note(self, command: Command) -> None:
        now_s = time.perf_counter()
        orders: tuple[NewOrder, ...] = ()
        match command:
            case PlaceOrders(orders=orders):
                pass
            case ModifyOrders(modifies=modifies):
                orders = tuple(order for _, order in modifies)
            case CancelByOid() | CancelByCloid():
                self.items += len(command.cancels)
            case _:
                return
        self.actions += 1
        self.items += len(orders)
        for order in orders:
            told_s = self.owed.pop((order.asset, order.is_buy, order.price), None)
            if told_s is not None:
                self.waits_s.append(now_s - told_s)

    def _book(self, fill: Any) -> None:
        pair, sign = self.exchange.markets.pair(fill.coin), 1 if fill.is_buy else -1
        part, is_base = self.parts[fill.coin], fill.fee_token == pair.base.name
        part[0] += sign * fill.size - (fill.fee if is_base else 0)
        part[1] -= sign * fill.size * fill.price + (0 if is_base else fill.fee)
        self.fills[fill.coin] += 1


class _Takers:
    """Takers who come by a Poisson process, to pairs drawn at random, and take a whole best order."""

    def __init__(self, gateway: FleetFront, fleet: Fleet, *, every_s: float) -> None:
        self.are_welcome = False
        self._gateway, self._fleet, self._every_s = gateway, fleet, every_s
        self._rng, self._moved = Random(1), dict.fromkeys(fleet.coins, 0)

    async def trade_forever(self) -> None:
        while True:
            await trio.sleep(self._rng.expovariate(1 / self._every_s))
            if self.are_welcome:
                self._take(self._rng.choice(self._fleet.coins))

    def _take(self, coin: str) -> None:
        gateway, moved = self._gateway, self._moved
        is_buy = self._rng.random() < 0.5 - moved[coin] / (2 * MOST_PER_PAIR)
        book = gateway.exchange.book(coin, depth=1)
        levels = book.asks if is_buy else book.bids
        if levels:
            best, asset = levels[0], gateway.exchange.markets.pair(coin).asset
            moved[coin] += 1 if is_buy else -1
            order = NewOrder(asset=asset, is_buy=is_buy, price=best.price, size=best.size, tif="Ioc")
            gateway.owed[asset, is_buy, best.price] = time.perf_counter()
            gateway.apply(PlaceOrders(self._fleet.taker, (order,)))


def run_venue(pipe: Any, fleet: Fleet, every_s: float) -> None:
    """Tell the address; then answer "whole", "take" and "rest" by what was seen so far, until "end"."""
    trio.run(_run, pipe, fleet, every_s)


async def _run(pipe: Any, fleet: Fleet, every_s: float) -> None:
    exchange = Exchange(DEFAULT_MARKETS.dense(), limits=LIMITS)
    gateway = FleetFront(exchange, fleet)
    takers = _Takers(gateway, fleet, every_s=every_s)
    for owner, token, usdc in (
        (fleet.account.lower(), fleet.token, fleet.usdc * len(fleet.coins)),
        (fleet.taker, 10**9, 10**9),
    ):
        gateway.apply(Deposit(owner, 0, Decimal(usdc)))
        for coin in fleet.coins:
            gateway.apply(Deposit(owner, exchange.markets.pair(coin).base.index, Decimal(token)))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, gateway, Auth(lambda address: address in exchange.addresses()))
        nursery.start_soon(takers.trade_forever)
        pipe.send(server.url)
        while (what := await trio.to_thread.run_sync(pipe.recv, abandon_on_cancel=True)) != "end":
            if what == "whole":
                await _wait_until_whole(exchange, fleet)
            elif what in ("take", "rest"):
                takers.are_welcome = what == "take"
            pipe.send(_tell(gateway, fleet, server))
        nursery.cancel_scope.cancel()


async def _wait_until_whole(exchange: Exchange, fleet: Fleet) -> None:
    """Wait until every pair has both sides of a ladder."""
    for coin in fleet.coins:
        while min(len((book := exchange.book(coin)).asks), len(book.bids)) < fleet.levels // 2:  # noqa: ASYNC110
            await trio.sleep(LOOK_EVERY_S)


def _tell(gateway: FleetFront, fleet: Fleet, server: SandboxServer) -> dict[str, Any]:
    view = gateway.exchange.account(fleet.account.lower())
    pair = gateway.exchange.markets.pair
    waits_s, gateway.waits_s = gateway.waits_s, []
    return {
        "weight": gateway.weight,
        "questions": dict(gateway.questions),
        "actions": gateway.actions,
        "items": gateway.items,
        "sockets": server.n_connections,
        "waits_s": waits_s,
        "fills": sum(gateway.fills.values()),
        "fewest_fills": min(gateway.fills.values()),
        "parts": {coin: tuple(part) for coin, part in gateway.parts.items()},
        "tokens": {coin: view.total(pair(coin).base.index) for coin in fleet.coins},
        "usdc": view.total(0),
        "open_orders": len(gateway.exchange.open_orders(fleet.account.lower())),
    }
