"""Known orders, each in one phase; the open ones indexed.

The index keeps sums, best levels and prices with every change, so that a tick need not look at orders that did not
change.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import UserDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from itertools import chain, count

from mm_trio.model.cloid import MAX_LEVELS
from mm_trio.model.orders import Intent, Phase, Quote, Side, Slot, TrackedOrder
from mm_trio.state.order_phases import CLOSED, OPEN

__all__ = ["LevelFinder", "OpenOrders", "OrderTable"]

# Prices and sizes in use by orders that left: a ladder of 4,000 levels has so many prices, and few sizes.
AMOUNTS_SHARED = 8_192


class LevelFinder:
    """Finder of levels of a new ladder for orders of another one, by their prices, each level once a side.

    An order at no level of it gets one beyond its ends, which nothing else has.
    """

    def __init__(self, levels: Mapping[Decimal, int]) -> None:
        self._levels = levels
        self._taken: set[Slot] = set()
        self._beside: dict[Side, Iterator[int]] = {"sell": count(MAX_LEVELS), "buy": count(-1, -1)}

    def __call__(self, quote: Quote) -> int:
        """Find the level of an order."""
        level = self._levels.get(quote.price)
        if level is None or (quote.side, level) in self._taken:
            return next(self._beside[quote.side])
        self._taken.add((quote.side, level))
        return level


class OrderTable:
    """Orders by oid, or by cloid while in flight.

    `open` indexes those in an open phase. `changed_s` is when what rests last changed. Of the orders that left the
    book, beyond `left_remembered` the oldest are forgotten; one whose fills are due is never forgotten.
    """

    def __init__(self, left_remembered: int) -> None:
        self.in_flight: dict[str, Intent] = {}
        self.open = OpenOrders()
        self.changed_s = float("-inf")
        self._closed: dict[int, TrackedOrder] = {}  # Oldest first.
        self._oids_in: dict[Phase, dict[int, None]] = {phase: {} for phase in CLOSED}
        self._left_remembered = left_remembered

    def find(self, oid: int) -> TrackedOrder | None:
        """Return a known order, whatever its phase."""
        return self.open.get(oid) or self._closed.get(oid)

    def find_closed(self, oid: int) -> TrackedOrder | None:
        """Return an order that left the book."""
        return self._closed.get(oid)

    def put(self, order: TrackedOrder, *, is_newest: bool = True) -> None:
        """Keep an order in the phase of its status.

        One that left the book is remembered from now on; without `is_newest` it keeps its place among the others.
        """
        oid = order.oid
        open_before = self.open.get(oid)
        if (None if open_before is None else open_before.quote) != (order.quote if order.status in OPEN else None):
            self.changed_s = max(self.changed_s, order.touched_s)
        if order.status in OPEN:
            assert oid not in self._closed, order
            self.open[oid] = order
            return
        order = _share_amounts(order)
        old = self._closed.pop(oid, None) if is_newest else self._closed.get(oid)
        if old is None:
            self.open.pop(oid, None)
        elif is_newest or old.status is not order.status:
            del self._oids_in[old.status][oid]
        self._closed[oid] = order
        self._oids_in[order.status][oid] = None
        if self.n_left > self._left_remembered:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        due = self._oids_in[Phase.FILLS_DUE]
        oldest = next(oid for oid in self._closed if oid not in due)
        del self._oids_in[self._closed.pop(oldest).status][oldest]

    @property
    def n_left(self) -> int:
        """Count orders that left with no fills due."""
        return len(self._closed) - len(self._oids_in[Phase.FILLS_DUE])

    def get_in(self, phase: Phase) -> tuple[TrackedOrder, ...]:
        """Return the orders in this closed phase, oldest first."""
        return tuple([self._closed[oid] for oid in self._oids_in[phase]])

    def count_in(self, phase: Phase) -> int:
        """Count the orders in this closed phase."""
        return len(self._oids_in[phase])

    def get_closed(self) -> tuple[TrackedOrder, ...]:
        """Return every order that left the book, oldest first."""
        return tuple(self._closed.values())

    def is_taken(self, slot: Slot) -> bool:
        """Return whether an order may trade at this (side, level)."""
        due = (order.slot for order in self.get_in(Phase.FILLS_DUE))
        sent = (intent.quote.slot for intent in self.in_flight.values())
        return self.open.find_at(*slot) is not None or slot in chain(due, sent)


def _share_amounts(order: TrackedOrder) -> TrackedOrder:
    """Use the same numbers for all orders that left.

    Most have the price and the size of another one, and each number of its own takes 100 bytes.
    """
    price, size, filled = (_share(str(amount)) for amount in (order.price, order.size, order.filled))
    return replace(order, price=price, size=size, filled=filled)


@lru_cache(maxsize=AMOUNTS_SHARED)
def _share(text: str) -> Decimal:
    return Decimal(text)


class _SideOrders:
    """Index of the orders of one side."""

    def __init__(self) -> None:
        # By level; a list has more than one oid where the venue has a double.
        self.oids_at: dict[int, list[int]] = {}
        self.levels: list[int] = []  # Ascending, each once.
        self.prices: list[Decimal] = []  # Ascending, one for each order.
        self.size = self.cost = Decimal(0)

    def add(self, order: TrackedOrder) -> None:
        """Count an order in."""
        oids = self.oids_at.setdefault(order.level_index, [])
        if not oids:
            insort(self.levels, order.level_index)
        oids.append(order.oid)
        insort(self.prices, order.price)
        self.size += order.size
        self.cost += order.size * order.price

    def remove(self, order: TrackedOrder) -> None:
        """Count an order out."""
        oids = self.oids_at[order.level_index]
        oids.remove(order.oid)
        if not oids:
            del self.oids_at[order.level_index]
            del self.levels[bisect_left(self.levels, order.level_index)]
        del self.prices[bisect_left(self.prices, order.price)]
        self.size -= order.size
        self.cost -= order.size * order.price


class OpenOrders(UserDict[int, TrackedOrder]):
    """Dict of the open orders by oid, oldest first.

    `n_changes` counts its changes. `touched` has the slots where they were; the reader that has looked there
    empties it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sides: dict[Side, _SideOrders] = {"sell": _SideOrders(), "buy": _SideOrders()}
        self._in_doubt: dict[int, None] = {}
        self.n_changes = 0
        self.touched: set[Slot] = set()

    def __setitem__(self, oid: int, order: TrackedOrder) -> None:
        old = self.data.get(oid)
        if old is not None:
            self._leave(old)
        self.data[oid] = order
        self._sides[order.side].add(order)
        if order.status == Phase.IN_DOUBT:
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
        self.touched.add(order.slot)

    @property
    def in_doubt(self) -> tuple[TrackedOrder, ...]:
        """Return the orders that may be open or not."""
        return tuple([self.data[oid] for oid in self._in_doubt])

    @property
    def n_in_doubt(self) -> int:
        """Count the orders in doubt."""
        return len(self._in_doubt)

    @property
    def has_doubles(self) -> bool:
        """Return whether any (side, level) has more than one order."""
        return len(self._sides["sell"].levels) + len(self._sides["buy"].levels) != len(self.data)

    def find_at(self, side: Side, level: int) -> TrackedOrder | None:
        """Return the oldest order of ours there."""
        oids = self._sides[side].oids_at.get(level)
        return self.data[oids[0]] if oids else None

    def slots(self) -> Iterator[Slot]:
        """Return each (side, level) with an order."""
        return ((side, level) for side, orders in self._sides.items() for level in orders.oids_at)

    def levels(self, side: Side) -> Collection[int]:
        """Return levels with an order of that side.

        Asking for one takes constant time.
        """
        return self._sides[side].oids_at.keys()

    def sum_size(self, side: Side) -> Decimal:
        """Sum the sizes of one side, in base."""
        return self._sides[side].size

    def sum_cost(self, side: Side) -> Decimal:
        """Sum size times price of one side, in quote."""
        return self._sides[side].cost

    def best_level(self, side: Side, *, without: Collection[int] = ()) -> int | None:
        """Return the level nearest to the other side.

        The oids `without` are left out.
        """
        orders = self._sides[side]
        if not without:
            return None if not orders.levels else orders.levels[0] if side == "sell" else orders.levels[-1]
        levels = orders.levels if side == "sell" else reversed(orders.levels)
        return next((n for n in levels if any(oid not in without for oid in orders.oids_at[n])), None)

    def find_inside(self, *, without: Collection[int] = ()) -> list[TrackedOrder]:
        """Return each side's order nearest to the other.

        The oids `without` are left out.
        """
        slots = [(side, self.best_level(side, without=without)) for side in self._sides]
        found = [self.find_at(side, level) for side, level in slots if level is not None]
        return [order for order in found if order is not None]

    def best_price(self, side: Side) -> Decimal | None:
        """Return the price nearest to the other side."""
        prices = self._sides[side].prices
        return None if not prices else prices[0] if side == "sell" else prices[-1]
