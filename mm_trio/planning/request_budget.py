"""Requests that a ladder needs, and how long the budget lasts.

The venue gives an address 10,000 requests, and one more for each USDC traded. Each order placed, modified or cancelled
is one. Source: Hyperliquid docs, rate limits (address-based limits).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_trio.planning.ladder_plan import LadderPlan
from mm_trio.state.rate_limit import INITIAL_REQUESTS

__all__ = ["ITEMS_PER_FILL", "RequestNeed", "find_request_need"]

# Measured with the whole maker: 0.83 to 1.08 items a fill; 1.48 where bids follow each fee.
ITEMS_PER_FILL = Decimal("1.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestNeed:
    """Requests of a plan.

    `starts`: how often the budget of a new address pays for placing and cancelling everything, without a fill. `fills`:
    how many fills of a usual taker it lasts; None where they earn more than they use.
    """

    first_placement: int
    budget: int
    starts: int
    fills: int | None


def find_request_need(plan: LadderPlan, *, taker_notional: Decimal | None) -> RequestNeed:
    """Count the requests of a start, and how long the budget lasts.

    `taker_notional` is a usual fill's, in quote; None: a whole order's.
    """
    first = len(plan.asks) + len(plan.bids)
    earned = plan.order_size * plan.opens_at if taker_notional is None else taker_notional
    shortfall = ITEMS_PER_FILL - earned
    return RequestNeed(
        first_placement=first,
        budget=INITIAL_REQUESTS,
        starts=INITIAL_REQUESTS // (2 * first) if first else 0,
        fills=int(max(0, INITIAL_REQUESTS - first) / shortfall) if shortfall > 0 else None,
    )
