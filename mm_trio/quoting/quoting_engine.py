"""Orders that should rest, computed from grid and inventory. Pure.

Orders that rest already are known here only as a boundary. The rule is that of HIP-2, with the part that only a record
of live fills shows: let `k, p` be the whole tranches and the remainder of the token balance. The top `k` levels are
full asks. The level below them belongs to the remainder and keeps the side that rests there: an ask of `p`, or a bid
of `order_sz - p`. Therefore a partly filled order is right as it is, and only a complete fill flips a level.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from mm_trio.model.numbers import Number, to_decimal
from mm_trio.model.orders import DesiredOrder, Side
from mm_trio.model.pricing_grid import PricingGrid

__all__ = [
    "Sides",
    "Tranches",
    "compute_boundary",
    "compute_depth",
    "compute_desired_orders",
    "cut_tranches",
    "cut_window",
    "split_sides",
]

_ZERO = Decimal(0)


class Tranches(NamedTuple):
    """Whole tranches and remainder of a balance.

    `full * order_size + remainder` is the balance in whole lots, with `0 <= remainder < order_size`.
    """

    full: int
    remainder: Decimal


# A tick asks three times for the same balance.
@lru_cache(maxsize=4)
def cut_tranches(balance: Decimal, *, order_size: Decimal, lot: Decimal) -> Tranches:
    """Cut a balance into whole tranches and a smaller remainder.

    Units: base token, all; `order_size` is above zero and whole lots. Less than a lot is left out.
    Source: HIP-2, update step 1.
    """
    in_lots = max(balance, _ZERO) // lot * lot
    full, remainder = divmod(in_lots, order_size)
    return Tranches(int(full), remainder)


def compute_boundary(grid: PricingGrid, tokens: Decimal, order_size: Decimal, *, bid_levels: Collection[int]) -> int:
    """Compute the lowest level to ask at, 0 .. n_orders.

    `bid_levels` are the levels where a bid of ours may rest.
    """
    full, remainder = cut_tranches(tokens, order_size=order_size, lot=grid.lot)
    lowest_full = grid.n_orders - full
    if lowest_full <= 0:
        return 0
    return lowest_full if remainder == 0 or lowest_full - 1 in bid_levels else lowest_full - 1


class Sides(NamedTuple):
    """First full order of each side, and the remainder's order.

    `remainder_side` is None where no order belongs to the remainder.
    """

    first_full_ask: int
    first_full_bid: int
    remainder_level: int
    remainder_side: Side | None


def split_sides(
    grid: PricingGrid, boundary: int, tranches: Tranches, order_size: Decimal, min_notional: Decimal
) -> Sides:
    """Decide whose the remainder's level is.

    Full orders begin beside it.
    """
    full, remainder = tranches
    n_asks = grid.n_orders - boundary
    level = boundary if n_asks > full else boundary - 1
    if remainder == 0 or n_asks < full or level < 0:
        return Sides(boundary, boundary - 1, -1, None)
    price = grid.levels[level]
    ask_is_dust = remainder * price < min_notional
    bid_is_dust = (order_size - remainder) * price < min_notional
    # An ask too small to place leaves its level to the bid. Where the bid is too small as well, nothing is placed: one
    # that rests was filled down to dust, and the caller leaves it alone.
    side: Side | None = "buy"
    if n_asks > full and not ask_is_dust:
        side = "sell"
    elif bid_is_dust:
        side = None
    return Sides(level + 1, level - 1, level, side)


class _Terms(NamedTuple):
    """Ladder and limits that all orders of one computation share."""

    grid: PricingGrid
    order_size: Decimal
    minimum: Decimal
    most: int | None


def compute_desired_orders(
    grid: PricingGrid,
    boundary_level: int,
    effective_token: Number,
    effective_usdc: Number,
    order_sz: Number,
    *,
    min_notional: Number = 0,
    active_levels: int | None = None,
    locked: Collection[int] = (),
) -> tuple[DesiredOrder, ...]:
    """Compute the orders that should rest.

    Asks come first, ascending from the boundary, then bids, descending below it.
    Units: `effective_token`, `order_sz` in base; `effective_usdc`, `min_notional` in quote. Sizes are whole
    lots of the grid, rounded down: the asks never exceed the tokens, and the cost of the bids never exceeds the quote.
    If there are more levels above the boundary than whole tranches, the remainder is the first ask. If there are
    exactly as many, it is withheld and the best bid is `order_sz` less the remainder. An order worth less
    than `min_notional` is withheld. `active_levels` is the most orders of a side. A bid on one of the `locked` levels
    is neither placed nor paid for.
    Errors: ValueError for a boundary outside 0 .. n_orders or an `order_sz` not above zero.
    """
    order_size = to_decimal(order_sz, name="order_sz")
    minimum = to_decimal(min_notional, name="min_notional")
    if not 0 <= boundary_level <= grid.n_orders:
        raise ValueError(f"boundary_level must be from 0 to {grid.n_orders}, got {boundary_level}")
    if order_size <= 0:
        raise ValueError(f"order_sz must be above 0, got {order_sz}")
    terms = _Terms(grid, order_size, minimum, active_levels)
    tranches = cut_tranches(to_decimal(effective_token), order_size=order_size, lot=grid.lot)
    sides = split_sides(grid, boundary_level, tranches, order_size, minimum)
    asks = _compute_asks(terms, sides, tranches)
    best_bid = order_size - tranches.remainder if sides.remainder_side == "buy" else None
    bids = _compute_bids(terms, sides, best_bid, to_decimal(effective_usdc), locked)
    return (*asks, *bids)


def _compute_asks(terms: _Terms, sides: Sides, tranches: Tranches) -> list[DesiredOrder]:
    grid, order_size, minimum, most = terms
    asks: list[DesiredOrder] = []
    if sides.remainder_side == "sell":
        price = grid.levels[sides.remainder_level]
        asks.append(DesiredOrder("sell", sides.remainder_level, price, tranches.remainder))
    for level in range(sides.first_full_ask, min(sides.first_full_ask + tranches.full, grid.n_orders)):
        if most is not None and len(asks) >= most:
            break
        if grid.levels[level] * order_size >= minimum:
            asks.append(DesiredOrder("sell", level, grid.levels[level], order_size))
    return asks[:most]


def _compute_bids(
    terms: _Terms, sides: Sides, best_size: Decimal | None, quote: Decimal, locked: Collection[int]
) -> list[DesiredOrder]:
    """Compute the bids.

    The best one is of `best_size` if that is given.
    """
    grid, order_size, minimum, most = terms
    bids: list[DesiredOrder] = []
    top = sides.first_full_bid if best_size is None else sides.remainder_level
    for level in range(top, -1, -1):
        if most is not None and len(bids) >= most:
            break
        if level in locked:
            continue
        price = grid.levels[level]
        size = best_size if best_size is not None and level == top else order_size
        # The division is exact: an integer quotient is never rounded up.
        funded = quote // (price * grid.lot) * grid.lot
        if min(size, funded) > 0 and min(size, funded) * price >= minimum:
            bids.append(DesiredOrder("buy", level, price, min(size, funded)))
        if funded < size:
            break
        quote -= size * price
    return bids


def cut_window(
    orders: Sequence[DesiredOrder],
    resting: Collection[tuple[Side, int]],
    *,
    most: Mapping[Side, int],
    slack: int,
) -> tuple[DesiredOrder, ...]:
    """Cut a ladder to the active levels of each side.

    `orders` go from the boundary outwards on both sides, and so many as `most` of each side are kept. A far end that
    rests and lags by at most `slack` levels stays where it is. One that lags by more moves until it does not; on its
    way back it passes there at no cost. A side without resting orders gets exactly `most`. The inner levels are never
    left out.
    """
    kept: list[DesiredOrder] = []
    for side, n in most.items():
        of_side = [order for order in orders if order.side == side]
        depth = max((i for i, o in enumerate(of_side, 1) if o.slot in resting), default=0)
        kept.extend(of_side[: compute_depth(depth, most=n, slack=slack)])
    return tuple(kept)


def compute_depth(resting: int, *, most: int, slack: int) -> int:
    """Compute how many orders one side should have.

    `resting` is how deep they rest now (0: none does).
    """
    return min(max(resting, most - slack), most + slack) if resting else most
