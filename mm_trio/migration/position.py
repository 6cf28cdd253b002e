"""What a grid owns, worked out from what of it rests. Pure.

The maker's own ledger says it to the last digit. This is for a plan that is made beside the maker, without its ledger:
fees and parts of orders are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.orders import DesiredOrder, Quote, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.quoting_engine import compute_boundary, compute_desired_orders

__all__ = ["Ladder", "find_position", "make_target", "move_allocation"]

_ZERO = Decimal(0)
# Of base and quote.
Funds = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Ladder of a grid and what is allocated to it.

    Units: `order_size` in base, `min_notional` in quote, `allocation` in base and quote.
    """

    grid: PricingGrid
    order_size: Decimal
    allocation: Funds
    gap_levels: int = 0
    active_levels: int | None = None
    min_notional: Decimal = Decimal(10)


def find_position(ladder: Ladder, resting: Iterable[Quote | TrackedOrder]) -> Funds:
    """Return base and quote of a grid, about, from the asks that rest.

    Above the highest ask that rests every level counts as a whole ask, which a window hides. What was sold since the
    allocation left from the lowest levels, what was bought came to them. Without an ask the allocation counts.
    """
    asks = {order.price: order.size for order in resting if order.side == "sell"}
    token, quote = ladder.allocation
    if not asks:
        return token, quote
    hidden = sum(1 for price in ladder.grid.levels if price > max(asks))
    now = min(sum(asks.values(), _ZERO) + hidden * ladder.order_size, ladder.grid.n_orders * ladder.order_size)
    spare = max(token - ladder.grid.n_orders * ladder.order_size, _ZERO)
    now += spare
    low, high = min(token, now) - spare, max(token, now) - spare
    worth = _sum_between(ladder, low, high)
    return now, max(quote + (worth if now < token else -worth), _ZERO)


def _sum_between(ladder: Ladder, low: Decimal, high: Decimal) -> Decimal:
    """Return what the tokens between two amounts are worth on their levels; the first ones are at the top."""
    size, worth, done = ladder.order_size, _ZERO, _ZERO
    for price in reversed(ladder.grid.levels):
        begin, end = max(done, low), min(done + size, high)
        worth += max(end - begin, _ZERO) * price
        done += size
    return worth


def move_allocation(position: Funds, *, old: Funds, new: Funds) -> Funds:
    """Return a position after its allocation was changed: it moves by the difference, and is never below nothing."""
    token, quote = (max(have + after - before, _ZERO) for have, before, after in zip(position, old, new, strict=True))
    return token, quote


def make_target(ladder: Ladder, position: Funds) -> tuple[DesiredOrder, ...]:
    """Return the orders that should rest on a ladder with these funds."""
    token, quote = position
    boundary = compute_boundary(ladder.grid, token, ladder.order_size, bid_levels=())
    return tuple(
        compute_desired_orders(
            ladder.grid,
            boundary,
            token,
            quote,
            ladder.order_size,
            min_notional=ladder.min_notional,
            active_levels=ladder.active_levels,
            gap_levels=ladder.gap_levels,
        )
    )
