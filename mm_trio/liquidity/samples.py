"""Samples: what is known at each whole second of the venue's time, written as changes.

A sample holds until the next change. What was not watched is unknown, never the last known value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Final, TypeAlias

from mm_trio.model.orders import Side

__all__ = [
    "KEPT",
    "BookChange",
    "BookSide",
    "Change",
    "Fill",
    "Kept",
    "MarketPrices",
    "OwnState",
    "Volume",
    "change_book",
]


class Kept(Enum):
    """Mark of what a change leaves as it is."""

    KEPT = "kept"


KEPT: Final = Kept.KEPT

# More than the venue lets one account rest, and little enough to hold.
MOST_ORDERS = 50_000
# (side, price) → size, both in units.
Sizes: TypeAlias = Mapping[tuple[Side, int], int]


@dataclass(frozen=True, slots=True)
class MarketPrices:
    """Best bid and ask of the market, in units. None: that side is empty."""

    bid: int | None
    ask: int | None


@dataclass(frozen=True, slots=True)
class BookChange:
    """Change of our book: what the maker does, why it does not quote, and new sizes; a size of 0 is gone.

    Where our book was unknown before, the sizes are all of it.
    """

    state: str
    reason: str | None
    sizes: tuple[tuple[Side, int, int], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What is different from the sample at `second` on. None: unknown from here on."""

    second: int
    market: MarketPrices | Kept | None = KEPT
    own: BookChange | Kept | None = KEPT


@dataclass(frozen=True, slots=True)
class Fill:
    """Fill of ours, as the venue reported it; `time_ms` is the venue's, price and size are in units."""

    time_ms: int
    tid: int
    oid: int
    price: int
    size: int
    side: Side

    @property
    def key(self) -> tuple[int, int, int]:
        """Return the place of the fill among all."""
        return self.time_ms, self.tid, self.oid


@dataclass(frozen=True, slots=True)
class Volume:
    """Trades of the market on one UTC day, while it was watched.

    `own_…` are those that name the account as a party. Sizes are in units of amounts, notionals in units of notionals.
    """

    day_s: int
    trades: int
    size: int
    notional: int
    own_trades: int
    own_notional: int


class BookSide:
    """One side of our book, from its best price outward, with sums up to each price."""

    __slots__ = ("notionals", "prices", "sizes", "sorted_prices")

    def __init__(self, levels: list[tuple[int, int]], *, is_bid: bool) -> None:
        levels = sorted(levels, reverse=is_bid)
        self.prices = [price for price, _ in levels]
        # Sums of the levels 0 to i - 1 at place i.
        self.sizes = list(accumulate((size for _, size in levels), initial=0))
        self.notionals = list(accumulate((price * size for price, size in levels), initial=0))
        # For searching: in ascending order of how far a price is from the best one.
        self.sorted_prices = [-price for price in self.prices] if is_bid else self.prices

    @property
    def best(self) -> int | None:
        """Return the best price."""
        return self.prices[0] if self.prices else None


@dataclass(frozen=True, slots=True)
class OwnState:
    """Our book at a sample, whole."""

    state: str
    reason: str | None
    sizes: Sizes
    bids: BookSide
    asks: BookSide


def change_book(before: OwnState | None, change: BookChange) -> OwnState:
    """Return our book after a change. Errors: ValueError for a change of what cannot be there."""
    sizes = {} if before is None else dict(before.sizes)
    for side, price, size in change.sizes:
        if size:
            sizes[side, price] = size
        elif sizes.pop((side, price), None) is None:
            raise ValueError(f"{side} at {price} is removed, but nothing rests there")
    if len(sizes) > MOST_ORDERS:
        raise ValueError(f"our book has more than {MOST_ORDERS} orders")
    # Most changes are of one side, and the other one stays as it is.
    changed = {side for side, _, _ in change.sizes}
    bids = _sort(sizes, "buy") if before is None or "buy" in changed else before.bids
    asks = _sort(sizes, "sell") if before is None or "sell" in changed else before.asks
    return OwnState(change.state, change.reason, sizes, bids, asks)


def _sort(sizes: Sizes, side: Side) -> BookSide:
    return BookSide([(price, size) for (at, price), size in sizes.items() if at == side], is_bid=side == "buy")
