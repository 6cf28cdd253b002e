"""What the venue would refuse, left out before it is sent. Pure.

An order has to be within a band around a reference price, and an account has a cap of open orders, orders of other
coins and other programs included. Sources: docs, Error responses and Rate limits; the ends of the band were measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from mm_trio.model.market import Book
from mm_trio.model.orders import OrderDiff, Quote, TrackedOrder

__all__ = ["compute_open_cap", "find_reference", "is_in_band", "leave_out"]

BAND_LOW, BAND_HIGH = Decimal("0.2"), Decimal(5)
# A book whose best ask is further above its best bid says nothing of the venue's reference.
WIDEST_SPREAD = Decimal("1.1")
FIRST_OPEN, MOST_OPEN, VOLUME_EACH = 1000, 5000, Decimal(5_000_000)


def find_reference(book: Book | None) -> Decimal | None:
    """Find the reference price that a book shows, None where it shows none."""
    if book is None or not book.bids or not book.asks:
        return None
    bid, ask = book.bids[0].price, book.asks[0].price
    return (bid + ask) / 2 if 0 < bid < ask <= bid * WIDEST_SPREAD else None


def is_in_band(price: Decimal, reference: Decimal | None) -> bool:
    """Check if the venue takes an order at a price, as far as is known."""
    return reference is None or BAND_LOW * reference < price <= BAND_HIGH * reference


def compute_open_cap(cum_volume: Decimal) -> int:
    """Compute how many orders an account may have open."""
    return min(FIRST_OPEN + int(cum_volume // VOLUME_EACH), MOST_OPEN)


def leave_out(diff: OrderDiff, resting: Iterable[TrackedOrder], *, reference: Decimal | None, room: int) -> OrderDiff:
    """Leave out what is outside the band, and the far ends beyond the cap.

    `resting` shows where each side begins. `room` is how many orders may be placed beside the cancels of `diff`.
    """
    modifies = [(oid, order) for oid, order in diff.modifies if is_in_band(order.price, reference)]
    places = [order for order in diff.places if is_in_band(order.price, reference)]
    if len(places) > (room := max(0, room + len(diff.cancels))):
        nearest = set(_sort_from_inside(places, list(resting))[:room])
        places = [order for order in places if order in nearest]
    if len(modifies) == len(diff.modifies) and len(places) == len(diff.places):
        return diff
    return OrderDiff(modifies, places, diff.cancels)


def _sort_from_inside(places: Sequence[Quote], resting: Sequence[TrackedOrder]) -> list[Quote]:
    there: list[Quote | TrackedOrder] = [*places, *resting]
    lowest_ask = min((order.level_index for order in there if order.side == "sell"), default=0)
    highest_bid = max((order.level_index for order in there if order.side == "buy"), default=0)

    def distance(order: Quote) -> tuple[int, str]:
        away = order.level_index - lowest_ask if order.side == "sell" else highest_bid - order.level_index
        return away, order.side

    return sorted(places, key=distance)
