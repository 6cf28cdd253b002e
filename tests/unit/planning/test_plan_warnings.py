"""Each warning, caused, and absent where nothing is wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest
from plan_kit import make_plan, make_view

from mm_trio.planning.income import BASE_TIER, TIERS, Fees
from mm_trio.planning.market_view import MarketView
from mm_trio.planning.plan_warnings import PlanWarning, find_warnings

FREE = TIERS["500M"]


def warn(
    changes: dict[str, object] | None = None,
    view: MarketView | None = None,
    fees: Fees = FREE,
    taker_size: Decimal | None = None,
) -> dict[str, PlanWarning]:
    found = find_warnings(make_plan(**(changes or {})), view or make_view(), fees, taker_size=taker_size)
    return {warning.name: warning for warning in found}


def test_a_sound_plan_has_no_warning() -> None:
    assert warn() == {}


@pytest.mark.parametrize(
    ("name", "changes", "view", "told"),
    [
        ("small_orders", {"order_sz": "0.9", "tokens": "4"}, make_view(), "at least 1 HYPE"),
        ("no_mid", {}, make_view(None), "another source"),
        ("far_prices", {}, make_view("0.9", "1.1"), "narrower range"),
        ("opens_off_market", {}, make_view("20.29", "20.31"), "--target-px 20.30"),
        ("short_of_quote", {"usdc": "300"}, make_view(), "add 101.80 USDC"),
        ("spare_tokens", {"tokens": "60"}, make_view("19", "19.9"), "--order-sz"),
        ("one_sided", {"usdc": "0"}, make_view(), "--target-px"),
        ("hip2_here", {}, make_view(hip2_orders=99), "shares"),
        ("hip2_here", {}, make_view(hip2_tokens=Decimal(1000)), "shares"),
        ("hip2_here", {}, make_view(hip2_quote=Decimal(50)), "shares"),
    ],
)
def test_each_warning_says_what_to_do(name: str, changes: dict[str, object], view: MarketView, told: str) -> None:
    found = warn(changes, view)

    assert name in found
    assert told.replace("shares", "share its trades") in found[name].remedy


def test_levels_outside_a_fifth_to_five_times_of_the_mid_are_counted() -> None:
    found = warn({"start_px": "4", "top_px": "20", "tokens": "5", "step": "1"}, make_view("99", "101"))

    assert found["far_prices"].what.startswith("3 orders are outside 20.0 to 500 USDC")


def test_more_than_a_thousand_orders_are_told() -> None:
    found = warn({"start_px": "1", "top_px": "40", "target_px": "20.24", "tokens": "100000", "order_sz": "20"})

    assert "active_levels = 450" in found["many_orders"].remedy


def test_whole_orders_lose_at_gap_0_where_the_maker_pays() -> None:
    assert "8.0 bps" in warn(fees=BASE_TIER)["whole_orders_lose"].what


def test_a_gap_that_fees_eat_is_told() -> None:
    found = warn({"gap_levels": 1, "step": "0.0008", "order_sz": "1"}, fees=BASE_TIER)

    assert found["gap_below_fees"].what == "a round trip gains 8.0 bps and costs 8.0 bps in fees"


@pytest.mark.parametrize(("taker", "is_told"), [("1", False), ("1.01", True)])
def test_orders_below_five_usual_takers_are_told(taker: str, is_told: bool) -> None:
    assert ("orders_below_takers" in warn(taker_size=Decimal(taker))) is is_told


def test_a_gap_makes_small_orders_right() -> None:
    assert "orders_below_takers" not in warn({"gap_levels": 1}, taker_size=Decimal(10))
