"""Changes of small ladders, worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.migration.ladder_change import apply_step, plan_migration, plan_step
from mm_trio.migration.terms import MigrationTerms, find_inside
from mm_trio.model.errors import ConfigError
from mm_trio.model.orders import DesiredOrder, Side, TrackedOrder

MUCH = (Decimal(10**6), Decimal(10**6))


def make_ladder(asks: str, bids: str, *, size: str = "10") -> tuple[DesiredOrder, ...]:
    """Return orders at prices, separated by blanks."""
    sides: tuple[tuple[Side, str], ...] = (("sell", asks), ("buy", bids))
    return tuple(
        DesiredOrder(side, level, Decimal(price), Decimal(size))
        for side, prices in sides
        for level, price in enumerate(prices.split())
    )


def rest(orders: tuple[DesiredOrder, ...]) -> tuple[TrackedOrder, ...]:
    return tuple(TrackedOrder.of(oid, order) for oid, order in enumerate(orders, 1))


def make_terms(
    resting: tuple[TrackedOrder, ...],
    target: tuple[DesiredOrder, ...],
    *,
    items: int = 100,
    funds: tuple[Decimal, Decimal] = MUCH,
    most_open: int = 100,
) -> MigrationTerms:
    return MigrationTerms.of(resting, target, funds=funds, items=items, most_open=most_open)


def test_a_ladder_that_is_right_already_needs_nothing() -> None:
    ladder = make_ladder("11 12", "10 9")

    plan = plan_migration(rest(ladder), make_terms(rest(ladder), ladder))

    assert (plan.steps, plan.n_kept, plan.n_requests) == ((), 4, 0)


def test_a_new_grid_begins_at_the_inside() -> None:
    step = plan_step((), make_terms((), make_ladder("11 12 13", "10 9 8"), items=2))

    assert {order.price for order in step.places} == {Decimal(11), Decimal(10)}


def test_a_grid_that_is_removed_gives_up_its_inside_last() -> None:
    resting = rest(make_ladder("11 12 13", "10 9 8"))

    steps = plan_migration(resting, make_terms(resting, (), items=2)).steps

    assert [{order.price for order in step.cancels} for step in steps] == [
        {Decimal(ask), Decimal(bid)} for ask, bid in ((13, 8), (12, 9), (11, 10))
    ]


def test_far_orders_move_first_and_the_inside_last() -> None:
    resting = rest(make_ladder("11 12 13", "10 9 8"))
    terms = make_terms(resting, make_ladder("11.5 12.5 13.5", "10.5 9.5 8.5"), items=1)

    first = plan_migration(resting, terms).steps[0]

    assert [(old.price, new.price) for old, new in first.modifies] == [(Decimal(13), Decimal("13.5"))]


def test_a_ladder_that_jumps_over_itself_changes_in_one_tick() -> None:
    resting = rest(make_ladder("11", "10"))
    plan = plan_migration(resting, make_terms(resting, make_ladder("21", "20")))

    (step,) = plan.steps
    assert (len(step.cancels), len(step.modifies), len(step.places)) == (1, 1, 1)
    assert plan.widest == 1


def test_a_ladder_that_jumps_one_request_at_a_time_is_wide_for_one_tick() -> None:
    resting = rest(make_ladder("11 12", "10 9"))
    plan = plan_migration(resting, make_terms(resting, make_ladder("21 22", "20 19"), items=1))

    widths, orders = [], resting
    for step in plan.steps:
        orders = apply_step(orders, step)
        widths.append(find_inside(orders).width)
    assert sum(width is None or width > 1 for width in widths) == 1


def test_orders_that_wait_for_the_other_side_move_and_are_not_cancelled() -> None:
    """Six old bids become the six new ones above the old asks: a request each."""
    resting = rest(make_ladder("21 22", "20 19 18 17 16 15"))
    plan = plan_migration(resting, make_terms(resting, make_ladder("31 32", "30 29 28 27 26 25")))

    assert plan.n_requests <= 9
    assert plan.n_cancelled <= 1


def test_a_size_changes_in_place() -> None:
    resting = rest(make_ladder("11", "10"))
    plan = plan_migration(resting, make_terms(resting, make_ladder("11", "10", size="7")))

    assert {(old.price, new.size) for old, new in plan.steps[0].modifies} == {
        (Decimal(11), Decimal(7)),
        (Decimal(10), Decimal(7)),
    }
    assert plan.n_requests == 2


def test_orders_that_shrink_pay_for_those_that_grow() -> None:
    resting = rest((*make_ladder("11", "", size="9"), *make_ladder("12", "", size="1")))
    target = (*make_ladder("11", "", size="1"), *make_ladder("12", "", size="9"))
    plan = plan_migration(resting, make_terms(resting, target, funds=(Decimal(10), Decimal(0)), items=1))

    assert [step.modifies[0][0].price for step in plan.steps] == [11, 12]


def test_the_new_inside_has_its_funds_before_the_other_side_moves() -> None:
    """The new bid costs as much as all old ones, which could wait for it otherwise."""
    resting = rest(make_ladder("21", "20 19 18 17", size="10"))
    target = (*make_ladder("31", "", size="10"), *make_ladder("", "30", size="24"))
    terms = make_terms(resting, target, funds=(Decimal(10), Decimal(720)), items=1)

    orders, n_wide, most_wide = resting, 0, 0
    for step in plan_migration(resting, terms).steps:
        orders = apply_step(orders, step)
        width = find_inside(orders).width
        n_wide = n_wide + 1 if width is None or width > 1 else 0
        most_wide = max(most_wide, n_wide)
    assert most_wide <= 1


@pytest.mark.parametrize(
    "funds, most_open, words",
    [
        ((Decimal(19), Decimal(1000)), 9, "needs 20 base, and 19 are allocated; allocate more, or plan less"),
        ((Decimal(20), Decimal(189)), 9, "needs 190 quote, and 189 are allocated"),
        ((Decimal(20), Decimal(190)), 3, "has 4 orders, and 3 may rest; set a smaller active_levels"),
    ],
)
def test_a_ladder_that_cannot_rest_is_refused(funds: tuple[Decimal, Decimal], most_open: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_terms((), make_ladder("11 12", "10 9"), funds=funds, most_open=most_open)
