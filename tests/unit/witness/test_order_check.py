"""A row of an order against the order that we sent, or know."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_kit import OURS, THEIRS, intent, row, tracked

from mm_trio.model.replies import OpenOrder
from mm_trio.witness.order_check import find_misfit_of_known, find_misfit_of_sent

KNOWN = replace(tracked(9, "buy", 1), cloid=OURS)
PRICE = KNOWN.price


@pytest.mark.parametrize(
    "found, is_misfit",
    [
        (row(9, "buy", PRICE, 5, cloid=OURS), False),
        (row(9, "buy", PRICE, 2), False),
        (row(9, "buy", PRICE, 50), False),
        (row(9, "sell", PRICE, 5), True),
        (row(9, "buy", PRICE + 1, 5), True),
        (row(9, "buy", PRICE, 5, cloid=THEIRS), True),
    ],
)
def test_r14_an_order_keeps_side_price_and_cloid_for_life(found: OpenOrder, is_misfit: bool) -> None:
    assert (find_misfit_of_known(found, KNOWN) is not None) is is_misfit


@pytest.mark.parametrize(
    "found, is_misfit",
    [
        (row(9, "buy", PRICE, 5), False),
        (row(9, "buy", PRICE, 2, original=5), False),
        (row(9, "buy", PRICE, 2, original=6), True),
        (row(9, "sell", PRICE, 5), True),
        (row(9, "buy", PRICE + 1, 5), True),
    ],
)
def test_r14_a_row_shows_an_order_in_flight_only_as_it_was_sent(found: OpenOrder, is_misfit: bool) -> None:
    assert (find_misfit_of_sent(found, intent("buy", 1)) is not None) is is_misfit
