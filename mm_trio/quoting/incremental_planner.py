"""`plan_tick` at the cost of what changed since the last tick. Pure, but for what it remembers of that one.

The plain function is the definition, and is asked wherever the book is not calm: an order in doubt, two on one level,
a crumb, more resting than the funds pay for. While it is calm, each level is looked at once, and again only if an
order there changed, if it should be another one now, or if it was not as it should be.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mm_trio.model.orders import DesiredOrder, OrderDiff, Side, Slot, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.ladder_ranges import Ladder, LadderMaker, Rungs
from mm_trio.quoting.order_differ import is_off, is_within_dead_zone
from mm_trio.quoting.plan import RestLevel, TickPlan, plan_tick
from mm_trio.quoting.quoting_engine import compute_boundary, compute_depth
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState
from mm_trio.state.order_table import OpenOrders

__all__ = ["IncrementalPlanner"]

_SIDES: tuple[Side, Side] = ("sell", "buy")


class IncrementalPlanner:
    """Plans the ticks of one maker. It alone empties the state's list of touched levels."""

    def __init__(self, grid: PricingGrid, inventory: Inventory, state: OrderState, settings: QuoteSettings) -> None:
        self._grid, self._inventory, self._state, self._settings = grid, inventory, state, settings
        self._maker: LadderMaker | None = None
        if settings.order_size % grid.lot == 0:
            self._maker = LadderMaker(grid, order_size=settings.order_size, min_notional=settings.min_notional)
        self._made_of: tuple[object, ...] = ()  # what the last plan came from
        self._plan: TickPlan | None = None
        self._ladder: Ladder | None = None  # that the book was compared with
        self._off: set[Slot] = set()  # where it was not as it should be
        self.n_looked_at = 0  # levels, in the last plan

    def plan(self, *, last_boundary: int | None = None) -> TickPlan:
        """What `plan_tick` gives for the state as it is."""
        self.n_looked_at = 0
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
        self._plan = self._ladder = None  # what was compared until here says nothing of later
        self.n_looked_at = len(self._state.orders)
        return plan_tick(self._grid, self._inventory, self._state, self._settings, last_boundary=last_boundary)

    def _plan_by_change(self, maker: LadderMaker, tokens: Decimal, quote: Decimal) -> TickPlan | None:
        """None where the book turns out not to be calm."""
        orders, grid = self._state.orders, self._grid
        boundary = compute_boundary(grid, tokens, self._settings.order_size, bid_levels=orders.levels("buy"))
        ladder = self._keep_filled_bid(self._cut_window(maker.compute(boundary, tokens, quote)), tokens)
        if ladder is None:
            return None
        pairs = orders.touched | self._off
        if self._ladder is None:
            pairs |= {*orders.slots(), *(order.slot for order in ladder)}
        else:
            pairs |= ladder.find_changes(self._ladder)
        orders.touched.clear()
        self._ladder = ladder
        self.n_looked_at = len(pairs)
        diff = self._compare(ladder, pairs)
        self._off = _find_pairs(diff, orders)
        if diff.modifies and not diff.places and not diff.cancels and self._is_within_dead_zone(maker, ladder):
            diff = OrderDiff()
        if self._rests_unfunded(diff, tokens, quote):
            return None
        quoted_from = ladder.asks.find_level(0) if ladder.asks else grid.n_orders
        return TickPlan(quoted_from, self._state.boundary_level(grid.n_orders), ladder, diff)

    def _cut_window(self, ladder: Ladder) -> Ladder:
        """`cut_window`: so many a side, and far ends that lag a little stay where they rest."""
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

    def _keep_filled_bid(self, ladder: Ladder, tokens: Decimal) -> Ladder | None:
        """The ladder with what rests on the level of the rest left as it may be; None if a crumb rests there."""
        orders, rest = self._state.orders, RestLevel.of(self._grid, tokens, self._settings)
        if rest.level < 0:
            return ladder
        ask, bid = orders.find_at("sell", rest.level), orders.find_at("buy", rest.level)
        if any(order is not None and rest.is_shrunken_crumb(order, self._settings) for order in (ask, bid)):
            return None
        if bid is None or not bid.filled or (aim := ladder.bids.at(rest.level)) is None:
            return ladder
        kept = rest.keep_filled_bid(aim, bid, self._grid.lot)
        if kept is aim:
            return ladder
        return Ladder(ladder.asks, ladder.bids.put(kept)) if aim in ladder.bids.odd else None

    def _compare(self, ladder: Ladder, pairs: Iterable[Slot]) -> OrderDiff:
        """`compute_diff` of those levels, without the dead zone."""
        orders, settings = self._state.orders, self._settings
        modifies: list[tuple[int, DesiredOrder]] = []
        places: list[DesiredOrder] = []
        cancels: list[int] = []
        for side, level in sorted(pairs, key=_from_lowest_ask_up_then_down):
            aim, rests = ladder.of(side).at(level), orders.find_at(side, level)
            if aim is None and rests is not None:
                cancels.append(rests.oid)
            elif aim is not None and rests is None:
                places.append(aim)
            elif (
                aim is not None
                and rests is not None
                and is_off(rests, aim, settings.price_tolerance_bps, settings.size_tolerance_pct)
            ):
                modifies.append((rests.oid, aim))
        return OrderDiff(modifies, places, sorted(cancels))

    def _is_within_dead_zone(self, maker: LadderMaker, ladder: Ladder) -> bool:
        orders = self._state.orders
        (ask_size, ask_cost), (bid_size, bid_cost) = maker.sum_up(ladder.asks), maker.sum_up(ladder.bids)
        rests = (
            orders.sum_size("sell") + orders.sum_size("buy"),
            orders.sum_cost("sell") + orders.sum_cost("buy"),
        )
        return is_within_dead_zone((ask_size + bid_size, ask_cost + bid_cost), rests, self._settings.dead_zone_bps)

    def _rests_unfunded(self, diff: OrderDiff, tokens: Decimal, quote: Decimal) -> bool:
        """Whether tolerance would let more rest than we own: then orders have to shrink."""
        orders = self._state.orders
        asks, bids = orders.sum_size("sell"), orders.sum_cost("buy")
        for order in diff.places:
            asks, bids = _add(order, asks, bids)
        for oid in diff.cancels:
            asks, bids = _add(orders[oid], asks, bids, sign=-1)
        for oid, aim in diff.modifies:
            asks, bids = _add(orders[oid], *_add(aim, asks, bids), sign=-1)
        return asks > tokens or bids > quote


def _find_pairs(diff: OrderDiff, orders: OpenOrders) -> set[Slot]:
    """The levels that a diff is about."""
    named: list[DesiredOrder | TrackedOrder] = [
        *diff.places,
        *(aim for _, aim in diff.modifies),
        *(orders[oid] for oid in diff.cancels),
    ]
    return {order.slot for order in named}


def _from_lowest_ask_up_then_down(pair: Slot) -> tuple[bool, int]:
    """The order in which `compute_desired_orders` gives them."""
    side, level = pair
    return (side == "buy", -level if side == "buy" else level)


def _add(order: DesiredOrder | TrackedOrder, asks: Decimal, bids: Decimal, *, sign: int = 1) -> tuple[Decimal, Decimal]:
    """The sums of both sides (base, quote) with that order in them, or without it."""
    if order.side == "sell":
        return asks + sign * order.size, bids
    return asks, bids + sign * order.size * order.price
