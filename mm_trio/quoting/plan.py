"""State -> what this tick should send: boundary, desired orders, what is left out, the difference. Pure."""

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

__all__ = ["RestLevel", "TickPlan", "plan_tick"]

# Above every fee of the venue (taker, base tier, 0.07 %): what a fee in base may take off a partly filled bid
FEE_CAP = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class TickPlan:
    """`boundary_level` is quoted from, a crumb that rests included; `observed_level` is where asks rest now."""

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
    """What should change now. Orders in doubt, and crumbs that rest, are left alone and counted as spent.

    `last_boundary` is what an earlier life quoted from, while nothing of ours rests that could tell which side the
    level of the rest had. Source: specification, tick steps 1-5.
    """
    tokens, quote = inventory.effective_token, inventory.effective_usdc
    orders, doubts = state.get_current_orders(), state.get_doubts()
    in_doubt = [doubt.quote for doubt in doubts]
    may_rest: list[Quote | TrackedOrder] = [*orders, *in_doubt]
    bid_levels = {order.level_index for order in may_rest if order.side == "buy"}
    rest = RestLevel.of(grid, tokens, settings)
    if last_boundary == rest.level + 1 and all(order.level_index != rest.level for order in may_rest):
        worth = rest.bid_size * grid.levels[rest.level]
        if settings.min_notional <= worth <= quote:  # one that cannot rest would keep its level for ever
            bid_levels.add(rest.level)
    boundary = compute_boundary(grid, tokens, settings.order_size, bid_levels=bid_levels)

    resting = [order for order in orders if order.status == Phase.RESTING]
    # This tick leaves these as they are: they lock their levels and their share of the funds.
    kept = [*in_doubt, *(order.quote for order in resting if rest.is_shrunken_crumb(order, settings))]
    locked = {order.level_index for order in kept}
    # an order that rests where another is in doubt is left alone as well, and counts as spent
    doubted = {quote.level_index for quote in in_doubt}
    kept += [order.quote for order in resting if order.level_index in doubted]
    active, slack = settings.active_levels, settings.window_slack
    room = Headroom(kept, tokens=tokens, quote=quote)
    desired = compute_desired_orders(
        grid,
        boundary,
        tokens,
        max(room.quote, Decimal(0)),  # what is kept is paid for already
        settings.order_size,
        min_notional=settings.min_notional,
        active_levels=None if active is None else active + slack + len(kept),
        locked={order.level_index for order in kept},
    )
    quoted_from = _find_lowest_ask(grid, [*desired, *(o for o in may_rest if rest.is_shrunken_crumb(o, settings))])
    free_tokens, free_quote = room.tokens, room.quote
    # from the boundary outwards, so that the far ends go without
    desired = tuple([order for order in desired if room.take(order)])
    if active is not None:
        most = _count_free_slots(active, kept)
        pairs = {order.slot for order in resting}
        desired = cut_window(desired, pairs, most=most, slack=slack)
    desired = rest.keep_partly_filled_bid(desired, resting, grid.lot)
    current = [order for order in resting if order.level_index not in locked]
    diff = compute_diff(
        desired, current, settings.dead_zone_bps, settings.price_tolerance_bps, settings.size_tolerance_pct
    )
    diff = _shrink_unfunded(diff, desired, current, tokens=free_tokens, quote=free_quote)
    return TickPlan(quoted_from, state.boundary_level(grid.n_orders), desired, diff)


def _find_lowest_ask(grid: PricingGrid, quotes: Iterable[Quote | TrackedOrder]) -> int:
    """The lowest level that one of them asks at, `n_orders` where none does."""
    return min((quote.level_index for quote in quotes if quote.side == "sell"), default=grid.n_orders)


def _count_free_slots(active_levels: int, kept: Iterable[Quote]) -> dict[Side, int]:
    """How many orders each side may have beside the kept ones."""
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
    """Let no tolerance keep more resting than we own: then what is too large shrinks, far ends first."""
    changed = {oid for oid, _ in diff.modifies} | set(diff.cancels)
    aims = {order.slot: order for order in desired}
    unchanged = {o.slot: o for o in current if o.oid not in changed}
    after = [unchanged.get(pair, aim) for pair, aim in aims.items()]
    over = {
        "sell": sum((o.size for o in after if o.side == "sell"), Decimal(0)) - tokens,
        "buy": sum((o.size * o.price for o in after if o.side == "buy"), Decimal(0)) - quote,
    }
    shrunk: list[tuple[int, DesiredOrder]] = []
    for pair, aim in reversed(aims.items()):
        order = unchanged.get(pair)
        if order is not None and over[aim.side] > 0 and order.size > aim.size:
            shrunk.append((order.oid, aim))
            unit = Decimal(1) if aim.side == "sell" else order.price
            over[aim.side] -= (order.size - aim.size) * unit
    return OrderDiff((*diff.modifies, *shrunk), diff.places, diff.cancels) if shrunk else diff


@dataclass(frozen=True, slots=True)
class RestLevel:
    """The level of the token balance's rest, and what it would hold on either side (-1: there is none)."""

    level: int
    ask_size: Decimal
    bid_size: Decimal

    @classmethod
    def of(cls, grid: PricingGrid, tokens: Decimal, settings: QuoteSettings) -> RestLevel:
        full, rest = cut_tranches(tokens, order_size=settings.order_size, lot=grid.lot)
        return cls(max(-1, grid.n_orders - full - 1) if rest else -1, rest, settings.order_size - rest)

    def is_shrunken_crumb(self, order: TrackedOrder | Quote, settings: QuoteSettings) -> bool:
        """It was filled down below what may be placed: it stays, to be filled whole.

        Not an ask for more than the rest: it would take tokens from a full order, which then could not rest.
        """
        due = self.ask_size if order.side == "sell" else self.bid_size
        return (
            order.level_index == self.level
            and order.size * order.price < settings.min_notional
            and due * order.price < settings.min_notional
            and (order.side == "buy" or order.size <= due)
        )

    def keep_partly_filled_bid(
        self, desired: tuple[DesiredOrder, ...], resting: Iterable[TrackedOrder], lot: Decimal
    ) -> tuple[DesiredOrder, ...]:
        """A bid short by no more than the fee on what it bought is right as it is, and costs no request."""
        rests = next((o for o in resting if o.side == "buy" and o.level_index == self.level and o.filled), None)
        if rests is None:
            return desired
        return tuple(
            self.keep_filled_bid(o, rests, lot) if o.side == "buy" and o.level_index == self.level else o
            for o in desired
        )

    def keep_filled_bid(self, aim: DesiredOrder, rests: TrackedOrder, lot: Decimal) -> DesiredOrder:
        """The same for one bid of this level that rests, and was filled in part."""
        most = rests.size + rests.filled * FEE_CAP + lot
        return replace(aim, size=rests.size) if rests.size < aim.size <= most else aim
