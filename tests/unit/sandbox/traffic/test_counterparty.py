from __future__ import annotations

from decimal import Decimal

import pytest
from sandbox_kit import HYPE, MAKER, TAKER, Clock, buy, fund, sell

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.clock import SteppedClock
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, PlaceOrders
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS
from mm_trio.sandbox.traffic.counterparty import schedule_counterparty


class Market:
    """An exchange whose counterparty quotes a pair around a price, on a clock that the test steps."""

    def __init__(self, coin: str = HYPE, middle: str = "20") -> None:
        self.clock = SteppedClock(Clock().now_ms)
        self.exchange = Exchange(limits=Limits.off())
        self.gateway = Gateway(self.exchange, now_ms=self.clock.now_ms)
        self.coin = coin
        fund(self.exchange, MAKER, TAKER)
        self.gateway.apply(Deposit(MAKER, 0, Decimal(10**8)))
        pair = DEFAULT_MARKETS.pair(coin)
        schedule_counterparty(
            self.gateway,
            pair,
            address=MAKER,
            middle=Decimal(middle),
            size=Decimal(5),
            call_every=self.clock.call_every,
        )

    def levels(self) -> tuple[list[str], list[str]]:
        book = self.exchange.book(self.coin)
        return [str(level.price) for level in book.bids], [str(level.price) for level in book.asks]

    def ask_sizes(self) -> list[Decimal]:
        return [level.size for level in self.exchange.book(self.coin).asks]

    def step(self) -> None:
        self.clock.step_to(self.clock.now_ms() + 1000)


def test_it_quotes_five_levels_a_side_at_once() -> None:
    assert Market().levels() == (
        ["19.900", "19.800", "19.700", "19.600", "19.500"],
        ["20.100", "20.200", "20.300", "20.400", "20.500"],
    )


@pytest.mark.parametrize("middle", ["3.00001", "21.8476", "9999.97", "123456"])
def test_each_of_its_prices_is_legal(middle: str) -> None:
    bids, asks = Market(middle=middle).levels()

    assert (len(bids), len(asks)) == (5, 5)


def test_a_level_of_which_little_was_taken_is_left_alone() -> None:
    market = Market()
    market.gateway.apply(PlaceOrders(TAKER, (buy("20.1", "2", "Ioc"),)))

    market.step()

    assert market.ask_sizes()[0] == 3


def test_a_level_of_which_half_was_taken_is_filled_up() -> None:
    market = Market()
    market.gateway.apply(PlaceOrders(TAKER, (buy("20.1", "2.5", "Ioc"),)))

    market.step()

    assert market.ask_sizes() == [5, 5, 5, 5, 5]


def test_it_waits_where_somebody_elses_order_is_in_the_way() -> None:
    market = Market()
    market.gateway.apply(PlaceOrders(TAKER, (buy("20.1", "6", "Gtc"),)))

    market.step()

    assert market.levels()[1][0] == "20.200"
    assert not [row for row in market.exchange.records(MAKER) if row.status == "badAloPxRejected"]


def test_it_trades_with_both_sides() -> None:
    market = Market()

    market.gateway.apply(PlaceOrders(TAKER, (sell("19.9", "5", "Ioc"), buy("20.1", "5", "Ioc"))))

    assert len(market.exchange.fills(TAKER)) == 2
