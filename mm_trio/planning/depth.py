"""Depth of a planned ladder, and the pool that would be as deep."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mm_trio.planning.ladder_plan import LadderPlan, sum_notional

__all__ = ["DISTANCES_PCT", "Depth", "EqualPool", "find_depths", "find_equal_pool"]

DISTANCES_PCT = (Decimal("0.5"), Decimal(1), Decimal(2))


class Depth(NamedTuple):
    """Notional (quote) within a distance of the middle, a side."""

    distance_pct: Decimal
    bids: Decimal
    asks: Decimal


class EqualPool(NamedTuple):
    """Constant-product pool x * y = k as deep at the opening.

    Units: `token` in base, `quote` in quote, of both sides together.
    """

    token: Decimal
    quote: Decimal


def find_depths(plan: LadderPlan) -> tuple[Depth, ...]:
    """Sum what rests near the opening price."""
    middle, found = plan.opens_at, []
    for distance in DISTANCES_PCT:
        low, high = middle * (1 - distance / 100), middle * (1 + distance / 100)
        bids = sum_notional(order for order in plan.bids if order.price >= low)
        found.append(Depth(distance, bids, sum_notional(order for order in plan.asks if order.price <= high)))
    return tuple(found)


def find_equal_pool(plan: LadderPlan) -> EqualPool:
    """Find the pool that sells as many tokens for the first step.

    x(P) = sqrt(k / P) changes by x / 2 for each unit of ln P, and the ladder by S / ln(1 + s), about S / s. So x must
    be 2 S / s, and the quote beside it is worth the same.
    """
    token = 2 * plan.order_size / plan.grid.tick_size
    return EqualPool(token, token * plan.opens_at)
