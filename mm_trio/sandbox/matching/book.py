"""Order book of one pair in price-time priority.

It knows resting orders only; balances, fees and rules are handled elsewhere.
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
    """Resting order.

    `record` is its last change of status, `remaining` the size that is open now.
    """

    record: OrderRecord
    remaining: Decimal

    def as_of_now(self) -> OrderRecord:
        """Return the record with the current open size."""
        untouched = self.remaining == self.record.size
        return self.record if untouched else replace(self.record, size=self.remaining)


@dataclass(frozen=True, slots=True)
class Level:
    """Total size and number of orders at one price."""

    price: Decimal
    size: Decimal
    n_orders: int


@dataclass(frozen=True, slots=True)
class BookView:
    """Levels of both sides, best first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class MatchPlan:
    """Planned executions of an incoming order.

    `executions` are the orders it would hit, with sizes; `own` are orders of the same owner, which it would cancel.
    """

    executions: tuple[tuple[LiveOrder, Decimal], ...]
    own: tuple[LiveOrder, ...]
    unfilled: Decimal

    @property
    def notional(self) -> Decimal:
        """Sum of price times size, in quote."""
        return sum((order.record.price * size for order, size in self.executions), Decimal(0))


class _Side:
    """Orders of one side, by price and arrival."""

    def __init__(self, *, is_buy: bool) -> None:
        self._is_buy = is_buy
        self._queues: dict[Decimal, dict[int, LiveOrder]] = {}
        self._prices: list[Decimal] = []  # Ascending.

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
        """Yield each price with its orders, best price first."""
        for price in reversed(self._prices) if self._is_buy else self._prices:
            yield price, self._queues[price]

    def levels(self, depth: int | None) -> tuple[Level, ...]:
        return tuple(
            Level(price, sum((order.remaining for order in queue.values()), Decimal(0)), len(queue))
            for price, queue in islice(self.queues(), depth)
        )


class Book:
    """Resting orders of one pair."""

    def __init__(self) -> None:
        self._sides = {True: _Side(is_buy=True), False: _Side(is_buy=False)}

    def add(self, order: LiveOrder) -> None:
        """Put an order behind all others at its price."""
        self._sides[order.record.is_buy].add(order)

    def remove(self, order: LiveOrder) -> None:
        """Take an order off the book.

        Errors: KeyError if it is not there.
        """
        self._sides[order.record.is_buy].remove(order)

    def best(self, *, is_buy: bool) -> Decimal | None:
        """Return a side's best price; None if empty."""
        return self._sides[is_buy].best()

    def crosses(self, *, is_buy: bool, price: Decimal) -> bool:
        """Check if an order would match at once."""
        opposite = self.best(is_buy=not is_buy)
        return opposite is not None and (price >= opposite if is_buy else price <= opposite)

    def view(self, *, depth: int | None = None) -> BookView:
        """Return `depth` levels a side; None returns all."""
        return BookView(self._sides[True].levels(depth), self._sides[False].levels(depth))

    def plan_match(
        self,
        *,
        owner: str,
        is_buy: bool,
        price: Decimal,
        size: Decimal,
        spendable: Decimal | None = None,
        lot: Decimal = Decimal(1),
    ) -> MatchPlan:
        """Plan an incoming order's executions; change nothing.

        Walks the opposite side in priority order. `spendable` is the amount that the order may spend, in quote for
        a buy and in base for a sell: with it the walk stops at the last whole lot that it pays for. The owner's own
        orders on the way are listed for cancelling and not hit.
        """
        executions: list[tuple[LiveOrder, Decimal]] = []
        own: list[LiveOrder] = []
        unfilled = size
        for order in self._crossed(is_buy=is_buy, price=price):
            if order.record.address == owner:
                own.append(order)
                continue
            wanted = take = min(unfilled, order.remaining)
            if spendable is not None:
                cost = order.record.price if is_buy else Decimal(1)
                take = min(take, (spendable / cost).quantize(lot, rounding=ROUND_DOWN))
                spendable -= take * cost
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
