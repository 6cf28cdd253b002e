"""What may still rest beside orders that are there: no level twice, no quote of ours met, all paid for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

from mm_trio.model import DesiredOrder, Side

__all__ = ["Present", "Room"]


class Present(Protocol):
    """An order that rests, or may: it occupies its level and its share of the funds."""

    @property
    def side(self) -> Side: ...
    @property
    def level_index(self) -> int: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def size(self) -> Decimal: ...


class Room:
    """Levels, prices and funds that `present` orders leave free. `tokens` in base, `quote` in quote units."""

    def __init__(self, present: Iterable[Present], *, tokens: Decimal, quote: Decimal) -> None:
        self._levels: set[int] = set()
        self._lowest_ask: Decimal | None = None
        self._highest_bid: Decimal | None = None
        self.tokens = tokens
        self.quote = quote
        for order in present:
            self._levels.add(order.level_index)
            if order.side == "sell":
                self._lowest_ask = order.price if self._lowest_ask is None else min(self._lowest_ask, order.price)
                self.tokens -= order.size
            else:
                self._highest_bid = order.price if self._highest_bid is None else max(self._highest_bid, order.price)
                self.quote -= order.size * order.price

    def is_locked(self, level_index: int) -> bool:
        """Whether something is at this level, on either side."""
        return level_index in self._levels

    def resize(self, present: Present, order: DesiredOrder) -> bool:
        """Whether a present order can become `order`: never for more than is free. If so, funds change hands."""
        if order.side == "sell":
            more = order.size - present.size
            fits = more <= 0 or more <= self.tokens
            self.tokens -= more if fits else 0
        else:
            more = order.size * order.price - present.size * present.price
            fits = more <= 0 or more <= self.quote
            self.quote -= more if fits else 0
        return fits

    def take(self, order: DesiredOrder) -> bool:
        """Whether the order fits beside all that is there; if so its level and funds are taken."""
        if order.level_index in self._levels:
            return False
        if order.side == "sell":
            fits = order.size <= self.tokens and (self._highest_bid is None or order.price > self._highest_bid)
            self.tokens -= order.size if fits else 0
        else:
            cost = order.size * order.price
            fits = cost <= self.quote and (self._lowest_ask is None or order.price < self._lowest_ask)
            self.quote -= cost if fits else 0
        if fits:
            self._levels.add(order.level_index)
        return fits
