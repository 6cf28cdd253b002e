"""Ladders found again from recorded prices."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.sandbox.traffic.ladder_search import compute_ladder, find_step, ladder_start

STEP = Decimal("0.003")


def test_a_start_leads_through_the_price() -> None:
    start = ladder_start([Decimal("20.06")], step=STEP, sz_decimals=2, levels_below=40)

    assert PricingGrid(start, 41, sz_decimals=2).levels[-1] == Decimal("20.06")


def test_without_levels_below_the_lowest_price_is_the_start() -> None:
    prices = [Decimal("0.000885"), Decimal("0.000882")]

    assert ladder_start(prices, step=STEP, sz_decimals=2, levels_below=0) == Decimal("0.000882")


def test_a_ladder_across_a_power_of_ten_is_found() -> None:
    grid = PricingGrid("9.9", 20, sz_decimals=2)
    start = ladder_start([grid.levels[-1]], step=STEP, sz_decimals=2, levels_below=19)

    assert start < 10 < grid.levels[-1]
    assert PricingGrid(start, 20, sz_decimals=2).levels[-1] == grid.levels[-1]


@pytest.mark.parametrize(
    "prices",
    [["20", "20.05"], ["0.00000012"], ["20.0601"], [], ["0"], ["4.5795", "4.6252"]],
    ids=["between levels", "below one tick a step", "off tick", "none", "zero", "another rounding"],
)
def test_prices_of_no_ladder_are_refused(prices: list[str]) -> None:
    if prices == ["0.00000012"]:
        # 0.3 % of this price is less than a tick, so the ladder cannot rise.
        prices = ["0.00000012", "0.00000013"]
    with pytest.raises(ValueError, match="ladder"):
        ladder_start([Decimal(p) for p in prices], step=STEP, sz_decimals=2, levels_below=5)


@settings(deadline=None)
@given(
    mantissa=st.integers(10_000, 99_999),
    exponent=st.integers(-8, 0),
    sz_decimals=st.integers(0, 5),
    levels_below=st.integers(0, 60),
    picked=st.sets(st.integers(0, 30), min_size=1, max_size=4),
)
def test_whatever_a_ladder_passes_a_start_is_found_for(
    mantissa: int, exponent: int, sz_decimals: int, levels_below: int, picked: set[int]
) -> None:
    try:
        grid = PricingGrid(Decimal(mantissa).scaleb(exponent), 31, sz_decimals=sz_decimals)
    except ValueError:
        assume(False)
    prices = [grid.levels[i] for i in picked]

    start = ladder_start(prices, step=STEP, sz_decimals=sz_decimals, levels_below=levels_below)

    found = PricingGrid(start, levels_below + 31, sz_decimals=sz_decimals).levels
    assert set(prices) <= set(found)
    assert min(levels_below, min(picked)) <= found.index(min(prices)) <= levels_below


@settings(deadline=None)
@given(
    raw=st.integers(200, 5_000_000), sz_decimals=st.integers(0, 5), step=st.sampled_from(["0.003", "0.01", "0.0125"])
)
def test_both_ladders_round_alike(raw: int, sz_decimals: int, step: str) -> None:
    """The exchange's side works a ladder out by itself; it has to be the maker's."""
    start = PricingGrid(Decimal(raw).scaleb(sz_decimals - 8), 1, sz_decimals=sz_decimals).levels[0]

    ladder = compute_ladder(start, 60, step=Decimal(step), sz_decimals=sz_decimals)

    assert ladder == PricingGrid(start, 60, tick_size=step, sz_decimals=sz_decimals).levels


def test_a_ladder_that_cannot_rise_is_refused() -> None:
    with pytest.raises(ValueError, match="does not rise"):
        compute_ladder(Decimal("0.00000012"), 2, step=STEP, sz_decimals=0)


@pytest.mark.parametrize(
    "sweeps, sz_decimals, step",
    [
        ([["0.6973"], ["0.70427"]], 2, "0.01"),
        ([["4.5795"], ["4.6252"]], 0, "0.01"),
        ([["0.00014449", "0.00014492"], ["0.00014579"]], 0, "0.003"),
        ([["0.021473", "0.021537", "0.021602"]], 2, "0.003"),
        ([["20"]], 2, "0.003"),
        ([["20", "20.4"], ["20.808"]], 2, "0.02"),
        ([["0.000882", "0.000891"]], 2, "0.01"),
    ],
    ids=["1 %", "1 %, raw 4.6252", "0.3 %", "a sweep", "one price", "2 %", "no level between"],
)
def test_the_step_is_read_off_the_prices(sweeps: list[list[str]], sz_decimals: int, step: str) -> None:
    found = find_step([[Decimal(price) for price in sweep] for sweep in sweeps], sz_decimals=sz_decimals)

    assert found == Decimal(step)


def test_prices_of_no_step_are_refused_with_the_steps_tried() -> None:
    with pytest.raises(ValueError, match=r"steps tried: 0\.003, 0\.01, 0\.001, 0\.0006$"):
        find_step([[Decimal(20)], [Decimal("20.013")], [Decimal("20.05")]], sz_decimals=2)


@pytest.mark.parametrize(
    "market, start_px, sz_decimals, step, seen",
    [
        ("@37", "1.0", 2, "0.003", {1: "1.003", 6: "1.018", 7: "1.021", 21: "1.0639", 22: "1.067", 23: "1.0702"}),
        ("@67", "0.020777", 2, "0.003", {1: "0.020839", 2: "0.020902", 19: "0.021994", 20: "0.02206", 39: "0.023352"}),
        ("@929", "43.569", 2, "0.003", {1: "43.699", 2: "43.83", 3: "43.961", 4: "44.092"}),
        ("@476", "0.00014406", 0, "0.003", {1: "0.00014449", 3: "0.00014535", 5: "0.00014623"}),
        ("PURR/USDC", "4.5795", 0, "0.01", {1: "4.6252"}),
        ("@3", "26.782", 1, "0.01", {1: "27.049"}),
    ],
)
def test_levels_seen_on_the_chain_come_out(
    market: str, start_px: str, sz_decimals: int, step: str, seen: dict[int, str]
) -> None:
    ladder = compute_ladder(Decimal(start_px), 40, step=Decimal(step), sz_decimals=sz_decimals)

    assert {level: ladder[level] for level in seen} == {level: Decimal(price) for level, price in seen.items()}
