"""Depth near the opening, and the pool that equals it, by hand."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt

from plan_kit import make_plan

from mm_trio.planning.depth import Depth, find_depths, find_equal_pool


def test_depth_is_what_rests_within_a_distance_of_the_middle() -> None:
    """The middle is 20.21: half a percent reaches from 20.109 to 20.311."""
    assert find_depths(make_plan()) == (
        Depth(Decimal("0.5"), Decimal("201.5"), Decimal("141.98")),
        Depth(Decimal(1), Decimal("301.8"), Decimal("243.78")),
        Depth(Decimal(2), Decimal("401.8"), Decimal("345.885")),
    )


def test_a_side_without_orders_has_no_depth() -> None:
    assert {depth.bids for depth in find_depths(make_plan(usdc="0"))} == {0}


def test_the_equal_pool_holds_two_orders_for_each_step() -> None:
    pool = find_equal_pool(make_plan())

    assert round(pool.token, 2) == Decimal("3333.33")
    assert pool.quote == pool.token * Decimal("20.21")


def test_the_equal_pool_sells_one_order_for_one_step() -> None:
    """x(P) = sqrt(k / P), from the opening one step up; the curve bends by half a step."""
    token = float(find_equal_pool(make_plan()).token)

    sold = token * (1 - 1 / sqrt(1.003))

    assert abs(sold / 5 - 1) < 0.005
