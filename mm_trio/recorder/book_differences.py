"""Book of ours as what differs from an earlier one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from mm_trio.model.observations import OwnBook, RestingSize
from mm_trio.model.orders import Side

__all__ = ["BookStep", "find_differences", "fold_books", "to_sizes"]


class BookStep(NamedTuple):
    """Stored difference between two books of ours, from `time_ms` on.

    `sizes` are (side, price, size), the numbers as exact texts; a size of 0 rests no more. `is_whole`: the book has
    these alone, and nothing of the one before.
    """

    time_ms: int
    is_whole: bool
    sizes: list[tuple[Side, str, str]]
    state: str
    reason: str | None


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


def fold_books(steps: Iterable[BookStep]) -> Iterator[OwnBook]:
    """Yield the whole book after each step; the first one is whole."""
    sizes: dict[tuple[Side, Decimal], Decimal] = {}
    for step in steps:
        if step.is_whole:
            sizes = {}
        for side, price, size in step.sizes:
            sizes[side, Decimal(price)] = Decimal(size)
        sizes = {slot: size for slot, size in sizes.items() if size}
        orders = tuple(RestingSize(side, price, size) for (side, price), size in sizes.items())
        yield OwnBook(step.time_ms, orders, step.state, step.reason)
