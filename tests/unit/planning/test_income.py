"""Each formula of income, by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.planning.income import (
    BASE_TIER,
    TIERS,
    Fees,
    Terms,
    compute_break_even_swing,
    compute_deployer_cost,
    compute_informed_cost,
    compute_lvr,
    compute_part_round_trip,
    compute_round_trip,
)

SIGMA = Decimal("0.05")


def terms(gap: int = 0, step: str = "0.003", notional: int = 100, fees: Fees = BASE_TIER) -> Terms:
    return Terms(step=Decimal(step), gap=gap, notional=Decimal(notional), fees=fees)


@pytest.mark.parametrize(("tier", "swing"), [("base", "3.75"), ("5M", "5"), ("25M", "7.5"), ("100M", "15")])
def test_larger_swings_than_these_lose_at_gap_0(tier: str, swing: str) -> None:
    assert compute_break_even_swing(terms(fees=TIERS[tier])) == Decimal(swing)


@pytest.mark.parametrize("given", [terms(fees=TIERS["500M"]), terms(gap=1)])
def test_no_swing_breaks_even_without_a_fee_or_with_a_gap(given: Terms) -> None:
    assert compute_break_even_swing(given) is None


@pytest.mark.parametrize(("gap", "bps"), [(0, -8), (1, 22), (2, 52)])
def test_a_whole_order_there_and_back_earns_the_gap_less_two_fees(gap: int, bps: int) -> None:
    assert compute_round_trip(terms(gap)) == Decimal(bps) / 100


@pytest.mark.parametrize(("gap", "bps"), [(0, 22), (1, 22), (2, 52)])
def test_a_part_of_an_order_earns_a_step_at_gap_0_too(gap: int, bps: int) -> None:
    assert compute_part_round_trip(terms(gap)) == Decimal(bps) / 10_000


@pytest.mark.parametrize(
    ("given", "cost"),
    [(terms(), "65.48"), (terms(gap=1), "20.83"), (terms(gap=1, step="0.0015", notional=50), "31.61")],
)
def test_informed_flow_costs_variance_by_step_and_way_back(given: Terms, cost: str) -> None:
    """0.05 squared, times 100, times 11 bps, by 30 bps times 14 bps: 65.48; and so on."""
    found = compute_informed_cost(given, sigma=SIGMA)

    assert found is not None
    assert round(found, 2) == Decimal(cost)


def test_informed_flow_has_no_bound_where_takers_pay_nothing_at_gap_0() -> None:
    assert compute_informed_cost(terms(fees=Fees(Decimal("0.0004"), Decimal(0))), sigma=SIGMA) is None


def test_the_continuous_curve_loses_half_the_variance_by_step() -> None:
    assert round(compute_lvr(terms(), sigma=SIGMA), 4) == Decimal("41.6667")


@pytest.mark.parametrize(("gap", "ratio"), [(0, "1.57"), (1, "0.50"), (2, "0.30"), (3, "0.21")])
def test_cost_by_lvr_is_two_fees_by_the_way_back(gap: int, ratio: str) -> None:
    cost, lvr = compute_informed_cost(terms(gap), sigma=SIGMA), compute_lvr(terms(gap), sigma=SIGMA)

    assert cost is not None
    assert round(cost / lvr, 2) == Decimal(ratio)


@pytest.mark.parametrize(("share", "bps"), [("0", "8"), ("0.5", "2.5"), ("1", "-3")])
def test_a_deployer_pays_8_less_11_times_his_share(share: str, bps: str) -> None:
    assert compute_deployer_cost(BASE_TIER, share=Decimal(share)) * 10_000 == Decimal(bps)
