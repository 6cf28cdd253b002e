"""Exact numbers, and the value types that modules share."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any

import pytest
from core_kit import dec, desired

from mm_trio.model.numbers import Number, round_up, to_decimal
from mm_trio.model.orders import DesiredOrder, FillResult, OrderDiff, TrackedOrder


@pytest.mark.parametrize(
    "given, exact",
    [
        (0.1, "0.1"),
        (0.3, "0.3"),
        (1e-05, "0.00001"),
        (3, "3"),
        ("20.0", "20.0"),
        (Decimal("5.25"), "5.25"),
        ("1234.0199999999", "1234.0199999999"),
    ],
)
def test_a_number_is_read_exactly_and_a_float_through_its_shortest_repr(given: Number, exact: str) -> None:
    assert to_decimal(given) == dec(exact)


@pytest.mark.parametrize(
    "amount, rounded", [("0.505", "0.51"), ("0.50", "0.50"), ("0.501", "0.51"), ("0", "0"), ("-0.505", "-0.50")]
)
def test_an_amount_is_rounded_up_to_whole_units(amount: str, rounded: str) -> None:
    assert round_up(dec(amount), unit=dec("0.01")) == dec(rounded)


@pytest.mark.parametrize("given", ["", "twenty", "NaN", "Infinity", float("nan"), float("-inf"), None, []])
def test_what_is_no_finite_number_is_named_in_the_error(given: Any) -> None:
    with pytest.raises(ValueError, match="start_px must be a finite number, got ") as caught:
        to_decimal(given, name="start_px")

    assert repr(given) in str(caught.value)


def test_a_diff_keeps_tuples_whatever_it_is_given() -> None:
    place, aim = desired("buy", 1), desired("sell", 5)

    diff = OrderDiff(modifies=[(7, aim)], places=iter([place]), cancels={3})

    assert (diff.modifies, diff.places, diff.cancels) == (((7, aim),), (place,), (3,))
    assert diff == OrderDiff(((7, aim),), (place,), (3,))


def test_a_diff_costs_one_for_each_order_named() -> None:
    assert OrderDiff([(1, desired("buy", 1))], [desired("buy", 2), desired("sell", 3)], [4, 5]).n_items == 5


@pytest.mark.parametrize("diff", [OrderDiff(cancels=[1]), OrderDiff(places=[desired("buy", 0)])])
def test_only_an_empty_diff_is_false(diff: OrderDiff) -> None:
    assert diff
    assert not OrderDiff()


@pytest.mark.parametrize("value, field", [(desired("buy", 1), "size"), (OrderDiff(), "places")])
def test_values_are_frozen(value: Any, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, field, 1)


def test_fill_results_compare_by_slot_and_size_not_by_trade() -> None:
    """Results with other oids and trade ids are equal; `fully_filled` makes a difference."""
    one = FillResult("buy", 1, dec(20), dec(5), True, oid=1, tid=2)

    assert one == FillResult("buy", 1, dec(20), dec(5), True, oid=8, tid=9)
    assert one != FillResult("buy", 1, dec(20), dec(5), False, oid=1, tid=2)


def test_orders_and_fills_read_any_number_exactly() -> None:
    wanted = DesiredOrder("buy", 3, "20.1", 5)  # type: ignore[arg-type]
    rests = TrackedOrder(1, "buy", 3, 20.1, "5")  # type: ignore[arg-type]
    fill = FillResult("buy", 3, 20.1, 5, True)  # type: ignore[arg-type]

    assert {wanted.price, rests.price, fill.price} == {Decimal("20.1")}
    assert {wanted.size, rests.size, fill.size} == {Decimal(5)}
    assert all(type(number) is Decimal for number in (wanted.size, rests.price, fill.size))
