"""One pair's order book in price-time priority, and what an incoming order would meet in it.

It knows resting orders only; balances, fees and rules are not its business.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from itertools import islice

from mm_trio.sandbox.model.commands import OrderRecord

__all__ = ["Book", "BookView", "Level", "LiveOrder", "MatchPlan"]


@dataclass(slots=True)
class LiveOrder:
    """A resting order. `record` tells its last change of status, `remaining` what is left now."""

    record: OrderRecord
    remaining: Decimal

    def as_of_now(self) -> OrderRecord:
        untouched = self.remaining == self.record.size
        return self.record if untouched else replace(self.record, size=self.remaining)


@dataclass(frozen=True, slots=True)
class Level:
    price: Decimal
    size: Decimal
    n_orders: int


@dataclass(frozen=True, slots=True)
class BookView:
    """Both sides, best first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class MatchPlan:
    """What an incoming order would do: whom it hits and by how much, which of its owner's it cancels."""

    executions: tuple[tuple[LiveOrder, Decimal], ...]
    own: tuple[LiveOrder, ...]
    unfilled: Decimal

    @property
    def notional(self) -> Decimal:
        return sum((order.record.price * size for order, size in self.executions), Decimal(0))


class _Side:
    """One side: orders by price, and within a price in order of arrival."""

    def __init__(self, *, is_buy: bool) -> None:
        self._is_buy = is_buy
        self._queues: dict[Decimal, dict[int, LiveOrder]] = {}
        self._prices: list[Decimal] = []  # ascending

    def add(self, order: LiveOrder) -> None:
        price = order.record.price
        if price not in self._queues:
            self._queues[price] = {}
            insort(self._prices, price)
        self._queues[price][order.record.oid] = order

    def remove(self, order: LiveOrder) -> None:
        price = order.record.price
        del self._queues[price][order.record.oid]
        if not self._queues[price]:
            del self._queues[price]
            del self._prices[bisect_left(self._prices, price)]

    def best(self) -> Decimal | None:
        if not self._prices:
            return None
        return self._prices[-1] if self._is_buy else self._prices[0]

    def queues(self) -> Iterator[tuple[Decimal, dict[int, LiveOrder]]]:
        """Price and orders, best price first."""
        for price in reversed(self._prices) if self._is_buy else self._prices:
            yield price, self._queues[price]

    def levels(self, depth: int | None) -> tuple[Level, ...]:
        return tuple(
            Level(price, sum((order.remaining for order in queue.values()), Decimal(0)), len(queue))
            for price, queue in islice(self.queues(), depth)
        )


class Book:
    def __init__(self) -> None:
        self._sides = {True: _Side(is_buy=True), False: _Side(is_buy=False)}

    def add(self, order: LiveOrder) -> None:
        self._sides[order.record.is_buy].add(order)

    def remove(self, order: LiveOrder) -> None:
        self._sides[order.record.is_buy].remove(order)

    def best(self, *, is_buy: bool) -> Decimal | None:
        """The best resting price of that side."""
        return self._sides[is_buy].best()

    def crosses(self, *, is_buy: bool, price: Decimal) -> bool:
        """Would an order of that side at that price meet a resting one?"""
        opposite = self.best(is_buy=not is_buy)
        return opposite is not None and (price >= opposite if is_buy else price <= opposite)

    def view(self, *, depth: int | None = None) -> BookView:
        """So many levels a side; None: all of them."""
        return BookView(self._sides[True].levels(depth), self._sides[False].levels(depth))

    def plan_match(
        self,
        *,
        owner: str,
        is_buy: bool,
        price: Decimal,
        size: Decimal,
        purse: Decimal | None = None,
        lot: Decimal = Decimal(1),
    ) -> MatchPlan:
        """Walk the opposite side in priority order; changes nothing.

        With a `purse` (what the order may spend: quote for a buy, base for a sell) it stops at the last
        whole lot that the purse pays for. The owner's own orders in the way are cancelled, not hit.
        """
        executions: list[tuple[LiveOrder, Decimal]] = []
        own: list[LiveOrder] = []
        unfilled = size
        for order in self._crossed(is_buy=is_buy, price=price):
            if order.record.address == owner:
                own.append(order)
                continue
            wanted = take = min(unfilled, order.remaining)
            if purse is not None:
                cost = order.record.price if is_buy else Decimal(1)
                take = min(take, (purse / cost).quantize(lot, rounding=ROUND_DOWN))
                purse -= take * cost
            if take:
                executions.append((order, take))
                unfilled -= take
            if not unfilled or take < wanted:
                break
        return MatchPlan(tuple(executions), tuple(own), unfilled)

    def _crossed(self, *, is_buy: bool, price: Decimal) -> Iterator[LiveOrder]:
        for resting, queue in self._sides[not is_buy].queues():
            if (resting > price) if is_buy else (resting < price):
                return
            yield from queue.values()
