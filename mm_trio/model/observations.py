"""Immutable values of what was observed over time: prices, trades, our book, and whether anybody looked.

Times are milliseconds of the venue's calendar. Prices are in quote per base, sizes in base. The recorder writes them,
and every figure about earnings and liquidity is made of them and of the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from mm_trio.model.orders import Side

__all__ = [
    "BestPrices",
    "Coverage",
    "Mark",
    "MarketTrade",
    "Observed",
    "OwnBook",
    "RestingSize",
    "Watched",
]

# What is looked at: our own orders, or the market's feed.
Watched: TypeAlias = Literal["own", "market"]


@dataclass(frozen=True, slots=True)
class BestPrices:
    """Best bid and best ask of the market from `time_ms` on.

    None: that side is empty.
    """

    time_ms: int
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of both prices, exactly; None where a side is empty."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class MarketTrade:
    """Trade of the market, of anybody.

    `side` is that of the taker. `buyer` and `seller` are addresses, None where the venue does not name them.
    """

    time_ms: int
    tid: int
    price: Decimal
    size: Decimal
    side: Side
    buyer: str | None
    seller: str | None


@dataclass(frozen=True, slots=True)
class RestingSize:
    """Size of ours that rests at a price of one side."""

    side: Side
    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class OwnBook:
    """Everything of ours that rests, from `time_ms` on.

    `state` is a word for what the maker does ("quoting", "paused" …), `reason` why it places nothing, else None.
    """

    time_ms: int
    orders: tuple[RestingSize, ...]
    state: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Best prices `after_ms` after the fill at `fill_ms`; 0: the last ones before it.

    None: that side was empty. Where nobody looked, there is no mark.
    """

    fill_ms: int
    after_ms: int
    bid: Decimal | None
    ask: Decimal | None

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of both prices, exactly; None where a side is empty."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class Coverage:
    """Time in which somebody looked without a break: `from_ms` to `until_ms`, both included.

    Within it a value that was not observed anew has not changed. Outside of it nothing is known.
    """

    watched: Watched
    from_ms: int
    until_ms: int


Observed: TypeAlias = BestPrices | MarketTrade | OwnBook | Mark | Coverage
