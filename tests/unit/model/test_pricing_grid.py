"""Price ladder: the venue's two tick rules, exact figures, and the level of a price."""

from __future__ import annotations

from typing import Any

import pytest
from core_kit import dec

from mm_trio.model.pricing_grid import PricingGrid


@pytest.mark.parametrize(
    "level, price", [(0, "0.020777"), (19, "0.021994"), (20, "0.022060"), (21, "0.022126"), (39, "0.023352")]
)
def test_the_known_ladder_comes_out_to_the_digit(level: int, price: str) -> None:
    assert PricingGrid("0.020777", 40).price_at_level(level) == dec(price)


@pytest.mark.parametrize("start", ["0.020777", 0.020777, dec("0.020777")])
def test_the_start_may_be_text_float_or_decimal(start: Any) -> None:
    assert PricingGrid(start, 40).levels == PricingGrid("0.020777", 40).levels


def test_there_are_as_many_levels_as_asked_for() -> None:
    grid = PricingGrid(20, 100)

    assert grid.n_orders == len(grid.levels) == 100
    assert grid.levels[0] == 20


@pytest.mark.parametrize("start, above", [("1.0001", "1.5002"), ("1.0003", "1.5004")])
def test_half_a_tick_rounds_to_the_even_one(start: str, above: str) -> None:
    assert PricingGrid(start, 2, tick_size="0.5").levels[1] == dec(above)


@pytest.mark.parametrize(
    "start, sz_decimals, first",
    [
        ("0.0012345", 2, "0.001234"),
        ("0.0012345", None, "0.0012345"),
        ("0.000012345", 0, "0.00001234"),
        ("0.000012355", 0, "0.00001236"),
        ("117365.5", 5, "117370"),
        ("12345.6", None, "12346"),
        ("20.12345", 2, "20.123"),
    ],
)
def test_a_price_obeys_five_figures_and_the_decimals_of_the_pair(
    start: str, sz_decimals: int | None, first: str
) -> None:
    assert PricingGrid(start, 1, sz_decimals=sz_decimals).levels == (dec(first),)


def test_prices_are_written_in_plain_digits() -> None:
    assert str(PricingGrid(1_234_567, 1).levels[0]) == "1234600"


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
        ({"start_px": 0}, "start_px must be above 0 and a price of the venue, got 0"),
        ({"start_px": "-20"}, "start_px must be above 0 .* got -20"),
        ({"start_px": "0.0000001", "sz_decimals": 2}, "start_px must be above 0 and a price of the venue"),
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
