from __future__ import annotations

from decimal import Decimal

import pytest
from sandbox_kit import MAKER, TAKER, buy, dec, make_exchange, place, sell

from mm_trio.sandbox.info.aggregation import aggregate_fills, aggregate_levels, is_aggregation
from mm_trio.sandbox.matching.book import Level


def levels(*prices: str) -> list[Level]:
    return [Level(dec(price), Decimal(1), 1) for price in prices]


def prices(found: list[Level]) -> list[tuple[str, int]]:
    return [(f"{level.price.normalize():f}", level.n_orders) for level in found]


@pytest.mark.parametrize(
    "sig_figs, mantissa, bids, asks",
    [
        (None, None, [("12.345", 1), ("12.344", 1), ("12.331", 1)], [("12.346", 1), ("12.349", 1), ("13", 1)]),
        (5, None, [("12.345", 1), ("12.344", 1), ("12.331", 1)], [("12.346", 1), ("12.349", 1), ("13", 1)]),
        (5, 2, [("12.344", 2), ("12.33", 1)], [("12.346", 1), ("12.35", 1), ("13", 1)]),
        (5, 5, [("12.345", 1), ("12.34", 1), ("12.33", 1)], [("12.35", 2), ("13", 1)]),
        (4, None, [("12.34", 2), ("12.33", 1)], [("12.35", 2), ("13", 1)]),
        (2, None, [("12", 3)], [("13", 3)]),
    ],
)
def test_bids_go_down_to_the_grid_and_asks_up(
    sig_figs: int | None, mantissa: int | None, bids: list[tuple[str, int]], asks: list[tuple[str, int]]
) -> None:
    low, high = levels("12.345", "12.344", "12.331"), levels("12.346", "12.349", "13")

    assert prices(aggregate_levels(low, is_bid=True, sig_figs=sig_figs, mantissa=mantissa)) == bids
    assert prices(aggregate_levels(high, is_bid=False, sig_figs=sig_figs, mantissa=mantissa)) == asks


@pytest.mark.parametrize("price", ["0.00012345", "99999", "123456", "1"])
def test_figures_count_from_the_first_that_is_not_zero(price: str) -> None:
    (level,) = aggregate_levels(levels(price), is_bid=True, sig_figs=2, mantissa=None)

    assert len(level.price.normalize().as_tuple().digits) <= 2
    assert level.price <= dec(price) < level.price * 2


@pytest.mark.parametrize(
    "sig_figs, mantissa, offered",
    [
        *((n, None, True) for n in (None, 2, 3, 4, 5)),
        (1, None, False),
        (6, None, False),
        (5, 2, True),
        (5, 5, True),
        (5, 3, False),
        (4, 5, False),
        (None, 2, False),
    ],
)
def test_only_some_grids_are_offered(sig_figs: int | None, mantissa: int | None, offered: bool) -> None:
    assert is_aggregation(sig_figs, mantissa) is offered


def test_fills_of_one_order_in_one_block_add_up_and_those_of_two_do_not() -> None:
    exchange = make_exchange()
    place(exchange, MAKER, sell("20", "1"), sell("21", "3"))
    place(exchange, TAKER, buy("21", "2", "Ioc"))
    place(exchange, TAKER, buy("21", "2", "Ioc"))

    first, second = aggregate_fills(exchange.fills(TAKER))
    resting = aggregate_fills(exchange.fills(MAKER))

    assert (first.size, first.price, second.size, second.price) == (dec("2"), dec("20.5"), dec("2"), dec("21"))
    assert first.tid == exchange.fills(TAKER)[0].tid
    assert sum(fill.fee for fill in (first, second)) == sum(fill.fee for fill in exchange.fills(TAKER))
    assert [int(fill.size) for fill in resting] == [1, 1, 2]
