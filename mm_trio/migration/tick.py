"""One tick of a change: what may be sent without a gap, a crossing or an order that nobody pays for. Pure.

The sender's order is cancels, modifies, places. In which order modifies arrive is not known, so an order that is being
moved counts at its old place and at its new one until the tick ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from mm_trio.migration.terms import MigrationStep, MigrationTerms, find_inside, measure
from mm_trio.model.orders import DesiredOrder, Quote, Side, TrackedOrder

__all__ = ["Tick"]

Order = Quote | TrackedOrder
# What keeps a new order from being sent now: another order at or across its price, or funds and the count of orders.
Obstacle = Literal["price", "room"]
_OTHER: dict[Side, Side] = {"sell": "buy", "buy": "sell"}


class Tick:
    """Orders of a grid while one tick is put together.

    `going` have no place in the target, `coming` are its orders whose place is empty, `resized` stay and change size.
    """

    def __init__(self, resting: Sequence[TrackedOrder], terms: MigrationTerms) -> None:
        wanted = {(order.side, order.price): order for order in terms.target}
        self._terms = terms
        self._cancels: list[TrackedOrder] = []
        self._modifies: list[tuple[TrackedOrder, DesiredOrder]] = []
        self._places: list[DesiredOrder] = []
        self._after: dict[tuple[Side, Decimal], Order] = {}
        self._present: dict[tuple[Side, Decimal], Order] = {}
        self.going: dict[Side, list[TrackedOrder]] = {"sell": [], "buy": []}
        self.resized: list[tuple[TrackedOrder, DesiredOrder]] = []
        self._held: dict[Side, Decimal] = {"sell": Decimal(0), "buy": Decimal(0)}
        for order in resting:
            place = (order.side, order.price)
            self._after[place] = self._present[place] = order
            self._held[order.side] += measure(order)
            if place not in wanted:
                self.going[order.side].append(order)
            elif wanted[place].size != order.size:
                self.resized.append((order, wanted[place]))
        self.coming: dict[Side, list[DesiredOrder]] = {"sell": [], "buy": []}
        for place, new in wanted.items():
            if place not in self._after:
                self.coming[place[0]].append(new)
        # A side may hold what it held before, and never more than that or its funds.
        self._most = {side: max(held, terms.find_funds(side)) for side, held in self._held.items()}
        self._edges = {side: self._find_edge(side) for side in _OTHER}
        for side in self.going:
            self.going[side].sort(key=lambda order: order.price, reverse=side == "sell")

    @property
    def left(self) -> int:
        """Count the items that may still be sent."""
        return self._terms.items - len(self._cancels) - len(self._modifies) - len(self._places)

    @property
    def is_wide(self) -> bool:
        """Check if the inside lacks a side that is wanted, or is wider than before and after the change."""
        inside, wanted = find_inside(self._after.values()), find_inside(self._terms.target)
        if (inside.bid is None and wanted.bid is not None) or (inside.ask is None and wanted.ask is not None):
            return True
        widest = self._terms.widest
        return widest is not None and inside.width is not None and inside.width > widest

    def make_step(self) -> MigrationStep:
        """Return what was put together."""
        return MigrationStep(cancels=tuple(self._cancels), modifies=tuple(self._modifies), places=tuple(self._places))

    # --- What may be done ------------------------------------------------------------------------

    def find_best(self, side: Side) -> Order | None:
        """Return the best order of a side, as it is after this tick."""
        pick = min if side == "sell" else max
        orders = [order for order in self._after.values() if order.side == side]
        return pick(orders, key=lambda order: order.price, default=None)

    def find_guard(self, side: Side) -> TrackedOrder | None:
        """Return the best order of a side if it is one that goes: it holds the inside until its successor is there."""
        best = self.find_best(side)
        return best if isinstance(best, TrackedOrder) and best in self.going[side] else None

    def find_wanted(self, side: Side) -> DesiredOrder | None:
        """Return the best order that a side should have."""
        pick = min if side == "sell" else max
        orders = [order for order in self._terms.target if order.side == side]
        return pick(orders, key=lambda order: order.price, default=None)

    def list_far_going(self, side: Side) -> list[TrackedOrder]:
        """List the orders that go, the farthest first, without the one that holds the inside."""
        guard = self.find_guard(side)
        return [order for order in self.going[side] if order is not guard]

    def list_coming(self, side: Side) -> list[DesiredOrder]:
        """List the new orders: from the far end while an old one holds the inside, else from the inside."""
        from_far = self.find_guard(side) is not None
        return sorted(self.coming[side], key=lambda order: order.price, reverse=from_far == (side == "sell"))

    def find_obstacle(self, new: DesiredOrder, *, instead_of: TrackedOrder | None = None) -> Obstacle | None:
        """Find what keeps an order from being sent now, None where nothing does."""
        if self._meets(new):
            return "price"
        return None if self.has_room(new, instead_of=instead_of) else "room"

    def has_room(self, new: DesiredOrder, *, instead_of: TrackedOrder | None, for_good: bool = False) -> bool:
        """Check if an order is paid for, and may rest beside the others.

        `for_good`: also once the side holds less than at the start of this tick.
        """
        more = measure(new) - (Decimal(0) if instead_of is None else measure(instead_of))
        most = self._terms.find_funds(new.side) if for_good else self._most[new.side]
        is_paid = more <= 0 or self._held[new.side] + more <= most
        return is_paid and (instead_of is not None or len(self._after) < self._terms.most_open)

    def _meets(self, new: DesiredOrder) -> bool:
        """Check if an order of the other side may be at its price, or beyond.

        On its own side no other order has its price: what goes has no place in the target.
        """
        other = self._edges[_OTHER[new.side]]
        if other is None:
            return False
        return other <= new.price if new.side == "buy" else other >= new.price

    def _find_edge(self, side: Side) -> Decimal | None:
        """Find the best price at which an order of a side may be while the tick is carried out."""
        prices = [price for of_side, price in self._present if of_side == side]
        return (min if side == "sell" else max)(prices, default=None)

    # --- What is done ----------------------------------------------------------------------------

    def cancel(self, old: TrackedOrder) -> None:
        """Cancel an order. Its place is free from now on, because cancels are answered first."""
        self._remove(old)
        del self._present[old.side, old.price]
        self._edges[old.side] = self._find_edge(old.side)
        self._cancels.append(old)

    def modify(self, old: TrackedOrder, new: DesiredOrder) -> None:
        """Move an order, or change its size."""
        self._remove(old)
        self._add(new)
        self._modifies.append((old, new))

    def place(self, new: DesiredOrder) -> None:
        """Place an order."""
        self._add(new)
        self._places.append(new)

    def _remove(self, old: TrackedOrder) -> None:
        del self._after[old.side, old.price]
        self._held[old.side] -= measure(old)
        self.going[old.side] = [order for order in self.going[old.side] if order is not old]
        self.resized = [pair for pair in self.resized if pair[0] is not old]

    def _add(self, new: DesiredOrder) -> None:
        place = (new.side, new.price)
        self._after[place] = new
        self._held[new.side] += measure(new)
        self._present.setdefault(place, new)
        edge = self._edges[new.side]
        is_better = edge is None or (new.price < edge if new.side == "sell" else new.price > edge)
        self._edges[new.side] = new.price if is_better else edge
        self.coming[new.side] = [order for order in self.coming[new.side] if order is not new]
