"""What an order and a side may be worth, and where its price may lie."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.limits.order_limits import find_order_breach, find_side_breach
from mm_trio.limits.terms import Breach, Reaction, RiskLimits
from mm_trio.model.orders import Quote, Side

D = Decimal
NOTHING: dict[Side, Decimal] = {"buy": D(0), "sell": D(0)}


def order(price: str, size: str = "1", side: Side = "buy") -> Quote:
    return Quote(side, 0, D(price), D(size))


def test_whole_numbers_are_told_without_digits_behind_them() -> None:
    assert Breach("max_fills_per_minute", 6, 5, "fills", Reaction.HALT).describe().endswith(": 6 fills, the limit is 5")
    assert RiskLimits(budget_floor=500, price_low=D("20.10")).describe() == "price_low=20.10 budget_floor=500"


def name_of(breach: Breach | None) -> str | None:
    return None if breach is None else breach.name


@pytest.mark.parametrize(
    "limits, price, size, name",
    [
        (RiskLimits(max_order_notional=D(100)), "20", "5", None),
        (RiskLimits(max_order_notional=D(100)), "20", "5.01", "max_order_notional"),
        (RiskLimits(price_low=D(20)), "20", "1", None),
        (RiskLimits(price_low=D(20)), "19.999", "1", "price_low"),
        (RiskLimits(price_high=D(30)), "30", "1", None),
        (RiskLimits(price_high=D(30)), "30.001", "1", "price_high"),
        (RiskLimits(), "1000000", "1000000", None),
    ],
)
def test_an_order_may_reach_a_limit_and_not_pass_it(
    limits: RiskLimits, price: str, size: str, name: str | None
) -> None:
    assert name_of(find_order_breach(order(price, size), limits, mid=None)) == name


@pytest.mark.parametrize(
    "price, name",
    [("60", None), ("60.01", "price over mid"), ("6.67", None), ("6.66", "mid over price")],
)
def test_a_price_is_at_most_a_factor_of_three_from_the_mid(price: str, name: str | None) -> None:
    assert name_of(find_order_breach(order(price), RiskLimits(), mid=D(20))) == name


def test_a_breach_names_its_number_its_limit_and_its_unit() -> None:
    breach = find_order_breach(order("20", "6"), RiskLimits(max_order_notional=D(100)), mid=None)

    assert breach is not None
    assert breach.describe() == "max_order_notional: 120 quote, the limit is 100"
    assert breach.reaction is Reaction.REFUSE


@pytest.mark.parametrize(
    "resting, side, name",
    [("80", "buy", None), ("80.01", "buy", "max_side_notional"), ("100", "sell", None)],
)
def test_a_side_is_what_rests_and_what_comes(resting: str, side: Side, name: str | None) -> None:
    breach = find_side_breach(side, D(20), RiskLimits(max_side_notional=D(100)), resting=NOTHING | {"buy": D(resting)})

    assert name_of(breach) == name


def test_without_limits_a_side_may_be_worth_anything() -> None:
    assert find_side_breach("buy", D(10) ** 12, RiskLimits(), resting=NOTHING) is None


def test_what_raises_nothing_breaks_no_limit_of_a_side() -> None:
    """A side above a limit that was lowered shrinks order by order."""
    limits = RiskLimits(max_side_notional=D(100))

    assert find_side_breach("buy", D(-5), limits, resting=NOTHING | {"buy": D(150)}) is None
    assert find_side_breach("buy", D(0), limits, resting=NOTHING | {"buy": D(150)}) is None
    assert find_side_breach("buy", D(1), limits, resting=NOTHING | {"buy": D(150)}) is not None


def test_the_wider_limit_of_a_side_counts_while_ladders_move() -> None:
    wide, narrow = RiskLimits(max_side_notional=D(100), price_low=D(2)), RiskLimits(max_side_notional=D(50))

    assert narrow.while_moving_from(wide) == RiskLimits(max_side_notional=D(100))
    assert wide.while_moving_from(narrow) == wide
    assert narrow.while_moving_from(RiskLimits()).max_side_notional is None
