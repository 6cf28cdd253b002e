"""Choice and order of sends within the budget. Pure.

The emitter sends the batches and chooses nothing. A modify could offer more than we own if the old order trades while
the request is on its way. Such an order is cancelled first, and placed again once its remaining size is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TypeAlias, TypeVar

from mm_trio.model.orders import DesiredOrder, OrderDiff, Phase, TrackedOrder
from mm_trio.quoting.headroom import Headroom
from mm_trio.refusals.distance import measure_from_inside
from mm_trio.state.order_table import OpenOrders

__all__ = [
    "Batch",
    "BatchKind",
    "Modify",
    "SendPlan",
    "batches",
    "find_waiting_places",
    "fit_modifies",
    "fit_places",
    "join_moves",
    "part_modifies",
    "plan_batches",
    "plan_sends",
]

# The venue refuses more than 200 items in one action; half of that keeps an answer small.
MAX_BATCH_ITEMS = 100

Modify: TypeAlias = tuple[int, DesiredOrder]
_T = TypeVar("_T")


class BatchKind(Enum):
    """Kinds of batches.

    The value says what a batch of the kind waits for before it is sent.
    """

    CANCELS = "cancels: sent at once"
    MODIFIES = "modifies: wait for the answers of all cancels; growing ones follow shrinking ones"
    DEFERRED = "modifies whose level was taken by another order: wait for the answers of the other modifies"
    PLACES = "places: wait until the remaining sizes of cancelled orders are known, where that decides"


@dataclass(frozen=True, slots=True)
class Batch:
    """Items of one kind.

    Modifies are cut to actions when they are sent. A DEFERRED batch is filled while the others are sent.
    """

    kind: BatchKind
    cancels: tuple[int, ...] = ()
    modifies: tuple[Modify, ...] = ()
    places: tuple[DesiredOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class SendPlan:
    """Part of a diff that may be sent.

    `uses_slot`: its one item is sent although the budget is used up.
    """

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
    cancelling: Iterable[TrackedOrder] = (),
    is_covered: Callable[[int | None, DesiredOrder], bool] = lambda oid, order: True,
) -> SendPlan:
    """Cut a diff to the budget, far ends first.

    Both sides are cut alike. `resting` are the orders that the diff starts from: together with the wanted ones they
    show where each side begins. Cancels always pass, because the venue takes them on a wider limit. If the budget
    covers nothing else, the item nearest to the boundary is sent whenever the venue's slot is free. `cancelling` are
    orders that the diff cancels and that may move instead. A move costs no more than the cancel, and saves a place.
    `is_covered` says whether an item could be sent by itself: one that waits for another would take the slot, also from
    other grids, and not be sent.
    """
    cancel_only = remaining <= 0
    moves = join_moves(diff, cancelling)[: max(0, remaining)]
    diff = _take_out(diff, moves)
    wanted = _from_inside_outwards(diff, resting)
    left = max(0, remaining - len(diff.cancels) - len(moves))
    kept = wanted[:left]
    if cancel_only and slot_is_free:
        kept = list(islice((item for item in wanted if is_covered(*item)), 1))
    uses_slot = cancel_only and bool(kept)
    cut = OrderDiff(
        modifies=[*moves, *((oid, order) for oid, order in kept if oid is not None)],
        places=[order for oid, order in kept if oid is None],
        cancels=diff.cancels,
    )
    return SendPlan(cut, cancel_only, uses_slot, len(wanted) - len(kept))


def join_moves(diff: OrderDiff, cancelling: Iterable[TrackedOrder]) -> tuple[Modify, ...]:
    """Join a cancel and a place into one modify.

    Both are of the same side.
    A modify is one item, a cancel and a place are two. The farthest order moves first.
    """
    if not diff.cancels or not diff.places:
        return ()
    moves: list[Modify] = []
    cancels = set(diff.cancels)
    gone = sorted((order for order in cancelling if order.oid in cancels), key=lambda order: order.level_index)
    for side, from_far in (("sell", reversed(gone)), ("buy", iter(gone))):
        going = (order.oid for order in from_far if order.side == side)
        # Places are listed from the boundary outwards.
        coming = (order for order in diff.places if order.side == side)
        moves.extend(zip(going, coming, strict=False))
    return tuple(moves)


def _take_out(diff: OrderDiff, moves: Sequence[Modify]) -> OrderDiff:
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
    distance = measure_from_inside(there)
    return sorted(items, key=lambda item: distance(item[1]))


def plan_batches(
    plan: SendPlan, orders: OpenOrders, headroom: Headroom, *, cancels: Iterable[int], remaining: int
) -> tuple[Batch, ...]:
    """Group planned sends into batches, in sending order.

    `cancels` are those of the whole diff. A modify that is not safe becomes a cancel and a place: two items instead of
    one. If the budget does not cover that, the order stays as it is, or is only cancelled if it had to be.
    """
    modifies, replaced = _split_modifies(plan.diff.modifies, orders, headroom)
    spare = 0 if plan.uses_slot or plan.cancel_only else max(0, remaining - plan.diff.n_items)
    replaced, beyond = replaced[:spare], replaced[spare:]
    due = set(cancels)
    gone = [*(oid for oid, _ in replaced), *(oid for oid, _ in beyond if oid in due)]
    places = [*plan.diff.places, *(order for _, order in replaced)]
    return (
        *(Batch(BatchKind.CANCELS, cancels=tuple(oids)) for oids in batches([*plan.diff.cancels, *gone])),
        *([Batch(BatchKind.MODIFIES, modifies=tuple(modifies)), Batch(BatchKind.DEFERRED)] if modifies else []),
        *(Batch(BatchKind.PLACES, places=tuple(some)) for some in batches(places)),
    )


def _split_modifies(
    modifies: Iterable[Modify], orders: OpenOrders, headroom: Headroom
) -> tuple[list[Modify], list[Modify]]:
    """Split off modifies that need a cancel first.

    Return the safe ones first.
    """
    safe: list[Modify] = []
    replaced: list[Modify] = []
    for oid, order in modifies:
        if oid in orders:
            (safe if headroom.covers_both(order) else replaced).append((oid, order))
    return safe, replaced


def part_modifies(modifies: Sequence[Modify], orders: OpenOrders) -> Iterator[Sequence[Modify]]:
    """Put modifies into batches just before they are sent: those that shrink an order first.

    They free what those that grow need. Fills may have changed sizes while the cancels were on their way.
    """
    growing = [(oid, order) for oid, order in modifies if oid in orders and order.size > orders[oid].size]
    yield from batches([modify for modify in modifies if modify not in growing])
    yield from batches(growing)


def fit_modifies(
    modifies: Iterable[Modify], orders: OpenOrders, headroom: Headroom
) -> tuple[list[Modify], list[Modify]]:
    """Choose the modifies of a batch that still fit.

    Return those, and the ones that have to wait.
    It is called just before sending, because the plan may be older than the book: a cancel or a shrink may have
    failed, or an order may have traded. A modify waits if its level is taken by another order of ours.
    """
    fitting: list[Modify] = []
    waiting: list[Modify] = []
    for oid, order in modifies:
        target = orders.get(oid)
        if target is None or target.status != Phase.RESTING:
            continue
        if not headroom.take_level(target, order):
            waiting.append((oid, order))
        elif headroom.resize(target, order):
            fitting.append((oid, order))
    return fitting, waiting


def fit_places(places: Iterable[DesiredOrder], headroom: Headroom) -> list[DesiredOrder]:
    """Choose the places of a batch that still fit."""
    return [order for order in places if headroom.take(order)]


def find_waiting_places(places: Sequence[DesiredOrder], staying: Iterable[TrackedOrder]) -> frozenset[DesiredOrder]:
    """Find the places that have no room yet.

    `staying` are orders that were to be cancelled and may still rest. For each a place of its side waits, the farthest
    first: places are listed from the boundary outwards. Where one stays on the level of a place, that place waits
    anyway.
    """
    taken = {place.slot for place in places}
    waiting: set[DesiredOrder] = set()
    for order in staying:
        if order.slot not in taken:
            far = (place for place in reversed(places) if place.side == order.side and place not in waiting)
            waiting.update(islice(far, 1))
    return frozenset(waiting)


def batches(items: Sequence[_T], size: int = MAX_BATCH_ITEMS) -> Iterator[Sequence[_T]]:
    """Cut a sequence into pieces of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
