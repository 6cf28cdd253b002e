"""The start: everything a maker must know before it listens, read over REST into one `MakerState`.

Fills that the venue lists before it is asked for the balances are in those balances. One that comes between
the two readings could be in either: then all is read again.
"""

from __future__ import annotations

import logging
from decimal import Decimal

import trio

from mm_trio.errors import ConfigError, Unreachable
from mm_trio.inventory import Inventory
from mm_trio.maker_state import MakerState
from mm_trio.model import Balances, Fill, Market, OpenOrder
from mm_trio.order_state import OrderState
from mm_trio.pricing_grid import PricingGrid
from mm_trio.rate_limit import RateLimitBudget
from mm_trio.venue.client import VenueClient

__all__ = ["check_order_size", "seed_state"]

_log = logging.getLogger(__name__)

SEED_TRIES = 10  # a pair that trades between every two readings ten times in a row is read by nobody
# What an order bought arrives less the fee: a whole tranche of just the minimum could never be sold again.
_FEE_MARGIN = Decimal("1.01")


def check_order_size(grid: PricingGrid, order_size: Decimal, min_notional: Decimal) -> None:
    """Refuse an order size that could not be quoted. Errors: ConfigError.

    Whole lots, and worth 1.01 times the venue's minimum at the lowest level; a warning below twice that
    minimum, where both parts of a partly filled order can be too small to place.
    """
    if order_size <= 0 or order_size % grid.lot:
        raise ConfigError(f"order_sz {order_size} must be a whole number of lots of {grid.lot}, above 0")
    notional = order_size * grid.levels[0]
    if notional < _FEE_MARGIN * min_notional:
        least = -(-_FEE_MARGIN * min_notional // (grid.levels[0] * grid.lot)) * grid.lot
        raise ConfigError(
            f"order_sz {order_size} is worth {notional:f} at the lowest level {grid.levels[0]}: below 1.01 times "
            f"the minimum of {min_notional}; take at least {least} or start higher"
        )
    if notional < 2 * min_notional:
        _log.warning(
            "order_sz %s is worth less than twice the minimum of %s at level 0: both parts of a partly filled "
            "order can be too small to place",
            order_size,
            min_notional,
        )


async def seed_state(
    client: VenueClient,
    market: Market,
    grid: PricingGrid,
    order_state: OrderState,
    inventory: Inventory,
    rate_limit: RateLimitBudget,
    *,
    keep_foreign: bool,
) -> tuple[MakerState, tuple[OpenOrder, ...]]:
    """Seed orders, balances and budget; gives the state and the orders that rest and are not taken over.

    Errors: VenueError.
    """
    state = MakerState(market, grid, order_state, inventory, rate_limit, keep_foreign)
    rows, balances, fills = await _read_consistently(client, market)
    for fill in fills:
        state.remember_fill(fill)
    orphans = state.seed_orders(rows, now_s=trio.current_time())
    state.note_foreign_holds(rows)
    state.apply_balances(balances, asked_s=None, now_s=trio.current_time())
    rate_limit.sync_from_exchange(*await client.fetch_budget())
    return state, orphans


async def _read_consistently(
    client: VenueClient, market: Market
) -> tuple[tuple[OpenOrder, ...], Balances, tuple[Fill, ...]]:
    fills = {_key(fill): fill for fill in await client.fetch_fills(market, since_ms=0)}
    for _ in range(SEED_TRIES):
        rows = await client.fetch_open_orders()
        balances = await client.fetch_balances(market)
        newest_ms = max((fill.time_ms or 0 for fill in fills.values()), default=0)
        later = {_key(fill): fill for fill in await client.fetch_fills(market, since_ms=newest_ms)}
        if later.keys() <= fills.keys():
            return rows, balances, tuple(fills.values())
        fills |= later
    raise Unreachable(f"{market.coin} trades faster than its balances can be read ({SEED_TRIES} tries)")


def _key(fill: Fill) -> tuple[int | None, int, int]:
    return fill.time_ms, fill.tid, fill.oid
