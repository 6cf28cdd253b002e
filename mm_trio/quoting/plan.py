"""Plan of one tick: boundary, desired orders, difference. Pure.

This module is the definition. `incremental_planner` computes the same plan at a lower cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from mm_trio.model.orders import DesiredOrder, OrderDiff, Phase, Quote, Side, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.headroom import Headroom
from mm_trio.quoting.order_differ import compute_diff
from mm_trio.quoting.quoting_engine import (
    compute_boundary,
    compute_desired_orders,
    cut_tranches,
    cut_window,
)
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState

__all__ = ["RemainderLevel", "TickPlan", "plan_tick"]

# Largest part that a fee in base may take off a partly filled bid: above every fee of the venue (taker, base tier,
# 0.07 %).
FEE_CAP = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class TickPlan:
    """Boundary, desired orders and difference of one tick.

    `boundary_level` is the lowest level quoted as an ask, a resting ask of dust included. `observed_level` is the
    level at which asks rest now.
    """

    boundary_level: int
    observed_level: int
    desired: Sequence[DesiredOrder]
    diff: OrderDiff


def plan_tick(
    grid: PricingGrid,
    inventory: Inventory,
    state: OrderState,
    settings: QuoteSettings,
    *,
    last_boundary: int | None = None,
) -> TickPlan:
    """Plan the changes that are due now.

    Orders in doubt and resting dust are left alone and counted as spent. `last_boundary` is the boundary of an earlier
    session. It counts only while no order of ours rests that shows on which side the remainder's level was quoted.
    Source: specification, tick steps 1-5.
    """
    tokens, quote = inventory.effective_token, inventory.effective_usdc
    orders, in_doubt = state.get_current_orders(), [doubt.quote for doubt in state.get_doubts()]
    may_rest: list[Quote | TrackedOrder] = [*orders, *in_doubt]
    remainder = RemainderLevel.of(grid, tokens, settings)
    resting_bid = remainder.find_bid_to_leave(may_rest)
    bid_levels = set() if resting_bid is None else {remainder.bid_level}
    if remainder.was_bid(grid, may_rest, quote, settings, last_boundary=last_boundary):
        bid_levels.add(remainder.bid_level)
    boundary = compute_boundary(grid, tokens, settings.order_size, bid_levels=bid_levels)

    resting = [order for order in orders if order.status == Phase.RESTING]
    kept, locked = _find_kept(resting, in_doubt, remainder, settings)
    headroom = Headroom(kept, tokens=tokens, quote=quote)
    free_tokens, free_quote = headroom.tokens, headroom.quote
    desired = compute_desired_orders(
        grid,
        boundary,
        tokens,
        max(free_quote, Decimal(0)),  # The kept orders are paid for already.
        settings.order_size,
        min_notional=settings.min_notional,
        active_levels=_find_widest_window(settings, kept),
        gap_levels=settings.gap_levels,
        locked={order.level_index for order in kept},
        resting_bid=resting_bid,
    )
    quoted_from = _find_lowest_ask(grid, [*desired, *(o for o in may_rest if remainder.is_kept_dust(o, settings))])
    # Funds are taken from the boundary outwards, so that the far ends are left out first.
    desired = _cut_window(tuple([order for order in desired if headroom.take(order)]), resting, kept, settings)
    desired = remainder.keep_partly_filled_bid(desired, resting, grid.lot)
    current = [order for order in resting if order.level_index not in locked]
    diff = compute_diff(
        desired, current, settings.dead_zone_bps, settings.price_tolerance_bps, settings.size_tolerance_pct
    )
    diff = _shrink_unfunded(diff, desired, current, tokens=free_tokens, quote=free_quote)
    return TickPlan(quoted_from, state.boundary_level(grid.n_orders), desired, diff)


def _find_kept(
    resting: Sequence[TrackedOrder], in_doubt: Sequence[Quote], remainder: RemainderLevel, settings: QuoteSettings
) -> tuple[list[Quote], set[int]]:
    """Find the orders that this tick leaves alone.

    Return them, and the levels that they lock.
    They take their share of the funds. An order that rests where another one is in doubt is kept as well.
    """
    kept = [*in_doubt, *(order.quote for order in resting if remainder.is_kept_dust(order, settings))]
    locked = {order.level_index for order in kept}
    doubted = {quote.level_index for quote in in_doubt}
    kept += [order.quote for order in resting if order.level_index in doubted]
    return kept, locked


def _find_widest_window(settings: QuoteSettings, kept: Sequence[Quote]) -> int | None:
    """Return how many orders a side may need."""
    return None if settings.active_levels is None else settings.active_levels + settings.window_slack + len(kept)


def _find_lowest_ask(grid: PricingGrid, quotes: Iterable[Quote | TrackedOrder]) -> int:
    """Return the lowest level with an ask, `n_orders` without any."""
    return min((quote.level_index for quote in quotes if quote.side == "sell"), default=grid.n_orders)


def _cut_window(
    desired: tuple[DesiredOrder, ...],
    resting: Iterable[TrackedOrder],
    kept: Iterable[Quote],
    settings: QuoteSettings,
) -> tuple[DesiredOrder, ...]:
    if settings.active_levels is None:
        return desired
    most = _count_free_slots(settings.active_levels, kept)
    return cut_window(desired, {order.slot for order in resting}, most=most, slack=settings.window_slack)


def _count_free_slots(active_levels: int, kept: Iterable[Quote]) -> dict[Side, int]:
    """Count free slots of each side beside kept orders."""
    free: dict[Side, int] = {"sell": active_levels, "buy": active_levels}
    for order in kept:
        free[order.side] = max(0, free[order.side] - 1)
    return free


def _shrink_unfunded(
    diff: OrderDiff,
    desired: Sequence[DesiredOrder],
    current: Sequence[TrackedOrder],
    *,
    tokens: Decimal,
    quote: Decimal,
) -> OrderDiff:
    """Shrink orders that tolerance keeps too large.

    Tolerance must not keep more resting than we own.
    Orders at the far ends shrink first.
    """
    changed = {oid for oid, _ in diff.modifies} | set(diff.cancels)
    aims = {order.slot: order for order in desired}
    unchanged = {o.slot: o for o in current if o.oid not in changed}
    after = [unchanged.get(slot, aim) for slot, aim in aims.items()]
    excess = {
        "sell": sum((o.size for o in after if o.side == "sell"), Decimal(0)) - tokens,
        "buy": sum((o.size * o.price for o in after if o.side == "buy"), Decimal(0)) - quote,
    }
    shrunk: list[tuple[int, DesiredOrder]] = []
    for slot, aim in reversed(aims.items()):
        order = unchanged.get(slot)
        if order is not None and excess[aim.side] > 0 and order.size > aim.size:
            shrunk.append((order.oid, aim))
            unit = Decimal(1) if aim.side == "sell" else order.price
            excess[aim.side] -= (order.size - aim.size) * unit
    return OrderDiff((*diff.modifies, *shrunk), diff.places, diff.cancels) if shrunk else diff


@dataclass(frozen=True, slots=True)
class RemainderLevel:
    """Levels of the token balance's remainder.

    The sizes are those of an ask and of a bid there. A level is -1 where there is none. Without a gap both are one
    level, which has one order.
    """

    ask_level: int
    bid_level: int
    ask_size: Decimal
    bid_size: Decimal
    has_gap: bool

    @classmethod
    def of(cls, grid: PricingGrid, tokens: Decimal, settings: QuoteSettings) -> RemainderLevel:
        """Find the levels of a balance's remainder."""
        full, remainder = cut_tranches(tokens, order_size=settings.order_size, lot=grid.lot)
        level = max(-1, grid.n_orders - full - 1) if remainder else -1
        bid_level = max(-1, level - settings.gap_levels)
        return cls(level, bid_level, remainder, settings.order_size - remainder, settings.gap_levels > 0)

    def find_bid_to_leave(self, may_rest: Iterable[Quote | TrackedOrder]) -> Decimal | None:
        """Find the size of the bid that is left as it is.

        It is one of ours that may rest on the remainder's level, where that has one order. Whatever remains of it
        stays. Of several the first placed counts.
        """
        if self.has_gap or self.bid_level < 0:
            return None
        bids = (order for order in may_rest if order.side == "buy" and order.level_index == self.bid_level)
        return next((order.size for order in bids), None)

    def was_bid(
        self,
        grid: PricingGrid,
        may_rest: Iterable[Quote | TrackedOrder],
        quote: Decimal,
        settings: QuoteSettings,
        *,
        last_boundary: int | None,
    ) -> bool:
        """Check if an earlier session's bid belongs here.

        It counts only where no order of ours may rest on the level. A bid that cannot rest would keep the level for
        ever.
        """
        level = self.bid_level
        if last_boundary != level + 1 or self.has_gap or any(order.level_index == level for order in may_rest):
            return False
        return settings.min_notional <= self.bid_size * grid.levels[level] <= quote

    def is_kept_dust(self, order: TrackedOrder | Quote, settings: QuoteSettings) -> bool:
        """Check if an order, filled to below minimum notional, stays.

        It stays in order to be filled completely. An ask for more than the remainder does not stay: it would take
        tokens from a full order, which then could not rest.
        """
        if order.size * order.price >= settings.min_notional:
            return False
        if order.side == "buy" and not self.has_gap:
            return order.level_index == self.bid_level
        level, due = (self.ask_level, self.ask_size) if order.side == "sell" else (self.bid_level, self.bid_size)
        return order.level_index == level and due * order.price < settings.min_notional and order.size <= due

    def keep_partly_filled_bid(
        self, desired: tuple[DesiredOrder, ...], resting: Iterable[TrackedOrder], lot: Decimal
    ) -> tuple[DesiredOrder, ...]:
        """Keep a bid that is short only by its fee, where there is a gap.

        It bought its fill less the fee in base, so the desired bid is larger by that fee. Such a bid is right as it is,
        and costs no request.
        """
        if not self.has_gap:
            return desired
        bid = next((o for o in resting if o.side == "buy" and o.level_index == self.bid_level and o.filled), None)
        if bid is None:
            return desired
        return tuple(
            self.keep_filled_bid(o, bid, lot) if o.side == "buy" and o.level_index == self.bid_level else o
            for o in desired
        )

    def keep_filled_bid(self, aim: DesiredOrder, bid: TrackedOrder, lot: Decimal) -> DesiredOrder:
        """Return `aim`, with the bid's size if close enough."""
        most = bid.size + bid.filled * FEE_CAP + lot
        return replace(aim, size=bid.size) if bid.size < aim.size <= most else aim
