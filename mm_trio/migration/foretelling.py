"""What a maker will send for a change, worked out on a copy of what it knows. Pure.

The maker plans every tick anew, and so does this: with the same planner, from the ledger and the resting orders, and
with the sender's own rule for orders that have to be cancelled before their successors are paid for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from mm_trio.migration.ladder_change import MigrationPlan, apply_step
from mm_trio.migration.moving_ladder import MovingLadder
from mm_trio.migration.terms import MigrationStep, find_inside
from mm_trio.model.errors import ConfigError
from mm_trio.model.orders import DesiredOrder, OrderDiff, Quote, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.headroom import Headroom
from mm_trio.quoting.plan import plan_tick
from mm_trio.quoting.send_plan import plan_batches, plan_sends
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState
from mm_trio.state.order_table import LevelFinder

__all__ = ["QuotedLadder", "foretell_change"]

# A ladder of a thousand orders moves in some tens of ticks; a plan that takes more goes in circles.
MOST_TICKS = 1_000
# More items than any tick sends.
_PLENTY = 1_000_000


@dataclass(frozen=True, slots=True)
class QuotedLadder:
    """Prices of a ladder, and how it is quoted."""

    grid: PricingGrid
    quoting: QuoteSettings

    def is_moved_from(self, other: QuotedLadder) -> bool:
        """Check if orders have to move, and not only what may be offered."""
        return (self.grid.levels, self.quoting) != (other.grid.levels, other.quoting)


def foretell_change(
    resting: Sequence[TrackedOrder], ledger: Inventory, *, before: QuotedLadder | None, after: QuotedLadder
) -> MigrationPlan:
    """Foretell every tick until the new ladder rests, as it goes without a fill.

    `ledger` is what the grid has once its allocation was changed; `before` None: it begins. Errors: ConfigError where
    it comes to no end.
    """
    find_level = LevelFinder({price: level for level, price in enumerate(after.grid.levels)})
    orders = tuple(
        replace(order, level_index=find_level(order.quote)) for order in sorted(resting, key=lambda each: each.price)
    )
    moving = MovingLadder(orders) if before is not None and after.is_moved_from(before) else None
    kept, first = {order.oid for order in orders}, orders
    steps: list[MigrationStep] = []
    books: list[tuple[TrackedOrder, ...]] = []
    n_split = 0
    for _ in range(MOST_TICKS):
        state = _hold(orders)
        plan = plan_tick(after.grid, ledger, state, after.quoting)
        diff = None
        if moving is not None:
            diff = moving.plan(orders, plan.desired, funds=(ledger.effective_token, ledger.effective_usdc))
        if diff is None:
            # Once its ladder has moved, a grid goes on as every other one does.
            moving, diff = None, plan.diff
        if not diff:
            return _sum_up(steps, books, n_split, first=first, kept=kept)
        n_split += _count_split(diff, state, ledger)
        step = _read_step(diff, state)
        orders = apply_step(orders, step)
        kept &= {order.oid for order in orders}
        steps.append(step)
        books.append(orders)
    raise ConfigError(f"the change comes to no end within {MOST_TICKS} ticks; this is a mistake of mm-trio, report it")


def _hold(orders: Sequence[TrackedOrder]) -> OrderState:
    state = OrderState()
    for order in orders:
        state.on_place_confirmed(order.oid, order.side, order.level_index, order.price, order.size, filled=order.filled)
    return state


def _read_step(diff: OrderDiff, state: OrderState) -> MigrationStep:
    orders = state.orders
    return MigrationStep(
        cancels=tuple(orders[oid] for oid in diff.cancels),
        modifies=tuple((orders[oid], _to_desired(new)) for oid, new in diff.modifies),
        places=tuple(map(_to_desired, diff.places)),
    )


def _to_desired(quote: Quote) -> DesiredOrder:
    return DesiredOrder(quote.side, quote.level_index, quote.price, quote.size)


def _count_split(diff: OrderDiff, state: OrderState, ledger: Inventory) -> int:
    """Count how many requests more than items the sender makes of a diff."""
    orders = state.orders
    headroom = Headroom(
        (),
        tokens=ledger.effective_token - orders.sum_size("sell"),
        quote=ledger.effective_usdc - orders.sum_cost("buy"),
        guarded=ledger.find_guarded_sides(),
        book=orders,
    )
    plan = plan_sends(
        diff,
        orders.find_inside(without=set(diff.cancels)),
        remaining=_PLENTY,
        slot_is_free=False,
        cancelling=[orders[oid] for oid in diff.cancels],
    )
    planned = plan_batches(plan, orders, headroom, cancels=diff.cancels, remaining=_PLENTY)
    n_requests = sum(len(batch.cancels) + len(batch.modifies) + len(batch.places) for batch in planned)
    return n_requests - diff.n_items


def _sum_up(
    steps: Sequence[MigrationStep],
    books: Sequence[tuple[TrackedOrder, ...]],
    n_split: int,
    *,
    first: tuple[TrackedOrder, ...],
    kept: set[int],
) -> MigrationPlan:
    goal = find_inside(books[-1] if books else first)
    insides = [find_inside(book) for book in books]
    widths: list[Decimal] = [inside.width for inside in insides if inside.width is not None]
    n_one_sided = sum(
        (inside.bid is None and goal.bid is not None) or (inside.ask is None and goal.ask is not None)
        for inside in insides
    )
    return MigrationPlan(
        steps=tuple(steps),
        n_kept=len(kept),
        widest=max(widths, default=None),
        n_one_sided=n_one_sided,
        n_split=n_split,
        target=books[-1] if books else first,
    )
