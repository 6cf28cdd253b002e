"""Requests of a first placement, and how long the budget lasts."""

from __future__ import annotations

from decimal import Decimal

from plan_kit import make_plan

from mm_trio.planning.request_budget import find_request_need


def test_each_order_of_a_start_is_one_request() -> None:
    need = find_request_need(make_plan(), taker_notional=None)

    assert (need.first_placement, need.budget, need.starts) == (8, 10_000, 625)


def test_whole_orders_earn_more_requests_than_they_use() -> None:
    assert find_request_need(make_plan(), taker_notional=None).fills is None


def test_the_smallest_takers_use_the_budget_up() -> None:
    """A fill of 1 USDC earns one request and may use 1.5; 9,992 are left after the start."""
    assert find_request_need(make_plan(), taker_notional=Decimal(1)).fills == 19_984
