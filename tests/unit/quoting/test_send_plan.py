"""Part of a diff that the request budget allows, and the batches that it is sent in.

Levels near the boundary come first, both sides are treated alike, and cancels are always sent.
"""

from __future__ import annotations

import pytest
from core_kit import desired, tracked

from mm_trio.model.orders import OrderDiff, TrackedOrder
from mm_trio.quoting.headroom import Headroom
from mm_trio.quoting.send_plan import (
    MAX_BATCH_ITEMS,
    Batch,
    BatchKind,
    batches,
    find_waiting_places,
    part_modifies,
    plan_batches,
    plan_sends,
)
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_table import OpenOrders

ASKS = [desired("sell", level) for level in (5, 6, 7, 8)]
BIDS = [desired("buy", level) for level in (4, 3, 2, 1)]
LADDER = OrderDiff(places=[*ASKS, *BIDS])


def test_a_budget_that_covers_everything_leaves_nothing_out() -> None:
    diff = OrderDiff([(7, ASKS[0])], BIDS, [1, 2])

    plan = plan_sends(diff, [], remaining=100, slot_is_free=True)

    assert (plan.diff.modifies, set(plan.diff.places), plan.diff.cancels) == (diff.modifies, set(BIDS), (1, 2))
    assert (plan.cancel_only, plan.uses_slot, plan.n_left_out) == (False, False, 0)


@pytest.mark.parametrize("remaining, asks, bids", [(4, 2, 2), (6, 3, 3), (8, 4, 4), (2, 1, 1)])
def test_a_short_budget_is_cut_from_the_far_ends_on_both_sides_alike(remaining: int, asks: int, bids: int) -> None:
    """The peer cuts its list at the end, where all the bids are: its first tick shows asks alone."""
    plan = plan_sends(LADDER, [], remaining=remaining, slot_is_free=True)

    assert set(plan.diff.places) == {*ASKS[:asks], *BIDS[:bids]}
    assert plan.n_left_out == 8 - remaining


def test_how_far_out_an_order_is_counts_from_what_rests_and_stays() -> None:
    resting = [tracked(1, "sell", 5), tracked(2, "sell", 6), tracked(3, "sell", 3)]

    plan = plan_sends(OrderDiff(places=[*ASKS[2:], *BIDS], cancels=[3]), resting, remaining=4, slot_is_free=True)

    assert plan.diff == OrderDiff(places=BIDS[:3], cancels=[3])  # two asks rest nearer than the two wanted


def test_modifies_and_places_share_what_cancels_leave() -> None:
    diff = OrderDiff([(7, ASKS[0]), (8, BIDS[3])], [ASKS[3], BIDS[0]], [1, 2, 3])

    plan = plan_sends(diff, [], remaining=5, slot_is_free=False)

    assert plan.diff == OrderDiff([(7, ASKS[0])], [BIDS[0]], [1, 2, 3])


@pytest.mark.parametrize("remaining", [1, 2])
def test_cancels_pass_even_where_they_cost_more_than_is_left(remaining: int) -> None:
    plan = plan_sends(OrderDiff(places=ASKS, cancels=[1, 2, 3]), [], remaining=remaining, slot_is_free=True)

    assert plan.diff == OrderDiff(cancels=[1, 2, 3])
    assert (plan.cancel_only, plan.uses_slot, plan.n_left_out) == (False, False, 4)


@pytest.mark.parametrize("remaining", [0, -5])
def test_with_nothing_left_only_cancels_pass_and_a_modify_is_dropped(remaining: int) -> None:
    diff = OrderDiff([(7, ASKS[0])], BIDS, [1])

    plan = plan_sends(diff, [], remaining=remaining, slot_is_free=False)

    assert plan.diff == OrderDiff(cancels=[1])
    assert (plan.cancel_only, plan.n_left_out) == (True, 5)


@pytest.mark.parametrize("diff, kept", [(LADDER, (BIDS[0],)), (OrderDiff(places=ASKS), (ASKS[0],))])
def test_a_free_slot_lets_one_order_out_the_one_nearest_to_the_boundary(diff: OrderDiff, kept: tuple[object]) -> None:
    plan = plan_sends(diff, [], remaining=0, slot_is_free=True)

    assert plan.diff.places == kept
    assert (plan.cancel_only, plan.uses_slot) == (True, True)


@pytest.mark.parametrize("diff", [OrderDiff(), OrderDiff(cancels=[1])])
def test_the_slot_is_not_taken_for_nothing(diff: OrderDiff) -> None:
    plan = plan_sends(diff, [], remaining=0, slot_is_free=True)

    assert (plan.diff, plan.uses_slot) == (diff, False)


def test_the_slot_goes_to_an_item_that_needs_no_other_one_first() -> None:
    """A place that waits for a shrinking modify would take the slot for ever and never be sent."""
    diff = OrderDiff(places=[BIDS[0]], modifies=[(9, BIDS[1])])

    plan = plan_sends(diff, [], remaining=0, slot_is_free=True, is_covered=lambda oid, order: oid is not None)

    assert plan.diff == OrderDiff(modifies=[(9, BIDS[1])])
    assert plan.uses_slot


def test_the_slot_is_left_to_others_where_every_item_needs_another_first() -> None:
    plan = plan_sends(LADDER, [], remaining=0, slot_is_free=True, is_covered=lambda oid, order: False)

    assert (plan.uses_slot, plan.diff.n_items) == (False, 0)


def test_batches_stay_below_the_limit_of_the_venue_and_lose_nothing() -> None:
    pieces = list(batches(range(250)))

    assert [len(piece) for piece in pieces] == [100, 100, 50]
    assert [item for piece in pieces for item in piece] == list(range(250))
    assert MAX_BATCH_ITEMS <= 200
    assert list(batches([])) == []


