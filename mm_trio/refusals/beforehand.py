"""What the venue would refuse, left out before it is sent. Pure.

An order has to be within a band around a reference price, and an account has a cap of open orders, orders of other
coins and other programs included. Sources: docs, Error responses and Rate limits; the ends of the band were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.market import Book
from mm_trio.model.orders import OrderDiff, Quote, TrackedOrder
from mm_trio.refusals.distance import Distance, measure_from_inside

__all__ = ["Sendable", "compute_open_cap", "find_reference", "is_in_band", "leave_out"]

BAND_LOW, BAND_HIGH = Decimal("0.2"), Decimal(5)
# A book whose best ask is further above its best bid says nothing of the venue's reference.
WIDEST_SPREAD = Decimal("1.1")
FIRST_OPEN, MOST_OPEN, VOLUME_EACH = 1000, 5000, Decimal(5_000_000)
# Levels by which an order has to be nearer to the boundary than one that makes way for it: a fill that moves the
# boundary by one level must not cost a cancel at each end.
SLACK = 20


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


@dataclass(frozen=True, slots=True)
class Sendable:
    """Diff without what the venue would refuse, and how many levels were left out for which reason.

    `cap` is how many orders the account may have open.
    """

    diff: OrderDiff
    cap: int = MOST_OPEN
    n_off_band: int = 0
    n_over_cap: int = 0


def leave_out(
    diff: OrderDiff, resting: Mapping[int, TrackedOrder], *, reference: Decimal | None, cap: int, n_open: int
) -> Sendable:
    """Leave out what is outside the band, and the far ends beyond the cap.

    `resting` are our open orders by oid, and `n_open` is how many orders of the account are open. Where `cap` does not
    suffice, an order at a far end makes way for one that is nearer to the boundary by more than `SLACK`.
    """
    modifies = [(oid, order) for oid, order in diff.modifies if is_in_band(order.price, reference)]
    wanted = [order for order in diff.places if is_in_band(order.price, reference)]
    n_off_band = len(diff.modifies) + len(diff.places) - len(modifies) - len(wanted)
    room = max(0, cap - n_open + len(diff.cancels))
    places, cancels = wanted, diff.cancels
    if len(wanted) > room:
        leaving = set(diff.cancels)
        staying = {oid: order for oid, order in resting.items() if oid not in leaving}
        distance = measure_from_inside([*wanted, *staying.values()])
        by_distance = sorted(wanted, key=distance)
        ends = sorted(staying, key=lambda oid: distance(staying[oid]), reverse=True)
        moved = {oid for oid, _ in diff.modifies}
        swaps = _pair_off(by_distance[room:], [(oid, staying[oid]) for oid in ends if oid not in moved], distance)
        chosen = {order.slot for order in by_distance[:room]} | {order.slot for order, _ in swaps}
        places = [order for order in wanted if order.slot in chosen]
        cancels = (*diff.cancels, *(oid for _, oid in swaps))
    if not n_off_band and places == wanted and cancels is diff.cancels:
        return Sendable(diff, cap)
    return Sendable(OrderDiff(modifies, places, cancels), cap, n_off_band, len(wanted) - len(places))


def _pair_off(
    places: Sequence[Quote], ends: Sequence[tuple[int, TrackedOrder]], distance: Distance
) -> list[tuple[Quote, int]]:
    """Pair the nearest places with the farthest orders, as long as that is worth a cancel."""
    swaps: list[tuple[Quote, int]] = []
    for order, (oid, end) in zip(places, ends, strict=False):
        if distance(end)[0] - distance(order)[0] <= SLACK:
            break
        swaps.append((order, oid))
    return swaps
