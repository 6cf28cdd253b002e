"""Ladder as ranges of levels, at constant cost. Pure.

It holds the same orders as `compute_desired_orders` lists one by one. Full orders are one range of levels a side, and
at most three orders have another size. The cost of a range comes from sums of prices that are computed once.
`quoting_engine` is the definition, and a property test keeps the two equal.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import accumulate, chain
from typing import overload

from mm_trio.model.orders import DesiredOrder, Side, Slot
from mm_trio.quoting.quoting_engine import LadderTerms, cut_tranches, split_sides

__all__ = ["Ladder", "LadderMaker", "Rungs"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rungs:
    """Orders of one side from the boundary outwards.

    Full orders, with at most one order of another size at either end.
    """

    side: Side
    prices: Sequence[Decimal]
    order_size: Decimal
    first: DesiredOrder | None
    full: range
    last: DesiredOrder | None = None

    def __len__(self) -> int:
        return (self.first is not None) + len(self.full) + (self.last is not None)

    def __iter__(self) -> Iterator[DesiredOrder]:
        if self.first is not None:
            yield self.first
        yield from map(self._make_full, self.full)
        if self.last is not None:
            yield self.last

    def at(self, level: int) -> DesiredOrder | None:
        """Return the order at a level, if any."""
        if level in self.full:
            return self._make_full(level)
        for order in (self.first, self.last):
            if order is not None and order.level_index == level:
                return order
        return None

    @property
    def odd(self) -> tuple[DesiredOrder, ...]:
        """Return the orders that are not full."""
        return tuple(order for order in (self.first, self.last) if order is not None)

    def find_level(self, index: int) -> int:
        """Return the level of an order, counted from the boundary.

        0 is the first order.
        """
        index -= self.first is not None
        if 0 <= index < len(self.full):
            return self.full[index]
        odd = self.first if index < 0 else self.last
        assert odd is not None, index
        return odd.level_index

    def cut(self, n: int) -> Rungs:
        """Keep the first `n` orders; `n` is at least 1."""
        assert n >= 1, n
        if n >= len(self):
            return self
        return replace(self, full=self.full[: max(0, n - (self.first is not None))], last=None)

    def put(self, order: DesiredOrder) -> Rungs:
        """Replace the odd order at the level of `order`."""
        is_first = self.first is not None and self.first.level_index == order.level_index
        return replace(self, first=order) if is_first else replace(self, last=order)

    def find_changes(self, before: Rungs) -> set[Slot]:
        """Find the slots that differ from an earlier ladder."""
        levels = set() if self.full == before.full else set(_find_one_sided(self.full, before.full))
        if self.first != before.first:
            levels.update(order.level_index for order in (self.first, before.first) if order is not None)
        if self.last != before.last:
            levels.update(order.level_index for order in (self.last, before.last) if order is not None)
        return {(self.side, level) for level in levels}

    def _make_full(self, level: int) -> DesiredOrder:
        return DesiredOrder(self.side, level, self.prices[level], self.order_size)


@dataclass(frozen=True, slots=True)
class Ladder(Sequence[DesiredOrder]):
    """Asks in ascending order, then bids in descending order."""

    asks: Rungs
    bids: Rungs

    def of(self, side: Side) -> Rungs:
        """Return one side."""
        return self.asks if side == "sell" else self.bids

    def __len__(self) -> int:
        return len(self.asks) + len(self.bids)

    def __iter__(self) -> Iterator[DesiredOrder]:
        return chain(self.asks, self.bids)

    @overload
    def __getitem__(self, index: int) -> DesiredOrder: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[DesiredOrder, ...]: ...
    def __getitem__(self, index: int | slice) -> DesiredOrder | tuple[DesiredOrder, ...]:
        return tuple(self)[index]

    def find_changes(self, before: Ladder) -> set[Slot]:
        """Find the slots that differ from an earlier ladder."""
        return self.asks.find_changes(before.asks) | self.bids.find_changes(before.bids)


class LadderMaker:
    """Maker of ladders of the same terms; order sizes are whole lots."""

    def __init__(self, terms: LadderTerms) -> None:
        assert terms.order_size % terms.grid.lot == 0, terms.order_size
        self._terms = terms
        self._grid = terms.grid
        self._lot = terms.grid.lot
        self._order_size = terms.order_size
        self._minimum = terms.minimum
        # Cost of full orders on all levels below the index.
        costs = (price * terms.order_size for price in terms.grid.levels)
        self._cost_below = tuple(accumulate(costs, initial=_ZERO))
        # A full order is worth more the higher it is: from this level up it is worth the minimum.
        self._first_worth = bisect_left(
            terms.grid.levels, True, key=lambda price: price * terms.order_size >= terms.minimum
        )

    def compute(self, boundary: int, tokens: Decimal, quote: Decimal, *, resting_bid: Decimal | None = None) -> Ladder:
        """Compute the same orders as `compute_desired_orders` without a window."""
        prices, order_size = self._grid.levels, self._order_size
        tranches = cut_tranches(tokens, order_size=order_size, lot=self._lot)
        sides = split_sides(self._terms, boundary, tranches, resting_bid=resting_bid)
        first_ask = first_bid = last_bid = None
        if sides.ask is not None:
            first_ask = DesiredOrder("sell", sides.ask.level, prices[sides.ask.level], sides.ask.size)
        begin, end = max(sides.first_full_ask, self._first_worth), sides.first_full_ask + tranches.full
        full_asks = range(begin, max(begin, min(end, self._grid.n_orders)))
        above, full_bids = max(0, sides.first_full_bid + 1), range(0)
        if sides.bid is not None:
            above = sides.bid.level
            first_bid = self._fund(above, sides.bid.size, quote)
            quote -= sides.bid.size * prices[above]
        if quote >= 0:
            lowest = self._find_lowest_funded(above, quote)
            full_bids = range(above - 1, min(above, max(lowest, self._first_worth)) - 1, -1)
            if lowest > 0:
                last_bid = self._fund(lowest - 1, order_size, quote - self._sum_cost(lowest, above))
        return Ladder(
            Rungs("sell", prices, order_size, first_ask, full_asks),
            Rungs("buy", prices, order_size, first_bid, full_bids, last_bid),
        )

    def _fund(self, level: int, size: Decimal, quote: Decimal) -> DesiredOrder | None:
        """Make the bid that `quote` pays for.

        None where it would be below the minimum.
        """
        price = self._grid.levels[level]
        funded = min(size, quote // (price * self._lot) * self._lot)
        return DesiredOrder("buy", level, price, funded) if funded > 0 and funded * price >= self._minimum else None

    def _find_lowest_funded(self, above: int, quote: Decimal) -> int:
        """Find the lowest funded full bid below `above`."""
        return bisect_left(self._cost_below, self._cost_below[above] - quote, hi=above)

    def _sum_cost(self, low: int, high: int) -> Decimal:
        """Sum the cost of full orders on some levels.

        Levels are counted from `low` to below `high`.
        """
        return self._cost_below[high] - self._cost_below[low]

    def sum_up(self, rungs: Rungs) -> tuple[Decimal, Decimal]:
        """Sum size (base) and cost (quote) of one side."""
        low, high = _bounds(rungs.full)
        size = sum((order.size for order in rungs.odd), self._order_size * len(rungs.full))
        return size, sum((order.size * order.price for order in rungs.odd), self._sum_cost(low, high))


def _bounds(levels: range) -> tuple[int, int]:
    """Return the lowest level and the one above the highest.

    Steps of the range are 1 or -1.
    """
    if not levels:
        return 0, 0
    return (levels.start, levels.stop) if levels.step > 0 else (levels.stop + 1, levels.start + 1)


def _find_one_sided(levels: range, others: range) -> Iterator[int]:
    """List the levels that only one of two ranges has."""
    (low, high), (other_low, other_high) = _bounds(levels), _bounds(others)
    # Ranges without a common level are both listed whole.
    if low >= other_high or other_low >= high:
        return chain(range(low, high), range(other_low, other_high))
    return chain(range(low, other_low), range(other_low, low), range(high, other_high), range(other_high, high))
