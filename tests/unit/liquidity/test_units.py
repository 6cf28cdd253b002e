"""Numbers in whole units: exact, and with one text each."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.liquidity.units import cut_down, cut_up, divide, format_units, parse_units, to_units, write_ratio


@pytest.mark.parametrize(
    ("text", "units"),
    [("0", 0), ("20.06", 2_006_000_000), ("0.00000001", 1), ("123456789012345678", 123456789012345678 * 10**8)],
)
def test_a_number_and_its_text_lead_to_each_other(text: str, units: int) -> None:
    assert parse_units(text) == units
    assert format_units(units) == text


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "01", "1.", ".5", "1.50", "1e3", " 1", "1\n", "NaN", "0.000000001", "٣"]
)
def test_another_text_of_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain number"):
        parse_units(text)


def test_a_decimal_of_any_form_becomes_units() -> None:
    assert [to_units(Decimal(text)) for text in ("1E+2", "1.500", "0E-3", "7")] == [10**10, 150_000_000, 0, 7 * 10**8]


def test_a_division_rounds_half_to_even() -> None:
    assert [divide(n, 2) for n in (1, 3, 5, -1, -3)] == [0, 2, 2, 0, -2]
    assert divide(2 * 10**60 + 1, 2) == 10**60


def test_a_share_of_nothing_is_absent() -> None:
    assert write_ratio(0, 0) is None
    assert write_ratio(2, 3) == "0.66666667"


def test_four_figures_are_kept() -> None:
    assert [cut_down(value) for value in (9_999, 10_001, 123_456)] == [9_999, 10_000, 123_400]
    assert [cut_up(value) for value in (9_999, 10_001, 123_456, 99_999)] == [9_999, 10_010, 123_500, 100_000]