# --- An order that is cancelled where another appears -----------------------------------------------


def test_a_cancelling_order_moves_to_a_missing_level_of_its_side() -> None:
    """The farthest one moves to the inside; a cancel and a place become one modify."""
    cancelling = [tracked(1, "sell", 8), tracked(2, "sell", 9), tracked(3, "buy", 1)]
    diff = OrderDiff(places=[ASKS[0], BIDS[0], BIDS[1]], cancels=[1, 2, 3])

    plan = plan_sends(diff, [], remaining=100, slot_is_free=True, cancelling=cancelling)

    assert plan.diff == OrderDiff([(2, ASKS[0]), (3, BIDS[0])], [BIDS[1]], [1])


def test_no_order_moves_to_the_other_side() -> None:
    diff = OrderDiff(places=[BIDS[0]], cancels=[1])

    assert plan_sends(diff, [], remaining=9, slot_is_free=True, cancelling=[tracked(1, "sell", 8)]).diff == diff


@pytest.mark.parametrize("remaining, n_moves", [(3, 3), (2, 2), (1, 1), (0, 0), (-3, 0)])
def test_a_move_costs_what_its_cancel_costs_and_beyond_the_budget_the_cancel_is_left(
    remaining: int, n_moves: int
) -> None:
    """The venue takes cancels on a wider limit, and modifies not."""
    cancelling = [tracked(1, "buy", 1), tracked(2, "buy", 2), tracked(3, "buy", 3)]
    places = [desired("buy", level) for level in (6, 5, 4)]

    plan = plan_sends(
        OrderDiff(places=places, cancels=[1, 2, 3]), [], remaining=remaining, slot_is_free=False, cancelling=cancelling
    )

    assert plan.diff.modifies == tuple(zip([1, 2, 3], places, strict=True))[:n_moves]
    assert plan.diff.cancels == tuple([1, 2, 3][n_moves:])
    assert plan.diff.places == ()


# --- batches in their order ---------------------------------------------------------------------


def plan_all(diff: OrderDiff, resting: list[TrackedOrder], *, token: str | int, remaining: int = 100) -> list[Batch]:
    """All batches of a diff, where the ledger has so many tokens and the account more."""
    orders = OpenOrders()
    for order in resting:
        orders[order.oid] = order
    ledger = Inventory(5, token, 1000, account_token=1000, account_usdc=100_000)
    plan = plan_sends(diff, [], remaining=remaining, slot_is_free=False)
    headroom = Headroom.beside(orders, [], ledger, unsettled=[])
    return list(plan_batches(plan, orders, headroom, cancels=diff.cancels, remaining=remaining))


def test_cancels_go_first_then_modifies_then_places() -> None:
    resting = [tracked(1, "sell", 8, 5), tracked(2, "sell", 7, 2)]
    aim = (2, desired("sell", 7, 3))

    planned = plan_all(OrderDiff([aim], [desired("sell", 6)], [1]), resting, token=100)

    assert planned == [
        Batch(BatchKind.CANCELS, cancels=(1,)),
        Batch(BatchKind.MODIFIES, modifies=(aim,)),
        Batch(BatchKind.DEFERRED),
        Batch(BatchKind.PLACES, places=(desired("sell", 6),)),
    ]


def test_modifies_that_shrink_go_before_those_that_grow() -> None:
    orders = OpenOrders()
    for order in (tracked(2, "sell", 7, 2), tracked(3, "sell", 9, 5)):
        orders[order.oid] = order
    grows, shrinks, gone = (2, desired("sell", 7, 3)), (3, desired("sell", 9, 1)), (4, desired("sell", 6, 1))

    assert list(part_modifies([grows, shrinks, gone], orders)) == [[shrinks, gone], [grows]]


def test_a_modify_that_could_offer_too_much_becomes_a_cancel_and_a_place() -> None:
    aim = desired("sell", 7, 5)

    planned = plan_all(OrderDiff([(1, aim)]), [tracked(1, "sell", 8, 5)], token=5)

    assert planned == [Batch(BatchKind.CANCELS, cancels=(1,)), Batch(BatchKind.PLACES, places=(aim,))]


def test_what_the_budget_does_not_cover_twice_stays_as_it_is() -> None:
    assert plan_all(OrderDiff([(1, desired("sell", 7, 5))]), [tracked(1, "sell", 8, 5)], token=5, remaining=1) == []


def test_a_modify_of_an_order_that_left_is_dropped() -> None:
    assert plan_all(OrderDiff([(1, desired("sell", 7, 5))]), [], token=100) == []


PLACES = [desired("sell", 6), desired("sell", 7), desired("buy", 5), desired("buy", 4), desired("buy", 3)]


@pytest.mark.parametrize(
    "staying, waiting",
    [
        ([], []),
        ([tracked(1, "buy", 1)], [("buy", 3)]),
        ([tracked(1, "buy", 1), tracked(2, "buy", 0)], [("buy", 3), ("buy", 4)]),
        ([tracked(1, "sell", 9)], [("sell", 7)]),
        ([tracked(1, "buy", 4)], []),  # the place on its own level waits for it anyway
        ([tracked(n, "sell", n) for n in (1, 2, 3)], [("sell", 6), ("sell", 7)]),
    ],
)
def test_a_place_waits_for_the_answer_of_the_cancel_that_makes_room_for_it(
    staying: list[TrackedOrder], waiting: list[tuple[str, int]]
) -> None:
    assert sorted(order.slot for order in find_waiting_places(PLACES, staying)) == waiting
