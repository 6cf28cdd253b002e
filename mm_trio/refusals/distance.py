"""Distance of orders from the inside of a ladder. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from mm_trio.model.orders import Quote, TrackedOrder

__all__ = ["Distance", "measure_from_inside"]

# Levels from the innermost order of a side, and the side.
Distance: TypeAlias = Callable[[Quote | TrackedOrder], tuple[int, str]]


def measure_from_inside(orders: Iterable[Quote | TrackedOrder]) -> Distance:
    """Make the measure of how many levels an order is away from the innermost one of its side."""
    asks, bids = list[int](), list[int]()
    for order in orders:
        (asks if order.side == "sell" else bids).append(order.level_index)
    lowest_ask, highest_bid = min(asks, default=0), max(bids, default=0)

    def distance(order: Quote | TrackedOrder) -> tuple[int, str]:
        away = order.level_index - lowest_ask if order.side == "sell" else highest_bid - order.level_index
        return away, order.side

    return distance
