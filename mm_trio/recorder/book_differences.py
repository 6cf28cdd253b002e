"""Book of ours as what differs from an earlier one."""

from __future__ import annotations

from decimal import Decimal

from mm_trio.model.observations import OwnBook
from mm_trio.model.orders import Side

__all__ = ["find_differences", "to_sizes"]


def to_sizes(book: OwnBook) -> dict[tuple[Side, Decimal], Decimal]:
    """Return the size that rests at each price of each side."""
    sizes: dict[tuple[Side, Decimal], Decimal] = {}
    for order in book.orders:
        sizes[order.side, order.price] = sizes.get((order.side, order.price), Decimal(0)) + order.size
    return sizes


def find_differences(
    before: dict[tuple[Side, Decimal], Decimal], now: dict[tuple[Side, Decimal], Decimal]
) -> dict[tuple[Side, Decimal], Decimal]:
    """Return what changed; a size of 0 rests no more."""
    gone = {slot: Decimal(0) for slot in before if slot not in now}
    return gone | {slot: size for slot, size in now.items() if before.get(slot) != size}
