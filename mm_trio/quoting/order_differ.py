"""Difference between desired and resting orders: cancels, modifies, places.

Pure: equal input gives equal output.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from mm_trio.model.numbers import Number, to_decimal
from mm_trio.model.orders import DesiredOrder, OrderDiff, Side, TrackedOrder

__all__ = ["compute_diff", "is_off", "is_size_off", "is_within_dead_zone"]

_BPS = Decimal(10_000)
_PERCENT = Decimal(100)


def compute_diff(
    desired: Sequence[DesiredOrder],
    current: Sequence[TrackedOrder],
    dead_zone_bps: Number,
    price_tolerance_bps: Number,
    size_tolerance_pct: Number,
) -> OrderDiff:
    """Compute the smallest change that turns `current` into `desired`.

    Orders are matched by (side, level). The diff is empty where both have the same slots, every size is within its
    tolerance, and the size-weighted mean prices are less than `dead_zone_bps` apart (0: off). Otherwise an order is
    modified where its price is off by more than `price_tolerance_bps`, or its size by more than `size_tolerance_pct`
    of the desired one. An order never changes sides: that is a cancel and a place. Of several orders on one slot the
    oldest (lowest oid) stays.
    """
    resting: dict[tuple[Side, int], TrackedOrder] = {}
    cancels: list[int] = []
    for order in sorted(current, key=lambda o: o.oid):
        if resting.setdefault(order.slot, order) is not order:
            cancels.append(order.oid)
    wanted = {order.slot: order for order in desired}
    price_tolerance, size_tolerance = to_decimal(price_tolerance_bps), to_decimal(size_tolerance_pct)
    if (
        not cancels
        and wanted.keys() == resting.keys()
        and not any(is_size_off(order, wanted[slot], size_tolerance) for slot, order in resting.items())
        and is_within_dead_zone(_sum_up(desired), _sum_up(current), to_decimal(dead_zone_bps))
    ):
        return OrderDiff()
    cancels.extend(order.oid for slot, order in resting.items() if slot not in wanted)
    modifies: list[tuple[int, DesiredOrder]] = []
    places: list[DesiredOrder] = []
    for slot, aim in wanted.items():
        present = resting.get(slot)
        if present is None:
            places.append(aim)
        elif is_off(present, aim, price_tolerance, size_tolerance):
            modifies.append((present.oid, aim))
    return OrderDiff(modifies, places, sorted(cancels))


def is_off(order: TrackedOrder, aim: DesiredOrder, price_tolerance_bps: Decimal, size_tolerance_pct: Decimal) -> bool:
    """Check if price or size are beyond their tolerance."""
    is_price_off = abs(order.price - aim.price) * _BPS > price_tolerance_bps * aim.price
    return is_price_off or is_size_off(order, aim, size_tolerance_pct)


def is_size_off(order: TrackedOrder, aim: DesiredOrder, size_tolerance_pct: Decimal) -> bool:
    """Check if the size is beyond its tolerance."""
    return abs(order.size - aim.size) * _PERCENT > size_tolerance_pct * aim.size


def is_within_dead_zone(
    wanted: tuple[Decimal, Decimal], resting: tuple[Decimal, Decimal], dead_zone_bps: Decimal
) -> bool:
    """Check if both mean prices are nearly equal.

    A mean over both sides cannot see sizes that change alike: those are compared apart.
    Both are (size in base, cost in quote) of all orders.
    """
    if dead_zone_bps <= 0:
        return False
    if not wanted[0] or not resting[0]:
        return wanted[0] == resting[0]
    wanted_price, resting_price = wanted[1] / wanted[0], resting[1] / resting[0]
    return abs(wanted_price - resting_price) * _BPS < dead_zone_bps * wanted_price


def _sum_up(orders: Iterable[DesiredOrder] | Iterable[TrackedOrder]) -> tuple[Decimal, Decimal]:
    size = cost = Decimal(0)
    for order in orders:
        size += order.size
        cost += order.size * order.price
    return size, cost
