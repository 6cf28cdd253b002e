"""A ladder is changed without a gap: whatever rests, whatever should rest, and however few requests a tick has."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mm_trio.migration.ladder_change import MigrationPlan, apply_step, plan_migration
from mm_trio.migration.terms import MigrationStep, MigrationTerms, find_inside, measure
from mm_trio.model.orders import DesiredOrder, Side, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.quoting_engine import compute_boundary, compute_desired_orders

SIDES: tuple[Side, Side] = ("sell", "buy")


@st.composite
def ladders(draw: st.DrawFn) -> tuple[tuple[DesiredOrder, ...], Decimal, Decimal]:
    """Orders of a ladder, mostly with both sides, and what is allocated to it."""
    n_orders = draw(st.integers(2, 24))
    grid = PricingGrid(
        draw(st.sampled_from(["1", "1.003", "1.01", "1.03", "0.98", "0.9"])),
        n_orders,
        tick_size=draw(st.sampled_from(["0.003", "0.004", "0.01"])),
        sz_decimals=2,
    )
    size = Decimal(draw(st.sampled_from(["20", "25", "60"])))
    n_asks = draw(st.integers(0, n_orders))
    tokens = n_asks * size + draw(st.sampled_from([Decimal(0), Decimal(0), Decimal("12.5")]))
    bids = sum(grid.levels[: n_orders - n_asks], Decimal(0)) * size
    quote = bids if draw(st.integers(0, 3)) else bids * draw(st.integers(0, 10)) / 10
    orders = compute_desired_orders(
        grid,
        compute_boundary(grid, tokens, size, bid_levels=()),
        tokens,
        quote,
        size,
        min_notional=10,
        active_levels=draw(st.none() | st.integers(1, 12)),
        gap_levels=draw(st.sampled_from([0, 0, 1, 3])),
    )
    return tuple(orders), tokens, quote


@st.composite
def changes(draw: st.DrawFn) -> tuple[tuple[TrackedOrder, ...], MigrationTerms]:
    """Orders that rest, and the terms of their change to another ladder."""
    old, (target, tokens, quote) = draw(ladders())[0], draw(ladders())
    resting = tuple(TrackedOrder.of(oid, order) for oid, order in enumerate(old, 1))
    if draw(st.integers(0, 3)) == 0:
        # Partly filled, or lost.
        lost = draw(st.sets(st.integers(1, 40), max_size=6))
        resting = tuple(order for order in resting if order.oid not in lost)
    terms = MigrationTerms.of(
        resting,
        target,
        funds=(tokens, quote),
        items=draw(st.sampled_from([1, 2, 3, 5, 8, 100])),
        most_open=max(len(target), len(resting)) + draw(st.integers(0, 3)),
    )
    return resting, terms


def replay(resting: tuple[TrackedOrder, ...], plan: MigrationPlan) -> list[tuple[TrackedOrder, ...]]:
    """Return what rests before the change and after each tick."""
    books = [resting]
    for step in plan.steps:
        books.append(apply_step(books[-1], step))
    return books


def list_may_rest(before: tuple[TrackedOrder, ...], step: MigrationStep) -> list[tuple[Side, Decimal, int]]:
    """List every place at which an order may be once the cancels are answered, with the order that leads there."""
    gone = {order.oid for order in step.cancels}
    moved = {old.oid: new for old, new in step.modifies}
    places = [(order.side, order.price, order.oid) for order in before if order.oid not in gone]
    places += [(new.side, new.price, oid) for oid, new in moved.items()]
    places += [(new.side, new.price, -number) for number, new in enumerate(step.places, 1)]
    return places


@given(changes())
def test_a_change_ends_with_the_ladder_that_was_asked_for(
    change: tuple[tuple[TrackedOrder, ...], MigrationTerms],
) -> None:
    resting, terms = change

    final = replay(resting, plan_migration(resting, terms))[-1]

    assert {(order.side, order.price, order.size) for order in final} == {
        (order.side, order.price, order.size) for order in terms.target
    }


@given(changes())
def test_no_tick_sends_more_than_it_may(change: tuple[tuple[TrackedOrder, ...], MigrationTerms]) -> None:
    resting, terms = change

    assert all(step.n_items <= terms.items for step in plan_migration(resting, terms).steps)


@given(changes())
def test_no_two_orders_meet_at_any_moment(change: tuple[tuple[TrackedOrder, ...], MigrationTerms]) -> None:
    """In whichever order modifies and places arrive."""
    resting, terms = change
    plan = plan_migration(resting, terms)

    for before, step in zip(replay(resting, plan), plan.steps, strict=False):
        places = list_may_rest(before, step)
        asks = [price for side, price, _ in places if side == "sell"]
        bids = [price for side, price, _ in places if side == "buy"]
        assert not asks or not bids or max(bids) < min(asks)
        by_place: dict[tuple[Side, Decimal], set[int]] = {}
        for side, price, oid in places:
            by_place.setdefault((side, price), set()).add(oid)
        assert all(len(oids) == 1 for oids in by_place.values())


@given(changes())
def test_the_inside_is_never_empty_or_too_wide_for_two_ticks(
    change: tuple[tuple[TrackedOrder, ...], MigrationTerms],
) -> None:
    resting, terms = change
    books = replay(resting, plan_migration(resting, terms))
    goal = find_inside(terms.target)

    def is_wrong(book: tuple[TrackedOrder, ...]) -> bool:
        inside = find_inside(book)
        if inside.width is None or terms.widest is None:
            return (inside.bid is None and goal.bid is not None) or (inside.ask is None and goal.ask is not None)
        return inside.width > terms.widest

    if not is_wrong(resting) and terms.widest is not None:
        assert not any(is_wrong(book) and is_wrong(after) for book, after in pairwise(books))


@given(changes())
def test_a_side_that_is_wanted_is_never_emptied_for_two_ticks(
    change: tuple[tuple[TrackedOrder, ...], MigrationTerms],
) -> None:
    resting, terms = change
    books = replay(resting, plan_migration(resting, terms))

    for side in SIDES:
        if any(order.side == side for order in resting) and any(order.side == side for order in terms.target):
            empty = [not any(order.side == side for order in book) for book in books]
            assert not any(first and second for first, second in pairwise(empty))


@given(changes())
def test_a_side_never_holds_more_than_before_and_its_funds(
    change: tuple[tuple[TrackedOrder, ...], MigrationTerms],
) -> None:
    resting, terms = change

    for before, after in pairwise(replay(resting, plan_migration(resting, terms))):
        for side in SIDES:
            held = [sum((measure(o) for o in book if o.side == side), Decimal(0)) for book in (before, after)]
            assert held[1] <= max(held[0], terms.find_funds(side))


@given(changes())
def test_no_more_orders_rest_than_may(change: tuple[tuple[TrackedOrder, ...], MigrationTerms]) -> None:
    resting, terms = change

    assert all(len(book) <= terms.most_open for book in replay(resting, plan_migration(resting, terms)))


@given(changes())
def test_an_order_that_is_in_both_ladders_is_left_alone(
    change: tuple[tuple[TrackedOrder, ...], MigrationTerms],
) -> None:
    resting, terms = change
    plan = plan_migration(resting, terms)
    wanted = {(order.side, order.price, order.size) for order in terms.target}
    same = {order.oid for order in resting if (order.side, order.price, order.size) in wanted}

    touched = {o.oid for step in plan.steps for o in (*step.cancels, *(old for old, _ in step.modifies))}
    assert same <= {order.oid for order in replay(resting, plan)[-1]}
    assert not same & touched
    assert plan.n_kept == len(same)


@given(changes())
def test_no_order_is_sent_for_more_than_once(change: tuple[tuple[TrackedOrder, ...], MigrationTerms]) -> None:
    """One request for each order that goes, and one for each that comes, at the most."""
    resting, terms = change
    plan = plan_migration(resting, terms)

    assert plan.n_cancelled + plan.n_modified <= len(resting)
    assert plan.n_placed + plan.n_modified <= len(terms.target)
