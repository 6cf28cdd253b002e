"""Samples: what is known at each whole second of the venue's time, written as changes.

A sample holds until the next change. What was not watched is unknown, never the last known value. Changes are named
tuples, because there are millions.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

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
]


class Kept(Enum):
    """Mark of what a change leaves as it is."""

    KEPT = "kept"


KEPT: Final = Kept.KEPT

# More than the venue lets one account rest, and little enough to hold.
MOST_ORDERS = 50_000


class MarketPrices(NamedTuple):
    """Best bid and ask of the market, in units. None: that side is empty."""

    bid: int | None
    ask: int | None


class BookChange(NamedTuple):
    """Change of our book: what the maker does, why it does not quote, and new sizes; a size of 0 is gone.

    Where our book was unknown before, the sizes are all of it.
    """

    state: str
    reason: str | None
    sizes: tuple[tuple[Side, int, int], ...]


class Change(NamedTuple):
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
    """One side of our book, with sums from the price that is farthest out inward.

    What trades is near the best price, so that a change there leaves most of the sums as they are.
    """

    __slots__ = ("_first_stale", "keys", "level_sizes", "notionals", "sizes")

    def __init__(self) -> None:
        # Prices of bids and negative prices of asks, ascending: the last one is the best.
        self.keys: list[int] = []
        self.level_sizes: list[int] = []
        # Sums of the levels 0 to i - 1 at place i.
        self.sizes = [0]
        self.notionals = [0]
        self._first_stale = 0

    @property
    def best(self) -> int | None:
        """Return the best price."""
        return abs(self.keys[-1]) if self.keys else None

    def has(self, key: int) -> bool:
        """Check if something rests at a key."""
        place = bisect_left(self.keys, key)
        return place < len(self.keys) and self.keys[place] == key

    def put(self, key: int, size: int) -> bool:
        """Set the size at a key, 0 for nothing; return whether there was something. `sum_up` has to follow."""
        keys, place = self.keys, bisect_left(self.keys, key)
        was_there = place < len(keys) and keys[place] == key
        if size and was_there:
            self.level_sizes[place] = size
        elif size:
            keys.insert(place, key)
            self.level_sizes.insert(place, size)
        elif was_there:
            del keys[place], self.level_sizes[place]
        self._first_stale = min(self._first_stale, place)
        return was_there

    def sum_up(self) -> None:
        """Bring the sums up to date."""
        first = self._first_stale
        sizes, notionals = self.sizes, self.notionals
        del sizes[first + 1 :], notionals[first + 1 :]
        size_sum, notional_sum = sizes[first], notionals[first]
        for key, size in zip(self.keys[first:], self.level_sizes[first:], strict=True):
            size_sum += size
            notional_sum += abs(key) * size
            sizes.append(size_sum)
            notionals.append(notional_sum)
        self._first_stale = len(self.keys)


class OwnState:
    """Our book at a sample, whole."""

    __slots__ = ("asks", "bids", "reason", "state")

    def __init__(self) -> None:
        self.state = ""
        self.reason: str | None = None
        self.bids, self.asks = BookSide(), BookSide()

    def has(self, side: Side, price: int) -> bool:
        """Check if something of ours rests at a price."""
        return self.bids.has(price) if side == "buy" else self.asks.has(-price)

    def apply(self, change: BookChange) -> None:
        """Make a change. Errors: ValueError for a change of what cannot be there."""
        self.state, self.reason = change.state, change.reason
        bids, asks = self.bids, self.asks
        for side, price, size in change.sizes:
            was_there = bids.put(price, size) if side == "buy" else asks.put(-price, size)
            if not size and not was_there:
                raise ValueError(f"{side} at {price} is removed, but nothing rests there")
        if len(bids.keys) + len(asks.keys) > MOST_ORDERS:
            raise ValueError(f"our book has more than {MOST_ORDERS} orders")
        bids.sum_up()
        asks.sum_up()
