"""The band around the reference and the cap of open orders, as far as they are known beforehand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.model.market import Book, BookLevel
from mm_trio.model.orders import OrderDiff, Quote, Side, TrackedOrder
from mm_trio.refusals.beforehand import compute_open_cap, find_reference, is_in_band, leave_out


def book(bid: str | None, ask: str | None) -> Book:
    bids, asks = ((BookLevel(Decimal(px), Decimal(1), 1),) if px else () for px in (bid, ask))
    return Book(bids, asks)


def quote(side: Side, level: int) -> Quote:
    return Quote(side, level, Decimal(10 + level), Decimal(1))


def test_the_reference_is_the_middle_of_a_narrow_book() -> None:
    assert find_reference(book("99", "101")) == 100


@pytest.mark.parametrize("bid, ask", [(None, "101"), ("99", None), ("1", "101"), ("101", "99"), (None, None)])
def test_an_empty_wide_or_crossed_book_shows_no_reference(bid: str | None, ask: str | None) -> None:
    assert find_reference(book(bid, ask)) is None


@pytest.mark.parametrize("price, is_in", [("20", False), ("20.01", True), ("500", True), ("500.1", False)])
def test_the_lower_end_of_the_band_is_outside_and_the_upper_one_inside(price: str, is_in: bool) -> None:
    assert is_in_band(Decimal(price), Decimal(100)) is is_in


@pytest.mark.parametrize("volume, cap", [("0", 1000), ("4999999", 1000), ("5000000", 1001), ("99000000000", 5000)])
def test_the_cap_grows_with_the_volume(volume: str, cap: int) -> None:
    assert compute_open_cap(Decimal(volume)) == cap


def test_the_far_ends_of_both_sides_give_way_to_the_cap() -> None:
    places = [*(quote("sell", level) for level in range(10, 20)), *(quote("buy", level) for level in range(9, -1, -1))]

    kept = leave_out(OrderDiff(places=places), {}, reference=None, cap=10, n_open=6).diff.places

    assert [order.slot for order in kept] == [("sell", 10), ("sell", 11), ("buy", 9), ("buy", 8)]


def test_a_cancel_makes_room() -> None:
    diff = OrderDiff(places=[quote("sell", 10), quote("sell", 11)], cancels=[7])

    assert leave_out(diff, {}, reference=None, cap=10, n_open=10).diff.places == (quote("sell", 10),)


def test_modifies_need_no_room_but_the_band() -> None:
    diff = OrderDiff(modifies=[(1, quote("sell", 10)), (2, quote("sell", 100))])

    assert leave_out(diff, {}, reference=Decimal(20), cap=10, n_open=10).diff.modifies == ((1, quote("sell", 10)),)


def rest(orders: list[Quote]) -> dict[int, TrackedOrder]:
    return {oid: TrackedOrder.of(oid, order) for oid, order in enumerate(orders)}


def test_at_the_cap_a_far_end_makes_way_for_the_inside() -> None:
    resting = rest([quote("buy", level) for level in range(100)])

    sendable = leave_out(OrderDiff(places=[quote("sell", 100)]), resting, reference=None, cap=100, n_open=100)

    assert [order.slot for order in sendable.diff.places] == [("sell", 100)]
    assert sendable.diff.cancels == (0,)
    assert sendable.n_over_cap == 0


def test_a_far_end_makes_no_way_for_one_that_is_hardly_nearer() -> None:
    """Else each fill would cost a cancel and an order at both ends."""
    resting = rest([quote("buy", level) for level in range(100)])
    wanted = [quote("sell", level) for level in range(100, 200)]

    sendable = leave_out(OrderDiff(places=wanted), resting, reference=None, cap=100, n_open=100)

    n_placed = len(sendable.diff.places)
    assert n_placed == len(sendable.diff.cancels) == 40
    assert sendable.n_over_cap == 60
    asks = [*wanted[:n_placed]]
    left = rest([quote("buy", level) for level in range(n_placed, 100)]) | {
        1000 + i: TrackedOrder.of(1000 + i, ask) for i, ask in enumerate(asks)
    }
    again = leave_out(OrderDiff(places=wanted[n_placed:]), left, reference=None, cap=100, n_open=100)
    assert not again.diff


def test_what_is_left_out_is_counted_by_its_reason() -> None:
    diff = OrderDiff(places=[quote("sell", 10), quote("sell", 11), quote("sell", 500)])

    sendable = leave_out(diff, {}, reference=Decimal(20), cap=10, n_open=9)

    assert (sendable.n_off_band, sendable.n_over_cap, sendable.cap) == (1, 1, 10)
