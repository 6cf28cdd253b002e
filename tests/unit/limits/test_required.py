"""Which limits a maker of real money lacks: all of them by name, at once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from mm_trio.limits.required import find_missing
from mm_trio.limits.terms import NO_LIMITS, RiskLimits

# The contract's table, in its order.
ALL: dict[str, Any] = {
    "max_order_notional": Decimal(1),
    "max_side_notional": Decimal(1),
    "max_net_spend": Decimal(1),
    "price_low": Decimal(1),
    "price_high": Decimal(1),
    "max_loss_vs_hold": Decimal(1),
    "max_drawdown_vs_hold": Decimal(1),
    "max_actions_per_hour": 1,
    "max_fills_per_minute": 1,
    "max_unknown_outcomes": 1,
    "budget_floor": 0,
}
WHOLE = RiskLimits(**ALL)


def test_without_limits_all_of_them_are_named() -> None:
    assert find_missing(NO_LIMITS) == tuple(ALL)


def test_where_all_are_set_none_is_missing() -> None:
    assert find_missing(WHOLE) == ()


@pytest.mark.parametrize("name", ALL)
def test_each_of_them_is_required(name: str) -> None:
    changed: dict[str, Any] = {name: None}

    assert find_missing(replace(WHOLE, **changed)) == (name,)
