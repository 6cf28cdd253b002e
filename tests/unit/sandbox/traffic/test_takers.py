"""Seeded takers, alone and with the exchange core."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.clock import SteppedClock
from mm_trio.sandbox.matching.book import BookView, Level
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import CancelByOid, Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS
from mm_trio.sandbox.traffic.takers import SeededTakers, TakerHabits, schedule_takers, trade_forever

HYPE = DEFAULT_MARKETS.pair("@107")
MAKER, TAKER = "0x" + "1" * 40, "0x" + "2" * 40
LOT = Decimal("0.01")


def levels(*rows: tuple[str, str]) -> tuple[Level, ...]:
    return tuple(Level(Decimal(price), Decimal(size), 1) for price, size in rows)


BOOK = BookView(
    bids=levels(("19.94", "5"), ("19.88", "5"), ("19.82", "5")),
    asks=levels(("20", "5"), ("20.06", "5"), ("20.12", "5")),
)


def takers(seed: int = 1, **habits: object) -> SeededTakers:
    return SeededTakers(HYPE, rng=Random(seed), habits=TakerHabits(**habits))  # type: ignore[arg-type]


sizes = st.integers(1, 2000).map(lambda lots: lots * LOT)


@st.composite
def books(draw: st.DrawFn) -> BookView:
    mid = Decimal(draw(st.integers(100, 9000))) / 100
    bids = [Level(mid - (i + 1) * LOT, draw(sizes), 1) for i in range(draw(st.integers(0, 6)))]
    asks = [Level(mid + (i + 1) * LOT, draw(sizes), 1) for i in range(draw(st.integers(0, 6)))]
    return BookView(tuple(level for level in bids if level.price > 0), tuple(asks))


@given(book=books(), seed=st.integers(0, 1 << 32))
def test_a_taker_asks_for_what_the_book_can_give(book: BookView, seed: int) -> None:
    # The mid is computed as books() places its levels.
    mid = Decimal(0) if not book.asks else book.asks[0].price - LOT
    mid = book.bids[0].price + LOT if book.bids else mid
    for order in takers(seed).decide(book):
        side = book.asks if order.is_buy else book.bids
        within = [level.size for level in side if abs(level.price - mid) <= abs(order.price - mid)]

        assert order.tif == "Ioc"
        assert order.asset == HYPE.asset
        assert order.price in {level.price for level in side}
        assert order.size > 0
        assert order.size % LOT == 0
        assert order.size <= sum(within)
        assert order.size * side[0].price >= 10


def test_equal_seeds_make_equal_flows() -> None:
    one, two = takers(7), takers(7)

    assert [(one.pause_s(), one.decide(BOOK)) for _ in range(200)] == [
        (two.pause_s(), two.decide(BOOK)) for _ in range(200)
    ]


def test_takers_come_on_both_sides_and_in_all_sizes() -> None:
    flow = takers(3)
    orders = [order for _ in range(400) for order in flow.decide(BOOK)]

    assert {order.is_buy for order in orders} == {True, False}
    assert any(order.size < 5 for order in orders)
    assert any(order.size == 5 for order in orders)
    assert any(order.size > 10 for order in orders)


@pytest.mark.parametrize("is_above", [True, False])
def test_beyond_the_swing_every_taker_pushes_the_price_back(is_above: bool) -> None:
    anchor = Decimal("19.97") * (Decimal("0.97") if is_above else Decimal("1.03"))
    flow = SeededTakers(HYPE, rng=Random(1), habits=TakerHabits(swing=Decimal("0.02")), anchor=anchor)

    for _ in range(200):
        (order,) = flow.decide(BOOK)
        assert order.is_buy is not is_above


def test_an_empty_book_has_no_takers() -> None:
    assert takers().decide(BookView((), ())) == ()


def test_a_book_of_one_side_is_taken_from_that_side() -> None:
    (buy,) = takers().decide(BookView((), BOOK.asks))
    (sell,) = takers().decide(BookView(BOOK.bids, ()))

    assert (buy.is_buy, sell.is_buy) == (True, False)


def test_a_book_worth_less_than_the_least_notional_is_left_alone() -> None:
    assert takers().decide(BookView((), levels(("20", "0.2"), ("20.1", "0.2")))) == ()


@pytest.mark.parametrize("habit", [{"swing": Decimal(0)}, {"mean_pause_s": -1.0}, {"max_levels": 0}])
def test_habits_that_make_no_flow_are_refused(habit: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="taker habits are not valid"):
        takers(1, **habit)


def test_pauses_have_the_mean_asked_for_and_a_bound() -> None:
    flow = takers(5, mean_pause_s=0.5)
    pauses = [flow.pause_s() for _ in range(4000)]

    assert sum(pauses) / len(pauses) == pytest.approx(0.5, rel=0.1)
    assert max(pauses) <= 4.0
    assert takers(5, mean_pause_s=0.0).pause_s() == 0.0


def flip_ladder_after(order: NewOrder, asks: dict[int, Decimal], bids: dict[int, Decimal]) -> None:
    """Offer the filled size of each level on the other side.

    A maker with a ladder does so.
    """
    source, target = (asks, bids) if order.is_buy else (bids, asks)
    left = order.size
    while left > 0:
        level = min(source) if order.is_buy else max(source)
        taken = min(left, source[level])
        left -= taken
        source[level] -= taken
        if source[level] == 0:
            del source[level]
            target[level] = Decimal(5)


@pytest.mark.parametrize("seed", range(3))
def test_a_ladder_maker_stays_inside_his_grid(seed: int) -> None:
    """The step is 0.3 % and the swing 2 %.

    So the maker moves by seven levels at most, and by one sweep of four.
    """
    prices = [Decimal(20) * Decimal("1.003") ** i for i in range(-20, 20)]
    bids = {i: Decimal(5) for i in range(20)}
    asks = {i: Decimal(5) for i in range(20, 40)}
    flow, lowest, highest = takers(seed), 20, 20

    for _ in range(1500):
        view = BookView(
            tuple(Level(prices[i], bids[i], 1) for i in sorted(bids, reverse=True)),
            tuple(Level(prices[i], asks[i], 1) for i in sorted(asks)),
        )
        for order in flow.decide(view):
            flip_ladder_after(order, asks, bids)
        lowest, highest = min(lowest, min(asks)), max(highest, min(asks))

    assert 20 - 12 <= lowest < highest <= 20 + 12


async def test_takers_trade_with_whoever_rests() -> None:
    """The maker quotes again in every pause; there are 50 takers."""

    class FiftyTakers(SeededTakers):
        n_left = 50

        def pause_s(self) -> float | None:  # type: ignore[override]
            self.n_left -= 1
            return 1.0 if self.n_left >= 0 else None

    exchange = Exchange()
    gateway = Gateway(exchange, now_ms=lambda: 1_795_000_000_000)
    for address in (MAKER, TAKER):
        gateway.apply(Deposit(address, HYPE.base.index, Decimal(10_000)))
        gateway.apply(Deposit(address, HYPE.quote.index, Decimal(1_000_000)))
    quotes = [
        NewOrder(HYPE.asset, is_buy, level.price, level.size, "Alo")
        for is_buy, side in ((True, BOOK.bids), (False, BOOK.asks))
        for level in side
    ]

    async def requote(_seconds: float) -> None:
        resting = tuple((HYPE.asset, record.oid) for record in exchange.open_orders(MAKER))
        gateway.apply(CancelByOid(MAKER, resting))
        gateway.apply(PlaceOrders(MAKER, tuple(quotes)))

    flow = FiftyTakers(HYPE, rng=Random(2))
    await trade_forever(gateway, flow, address=TAKER, coin="@107", sleep=requote)

    assert len(exchange.fills(MAKER)) >= 50
    assert {fill.is_buy for fill in exchange.fills(MAKER)} == {True, False}
    assert not exchange.open_orders(TAKER)


def test_takers_on_a_clock_come_each_at_his_own_time_and_end_with_the_flow() -> None:
    class Two(SeededTakers):
        pauses: ClassVar[list[float | None]] = [2.0, 0.0, None]

        def pause_s(self) -> float | None:  # type: ignore[override]
            return self.pauses.pop(0)

        def decide(self, book: BookView) -> tuple[NewOrder, ...]:
            return (NewOrder(HYPE.asset, True, Decimal(20), Decimal(1), "Ioc"),)

    clock = SteppedClock(1_795_000_000_000)
    gateway = Gateway(Exchange(), now_ms=clock.now_ms)
    for address in (MAKER, TAKER):
        gateway.apply(Deposit(address, HYPE.base.index, Decimal(10_000)))
        gateway.apply(Deposit(address, HYPE.quote.index, Decimal(1_000_000)))
    gateway.apply(PlaceOrders(MAKER, (NewOrder(HYPE.asset, False, Decimal(20), Decimal(5), "Alo"),)))

    schedule_takers(gateway, Two(HYPE, rng=Random(1)), address=TAKER, coin="@107", call_in=clock.call_in)
    clock.step_to(1_795_000_100_000)

    assert [fill.time_ms for fill in gateway.exchange.fills(TAKER)] == [1_795_000_002_000, 1_795_000_002_001]
    assert clock.next_due_ms() is None
