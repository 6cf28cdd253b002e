"""HIP-2's market by its own rule, as a model.

A second implementation beside the maker's, and independent of it: it says what recorded or made-up takers should find.
It knows no clock; whoever has one calls `update`. Not modelled: orders of others, which block a post-only order.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Hip2Model", "LadderStart", "ModelFill", "ModelOrder"]

_ZERO = Decimal(0)


@dataclass(slots=True)
class ModelOrder:
    """Resting order, with what is left of it."""

    oid: int
    size: Decimal


@dataclass(frozen=True, slots=True)
class ModelFill:
    """Fill of one of the model's orders, on the model's side."""

    is_buy: bool
    price: Decimal
    size: Decimal
    oid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStart:
    """Ladder and balances to begin with.

    `tokens` are at most one whole order for each level; `quote` None is plenty. `bid_left` is what is left of a bid
    that rests on the remainder's level (None: none does).
    Units: base and quote; `lot` is the least step of a size.
    """

    levels: tuple[Decimal, ...]
    order_size: Decimal
    lot: Decimal
    tokens: Decimal
    quote: Decimal | None = None
    bid_left: Decimal | None = None

    @property
    def remainder_level(self) -> int:
        """Level below those of the whole asks."""
        return _find_remainder_level(self, self.tokens)

    @property
    def boundary(self) -> int:
        """Lowest level with an ask."""
        is_bid = self.bid_left is not None or self.tokens % self.order_size == 0
        return self.remainder_level + is_bid


def _find_remainder_level(start: LadderStart, tokens: Decimal) -> int:
    return len(start.levels) - int(tokens // start.order_size) - 1


class Hip2Model:
    """Ladder of HIP-2 with its balances.

    Source: HIP-2 as observed on recorded fills: a bid on the remainder's level is left as it is, all other orders are
    made whole at an update, and only a complete fill changes a level's side.
    """

    def __init__(self, start: LadderStart) -> None:
        self.levels, self.order_size, self.lot = start.levels, start.order_size, start.lot
        self.tokens, self.quote = start.tokens, start.quote
        self.bids: dict[int, ModelOrder] = {}
        self.asks: dict[int, ModelOrder] = {}
        self._start = start
        self._last_oid = 0
        if start.bid_left is not None:
            self._put(self.bids, start.remainder_level, start.bid_left)
        self.update()

    def update(self) -> None:
        """Make the ladder whole, as HIP-2 does every three seconds.

        New orders have consecutive oids: bids from the best downwards, then asks from the best upwards.
        """
        shared = _find_remainder_level(self._start, self.tokens)
        remainder = self.tokens // self.lot * self.lot % self.order_size
        if remainder and shared in self.bids:
            first_bid = shared - 1
            free_quote = self._find_free_quote(spent=self.bids[shared].size * self.levels[shared])
        else:
            first_bid, free_quote = shared - (remainder > 0), self._find_free_quote(spent=_ZERO)
        for level in range(first_bid, -1, -1):
            free_quote = self._put_bid(level, free_quote)
        if remainder and shared >= 0 and shared not in self.bids:
            self._put(self.asks, shared, remainder)
        for level in range(max(shared + 1, 0), len(self.levels)):
            self._put(self.asks, level, self.order_size)

    def _find_free_quote(self, *, spent: Decimal) -> Decimal | None:
        return None if self.quote is None else self.quote - spent

    def _put_bid(self, level: int, free_quote: Decimal | None) -> Decimal | None:
        """Make a bid whole as far as the quote reaches.

        Return what is left of the quote.
        """
        price, size = self.levels[level], self.order_size
        if free_quote is not None:
            size = min(size, max(free_quote, _ZERO) // (price * self.lot) * self.lot)
            free_quote = free_quote - size * price if size == self.order_size else _ZERO
        if size > 0:
            self._put(self.bids, level, size)
        else:
            self.bids.pop(level, None)
        return free_quote

    def _put(self, side: dict[int, ModelOrder], level: int, size: Decimal) -> None:
        """Place an order, or replace one of another size.

        An order that is right keeps its oid.
        """
        if level in side and side[level].size == size:
            return
        self._last_oid += 1
        side[level] = ModelOrder(self._last_oid, size)

    def take(self, *, is_buy: bool, size: Decimal, limit: Decimal) -> list[ModelFill]:
        """Fill a taker within his size and limit.

        `is_buy` is the model's side. Return the fills, best price first.
        """
        side, fills = self.bids if is_buy else self.asks, []
        for level in sorted(side, reverse=is_buy):
            price, order = self.levels[level], side[level]
            if size <= 0 or (price < limit if is_buy else price > limit):
                break
            part = min(size, order.size)
            size -= part
            order.size -= part
            self._move(part if is_buy else -part, price)
            fills.append(ModelFill(is_buy, price, part, order.oid))
            if order.size == 0:
                del side[level]
        return fills

    def _move(self, tokens: Decimal, price: Decimal) -> None:
        self.tokens += tokens
        if self.quote is not None:
            self.quote -= tokens * price
