"""State -> one frozen snapshot: all that a screen may know of a maker. Pure: reads, never changes.

What a row says is wanted is what the next tick would send: the tick's own plan, made again and not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from mm_trio.model.market import Market
from mm_trio.model.orders import FillResult, Quote, Side
from mm_trio.quoting.plan import TickPlan, plan_tick

if TYPE_CHECKING:
    from mm_trio.engine.ws_state import WsState

__all__ = ["BudgetView", "FillRow", "HealthView", "InventoryView", "LadderRow", "MakerView", "take_view"]

LEVELS_A_SIDE = 30  # more than the tallest terminal has lines for
FILLS_SHOWN = 20

RowStatus: TypeAlias = Literal["resting", "changing", "leaving", "wanted", "in flight", "in doubt", "free"]
State: TypeAlias = Literal["starting", "quoting", "paused", "cancel only"]
TimedFill: TypeAlias = tuple[float, FillResult]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRow:
    """One level. `resting` and `wanted` in base; `share` is `resting` as part of a full order.

    `status`: "resting" as it should · "changing", "leaving" a modify or cancel is due · "wanted" a place is
    due · "in flight" sent, not yet answered · "in doubt" · "free" nothing rests or should.
    """

    side: Side
    level_index: int
    price: Decimal
    resting: Decimal = _ZERO
    wanted: Decimal = _ZERO
    share: float = 0.0
    status: RowStatus = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRow:
    """One fill of ours, `age_s` before the snapshot. `value` in quote; `complete`: nothing of the order is left."""

    age_s: float
    quote: Quote
    value: Decimal
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryView:
    """The ledger. `token…` in base, `usdc…` in quote; `virtual_…` is None without an allocation.

    `token_value` and `total_value` in quote at the boundary's price, None before the start.
    """

    base_name: str
    quote_name: str
    token: Decimal
    usdc: Decimal
    virtual_token: Decimal | None
    virtual_usdc: Decimal | None
    account_token: Decimal
    account_usdc: Decimal
    token_value: Decimal | None
    total_value: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """What may still be sent. `items` of this run, and of them for each 1,000 of quote filled.

    `hours_left`: inf if it does not shrink, None while it is too early to tell.
    """

    remaining: int
    items: int
    items_per_1000: float | None
    hours_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthView:
    """Whether the maker quotes, `why` it does not, and what it counted since the start."""

    state: State
    why: str | None
    doubts: int
    errors: int
    reconnects: int
    reconciliations: int
    ticks: int
    fills: int
    fill_volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerView:
    """One maker at one moment. `asks` and `bids` go from the boundary outwards, levels without orders too.

    `boundary_price` is that of the lowest level we ask at, the top of the ladder where there is none.
    """

    title: str
    coin: str
    uptime_s: float
    boundary_level: int | None
    boundary_price: Decimal | None
    order_size: Decimal
    size_decimals: int
    asks: tuple[LadderRow, ...]
    bids: tuple[LadderRow, ...]
    n_asks: int
    n_bids: int
    spread_bps: float | None
    inventory: InventoryView
    budget: BudgetView
    health: HealthView
    fills: tuple[FillRow, ...]

    @property
    def pair_name(self) -> str:
        """`HYPE/USDC` where the market is known, else the coin as it was given."""
        inventory = self.inventory
        return f"{inventory.base_name}/{inventory.quote_name}" if inventory.base_name != self.coin else self.coin


def take_view(
    maker: WsState,
    *,
    now_s: float,
    started_s: float,
    title: str = "",
    recent_fills: Sequence[TimedFill] | None = None,
    levels: int = LEVELS_A_SIDE,
) -> MakerView:
    """The maker at `now_s`; `levels` is how many to show on each side of the boundary.

    Units: `now_s`, `started_s` and the fills' times in seconds of the maker's clock. `recent_fills` are oldest
    first; left out, they are the maker's own.
    """
    started = maker.boundary_level is not None
    plan = plan_tick(maker.grid, maker.inventory, maker.order_state, maker.settings.quoting) if started else None
    boundary = None if plan is None else plan.boundary_level
    price = None if boundary is None else maker.grid.levels[min(boundary, maker.grid.n_orders - 1)]
    asks, bids = ((), ()) if plan is None else _take_ladder(maker, plan, levels)
    orders = maker.order_state.get_current_orders()
    lowest_ask = min((order.price for order in orders if order.side == "sell"), default=None)
    highest_bid = max((order.price for order in orders if order.side == "buy"), default=None)
    known = lowest_ask is not None and highest_bid is not None
    fills = tuple(maker.recent_fills) if recent_fills is None else tuple(recent_fills)
    return MakerView(
        title=title,
        coin=maker.coin,
        uptime_s=max(0.0, now_s - started_s),
        boundary_level=boundary,
        boundary_price=price,
        order_size=maker.settings.quoting.order_size,
        size_decimals=_count_decimals(maker),
        asks=asks,
        bids=bids,
        n_asks=sum(order.side == "sell" for order in orders),
        n_bids=sum(order.side == "buy" for order in orders),
        spread_bps=float((lowest_ask / highest_bid - 1) * 10_000) if known else None,  # type: ignore[operator]
        inventory=_take_inventory(maker, price),
        budget=_take_budget(maker, now_s - started_s),
        health=_take_health(maker, started=started),
        fills=tuple(_take_fill(fill, now_s - at_s) for at_s, fill in reversed(fills[-FILLS_SHOWN:])),
    )


# --- the ladder -------------------------------------------------------------------------------


def _take_ladder(maker: WsState, plan: TickPlan, levels: int) -> tuple[tuple[LadderRow, ...], tuple[LadderRow, ...]]:
    """Rows above and below the boundary, from it outwards."""
    prices, boundary = maker.grid.levels, plan.boundary_level
    rows = _find_rows(maker, plan)

    def row(level: int) -> LadderRow:
        side: Side = "sell" if level >= boundary else "buy"
        return rows.get(level) or LadderRow(side=side, level_index=level, price=prices[level])

    above = range(boundary, min(boundary + levels, len(prices)))
    below = range(boundary - 1, max(boundary - levels, 0) - 1, -1)
    return tuple(row(level) for level in above), tuple(row(level) for level in below)


def _find_rows(maker: WsState, plan: TickPlan) -> dict[int, LadderRow]:
    """Every level with something on it: one order a level, for the maker never has two there."""
    order_size = maker.settings.quoting.order_size
    modified = {oid for oid, _ in plan.diff.modifies}
    wanted = {order.slot: order.size for order in plan.desired}
    rows = {
        order.level_index: LadderRow(
            side=order.side, level_index=order.level_index, price=order.price, wanted=order.size, status="wanted"
        )
        for order in plan.desired
    }
    for order in maker.order_state.get_current_orders():
        leaving, changing = order.oid in plan.diff.cancels, order.oid in modified
        aim = _ZERO if leaving else wanted.get(order.slot, order.size)
        rows[order.level_index] = LadderRow(
            side=order.side,
            level_index=order.level_index,
            price=order.price,
            resting=order.size,
            wanted=aim,
            share=float(order.size / order_size),
            status="leaving" if leaving else "changing" if changing else "resting",
        )
    for doubt in maker.order_state.get_doubts():
        quote = doubt.quote
        row = rows.get(quote.level_index) or LadderRow(
            side=quote.side, level_index=quote.level_index, price=quote.price
        )
        # an order in flight has no oid yet; what it replaces, if anything, is the row that is there
        status: RowStatus = "in flight" if doubt.oid is None else "in doubt"
        rows[quote.level_index] = replace(row, wanted=quote.size, status=status)
    return rows


def _count_decimals(maker: WsState) -> int:
    """Of sizes: the token's, or the order size's before the market is known."""
    if maker.grid.sz_decimals is not None:
        return maker.grid.sz_decimals
    return max(0, -int(maker.settings.quoting.order_size.as_tuple().exponent))


# --- the rest ---------------------------------------------------------------------------------


def _take_inventory(maker: WsState, price: Decimal | None) -> InventoryView:
    inventory = maker.inventory
    market: Market | None = maker.market
    token, usdc = inventory.effective_token, inventory.effective_usdc
    return InventoryView(
        base_name=maker.coin if market is None else market.base.name,
        quote_name="quote" if market is None else market.quote.name,
        token=token,
        usdc=usdc,
        virtual_token=inventory.virtual_token,
        virtual_usdc=inventory.virtual_usdc,
        account_token=inventory.account_token,
        account_usdc=inventory.account_usdc,
        token_value=None if price is None else token * price,
        total_value=None if price is None else token * price + usdc,
    )


def _take_budget(maker: WsState, run_s: float) -> BudgetView:
    """The forecast: at this run's mean use of items, less what its fills earned."""
    stats, remaining = maker.stats, maker.rate_limit.remaining()
    return BudgetView(
        remaining=remaining,
        items=stats.items,
        items_per_1000=stats.items_per_1000,
        hours_left=stats.forecast_hours(remaining, run_s),
    )


def _take_health(maker: WsState, *, started: bool) -> HealthView:
    paused: str | None = maker.paused_because
    state: State = "quoting"
    if not started:
        state = "starting"
    elif paused is not None:
        state = "paused"
    elif maker.rate_limit.remaining() <= 0:
        state, paused = "cancel only", "the request budget is used up"
    stats = maker.stats
    return HealthView(
        state=state,
        why=paused,
        doubts=len(maker.order_state.get_doubts()),
        errors=stats.errors,
        reconnects=stats.reconnects,
        reconciliations=stats.reconciliations,
        ticks=stats.ticks,
        fills=stats.fills,
        fill_volume=stats.fill_volume,
    )


def _take_fill(fill: FillResult, age_s: float) -> FillRow:
    return FillRow(
        age_s=max(0.0, age_s),
        quote=fill.quote,
        value=fill.price * fill.size,
        complete=fill.fully_filled,
    )
