"""Orders that may rest, and the last fills, of a maker that runs.

They are what the maker knows now; its ledger may lack the last moment. Taking them changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_trio.engine.grid_face import GridFace
from mm_trio.history.past_state import MayRest, list_may_rest
from mm_trio.history.withheld import Offer, Withheld, find_withheld
from mm_trio.model.orders import FillResult, Side

__all__ = ["BookedFill", "GridFills", "GridOrders", "take_fills", "take_orders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOrders:
    """Orders of one grid that may rest, from the highest price down, and what of the amounts offered is in none.

    `boundary_price` is None before the start, and where the boundary is above the ladder: there is nothing to sell.
    """

    name: str
    coin: str
    boundary_level: int | None
    boundary_price: Decimal | None
    orders: tuple[MayRest, ...]
    offer: Offer
    withheld: Withheld


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedFill:
    """Fill of an order of ours.

    `time_ms` is the venue's time of it, None where the message had none. `fee` is in `fee_token`: "base", "quote", a
    third token's name, or None where none was named.
    """

    time_ms: int | None
    side: Side
    level_index: int
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_token: str | None
    complete: bool
    oid: int
    tid: int

    @classmethod
    def of(cls, fill: FillResult) -> BookedFill:
        """Return a fill as it is shown."""
        return cls(
            time_ms=fill.time_ms,
            side=fill.side,
            level_index=fill.level_index,
            price=fill.price,
            size=fill.size,
            fee=fill.fee,
            fee_token=fill.fee_token,
            complete=fill.fully_filled,
            oid=fill.oid,
            tid=fill.tid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFills:
    """Last fills of one grid, oldest first.

    `booked` counts all of this session. `is_whole`: none is missing that was booked in this session and asked for; an
    older one is in the ledger.
    """

    name: str
    coin: str
    booked: int
    is_whole: bool
    fills: tuple[BookedFill, ...]


def take_orders(name: str, face: GridFace, *, now_ms: int) -> GridOrders:
    """Take the orders of one grid. `now_ms` is of the machine's calendar."""
    inventory, quoting, boundary = face.inventory, face.settings.quoting, face.boundary_level
    orders = list_may_rest(face.order_state, now_ms=now_ms)
    offer = Offer.of(face.grid, quoting, token=inventory.effective_token, quote=inventory.effective_usdc)
    return GridOrders(
        name=name,
        coin=face.coin,
        boundary_level=boundary,
        boundary_price=None if boundary is None or boundary >= face.grid.n_orders else face.grid.levels[boundary],
        orders=orders,
        offer=offer,
        withheld=find_withheld(face.grid, quoting, offer, [order.quote for order in orders]),
    )


def take_fills(name: str, face: GridFace, *, since_ms: int | None, limit: int) -> GridFills:
    """Take the last `limit` fills of one grid that happened at `since_ms` or later, by the venue's time.

    One without a time counts as later.
    """
    remembered = [BookedFill.of(fill) for _, fill in face.recent_fills]
    wanted = [fill for fill in remembered if since_ms is None or fill.time_ms is None or fill.time_ms >= since_ms]
    kept = wanted[-limit:]
    # Where the oldest that is remembered is older than what was asked for, none in between was forgotten.
    reaches_back = len(remembered) == face.stats.fills or (bool(remembered) and remembered[0] not in wanted)
    is_whole = reaches_back and len(kept) == len(wanted)
    return GridFills(name=name, coin=face.coin, booked=face.stats.fills, is_whole=is_whole, fills=tuple(kept))
