"""A market whose price follows a path: what others quote, and who trades to it."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from math import log
from random import Random

import pytest
import trio
from trio.testing import MockClock

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, Pair
from mm_trio.sim.actors.moving_market import NOISE, OTHERS, MovingMarket, OthersBook, PricePath

MAKER = "0x" + "a1" * 20
PAIR = DEFAULT_MARKETS.pair("@107")
ONE_ROW = OthersBook(bids=((Decimal("0.999"), Decimal(7)),), asks=((Decimal("1.001"), Decimal(9)),))
NO_BOOK = OthersBook()


def make_path(points: tuple[tuple[float, float], ...] = ((0.0, 0.0),), **changes: Decimal) -> PricePath:
    return PricePath(points, start=Decimal(20), duration_s=100.0, rng=Random(1), **changes)


def make_gateway(*orders: NewOrder) -> Gateway:
    """An exchange on which the maker has these orders."""
    gateway = Gateway(Exchange(), now_ms=lambda: 1_790_000_000_000 + int(1000 * trio.current_time()))
    for token in (PAIR.base.index, PAIR.quote.index):
        gateway.apply(Deposit(MAKER, token, Decimal(10_000)))
    if orders:
        gateway.apply(PlaceOrders(MAKER, orders))
    return gateway


def make_market(
    gateway: Gateway, *, path: PricePath | None = None, book: OthersBook = NO_BOOK, pair: Pair = PAIR
) -> MovingMarket:
    return MovingMarket(
        gateway, pair, path=path or make_path(), book=book, taker_size=Decimal(2), pause_s=1.0, rng=Random(2)
    )


def order(side: str, price: str, size: str = "5") -> NewOrder:
    return NewOrder(PAIR.asset, side == "buy", Decimal(price), Decimal(size), "Alo")


def rows(gateway: Gateway) -> tuple[list[Decimal], list[Decimal]]:
    book = gateway.exchange.book(PAIR.name)
    return [row.price for row in book.bids], [row.price for row in book.asks]


def test_a_path_goes_through_its_points() -> None:
    path = make_path(((0.0, 0.0), (0.5, log(2.0)), (1.0, 0.0)))

    seen = [float(path.step(now_s, passed_s=0.0)) for now_s in (0.0, 25.0, 50.0, 100.0, 500.0)]

    assert seen == pytest.approx([20, 20 * 2**0.5, 40, 20, 20])


def test_noise_comes_back_to_the_path() -> None:
    path = make_path()

    seen = [float(path.step(0.0, passed_s=5.0)) for _ in range(5_000)]

    assert sum(seen) / len(seen) == pytest.approx(20, rel=NOISE)
    assert 20 * (1 - 6 * NOISE) < min(seen) < max(seen) < 20 * (1 + 6 * NOISE)


def test_the_highest_price_is_never_passed() -> None:
    path = make_path(((0.0, 0.0), (1.0, 1.0)), highest=Decimal(21))

    assert max(path.step(now_s, passed_s=1.0) for now_s in range(101)) == 21


async def test_others_quote_around_the_price(autojump_clock: MockClock) -> None:
    gateway = make_gateway()

    make_market(gateway, book=ONE_ROW).open()

    assert rows(gateway) == ([Decimal("19.98")], [Decimal("20.02")])


async def test_others_do_not_take_what_stands_in_their_way(autojump_clock: MockClock) -> None:
    """A bid of 20.02 would take our ask, so it is refused."""
    gateway = make_gateway(order("sell", "20.01"))

    make_market(gateway, book=OthersBook(bids=((Decimal("1.001"), Decimal(7)),))).open()

    assert rows(gateway) == ([], [Decimal("20.01")])


async def test_arbitrageurs_take_what_is_beyond_the_price_and_their_fee(autojump_clock: MockClock) -> None:
    asks = (order("sell", "19.98"), order("sell", "19.99"))
    gateway = make_gateway(*asks, order("buy", "19.9"))

    make_market(gateway).open()

    # 19.99 and a fee of 7 bps are more than 20.
    assert rows(gateway) == ([Decimal("19.9")], [Decimal("19.99")])


async def test_nobody_who_comes_by_chance_pays_a_price_far_off(autojump_clock: MockClock) -> None:
    gateway = make_gateway(order("sell", "20.21"), order("buy", "19.79"))
    market = make_market(gateway)
    market.open()

    with trio.move_on_after(100):
        await market.take_forever()

    assert rows(gateway) == ([Decimal("19.79")], [Decimal("20.21")])


async def test_takers_come_to_both_sides(autojump_clock: MockClock) -> None:
    gateway = make_gateway(order("sell", "20.1", "400"), order("buy", "19.9", "400"))
    market = make_market(gateway)
    market.open()

    with trio.move_on_after(60):
        await market.take_forever()

    book = gateway.exchange.book(PAIR.name)
    assert book.bids[0].size < 400
    assert book.asks[0].size < 400


async def test_others_follow_the_price(autojump_clock: MockClock) -> None:
    gateway = make_gateway()
    market = make_market(gateway, path=make_path(((0.0, 0.0), (1.0, log(1.5)))), book=ONE_ROW)
    market.open()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(market.move_forever)
        await trio.sleep(101)
        nursery.cancel_scope.cancel()

    bids, asks = rows(gateway)
    assert bids[0] < market.price < asks[0]
    assert market.price == pytest.approx(Decimal(30), rel=Decimal("0.05"))


@pytest.mark.parametrize(("coin", "start"), [("PURR/USDC", "0.10015"), ("@142", "98765.4"), ("@107", "0.0123456")])
async def test_others_quote_prices_that_the_venue_takes(autojump_clock: MockClock, coin: str, start: str) -> None:
    pair = DEFAULT_MARKETS.pair(coin)
    gateway = Gateway(Exchange(), now_ms=lambda: 1_790_000_000_000)
    path = partial(PricePath, ((0.0, 0.0),), start=Decimal(start), duration_s=1.0, rng=Random(1))

    make_market(gateway, path=path(), book=ONE_ROW, pair=pair).open()

    assert len(gateway.exchange.open_orders(OTHERS)) == 2
