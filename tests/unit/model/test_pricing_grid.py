"""Price ladder: levels seen on the chain, the venue's ticks, and the level of a price."""

from __future__ import annotations

from typing import Any

import pytest
from core_kit import dec

from mm_trio.model.pricing_grid import LadderRule, PricingGrid

# Every level seen on a market of HIP-2: its start, szDecimals, step, and level: price.
SEEN = (
    ("1.0", 2, "0.003", {1: "1.003", 2: "1.006", 3: "1.009", 4: "1.012", 5: "1.015", 6: "1.018", 7: "1.021"}),
    ("1.0", 2, "0.003", {21: "1.0639", 22: "1.067", 23: "1.0702"}),
    ("0.020777", 2, "0.003", {0: "0.020777", 1: "0.020839", 2: "0.020902", 19: "0.021994", 20: "0.022060"}),
    ("0.020777", 2, "0.003", {21: "0.022126", 39: "0.023352"}),
    ("43.569", 2, "0.003", {1: "43.699", 2: "43.830", 3: "43.961", 4: "44.092"}),
    ("0.1023", 2, "0.003", {1: "0.1026"}),
    ("0.000882", 2, "0.003", {1: "0.000885", 2: "0.000888", 3: "0.000891"}),
    ("0.00014535", 0, "0.003", {1: "0.00014579"}),
    ("4.5795", 0, "0.01", {1: "4.6252"}),
    ("26.782", 1, "0.01", {1: "27.049"}),
    ("0.50032", 1, "0.01", {1: "0.50532"}),
    ("0.6973", 2, "0.01", {1: "0.70427"}),
    ("1.7658", 2, "0.01", {1: "1.7834"}),
    # Neighbours out of recorded fills.
    ("0.00014406", 0, "0.003", {1: "0.00014449", 2: "0.00014492", 3: "0.00014535", 5: "0.00014623"}),
    ("0.021473", 2, "0.003", {1: "0.021537", 2: "0.021602"}),
    ("1.2552", 1, "0.003", {1: "1.2589", 2: "1.2626"}),
)


@pytest.mark.parametrize(
    "start, sz_decimals, step, level, price",
    [(start, decimals, step, *at) for start, decimals, step, levels in SEEN for at in levels.items()],
)
def test_every_level_seen_on_the_chain_comes_out_to_the_digit(
    start: str, sz_decimals: int, step: str, level: int, price: str
) -> None:
    assert PricingGrid(start, 40, tick_size=step, sz_decimals=sz_decimals).price_at_level(level) == dec(price)


def test_one_rounding_serves_decimals_and_figures() -> None:
    levels = PricingGrid("0.000167", 4, sz_decimals=2).levels

    assert levels == (dec("0.000167"), dec("0.000168"), dec("0.000169"), dec("0.00017"))


@pytest.mark.parametrize("ladder, level, price", [("hip2", 1, "0.1026"), ("half-even", 1, "0.10261")])
def test_an_older_ledger_keeps_its_ladder(ladder: LadderRule, level: int, price: str) -> None:
    assert PricingGrid("0.1023", 2, sz_decimals=2, ladder=ladder).price_at_level(level) == dec(price)


@pytest.mark.parametrize("raw, above", [("0.000005", "0.00000502"), ("0.000015", "0.00001505")])
def test_half_a_unit_goes_up(raw: str, above: str) -> None:
    # 500 and 1500 units of 1e-8: 501.5 and 1504.5 lie half way.
    assert PricingGrid(raw, 2).levels[1] == dec(above)


@pytest.mark.parametrize("start", ["0.020777", 0.020777, dec("0.020777")])
def test_the_start_may_be_text_float_or_decimal(start: Any) -> None:
    assert PricingGrid(start, 40).levels == PricingGrid("0.020777", 40).levels


def test_there_are_as_many_levels_as_asked_for() -> None:
    grid = PricingGrid(20, 100)

    assert grid.n_orders == len(grid.levels) == 100
    assert grid.levels[0] == 20


