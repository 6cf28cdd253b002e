"""Signs of a ladder in a book."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from plan_kit import make_view

from mm_trio.model.market import Book, BookLevel
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.planning.market_view import count_ladder_rows

RISING = PricingGrid(20, 20, sz_decimals=2).levels


def rows(prices: list[Decimal], size: str = "5") -> tuple[BookLevel, ...]:
    return tuple(BookLevel(price, Decimal(size), 1) for price in prices)


def count(*, bids: tuple[BookLevel, ...] = (), asks: tuple[BookLevel, ...] = ()) -> int:
    return count_ladder_rows(replace(make_view(None, None), book=Book(bids, asks)))


@pytest.mark.parametrize(
    ("changes", "n"),
    [
        ({"asks": rows(list(RISING[10:16]))}, 5),
        ({"bids": rows(list(RISING[9:2:-1]))}, 6),
        ({"asks": rows(list(PricingGrid(20, 6, tick_size="0.01", sz_decimals=2).levels))}, 5),
        ({"asks": rows([Decimal(20) + Decimal(i) / 10 for i in range(8)])}, 1),
        ({"asks": ()}, 0),
    ],
)
def test_rows_of_one_size_a_step_apart_are_counted_without_the_best(changes: dict[str, Any], n: int) -> None:
    assert count(**changes) == n


def test_another_size_ends_a_run() -> None:
    asks = (*rows(list(RISING[:4])), *rows(list(RISING[4:6]), "6"))

    assert count(asks=asks) == 3


def test_the_mid_needs_both_sides() -> None:
    assert make_view("20", "21").mid == Decimal("20.5")
    assert make_view(None, "21").mid is None
