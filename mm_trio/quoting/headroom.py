"""Levels, prices and funds that are still free. Pure.

No level is used twice, no order of ours meets another one of ours, and the ledger pays for every order. It pays even
if an order that is about to leave, or that has just left, traded without our knowledge.
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
    """Order that rests or may rest."""

    @property
    def side(self) -> Side: ...
    @property
    def level_index(self) -> int: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def size(self) -> Decimal: ...


class Headroom:
    """Levels, prices and funds that present orders leave free.

    `tokens` in base, `quote` in quote units. The funds of `present` are subtracted; `book` holds further present
    orders whose funds are subtracted already. `guarded` are the sides on which the account holds no more than the
    ledger: there the venue itself refuses an order that the ledger does not cover, even after an unseen trade.
    """

    def __init__(
        self,
        present: Iterable[Present],
        *,
        tokens: Decimal,
        quote: Decimal,
        guarded: frozenset[Side] = frozenset(("buy", "sell")),
        book: OpenOrders | None = None,
    ) -> None:
        self._guarded = guarded
        self._levels: set[int] = set()
        self._book = book
        self._lowest_ask = None if book is None else book.best_price("sell")
        self._highest_bid = None if book is None else book.best_price("buy")
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
        """Compute what the ledger leaves free beside `orders` and `present`.

        All of `unsettled` are assumed to have traded in full before they left.
        """
        headroom = cls(
            present,
            tokens=ledger.effective_token - orders.sum_size("sell"),
            quote=ledger.effective_usdc - orders.sum_cost("buy"),
            guarded=ledger.find_guarded_sides(),
            book=orders,
        )
        headroom._reserve(unsettled)
        return headroom

    def _reserve(self, unsettled: Iterable[Present]) -> None:
        for order in unsettled:
            if order.side == "sell" and "sell" not in self._guarded:
                self.tokens -= order.size
            elif order.side == "buy" and "buy" not in self._guarded:
                self.quote -= order.size * order.price

    def covers_both(self, order: DesiredOrder) -> bool:
        """Take the funds for a replacement, if they suffice.

        The present order may trade in full meanwhile, so its own funds do not count: `order` has to be covered beside
        it. On a guarded side the venue checks that, and no funds are taken.
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
        """Resize a present order, if the free funds suffice.

        If so, the difference is taken from the free funds or returned to them.
        """
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
        """Take level and funds of a fitting new order.

        Return false, and take nothing, if it does not fit.
        """
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
        """Take the level that a present order moves to.

        It may stay on its own level, or move to a free one where it meets no order of ours. Its own level stays taken
        until the venue reports that the order has left.
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
        if self._book is not None and (level in self._book.levels("sell") or level in self._book.levels("buy")):
            return False
        if order.side == "sell":
            return self._highest_bid is None or order.price > self._highest_bid
        return self._lowest_ask is None or order.price < self._lowest_ask