@pytest.mark.parametrize(
    "start, sz_decimals, first",
    [
        ("0.0012345", 2, "0.001234"),
        ("0.0012345", None, "0.0012345"),
        ("0.000012345", 0, "0.00001234"),
        ("0.000012355", 0, "0.00001235"),
        ("117365.5", 5, "117360"),
        ("12345.6", None, "12345"),
        ("20.12345", 2, "20.123"),
        ("20.0007", 2, "20"),
    ],
)
def test_a_start_between_ticks_is_cut_down(start: str, sz_decimals: int | None, first: str) -> None:
    assert PricingGrid(start, 1, sz_decimals=sz_decimals).levels == (dec(first),)


def test_prices_are_written_in_plain_digits() -> None:
    assert str(PricingGrid(1_234_567, 1).levels[0]) == "1234500"


@pytest.mark.parametrize("sz_decimals, lot", [(0, "1"), (2, "0.01"), (8, "0.00000001"), (None, "0.00000001")])
def test_a_lot_follows_from_the_decimals_of_the_size(sz_decimals: int | None, lot: str) -> None:
    assert PricingGrid(20, 1, sz_decimals=sz_decimals).lot == dec(lot)


def test_a_rounding_that_repeats_a_level_is_refused_with_level_price_and_remedy() -> None:
    with pytest.raises(ValueError, match=r"level 1 would repeat the price 20.*start higher or take a larger tick_size"):
        PricingGrid(20, 3, tick_size="0.00001")


def test_a_step_finer_than_the_decimals_of_the_pair_is_refused() -> None:
    assert len(PricingGrid("0.0000123", 5).levels) == 5
    with pytest.raises(ValueError, match="sz_decimals=2"):
        PricingGrid("0.0000123", 5, sz_decimals=2)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"n_orders": 0}, "n_orders must be 1 or more, got 0"),
        ({"sz_decimals": 9}, "sz_decimals must be from 0 to 8, got 9"),
        ({"sz_decimals": -1}, "sz_decimals must be from 0 to 8, got -1"),
        ({"tick_size": 0}, r"tick_size must be above 0 \(0.003 is 0.3 %\), got 0"),
        ({"tick_size": "-0.003"}, "tick_size must be above 0 .* got -0.003"),
        ({"start_px": 0}, "start_px must be at least one unit of the venue, 0.00000001 .*, got 0"),
        ({"start_px": "-20"}, "start_px must be at least one unit of the venue.* got -20"),
        (
            {"start_px": "0.0000001", "sz_decimals": 2},
            "start_px must be at least one unit of the venue, 0.000001 at sz_decimals=2",
        ),
        ({"start_px": "dear"}, "start_px must be a finite number, got 'dear'"),
        ({"tick_size": "NaN"}, "tick_size must be a finite number, got 'NaN'"),
    ],
)
def test_numbers_that_make_no_ladder_are_named_with_value_and_range(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        PricingGrid(**{"start_px": 20, "n_orders": 10} | arguments)


@pytest.mark.parametrize("level", [-1, 10, 11])
def test_a_level_outside_is_an_index_error_that_names_the_range(level: int) -> None:
    with pytest.raises(IndexError, match=rf"level {level} is outside 0\.\.9"):
        PricingGrid(20, 10).price_at_level(level)


@pytest.mark.parametrize(
    "price, level",
    [
        ("20", 0),
        ("20.06", 1),
        ("20.03", 0),  # half way: the lower one
        ("20.0301", 1),
        ("19.97", 0),  # half a step below the ladder
        ("19.9699", None),
        ("20.15", 2),
        ("20.1506", None),
        ("-20", None),
    ],
)
def test_a_price_belongs_to_the_nearest_level_within_half_a_step(price: str, level: int | None) -> None:
    assert PricingGrid(20, 3).levels == (dec(20), dec("20.06"), dec("20.12"))
    assert PricingGrid(20, 3).level_for_price(price) == level


@pytest.mark.parametrize("price, level", [("20.03", 0), ("19.97", 0), ("20.0301", None), ("19.9699", None)])
def test_a_ladder_of_one_level_reaches_half_a_step_both_ways(price: str, level: int | None) -> None:
    assert PricingGrid(20, 1).level_for_price(price) == level
