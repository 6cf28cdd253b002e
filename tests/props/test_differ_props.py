"""Properties of the diff: applied, it gives the desired book; it depends on nothing else."""

from __future__ import annotations

from decimal import Decimal

from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import sides

from mm_trio.model.orders import DesiredOrder, TrackedOrder
from mm_trio.quoting.order_differ import compute_diff

many = settings(max_examples=100 * FACTOR, deadline=None)

levels = st.integers(0, 6)
prices = st.integers(19_900, 20_200).map(lambda ticks: Decimal(ticks).scaleb(-3))
sizes = st.integers(1, 600).map(lambda lots: Decimal(lots).scaleb(-2))
desired_books = st.lists(
    st.builds(DesiredOrder, sides, levels, prices, sizes), max_size=8, unique_by=lambda o: (o.side, o.level_index)
)
resting_books = st.lists(
    st.builds(TrackedOrder, st.integers(1, 99), sides, levels, prices, sizes), max_size=10, unique_by=lambda o: o.oid
)
tolerances = st.sampled_from((Decimal(0), Decimal(1), Decimal("7.5"), Decimal(100)))


@many
@given(desired_books, resting_books, tolerances, tolerances)
def test_a_diff_applied_gives_the_desired_book_within_tolerance(
    desired: list[DesiredOrder], resting: list[TrackedOrder], price_bps: Decimal, size_pct: Decimal
) -> None:
    diff = compute_diff(desired, resting, 0, price_bps, size_pct)

    book = {o.oid: DesiredOrder(o.side, o.level_index, o.price, o.size) for o in resting if o.oid not in diff.cancels}
    for oid, aim in diff.modifies:
        assert (book[oid].side, book[oid].level_index) == (aim.side, aim.level_index)
        book[oid] = aim
    after = {(o.side, o.level_index): o for o in (*book.values(), *diff.places)}
    assert len(after) == len(book) + len(diff.places)  # no pair twice
    assert after.keys() == {(o.side, o.level_index) for o in desired}
    for aim in desired:
        rests = after[aim.side, aim.level_index]
        assert abs(rests.price - aim.price) * 10_000 <= price_bps * aim.price
        assert abs(rests.size - aim.size) * 100 <= size_pct * aim.size


@many
@given(desired_books, resting_books, tolerances, st.data())
def test_the_order_in_which_a_book_is_told_does_not_matter(
    desired: list[DesiredOrder], resting: list[TrackedOrder], dead_zone: Decimal, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(resting))
    once = compute_diff(desired, resting, dead_zone, 1, 1)

    assert compute_diff(tuple(desired), shuffled, float(dead_zone), "1", 1.0) == once
    assert compute_diff(desired, resting, dead_zone, 1, 1) == once


@many
@given(desired_books, resting_books, tolerances)
def test_no_order_is_touched_twice_and_only_those_that_rest(
    desired: list[DesiredOrder], resting: list[TrackedOrder], dead_zone: Decimal
) -> None:
    diff = compute_diff(desired, resting, dead_zone, 1, 1)

    touched = [*diff.cancels, *(oid for oid, _ in diff.modifies)]
    assert len(touched) == len(set(touched))
    assert set(touched) <= {order.oid for order in resting}
    assert {*diff.places, *(aim for _, aim in diff.modifies)} <= set(desired)


@many
@given(desired_books, resting_books, tolerances)
def test_a_dead_zone_holds_all_back_or_nothing(
    desired: list[DesiredOrder], resting: list[TrackedOrder], dead_zone: Decimal
) -> None:
    held = compute_diff(desired, resting, dead_zone, 1, 1)
    free = compute_diff(desired, resting, 0, 1, 1)

    assert held == free or not held
    if held != free:
        assert {(o.side, o.level_index) for o in desired} == {(o.side, o.level_index) for o in resting}
