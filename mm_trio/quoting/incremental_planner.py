"""Plan of a tick, computed from the changes alone.

Pure, except for its memory of that tick. `plan_tick` is the definition, and is called wherever the book is not calm:
an order in doubt, two orders on one level, dust, or more resting than the funds pay for. While the book is calm, each
level is compared once, and again only if its order changed, if its desired order changed, or if the two differed.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mm_trio.model.orders import DesiredOrder, OrderDiff, Side, Slot, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.ladder_ranges import Ladder, LadderMaker, Rungs
from mm_trio.quoting.order_differ import is_off, is_size_off, is_within_dead_zone
from mm_trio.quoting.plan import RemainderLevel, TickPlan, plan_tick
from mm_trio.quoting.quoting_engine import LadderTerms, compute_boundary, compute_depth
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState
from mm_trio.state.order_table import OpenOrders

__all__ = ["IncrementalPlanner"]

_SIDES: tuple[Side, Side] = ("sell", "buy")


class IncrementalPlanner:
    """Planner of one maker's ticks.

    No other code may clear the state's list of touched levels.
    """

    def __init__(self, grid: PricingGrid, inventory: Inventory, state: OrderState, settings: QuoteSettings) -> None:
        self._grid, self._inventory, self._state, self._settings = grid, inventory, state, settings
        self._maker: LadderMaker | None = None
        if settings.order_size % grid.lot == 0:
            self._maker = LadderMaker(
                LadderTerms(grid, settings.order_size, settings.min_notional, settings.gap_levels)
            )
        # The last plan and its inputs, the ladder that the book was compared with, and the slots that differed.
        self._made_of: tuple[object, ...] = ()
        self._plan: TickPlan | None = None
        self._ladder: Ladder | None = None
        self._off: set[Slot] = set()
        # Levels compared for the last plan.
        self.n_compared = 0

    def plan(self, *, last_boundary: int | None = None) -> TickPlan:
        """Return the same plan as `plan_tick` for the present state."""
        self.n_compared = 0
        orders, ledger = self._state.orders, self._inventory
        if self._state.has_doubts:
            return self._plan_plainly(last_boundary)
        sums = (ledger.virtual_token, ledger.virtual_usdc, ledger.account_token, ledger.account_usdc)
        made_of = (orders.n_changes, last_boundary, *sums)
        if self._plan is None or made_of != self._made_of:
            plan = None
            if last_boundary is None and self._maker is not None and not orders.has_doubles:
                plan = self._plan_by_change(self._maker, ledger.effective_token, ledger.effective_usdc)
            self._plan = self._plan_plainly(last_boundary) if plan is None else plan
            self._made_of = made_of
        return self._plan

    def _plan_plainly(self, last_boundary: int | None) -> TickPlan:
        # Earlier comparisons are void once a plan was made without them.
        self._plan = self._ladder = None
        self.n_compared = len(self._state.orders)
        return plan_tick(self._grid, self._inventory, self._state, self._settings, last_boundary=last_boundary)

    def _plan_by_change(self, maker: LadderMaker, tokens: Decimal, quote: Decimal) -> TickPlan | None:
        """Plan from the changed levels.

        Return None where the book turns out not to be calm.
        """
        orders, grid = self._state.orders, self._grid
        remainder = RemainderLevel.of(grid, tokens, self._settings)
        if self._has_kept_dust(remainder):
            return None
        bid = None if remainder.has_gap else orders.find_at("buy", remainder.bid_level)
        bid_levels = () if bid is None else (bid.level_index,)
        boundary = compute_boundary(grid, tokens, self._settings.order_size, bid_levels=bid_levels)
        ladder = maker.compute(boundary, tokens, quote, resting_bid=None if bid is None else bid.size)
        ladder = self._keep_filled_bid(self._cut_window(ladder), remainder)
        slots = orders.touched | self._off
        if self._ladder is None:
            slots |= {*orders.slots(), *(order.slot for order in ladder)}
        else:
            slots |= ladder.find_changes(self._ladder)
        orders.touched.clear()
        self._ladder = ladder
        self.n_compared = len(slots)
        diff = self._compare(ladder, slots)
        self._off = _find_slots(diff, orders)
        if diff.modifies and not diff.places and not diff.cancels and self._is_within_dead_zone(diff, maker, ladder):
            diff = OrderDiff()
        if self._rests_unfunded(diff, tokens, quote):
            return None
        quoted_from = ladder.asks.find_level(0) if ladder.asks else grid.n_orders
        return TickPlan(quoted_from, self._state.boundary_level(grid.n_orders), ladder, diff)

    def _cut_window(self, ladder: Ladder) -> Ladder:
        """Do the same as `cut_window` of the definition."""
        active, slack = self._settings.active_levels, self._settings.window_slack
        if active is None:
            return ladder
        return Ladder(*(self._cut_side(ladder.of(side), active, slack) for side in _SIDES))

    def _cut_side(self, rungs: Rungs, active: int, slack: int) -> Rungs:
        resting = self._state.orders.levels(rungs.side)
        depth = min(len(rungs), active + slack)
        while depth and rungs.find_level(depth - 1) not in resting:
            depth -= 1
        return rungs.cut(compute_depth(depth, most=active, slack=slack))

    def _has_kept_dust(self, remainder: RemainderLevel) -> bool:
        """Check if dust rests on the remainder's levels."""
        orders = self._state.orders
        there = (orders.find_at("sell", remainder.ask_level), orders.find_at("buy", remainder.bid_level))
        return any(order is not None and remainder.is_kept_dust(order, self._settings) for order in there)

    def _keep_filled_bid(self, ladder: Ladder, remainder: RemainderLevel) -> Ladder:
        """Do the same as `keep_partly_filled_bid` of the definition."""
        bid = self._state.orders.find_at("buy", remainder.bid_level) if remainder.has_gap else None
        if bid is None or not bid.filled or (aim := ladder.bids.at(remainder.bid_level)) is None:
            return ladder
        kept = remainder.keep_filled_bid(aim, bid, self._grid.lot)
        return ladder if kept is aim else Ladder(ladder.asks, ladder.bids.put(kept))

    def _compare(self, ladder: Ladder, slots: Iterable[Slot]) -> OrderDiff:
        """Compare some slots as `compute_diff` does, without dead zone."""
        orders, settings = self._state.orders, self._settings
        modifies: list[tuple[int, DesiredOrder]] = []
        places: list[DesiredOrder] = []
        cancels: list[int] = []
        for side, level in sorted(slots, key=_make_sort_key):
            aim, order = ladder.of(side).at(level), orders.find_at(side, level)
            if aim is None and order is not None:
                cancels.append(order.oid)
            elif aim is not None and order is None:
                places.append(aim)
            elif (
                aim is not None
                and order is not None
                and is_off(order, aim, settings.price_tolerance_bps, settings.size_tolerance_pct)
            ):
                modifies.append((order.oid, aim))
        return OrderDiff(modifies, places, sorted(cancels))

    def _is_within_dead_zone(self, diff: OrderDiff, maker: LadderMaker, ladder: Ladder) -> bool:
        orders, tolerance = self._state.orders, self._settings.size_tolerance_pct
        if any(is_size_off(orders[oid], aim, tolerance) for oid, aim in diff.modifies):
            return False
        (ask_size, ask_cost), (bid_size, bid_cost) = maker.sum_up(ladder.asks), maker.sum_up(ladder.bids)
        resting = (
            orders.sum_size("sell") + orders.sum_size("buy"),
            orders.sum_cost("sell") + orders.sum_cost("buy"),
        )
        return is_within_dead_zone((ask_size + bid_size, ask_cost + bid_cost), resting, self._settings.dead_zone_bps)

    def _rests_unfunded(self, diff: OrderDiff, tokens: Decimal, quote: Decimal) -> bool:
        """Check if tolerance would keep more resting than we own.

        Then orders have to shrink.
        """
        orders = self._state.orders
        asks, bids = orders.sum_size("sell"), orders.sum_cost("buy")
        for order in diff.places:
            asks, bids = _add(order, asks, bids)
        for oid in diff.cancels:
            asks, bids = _add(orders[oid], asks, bids, sign=-1)
        for oid, aim in diff.modifies:
            asks, bids = _add(orders[oid], *_add(aim, asks, bids), sign=-1)
        return asks > tokens or bids > quote


def _find_slots(diff: OrderDiff, orders: OpenOrders) -> set[Slot]:
    """Find the slots that a diff changes."""
    named: list[DesiredOrder | TrackedOrder] = [
        *diff.places,
        *(aim for _, aim in diff.modifies),
        *(orders[oid] for oid in diff.cancels),
    ]
    return {order.slot for order in named}


def _make_sort_key(slot: Slot) -> tuple[bool, int]:
    """Sort slots as `compute_desired_orders` lists them.

    Asks come first, ascending, then bids, descending.
    """
    side, level = slot
    return (side == "buy", -level if side == "buy" else level)


def _add(order: DesiredOrder | TrackedOrder, asks: Decimal, bids: Decimal, *, sign: int = 1) -> tuple[Decimal, Decimal]:
    """Add an order to the sums of both sides.

    `sign` -1 subtracts it.
    """
    if order.side == "sell":
        return asks + sign * order.size, bids
    return asks, bids + sign * order.size * order.price
