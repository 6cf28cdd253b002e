"""How near numbers are to their limits."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.limits.holding import HoldingLimits, Traded
from mm_trio.limits.nearness import find_nearest, measure_cap, measure_floor
from mm_trio.limits.order_limits import measure_orders, measure_sides
from mm_trio.limits.pace import PaceLimits
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.orders import Quote


@pytest.mark.parametrize(
    ("number", "limit", "used"),
    [(0, 100, 0.0), (25, 100, 0.25), (100, 100, 1.0), (150, 100, 1.5), (-5, 100, 0.0), (0, 0, 1.0), (-1, 0, 0.0)],
)
def test_a_cap_is_used_by_as_much_as_the_number_is_of_it(number: int, limit: int, used: float) -> None:
    assert measure_cap("cap", number, limit, "s").used == used


@pytest.mark.parametrize(
    ("number", "limit", "used"), [(1000, 500, 0.5), (500, 500, 1.0), (400, 500, 1.25), (0, 500, 1.0), (10, 0, 0.0)]
)
def test_a_floor_is_used_more_the_lower_the_number_is(number: int, limit: int, used: float) -> None:
    assert measure_floor("floor", number, limit, "s").used == used


def test_a_number_that_is_not_known_uses_nothing_known() -> None:
    for measure in (measure_cap, measure_floor):
        use = measure("a limit", None, Decimal(5), "quote")
        assert (use.number, use.used, use.limit) == (None, None, Decimal(5))


def test_the_nearest_use_of_each_limit_is_kept() -> None:
    uses = [measure_cap("a", None, 10, ""), measure_cap("a", 3, 10, ""), measure_cap("b", 1, 10, "")]

    assert [(use.name, use.used) for use in find_nearest([*uses, measure_cap("a", 2, 10, "")])] == [
        ("a", 0.3),
        ("b", 0.1),
    ]


def test_limits_that_are_off_are_not_measured() -> None:
    holding = HoldingLimits(NO_LIMITS, now_s=0.0)
    pace = PaceLimits(NO_LIMITS)
    order = Quote("buy", 1, Decimal(20), Decimal(5))

    assert measure_orders([order], NO_LIMITS) == []
    assert measure_sides({"buy": Decimal(1), "sell": Decimal(2)}, NO_LIMITS) == []
    assert holding.measure(Traded()) == []
    assert pace.measure(n_unknown=0, remaining=0, now_s=0.0) == []


def test_losses_are_known_from_the_first_mark_on() -> None:
    holding = HoldingLimits(RiskLimits(max_loss_vs_hold=Decimal(50), max_drawdown_vs_hold=Decimal(20)), now_s=0.0)
    bought = Traded(Decimal(5), Decimal(-100))

    assert [use.used for use in holding.measure(bought)] == [None, None]
    holding.on_mark(Decimal(22), bought, now_s=1.0)
    holding.on_mark(Decimal(18), bought, now_s=2.0)
    loss, drawdown = holding.measure(bought)
    assert (loss.number, loss.used) == (Decimal(10), 0.2)
    # The best moment was 10 above holding.
    assert (drawdown.number, drawdown.used) == (Decimal(20), 1.0)
