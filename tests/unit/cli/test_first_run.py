"""The cap of the first live run: one small order a side, on the levels of the whole plan."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_trio.cli.live_programs.first_run import cap_limits, cap_settings
from mm_trio.cli.live_programs.live_start import plan_settings
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.planning.ladder_plan import LadderPlan

D = Decimal
# Of ten quote units and a hundredth at the lowest level of 20, in whole lots.
SMALL = D("0.51")


def make_settings(**changed: Any) -> Settings:
    sections: dict[str, dict[str, Any]] = {
        "market": {"coin": "@107", "network": "mainnet", "account": "0x" + "a1" * 20, "base": "HYPE"},
        "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5", "active_levels": 10, "window_slack": 3},
        "allocation": {"token": "100", "usdc": "2000"},
        "tuning": {},
    }
    for name, value in changed.items():
        section, _, key = name.partition("__")
        sections[section][key] = value
    return parse_settings(sections, environ={}, source="the test")


def grid_of(settings: Settings) -> PricingGrid:
    return PricingGrid(settings.strategy.start_px, settings.strategy.n_orders, sz_decimals=2)


def plans(settings: Settings) -> tuple[LadderPlan, LadderPlan, Settings]:
    """The whole plan, that of the first run, and the settings of that."""
    whole = plan_settings(settings, grid_of(settings))
    capped = cap_settings(settings, whole)
    return whole, plan_settings(capped, grid_of(settings)), capped


def levels(plan: LadderPlan, side: str) -> list[int]:
    return [order.level_index for order in plan.all_orders if order.side == side]


def test_one_order_of_the_minimum_rests_on_each_side_where_the_plan_opens() -> None:
    whole, first, capped = plans(make_settings())

    assert [(order.side, order.level_index, order.size) for order in (*first.asks, *first.bids)] == [
        ("sell", whole.asks[0].level_index, SMALL),
        ("buy", whole.bids[0].level_index, SMALL),
    ]
    assert (capped.strategy.active_levels, capped.strategy.window_slack) == (1, 0)


def test_an_order_that_is_small_already_stays_as_it_is() -> None:
    _, first, capped = plans(make_settings(strategy__order_sz="0.51", allocation__token="10.2"))

    assert capped.strategy.order_sz == SMALL
    assert len(first.asks) == len(first.bids) == 1


@pytest.mark.parametrize("minimum", ["0", "1", "50"])
def test_the_minimum_is_the_venues_whatever_is_configured(minimum: str) -> None:
    _, first, _ = plans(make_settings(tuning__min_notional=minimum))

    assert {order.size for order in (*first.asks, *first.bids)} == {SMALL}


def test_a_target_opens_at_the_same_price() -> None:
    settings = replace(make_settings(), allocation=None)
    settings = replace(settings, strategy=replace(settings.strategy, target_px=D("21.3")))

    whole, first, capped = plans(settings)

    assert first.opens_at == whole.opens_at
    assert capped.allocation is None
    assert capped.strategy.target_px == settings.strategy.target_px


@given(
    size=st.integers(51, 100_000),
    tokens=st.integers(0, 10_000_000),
    usdc=st.integers(0, 100_000),
    gap=st.integers(0, 5),
)
def test_whatever_the_plan_is_the_lowest_ask_is_where_it_was(size: int, tokens: int, usdc: int, gap: int) -> None:
    changed = {
        "strategy__order_sz": str(D(size) / 100),
        "strategy__gap_levels": gap,
        "allocation__token": str(D(tokens) / 1000),
        "allocation__usdc": str(max(usdc, 1)),
    }
    settings = make_settings(**changed)
    whole, first, capped = plans(settings)

    assert levels(first, "sell")[:1] == levels(whole, "sell")[:1]
    assert max(levels(first, "buy"), default=-1) <= max(levels(whole, "buy"), default=-1) + 1
    assert len(first.asks) <= 1
    assert len(first.bids) <= 1
    assert capped.allocation is not None
    assert settings.allocation is not None
    assert capped.allocation.token <= settings.allocation.token
    assert capped.allocation.usdc <= settings.allocation.usdc


def test_the_signer_lets_no_second_order_pass() -> None:
    _, first, _ = plans(make_settings())
    order = SMALL * first.opens_at

    limits = cap_limits(RiskLimits(max_order_notional=D(200), max_side_notional=D(2000), price_low=D(20)), first)

    assert limits.max_order_notional == limits.max_side_notional == D("1.5") * order
    assert limits.price_low == 20


def test_limits_of_the_operator_that_are_narrower_stay() -> None:
    _, first, _ = plans(make_settings())

    limits = cap_limits(replace(NO_LIMITS, max_order_notional=D(11), max_side_notional=D(12)), first)

    assert limits == replace(NO_LIMITS, max_order_notional=D(11), max_side_notional=D(12))
