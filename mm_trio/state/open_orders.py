"""Orders that may rest, by oid: where they are, what they come to, and where something changed.

Sums, best levels and prices are kept with every change, so that a tick need not look at orders that did not move.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import UserDict
from collections.abc import Collection, Iterator
from decimal import Decimal

from mm_trio.model.orders import Side, TrackedOrder

__all__ = ["OpenOrders", "Pair"]

Pair = tuple[Side, int]


class _SideOrders:
    """What is kept of the orders of one side."""

    def __init__(self) -> None:
        self.oids_at: dict[int, list[int]] = {}  # by level; more than one where the venue has a double
        self.levels: list[int] = []  # ascending, each once
        self.prices: list[Decimal] = []  # ascending, one for each order
        self.size = self.cost = Decimal(0)

    def add(self, order: TrackedOrder) -> None:
        oids = self.oids_at.setdefault(order.level_index, [])
        if not oids:
            insort(self.levels, order.level_index)
        oids.append(order.oid)
        insort(self.prices, order.price)
        self.size += order.size
        self.cost += order.size * order.price

    def remove(self, order: TrackedOrder) -> None:
        oids = self.oids_at[order.level_index]
        oids.remove(order.oid)
        if not oids:
            del self.oids_at[order.level_index]
            del self.levels[bisect_left(self.levels, order.level_index)]
        del self.prices[bisect_left(self.prices, order.price)]
        self.size -= order.size
        self.cost -= order.size * order.price


class OpenOrders(UserDict[int, TrackedOrder]):
    """A dict of orders by oid, oldest first. `n_changes` counts its changes, `touched` says where they were."""

    def __init__(self) -> None:
        super().__init__()
        self._sides: dict[Side, _SideOrders] = {"sell": _SideOrders(), "buy": _SideOrders()}
        self._in_doubt: dict[int, None] = {}
        self.n_changes = 0
        self.touched: set[Pair] = set()  # emptied by who has looked there

    def __setitem__(self, oid: int, order: TrackedOrder) -> None:
        old = self.data.get(oid)
        if old is not None:
            self._leave(old)
        self.data[oid] = order
        self._sides[order.side].add(order)
        if order.status == "in_doubt":
            self._in_doubt[oid] = None
        self._note(order)

    def __delitem__(self, oid: int) -> None:
        self._leave(self.data.pop(oid))

    def _leave(self, order: TrackedOrder) -> None:
        self._sides[order.side].remove(order)
        self._in_doubt.pop(order.oid, None)
        self._note(order)

    def _note(self, order: TrackedOrder) -> None:
        self.n_changes += 1
        self.touched.add((order.side, order.level_index))

    # --- reading ------------------------------------------------------------------------------

    @property
    def in_doubt(self) -> tuple[TrackedOrder, ...]:
        """Orders of which nobody can say whether they rest."""
        return tuple(self.data[oid] for oid in self._in_doubt)

    @property
    def n_in_doubt(self) -> int:
        """How many those are."""
        return len(self._in_doubt)

    @property
    def has_doubles(self) -> bool:
        """Whether any (side, level) has more than one order."""
        return len(self._sides["sell"].levels) + len(self._sides["buy"].levels) != len(self.data)

    def find_at(self, side: Side, level: int) -> TrackedOrder | None:
        """The oldest order of ours there."""
        oids = self._sides[side].oids_at.get(level)
        return self.data[oids[0]] if oids else None

    def pairs(self) -> Iterator[Pair]:
        """Where orders are."""
        return ((side, level) for side, orders in self._sides.items() for level in orders.oids_at)

    def levels(self, side: Side) -> Collection[int]:
        """Levels with an order of that side; asking for one takes no time."""
        return self._sides[side].oids_at.keys()

    def sum_size(self, side: Side) -> Decimal:
        """In base."""
        return self._sides[side].size

    def sum_cost(self, side: Side) -> Decimal:
        """Size times price, in quote."""
        return self._sides[side].cost

    def best_level(self, side: Side, *, without: Collection[int] = ()) -> int | None:
        """The level nearest to the other side, orders `without` left out."""
        orders = self._sides[side]
        if not without:
            return None if not orders.levels else orders.levels[0] if side == "sell" else orders.levels[-1]
        levels = orders.levels if side == "sell" else reversed(orders.levels)
        return next((n for n in levels if any(oid not in without for oid in orders.oids_at[n])), None)

    def find_inside(self, *, without: Collection[int] = ()) -> list[TrackedOrder]:
        """The order of each side that is nearest to the other one, orders `without` left out."""
        places = [(side, self.best_level(side, without=without)) for side in self._sides]
        found = [self.find_at(side, level) for side, level in places if level is not None]
        return [order for order in found if order is not None]

    def best_price(self, side: Side) -> Decimal | None:
        """The price nearest to the other side."""
        prices = self._sides[side].prices
        return None if not prices else prices[0] if side == "sell" else prices[-1]
