"""Steps from the ladder that rests to another one. Pure.

Each tick works from the far ends inwards, and leaves the best order of each side alone until nothing else is left to
do: it holds the inside. Then the two sides are taken over, at most one of them a tick where the other is in its way.
The plan is made anew at each tick from what rests by then, so that fills on the way only change what is left to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.migration.terms import MigrationStep, MigrationTerms, find_inside
from mm_trio.migration.tick import Tick
from mm_trio.model.orders import Side, TrackedOrder

__all__ = ["MigrationPlan", "apply_step", "plan_migration", "plan_step"]

_SIDES: tuple[Side, Side] = ("sell", "buy")


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """Whole change, as it goes without a fill on the way.

    `widest` is the widest inside at the end of a tick, None where a side was empty throughout; `n_one_sided` are the
    ticks that end with an empty side that the new ladder has. `n_split` counts the modifies that are sent as a cancel
    and a place, because both orders could trade and the funds are for one. `target` is what rests at the end.
    """

    steps: tuple[MigrationStep, ...]
    n_kept: int
    widest: Decimal | None
    n_one_sided: int
    n_split: int = 0
    target: tuple[TrackedOrder, ...] = ()

    @property
    def n_cancelled(self) -> int:
        """Count the orders that are cancelled."""
        return sum(len(step.cancels) for step in self.steps)

    @property
    def n_modified(self) -> int:
        """Count the orders that are moved, or change their size."""
        return sum(len(step.modifies) for step in self.steps)

    @property
    def n_placed(self) -> int:
        """Count the orders that are placed."""
        return sum(len(step.places) for step in self.steps)

    @property
    def n_requests(self) -> int:
        """Count the requests of the address's budget."""
        return sum(step.n_items for step in self.steps) + self.n_split


def plan_migration(resting: Sequence[TrackedOrder], terms: MigrationTerms) -> MigrationPlan:
    """Plan every step of a change."""
    orders, steps, widths, n_one_sided = tuple(resting), list[MigrationStep](), list[Decimal](), 0
    wanted = {(order.side, order.price, order.size) for order in terms.target}
    n_kept = sum((order.side, order.price, order.size) in wanted for order in orders)
    goal = find_inside(terms.target)
    while (step := plan_step(orders, terms)).n_items:
        steps.append(step)
        orders = apply_step(orders, step)
        inside = find_inside(orders)
        if inside.width is not None:
            widths.append(inside.width)
        n_one_sided += (inside.bid is None and goal.bid is not None) or (inside.ask is None and goal.ask is not None)
    return MigrationPlan(steps=tuple(steps), n_kept=n_kept, widest=max(widths, default=None), n_one_sided=n_one_sided)


def plan_step(resting: Sequence[TrackedOrder], terms: MigrationTerms) -> MigrationStep:
    """Plan the next tick of a change; nothing is left to send where it is complete."""
    tick = Tick(resting, terms)
    if tick.is_wide:
        _restore_inside(tick)
    _resize(tick)
    _work_from_far_ends(tick)
    # What is left at the far ends waits for the inside.
    if tick.left and _make_room_inside(tick):
        for side in _order_sides(tick):
            _take_over(tick, side)
        _work_from_far_ends(tick)
    return tick.make_step()


def apply_step(resting: Iterable[TrackedOrder], step: MigrationStep) -> tuple[TrackedOrder, ...]:
    """Return what rests once a step was carried out and nothing was filled.

    New orders get the next numbers.
    """
    orders = list(resting)
    gone = {order.oid for order in (*step.cancels, *(old for old, _ in step.modifies))}
    new = [*(order for _, order in step.modifies), *step.places]
    first = max((order.oid for order in orders), default=0) + 1
    kept = [order for order in orders if order.oid not in gone]
    return (*kept, *(TrackedOrder.of(oid, order) for oid, order in enumerate(new, first)))


def _resize(tick: Tick) -> None:
    """Change sizes where orders stay: the ones that shrink pay for those that grow."""
    for old, new in sorted(tick.resized, key=lambda pair: pair[1].size - pair[0].size):
        if tick.left and tick.find_obstacle(new, instead_of=old) is None:
            tick.modify(old, new)


def _work_from_far_ends(tick: Tick) -> None:
    """Change what does not touch the inside, one item a side in turn."""
    is_busy = True
    while tick.left and is_busy:
        is_busy = False
        for side in _SIDES:
            if tick.left and _change_one(tick, side):
                is_busy = True


def _change_one(tick: Tick, side: Side) -> bool:
    """Change one order of a side; return whether there was one to change."""
    going, coming = tick.list_far_going(side), tick.list_coming(side)
    if going:
        obstacles = [tick.find_obstacle(new, instead_of=going[0]) for new in coming]
        if None in obstacles:
            tick.modify(going[0], coming[obstacles.index(None)])
            return True
        if len(going) <= obstacles.count("price"):
            # It moves there once the other side is out of the way: one request, and not two.
            return False
        tick.cancel(going[0])
        return True
    new = next((new for new in coming if tick.find_obstacle(new) is None), None)
    if new is not None:
        tick.place(new)
    return new is not None


def _make_room_inside(tick: Tick) -> bool:
    """Cancel at the far ends until the best new orders are paid for; return whether they are.

    Once one side was taken over, the other one must not wait for funds.
    """
    for side in _SIDES:
        best = tick.find_wanted(side)
        while best in tick.coming[side] and (source := _find_source(tick, side)) is not None:
            spare = [order for order in tick.list_far_going(side) if order is not source]
            if tick.has_room(best, instead_of=source, for_good=True) or not spare:
                break
            if not tick.left:
                return False
            tick.cancel(spare[0])
    return True


def _find_source(tick: Tick, side: Side) -> TrackedOrder | None:
    """Find the order that becomes the best one of a side: the one that holds the inside, else the farthest."""
    return tick.find_guard(side) or next(iter(tick.list_far_going(side)), None)


def _order_sides(tick: Tick) -> tuple[Side, Side]:
    """Return first the side whose best order is in the way of the other side."""
    guard, best_bid = tick.find_guard("sell"), tick.find_wanted("buy")
    in_the_way = guard is not None and best_bid is not None and guard.price <= best_bid.price
    return ("sell", "buy") if in_the_way else ("buy", "sell")


def _take_over(tick: Tick, side: Side) -> None:
    """Put the best new order of a side in the place of the one that holds the inside, where that is possible."""
    guard, best = tick.find_guard(side), tick.find_wanted(side)
    if not tick.left:
        return
    if best in tick.coming[side]:
        source = _find_source(tick, side)
        if tick.find_obstacle(best, instead_of=source) is not None:
            return
        if source is None:
            tick.place(best)
        else:
            tick.modify(source, best)
    elif guard is not None:
        tick.cancel(guard)


def _restore_inside(tick: Tick) -> None:
    """Take over the side that is empty, or whose other side was taken over already."""
    for side, other in zip(_SIDES, reversed(_SIDES), strict=True):
        is_empty = tick.find_best(side) is None
        has_come = tick.find_guard(other) is None and tick.find_wanted(other) not in tick.coming[other]
        if (is_empty or has_come) and tick.find_wanted(side) in tick.coming[side]:
            _take_over(tick, side)
