"""Orders that should rest, computed from grid and inventory. Pure.

Orders that rest already are known here only as a boundary, and as the size of one bid. The rule is HIP-2's: let `k, p`
be the whole tranches and the remainder of the token balance, and `u = n - k - 1`. The levels above `u` are full asks,
those below it full bids. `u` belongs to the remainder and keeps the side that rests there: an ask of `p`, or the bid
that is left of one. Only a complete fill flips a level.
With `gap_levels` g above 0 what a level sold is bought back g levels lower: bids begin on `u - g`, with one of
`order_sz - p`. Then both sides follow from the balances alone.
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
    "LadderTerms",
    "Part",
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


class LadderTerms(NamedTuple):
    """Terms that all orders of a ladder share.

    Units: `order_size` in base, `minimum` in quote.
    """

    grid: PricingGrid
    order_size: Decimal
    minimum: Decimal
    gap_levels: int = 0


class Part(NamedTuple):
    """Level and size of an order that is not whole."""

    level: int
    size: Decimal


class Sides(NamedTuple):
    """First full order of each side, and the orders of the remainder.

    With a gap there may be two of them, otherwise at most one.
    """

    first_full_ask: int
    first_full_bid: int
    ask: Part | None = None
    bid: Part | None = None


def split_sides(terms: LadderTerms, boundary: int, tranches: Tranches, *, resting_bid: Decimal | None = None) -> Sides:
    """Decide on which sides the remainder is quoted.

    Full orders begin beside it. `resting_bid` is the size of a bid of ours that may rest on the remainder's level: it
    stays as it is. `boundary` counts without a gap only.
    """
    if terms.gap_levels:
        return _split_with_gap(terms, tranches)
    full, remainder = tranches
    n_asks = terms.grid.n_orders - boundary
    level = boundary if n_asks > full else boundary - 1
    if remainder == 0 or n_asks < full or level < 0:
        return Sides(boundary, boundary - 1)
    if resting_bid is not None:
        return Sides(level + 1, level - 1, bid=Part(level, min(resting_bid, terms.order_size)))
    ask, bid = Part(level, remainder), Part(level, terms.order_size - remainder)
    # The boundary says whose turn it is. What is too small to place leaves its level to the other side.
    for is_ask in (n_asks > full, n_asks == full):
        if not _is_dust(terms, ask if is_ask else bid):
            return Sides(level + 1, level - 1, ask if is_ask else None, None if is_ask else bid)
    return Sides(level + 1, level - 1)


def _split_with_gap(terms: LadderTerms, tranches: Tranches) -> Sides:
    """Split the sides by the balance alone."""
    full, remainder = tranches
    level = terms.grid.n_orders - full - 1
    highest_bid = level - terms.gap_levels
    if remainder == 0 or level < 0:
        return Sides(max(0, level + 1), highest_bid)
    ask, bid = Part(level, remainder), Part(highest_bid, terms.order_size - remainder)
    return Sides(
        level + 1,
        highest_bid - 1,
        None if _is_dust(terms, ask) else ask,
        None if highest_bid < 0 or _is_dust(terms, bid) else bid,
    )


def _is_dust(terms: LadderTerms, part: Part) -> bool:
    """Check if an order would be below the minimum."""
    return part.size * terms.grid.levels[part.level] < terms.minimum


def compute_desired_orders(
    grid: PricingGrid,
    boundary_level: int,
    effective_token: Number,
    effective_usdc: Number,
    order_sz: Number,
    *,
    min_notional: Number = 0,
    active_levels: int | None = None,
    gap_levels: int = 0,
    locked: Collection[int] = (),
    resting_bid: Decimal | None = None,
) -> tuple[DesiredOrder, ...]:
    """Compute the orders that should rest.

    Asks come first, ascending from the boundary, then bids, descending below it.
    Units: `effective_token`, `order_sz` in base; `effective_usdc`, `min_notional` in quote. Sizes are whole
    lots of the grid, rounded down: the asks never exceed the tokens, and the cost of the bids never exceeds the quote.
    If there are more levels above the boundary than whole tranches, the remainder is the first ask. If there are
    exactly as many, it is withheld and the best bid is `order_sz` less the remainder. An order worth less
    than `min_notional` is withheld, and its level goes to the other side. `active_levels` is the most orders of a side.
    `gap_levels`: what a level sold is bought back so many levels lower; above 0 `boundary_level` is ignored. A bid on
    one of the `locked` levels is neither placed nor paid for. `resting_bid` is the size of a bid of ours on the
    remainder's level: it stays in place of what would be due there.
    Errors: ValueError for a boundary outside 0 .. n_orders, a gap below 0, or an `order_sz` not above zero.
    """
    order_size = to_decimal(order_sz, name="order_sz")
    minimum = to_decimal(min_notional, name="min_notional")
    if not 0 <= boundary_level <= grid.n_orders:
        raise ValueError(f"boundary_level must be from 0 to {grid.n_orders}, got {boundary_level}")
    if order_size <= 0:
        raise ValueError(f"order_sz must be above 0, got {order_sz}")
    if gap_levels < 0:
        raise ValueError(f"gap_levels must be 0 or more, got {gap_levels}")
    terms = LadderTerms(grid, order_size, minimum, gap_levels)
    tranches = cut_tranches(to_decimal(effective_token), order_size=order_size, lot=grid.lot)
    sides = split_sides(terms, boundary_level, tranches, resting_bid=resting_bid)
    asks = _compute_asks(terms, sides, tranches, most=active_levels)
    return (*asks, *_compute_bids(terms, sides, to_decimal(effective_usdc), most=active_levels, locked=locked))


def _compute_asks(terms: LadderTerms, sides: Sides, tranches: Tranches, *, most: int | None) -> list[DesiredOrder]:
    grid, order_size = terms.grid, terms.order_size
    asks: list[DesiredOrder] = []
    if sides.ask is not None:
        asks.append(DesiredOrder("sell", sides.ask.level, grid.levels[sides.ask.level], sides.ask.size))
    for level in range(sides.first_full_ask, min(sides.first_full_ask + tranches.full, grid.n_orders)):
        if most is not None and len(asks) >= most:
            break
        if grid.levels[level] * order_size >= terms.minimum:
            asks.append(DesiredOrder("sell", level, grid.levels[level], order_size))
    return asks[:most]


def _compute_bids(
    terms: LadderTerms, sides: Sides, quote: Decimal, *, most: int | None, locked: Collection[int]
) -> list[DesiredOrder]:
    grid = terms.grid
    bids: list[DesiredOrder] = []
    top = sides.first_full_bid if sides.bid is None else sides.bid.level
    for level in range(top, -1, -1):
        if most is not None and len(bids) >= most:
            break
        if level in locked:
            continue
        price = grid.levels[level]
        size = sides.bid.size if sides.bid is not None and level == top else terms.order_size
        # The division is exact: an integer quotient is never rounded up.
        funded = quote // (price * grid.lot) * grid.lot
        if min(size, funded) > 0 and min(size, funded) * price >= terms.minimum:
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
