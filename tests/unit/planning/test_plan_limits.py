"""Limits are the worst case of a plan and a tenth more, by hand."""

from __future__ import annotations

from decimal import Decimal

from plan_kit import make_plan

from mm_trio.planning.plan_limits import PlanLimits, find_limits


def test_limits_are_the_worst_case_and_a_tenth() -> None:
    """5 * 20.421; all levels together 808.405; the bids 401.8; 1.8 at the bottom, 1.272 at the top."""
    assert find_limits(make_plan()) == PlanLimits(
        max_order_notional=Decimal("112.32"),
        max_side_notional=Decimal("889.25"),
        max_net_spend=Decimal("441.98"),
        price_low=Decimal(20),
        price_high=Decimal("20.421"),
        max_loss_vs_hold=Decimal("1.98"),
        max_drawdown_vs_hold=Decimal("1.98"),
    )


def test_a_window_bounds_a_side() -> None:
    plan = make_plan(start_px="1", top_px="40", target_px="20", tokens="100000", order_sz="20")

    worst = 20 * sum(plan.grid.levels[-450:])

    assert worst * Decimal("1.1") <= find_limits(plan).max_side_notional < worst * Decimal("1.1001")
