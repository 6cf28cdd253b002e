"""Check of a row of an order against what we sent or know of it."""

from __future__ import annotations

from mm_trio.model.orders import Intent, TrackedOrder
from mm_trio.model.replies import OpenOrder

__all__ = ["find_misfit_of_known", "find_misfit_of_sent"]


def find_misfit_of_known(row: OpenOrder, order: TrackedOrder) -> str | None:
    """Return what contradicts a known order, or None.

    An order keeps its side, price and cloid for life: a modify makes another one. Its size shrinks, and a row may be
    older than what we know.
    """
    what = f"row of oid {row.oid} ({row.side} {row.size} at {row.price}, cloid {row.cloid})"
    if (row.side, row.price) != (order.side, order.price):
        return f"{what}: the order is a {order.side} at {order.price}"
    if row.cloid is not None and order.cloid is not None and row.cloid.lower() != order.cloid.lower():
        return f"{what}: the order's cloid is {order.cloid}"
    return None


def find_misfit_of_sent(row: OpenOrder, intent: Intent) -> str | None:
    """Return what contradicts an order in flight, or None."""
    quote, size = intent.quote, row.size if row.original_size is None else row.original_size
    if (row.side, row.price) == (quote.side, quote.price) and size <= quote.size:
        return None
    return (
        f"row of oid {row.oid} ({row.side} {size} at {row.price}, cloid {row.cloid}): the order with that cloid was "
        f"sent as a {quote.side} of {quote.size} at {quote.price}"
    )
