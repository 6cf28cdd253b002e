"""The formulas of income against small simulations, within five percent.

The seeds are fixed, so a run repeats to the last digit; the spread of each estimate is below two percent.
"""

from __future__ import annotations

from decimal import Decimal
from math import exp, log
from random import Random

import pytest
from ladder_walk import count_arbitrage, swing

from mm_trio.planning.income import (
    BASE_TIER,
    TIERS,
    Terms,
    compute_break_even_swing,
    compute_informed_cost,
    compute_lvr,
    compute_part_round_trip,
)

WITHIN = 0.05
BPS = 10_000


@pytest.mark.parametrize("swing_size", [2.0, 3.0, 5.0])
def test_swings_gain_half_a_step_by_their_size(swing_size: float) -> None:
    """Of their volume, before fees, for whole orders; takers of a fiftieth of one, who go there and back many times."""
    gain = swing(swing_size, taker=0.02, rng=Random(7), starts=12, n_swings=12)

    assert gain == pytest.approx(0.5 / swing_size, rel=WITHIN)


def test_the_break_even_swing_pays_its_fees_and_no_more() -> None:
    fees = TIERS["5M"]
    size = compute_break_even_swing(Terms(step=Decimal("0.003"), gap=0, notional=Decimal(1), fees=fees))
    assert size is not None

    gain = swing(float(size), taker=0.02, rng=Random(7), starts=12, n_swings=12)

    assert gain * 0.003 == pytest.approx(float(fees.maker), rel=WITHIN)


@pytest.mark.parametrize("swing_size", [2.2, 3.4, 4.6])
def test_swings_that_end_inside_an_order_gain_three_quarters_of_it(swing_size: float) -> None:
    """So the break-even swing of the formula is the most that there is; docs/economics.md says so."""
    gain = swing(swing_size, taker=0.02, rng=Random(7), starts=16, n_swings=12)

    assert gain == pytest.approx(0.75 * 0.5 / swing_size, rel=WITHIN)


@pytest.mark.parametrize("swing_size", [2.0, 3.4])
def test_one_taker_who_sweeps_there_and_back_gains_us_a_quarter_step(swing_size: float) -> None:
    """However far he goes: the ladder stands still while he sweeps it."""
    gain = swing(swing_size, taker=swing_size, rng=Random(7), starts=3000, n_swings=1)

    assert gain == pytest.approx(0.25, rel=WITHIN)


def test_a_small_part_of_an_order_gains_nearly_the_step() -> None:
    """Sold at one level and bought at the next, or both times inside one order, which gains as much."""
    gain = swing(0.1, taker=0.02, rng=Random(7), starts=40, n_swings=40)

    whole = float(compute_part_round_trip(Terms(step=Decimal("0.003"), gap=0, notional=Decimal(1), fees=BASE_TIER)))
    assert 2 * gain * 0.003 - 2 * float(BASE_TIER.maker) == pytest.approx(whole, rel=WITHIN)


@pytest.mark.parametrize(("step", "gap", "n_moves"), [(30, 0, 1_500_000), (30, 1, 3_000_000), (15, 1, 1_500_000)])
def test_informed_flow_costs_what_the_formula_says(step: int, gap: int, n_moves: int) -> None:
    """Each fill loses the taker's fee against the outside price, and pays the maker's."""
    fills = count_arbitrage(step=step, gap=gap, taker_fee=7, n_moves=n_moves, rng=Random(7))

    sigma_squared = n_moves / BPS**2
    terms = Terms(step=Decimal(step) / BPS, gap=gap, notional=Decimal(100), fees=BASE_TIER)
    cost = compute_informed_cost(terms, sigma=Decimal(sigma_squared).sqrt())
    assert cost is not None
    assert fills * 100 * 11 / BPS == pytest.approx(float(cost), rel=WITHIN)


def test_the_continuous_curve_loses_what_the_formula_says() -> None:
    """It sells along x(P) = -S ln P / ln(1 + s), and each move costs it half the move times what it sold."""
    rng, price, lost, n_moves = Random(7), 1.0, 0.0, 10_000
    for _ in range(n_moves):
        new = price * exp(0.001 if rng.getrandbits(1) else -0.001)
        sold = 100 * log(new / price) / log(1.003)
        # What was got for it on the way, the integral of P dx, against the price after the move; D stays 100.
        got = 100 * (new - price) / log(1.003)
        lost += (sold * new - got) / price
        price = new

    terms = Terms(step=Decimal("0.003"), gap=0, notional=Decimal(100), fees=BASE_TIER)
    assert lost == pytest.approx(float(compute_lvr(terms, sigma=Decimal("0.1"))), rel=WITHIN)
