"""Snapshot of a maker, from its public attributes.

Taking it changes nothing. What a row says is wanted is what the next tick would send: the tick's plan is computed again
and not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from mm_trio.halts.standing import State as Stopped
from mm_trio.model.market import Market
from mm_trio.model.orders import FillResult, Side
from mm_trio.quoting.plan import TickPlan, plan_tick
from mm_trio.views.values import (
    AccountView,
    BudgetView,
    FillRow,
    GridRow,
    HealthView,
    InventoryView,
    LadderRow,
    MakerView,
    RowStatus,
    State,
)

if TYPE_CHECKING:
    from mm_trio.engine.grid_face import GridFace
    from mm_trio.views.maker import Maker

__all__ = ["take_account_view", "take_health", "take_inventory", "take_view"]

LEVELS_A_SIDE = 30  # More than the tallest terminal has lines for.
FILLS_SHOWN = 20

TimedFill: TypeAlias = tuple[float, FillResult]

_ZERO = Decimal(0)


def take_view(
    maker: GridFace,
    *,
    now_s: float,
    started_s: float,
    title: str = "",
    recent_fills: Sequence[TimedFill] | None = None,
    levels: int = LEVELS_A_SIDE,
) -> MakerView:
    """Take a snapshot of a maker.

    `levels` are shown on each side of the boundary. Units: `now_s`, `started_s` and the fills' times in seconds of the
    maker's clock. `recent_fills` are oldest first; None: those that the maker remembers.
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
        inventory=take_inventory(maker, price),
        budget=_take_budget(maker, now_s - started_s),
        health=take_health(maker, started=started),
        fills=tuple(_take_fill(fill, now_s - at_s) for at_s, fill in reversed(fills[-FILLS_SHOWN:])),
    )


def take_account_view(maker: Maker, *, now_s: float, started_s: float, title: str = "") -> AccountView:
    """Take a snapshot of all markets of an account.

    No plan is made for it, because there may be many of them.
    """
    standing = maker.standing
    return AccountView(
        title=title,
        uptime_s=max(0.0, now_s - started_s),
        rows=tuple(_take_row(face) for face in maker.faces.values()),
        budget_left=maker.rate_limit.remaining(),
        why=None if standing.state.may_place else standing.describe(),
    )


def _take_row(face: GridFace) -> GridRow:
    boundary, orders = face.boundary_level, face.order_state.get_current_orders()
    lowest_ask = min((order.price for order in orders if order.side == "sell"), default=None)
    highest_bid = max((order.price for order in orders if order.side == "buy"), default=None)
    health = take_health(face, started=boundary is not None)
    known = lowest_ask is not None and highest_bid is not None
    return GridRow(
        coin=face.coin,
        pair_name=face.pair_name,
        state=health.state,
        why=health.why,
        boundary_price=None if boundary is None else face.grid.levels[min(boundary, face.grid.n_orders - 1)],
        spread_bps=float((lowest_ask / highest_bid - 1) * 10_000) if known else None,  # type: ignore[operator]
        fills=health.fills,
        token=face.inventory.effective_token,
        usdc=face.inventory.effective_usdc,
        errors=health.errors,
    )


def _describe_halt(face: GridFace) -> str | None:
    """Say why a market ended, or was left out, alone; None where it did not."""
    if face.failure is not None:
        return f"ended: {face.failure}"
    return face.standing.describe() if face.standing.state is Stopped.HALTED else None


def _take_ladder(maker: GridFace, plan: TickPlan, levels: int) -> tuple[tuple[LadderRow, ...], tuple[LadderRow, ...]]:
    """Return asks and bids, from the boundary outwards."""
    prices, boundary = maker.grid.levels, plan.boundary_level
    rows = _find_rows(maker, plan)

    def row(level: int) -> LadderRow:
        side: Side = "sell" if level >= boundary else "buy"
        return rows.get(level) or LadderRow(side=side, level_index=level, price=prices[level])

    above = range(boundary, min(boundary + levels, len(prices)))
    below = range(boundary - 1, max(boundary - levels, 0) - 1, -1)
    return tuple(row(level) for level in above), tuple(row(level) for level in below)


def _find_rows(maker: GridFace, plan: TickPlan) -> dict[int, LadderRow]:
    """Find the rows of levels that are not free.

    A level has one row, because the maker never has two orders on it.
    """
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
        cancelling, changing = order.oid in plan.diff.cancels, order.oid in modified
        target = _ZERO if cancelling else wanted.get(order.slot, order.size)
        rows[order.level_index] = LadderRow(
            side=order.side,
            level_index=order.level_index,
            price=order.price,
            resting=order.size,
            wanted=target,
            share=float(order.size / order_size),
            status="cancelling" if cancelling else "changing" if changing else "resting",
        )
    for doubt in maker.order_state.get_doubts():
        quote = doubt.quote
        row = rows.get(quote.level_index) or LadderRow(
            side=quote.side, level_index=quote.level_index, price=quote.price
        )
        # An order in flight has no oid yet. The row of an order that it replaces keeps its side and price.
        status: RowStatus = "in flight" if doubt.oid is None else "in doubt"
        rows[quote.level_index] = replace(row, wanted=quote.size, status=status)
    return rows


def _count_decimals(maker: GridFace) -> int:
    """Count the decimals of sizes.

    They are the token's, or those of the order size before the market is known.
    """
    if maker.grid.sz_decimals is not None:
        return maker.grid.sz_decimals
    return max(0, -int(maker.settings.quoting.order_size.as_tuple().exponent))


def take_inventory(maker: GridFace, price: Decimal | None) -> InventoryView:
    """Read the inventory, and what it is worth at a price."""
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


def _take_budget(maker: GridFace, run_s: float) -> BudgetView:
    """Read the budget, with a forecast.

    The forecast takes this session's mean use of items, less what its fills earned.
    """
    stats, remaining = maker.stats, maker.rate_limit.remaining()
    return BudgetView(
        remaining=remaining,
        items=stats.items,
        items_per_1000=stats.items_per_1000,
        hours_left=stats.forecast_hours(remaining, run_s),
    )


def _describe_left_out(maker: GridFace) -> str | None:
    """Say what of the ladder waits, and why, in few words."""
    if pauses := maker.refusals:
        first = max(pauses, key=lambda pause: pause.n_items)
        return f"{first.n_items} {first.what} wait: {first.kind.value}"
    if n_levels := maker.stats.levels_left_out:
        return f"{n_levels} levels beyond the venue's band or cap"
    if sides := maker.stats.empty_sides:
        return "nothing to offer: " + " and ".join("asks" if side == "sell" else "bids" for side in sides)
    return None


def take_health(maker: GridFace, *, started: bool) -> HealthView:
    """Read the state of a grid, and its counters."""
    paused: str | None = maker.paused_because
    state: State = "quoting"
    if (halt := _describe_halt(maker)) is not None:
        state, paused = "paused", halt
    elif not started:
        state = "starting"
    elif paused is not None:
        state = "paused"
    elif maker.rate_limit.remaining() <= 0:
        state, paused = "cancel only", "the request budget is used up"
    elif (left_out := _describe_left_out(maker)) is not None:
        state, paused = "in part", left_out
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
