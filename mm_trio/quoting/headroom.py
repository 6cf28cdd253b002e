"""What may still rest beside orders that are there: no level twice, no quote of ours met, all paid for. Pure.

Paid for by the ledger, also if an order that is about to leave, or left just now, traded without our knowing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol, Self

from mm_trio.model.orders import DesiredOrder, Side
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_table import OpenOrders

__all__ = ["Headroom", "Present"]


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


class Headroom:
    """Levels, prices and funds that `present` orders leave free. `tokens` in base, `quote` in quote units.

    `guarded` are the sides on which the account holds no more than the ledger: there the venue itself refuses
    what the ledger does not cover, whatever traded unseen.
    """

    def __init__(
        self,
        present: Iterable[Present],
        *,
        tokens: Decimal,
        quote: Decimal,
        guarded: frozenset[Side] = frozenset(("buy", "sell")),
    ) -> None:
        self._guarded = guarded
        self._levels: set[int] = set()
        self._orders: OpenOrders | None = None
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

    @classmethod
    def beside(
        cls, orders: OpenOrders, present: Iterable[Present], ledger: Inventory, *, unsettled: Iterable[Present]
    ) -> Self:
        """What the ledger leaves beside `orders` and `present`, if all of `unsettled` traded before it left."""
        room = cls(
            present,
            tokens=ledger.effective_token - orders.sum_size("sell"),
            quote=ledger.effective_usdc - orders.sum_cost("buy"),
            guarded=ledger.find_guarded_sides(),
        )
        room._orders = orders
        asks = [price for price in (room._lowest_ask, orders.best_price("sell")) if price is not None]
        bids = [price for price in (room._highest_bid, orders.best_price("buy")) if price is not None]
        room._lowest_ask, room._highest_bid = min(asks, default=None), max(bids, default=None)
        for order in unsettled:
            if order.side == "sell" and "sell" not in room._guarded:
                room.tokens -= order.size
            elif order.side == "buy" and "buy" not in room._guarded:
                room.quote -= order.size * order.price
        return room

    def covers_both(self, order: DesiredOrder) -> bool:
        """Say whether `order` may replace a present one in one request.

        The present one may trade whole meanwhile, so nothing of its funds counts: `order` has to be covered beside it.
        If it is, the funds of `order` are taken; on a guarded side the venue sees to it, and nothing is.
        """
        if order.side in self._guarded:
            return True
        if order.side == "sell":
            fits = order.size <= self.tokens
            self.tokens -= order.size if fits else 0
        else:
            fits = order.size * order.price <= self.quote
            self.quote -= order.size * order.price if fits else 0
        return fits

    def resize(self, present: Present, order: DesiredOrder) -> bool:
        """Whether a present order can become `order`: never for more than is free. If so, funds change hands."""
        if order.side not in self._guarded:
            return self.covers_both(order)
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
        if not self._is_clear(order):
            return False
        if order.side == "sell":
            fits = order.size <= self.tokens
            self.tokens -= order.size if fits else 0
        else:
            cost = order.size * order.price
            fits = cost <= self.quote
            self.quote -= cost if fits else 0
        if fits:
            self._levels.add(order.level_index)
        return fits

    def take_level(self, present: Present, order: DesiredOrder) -> bool:
        """Whether `present` may become an order of its own level, or of a free one that meets no quote of ours.

        If so that level is taken as well: its own is `present`'s until the venue says that it left.
        """
        if order.level_index == present.level_index:
            return True
        is_clear = self._is_clear(order)
        if is_clear:
            self._levels.add(order.level_index)
        return is_clear

    def _is_clear(self, order: DesiredOrder) -> bool:
        level = order.level_index
        if level in self._levels:
            return False
        if self._orders is not None and (level in self._orders.levels("sell") or level in self._orders.levels("buy")):
            return False
        if order.side == "sell":
            return self._highest_bid is None or order.price > self._highest_bid
        return self._lowest_ask is None or order.price < self._lowest_ask
