"""Diff + budget -> what we dare send now, in which order, in batches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mm_trio.model.orders import DesiredOrder, OrderDiff, TrackedOrder

__all__ = ["SendPlan", "batches", "join_moves", "plan_sends"]

# The venue refuses more than 200 items in one action; half of that keeps an answer small.
MAX_BATCH_ITEMS = 100

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SendPlan:
    """What may go out of a diff. `uses_slot`: its one item goes although the budget is used up."""

    diff: OrderDiff
    cancel_only: bool
    uses_slot: bool = False
    n_left_out: int = 0


def plan_sends(
    diff: OrderDiff,
    resting: Iterable[TrackedOrder],
    *,
    remaining: int,
    slot_is_free: bool,
    leaving: Iterable[TrackedOrder] = (),
) -> SendPlan:
    """Cut a diff to what the budget covers, from the far ends inwards, both sides alike.

    `resting` is what the diff starts from: with what is wanted it shows where each side begins. Cancels
    always pass: the venue takes them on a wider limit. Where the budget covers nothing else, one item may go
    whenever the venue's slot is free, the one nearest to the boundary. `leaving` are orders that the diff
    cancels and that may move instead: that costs no more than their cancels, and saves as many places.
    """
    cancel_only = remaining <= 0
    moves = join_moves(diff, leaving)[: max(0, remaining)]
    diff = _take_out(diff, moves)
    wanted = _from_inside_outwards(diff, resting)
    left = max(0, remaining - len(diff.cancels) - len(moves))
    uses_slot = cancel_only and slot_is_free and bool(wanted)
    kept = wanted[: 1 if uses_slot else left]
    cut = OrderDiff(
        modifies=[*moves, *((oid, order) for oid, order in kept if oid is not None)],
        places=[order for oid, order in kept if oid is None],
        cancels=diff.cancels,
    )
    return SendPlan(cut, cancel_only, uses_slot, len(wanted) - len(kept))


def join_moves(diff: OrderDiff, leaving: Iterable[TrackedOrder]) -> tuple[tuple[int, DesiredOrder], ...]:
    """Where an order leaves and another appears on the same side: the two as one modify, the farthest one first.

    Gives (oid, DesiredOrder) pairs; a modify is one item, a cancel and a place are two.
    """
    if not diff.cancels or not diff.places:
        return ()
    moves: list[tuple[int, DesiredOrder]] = []
    cancels = set(diff.cancels)
    gone = sorted((order for order in leaving if order.oid in cancels), key=lambda order: order.level_index)
    for side, from_far in (("sell", reversed(gone)), ("buy", iter(gone))):
        going = (order.oid for order in from_far if order.side == side)
        coming = (order for order in diff.places if order.side == side)  # from the inside outwards
        moves.extend(zip(going, coming, strict=False))
    return tuple(moves)


def _take_out(diff: OrderDiff, moves: Sequence[tuple[int, DesiredOrder]]) -> OrderDiff:
    if not moves:
        return diff
    gone, come = {oid for oid, _ in moves}, {order for _, order in moves}
    return OrderDiff(
        diff.modifies,
        [order for order in diff.places if order not in come],
        [oid for oid in diff.cancels if oid not in gone],
    )


def _from_inside_outwards(diff: OrderDiff, resting: Iterable[TrackedOrder]) -> list[tuple[int | None, DesiredOrder]]:
    items: list[tuple[int | None, DesiredOrder]] = [*diff.modifies, *((None, order) for order in diff.places)]
    there: list[TrackedOrder | DesiredOrder] = [order for order in resting if order.oid not in diff.cancels]
    there += [order for _, order in items]
    lowest_ask = min((order.level_index for order in there if order.side == "sell"), default=0)
    highest_bid = max((order.level_index for order in there if order.side == "buy"), default=0)

    def distance(item: tuple[int | None, DesiredOrder]) -> tuple[int, str]:
        order = item[1]
        away = order.level_index - lowest_ask if order.side == "sell" else highest_bid - order.level_index
        return away, order.side

    return sorted(items, key=distance)


def batches(items: Sequence[_T], size: int = MAX_BATCH_ITEMS) -> Iterator[Sequence[_T]]:
    """Cut a sequence into pieces of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
