"""Short words for the tests of plans: a ladder from 20, a pair, and its facts as the venue answers them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mm_trio.model.market import Book, BookLevel
from mm_trio.model.orders import Side
from mm_trio.planning.ladder_plan import LadderPlan, plan_ladder
from mm_trio.planning.market_view import MarketView
from mm_trio.planning.plan_request import PlanRequest

# 20, 20.06, 20.12, 20.18, 20.24, 20.3, 20.36, 20.421
TOP = Decimal("20.43")


def make_request(**changes: object) -> PlanRequest:
    """Eight levels from 20 with orders of 5 and 17 tokens, with these values put over it."""
    values: dict[str, Any] = {
        "sz_decimals": 2,
        "start_px": Decimal(20),
        "top_px": TOP,
        "order_sz": Decimal(5),
        "tokens": Decimal(17),
    }
    given = {name: Decimal(value) if isinstance(value, str) else value for name, value in changes.items()}
    return PlanRequest(**(values | given))


def make_plan(**changes: object) -> LadderPlan:
    return plan_ladder(make_request(**changes))


def sizes(plan: LadderPlan, side: Side) -> dict[int, Decimal]:
    """Sizes of one side by level."""
    return {order.level_index: order.size for order in plan.all_orders if order.side == side}


def make_view(bid: str | None = "20.18", ask: str | None = "20.24", **changes: Any) -> MarketView:
    """HYPE/USDC with one row a side."""
    values: dict[str, Any] = {"coin": "@107", "base": "HYPE", "quote": "USDC", "sz_decimals": 2}
    return MarketView(book=Book(_row(bid), _row(ask)), **(values | changes))


def _row(price: str | None) -> tuple[BookLevel, ...]:
    return () if price is None else (BookLevel(Decimal(price), Decimal(100), 1),)


def make_facts(bid: str | None = "20.18", ask: str | None = "20.24", **more: object) -> dict[str, Any]:
    """Answers of the venue for HYPE/USDC, @107."""
    sides = [[] if px is None else [{"px": px, "sz": "100.0", "n": 1}] for px in (bid, ask)]
    return {
        "spotMeta": {
            "universe": [{"tokens": [150, 0], "name": "@107", "index": 107, "isCanonical": False}],
            "tokens": [
                {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0, "tokenId": "0x" + "6d" * 16},
                {"name": "HYPE", "szDecimals": 2, "weiDecimals": 8, "index": 150, "tokenId": "0x" + "0d" * 16},
            ],
        },
        "l2Book": {"coin": "@107", "time": 1737442821369, "levels": sides},
        **more,
    }
