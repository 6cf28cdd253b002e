"""Grid + inventory -> the orders that should rest. Pure; what rests already is known only as a boundary.

The rule (HIP-2's, with the part that only a record of live fills shows): let `k, p` be the whole tranches
and the rest of the token balance. The top `k` levels are full asks. The level below them belongs to the
rest and keeps the side that rests there: an ask of `p`, or a bid of `order_sz - p`. So a partly filled
order is right as it is, and only a complete fill flips a level.
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
    """`full * order_size + rest` is the balance in whole lots; `0 <= rest < order_size`."""

    full: int
    rest: Decimal


@lru_cache(maxsize=4)  # a tick asks three times for the same balance
def cut_tranches(balance: Decimal, *, order_size: Decimal, lot: Decimal) -> Tranches:
    """Cut a token balance into whole tranches and at most one smaller rest.

    Units: base token, all; `order_size` is above zero and whole lots. Less than a lot is left out.
    Source: HIP-2, update step 1.
    """
    in_lots = max(balance, _ZERO) // lot * lot
    full, rest = divmod(in_lots, order_size)
    return Tranches(int(full), rest)


def compute_boundary(grid: PricingGrid, tokens: Decimal, order_size: Decimal, *, bid_levels: Collection[int]) -> int:
    """Lowest level to ask at, 0 .. n_orders; `bid_levels` are those where a bid of ours may rest."""
    full, rest = cut_tranches(tokens, order_size=order_size, lot=grid.lot)
    above_rest = grid.n_orders - full  # lowest of the full asks
    if above_rest <= 0:
        return 0
    return above_rest if rest == 0 or above_rest - 1 in bid_levels else above_rest - 1


class Sides(NamedTuple):
    """Where each side begins, and the one order that belongs to the rest (level, side), if any."""

    first_full_ask: int
    first_full_bid: int
    rest_level: int
    rest_side: Side | None


def split_sides(
    grid: PricingGrid, boundary: int, tranches: Tranches, order_size: Decimal, min_notional: Decimal
) -> Sides:
    """Who has the level of the rest, and where the full orders begin on either side of it."""
    full, rest = tranches
    room = grid.n_orders - boundary
    rest_level = boundary if room > full else boundary - 1
    if rest == 0 or room < full or rest_level < 0:
        return Sides(boundary, boundary - 1, -1, None)
    price = grid.levels[rest_level]
    ask_is_crumb = rest * price < min_notional
    bid_is_crumb = (order_size - rest) * price < min_notional
    side: Side | None = "buy"
    if room > full:
        # an ask too small to place leaves its level to the bid; where that is too small as well, to nobody
        side = "sell" if not ask_is_crumb else None if bid_is_crumb else "buy"
    elif bid_is_crumb:
        side = None  # it rests and was filled down to a crumb: whoever asks lets it be
    return Sides(rest_level + 1, rest_level - 1, rest_level, side)


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
    """The orders that should rest: asks ascending from the boundary, then bids descending below it.

    Units: `effective_token`, `order_sz` in base; `effective_usdc`, `min_notional` in quote. Sizes are whole
    lots of the grid, rounded down: the asks never exceed the tokens, the bids' cost never the quote.
    With room above the boundary for more asks than there are whole tranches the rest is the first ask; with
    room for exactly those it is withheld and the best bid is `order_sz` less the rest. An order worth less
    than `min_notional` is withheld. `active_levels`: at most so many orders a side. On `locked` levels there is no
    room for a bid: none is there, and none is paid for.
    Errors: ValueError for a boundary outside 0 .. n_orders or an `order_sz` not above zero.
    """
    order_size = to_decimal(order_sz, name="order_sz")
    minimum = to_decimal(min_notional, name="min_notional")
    if not 0 <= boundary_level <= grid.n_orders:
        raise ValueError(f"boundary_level must be from 0 to {grid.n_orders}, got {boundary_level}")
    if order_size <= 0:
        raise ValueError(f"order_sz must be above 0, got {order_sz}")
    tranches = cut_tranches(to_decimal(effective_token), order_size=order_size, lot=grid.lot)
    sides = split_sides(grid, boundary_level, tranches, order_size, minimum)
    asks = _compute_asks(grid, sides, tranches, order_size, minimum, active_levels)
    best_bid = order_size - tranches.rest if sides.rest_side == "buy" else None
    quote = to_decimal(effective_usdc)
    bids = _compute_bids(grid, sides, best_bid, quote, order_size, minimum, active_levels, locked)
    return (*asks, *bids)


def _compute_asks(
    grid: PricingGrid,
    sides: Sides,
    tranches: Tranches,
    order_size: Decimal,
    minimum: Decimal,
    most: int | None,
) -> list[DesiredOrder]:
    asks: list[DesiredOrder] = []
    if sides.rest_side == "sell":
        price = grid.levels[sides.rest_level]
        asks.append(DesiredOrder("sell", sides.rest_level, price, tranches.rest))
    for level in range(sides.first_full_ask, min(sides.first_full_ask + tranches.full, grid.n_orders)):
        if most is not None and len(asks) >= most:
            break
        if grid.levels[level] * order_size >= minimum:
            asks.append(DesiredOrder("sell", level, grid.levels[level], order_size))
    return asks[:most]


def _compute_bids(
    grid: PricingGrid,
    sides: Sides,
    best_size: Decimal | None,
    quote: Decimal,
    order_size: Decimal,
    minimum: Decimal,
    most: int | None,
    locked: Collection[int],
) -> list[DesiredOrder]:
    bids: list[DesiredOrder] = []
    top = sides.first_full_bid if best_size is None else sides.rest_level
    for level in range(top, -1, -1):
        if most is not None and len(bids) >= most:
            break
        if level in locked:
            continue
        price = grid.levels[level]
        size = best_size if best_size is not None and level == top else order_size
        funded = quote // (price * grid.lot) * grid.lot  # exact: an integer quotient, never rounded up
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
    """Keep so many orders a side, from the boundary outwards; far ends may lag where they rest.

    `orders` go outwards on both sides. An end that lags by at most `slack` levels stays where it is; one
    that lags by more moves until it does not: on its way back it passes there for nothing. Where none rests there
    are exactly `most` of its side. The inside is never left out.
    """
    kept: list[DesiredOrder] = []
    for side, n in most.items():
        of_side = [order for order in orders if order.side == side]
        depth = max((i for i, o in enumerate(of_side, 1) if o.slot in resting), default=0)
        kept.extend(of_side[: compute_depth(depth, most=n, slack=slack)])
    return tuple(kept)


def compute_depth(resting: int, *, most: int, slack: int) -> int:
    """How many orders of one side there should be, where they rest `resting` deep (0: none does)."""
    return min(max(resting, most - slack), most + slack) if resting else most
