"""Facts about the price that a ladder opens with, read from state, plan and book. Pure.

The market is read without our own orders: a maker that is alone in its book must not confirm itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from mm_trio.model.market import Book
from mm_trio.model.orders import DesiredOrder, Quote, Side, TrackedOrder
from mm_trio.model.replies import OpenOrder
from mm_trio.quoting.plan import TickPlan
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.witness.opening_check import Amounts, Earlier, Inside, Opening

__all__ = ["find_inside", "read_opening"]


def find_inside(state: MakerState, plan: TickPlan) -> Inside:
    """Find the prices that a plan opens with.

    A bid of ours that rests below the boundary counts too, because a plan leaves out what it does not change.
    """
    levels, boundary = state.grid.levels, plan.boundary_level
    quotes: list[DesiredOrder | TrackedOrder] = [*plan.desired, *state.order_state.get_current_orders()]
    bids = [quote.level_index for quote in quotes if quote.side == "buy" and quote.level_index < boundary]
    return Inside(
        levels[min(boundary, len(levels) - 1)],
        levels[max(bids)] if bids else None,
        levels[boundary] if boundary < len(levels) else None,
    )


def read_opening(
    state: MakerState,
    plan: TickPlan,
    book: Book,
    *,
    orphans: Iterable[OpenOrder],
    earlier: Earlier | None,
) -> Opening:
    """Put together what is known at a start.

    `orphans` are open orders that will be cancelled.
    """
    inventory, own = state.inventory, _count_own(state.order_state, orphans)
    bids = [row.price for row in book.bids if row.n_orders > own["buy", row.price]]
    asks = [row.price for row in book.asks if row.n_orders > own["sell", row.price]]
    return Opening(
        grid=state.grid,
        boundary_level=plan.boundary_level,
        inside=find_inside(state, plan),
        market_bid=max(bids, default=None),
        market_ask=min(asks, default=None),
        tokens=(state.market.base.name, state.market.quote.name),
        wanted=Amounts(*inventory.allocation),
        offered=Amounts(inventory.effective_token, inventory.effective_usdc),
        held=Amounts(inventory.account_token, inventory.account_usdc),
        moved=Amounts(
            (inventory.virtual_token or Decimal(0)) - (inventory.allocation[0] or Decimal(0)),
            (inventory.virtual_usdc or Decimal(0)) - (inventory.allocation[1] or Decimal(0)),
        ),
        earlier=earlier,
    )


def _count_own(orders: OrderState, orphans: Iterable[OpenOrder]) -> Counter[tuple[Side, Decimal]]:
    """Count the orders of ours that may be in the book, by side and price."""
    in_flight = [intent.quote for intent in orders.get_intents()]
    quotes: list[TrackedOrder | Quote | OpenOrder] = [*orders.get_current_orders(), *in_flight, *orphans]
    return Counter((quote.side, quote.price) for quote in quotes)
