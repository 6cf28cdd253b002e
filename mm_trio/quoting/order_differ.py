"""Desired - resting -> cancels, modifies, places. Pure: equal input, equal output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from mm_trio.model.numbers import Number, to_decimal
from mm_trio.model.orders import DesiredOrder, OrderDiff, Side, TrackedOrder

__all__ = ["compute_diff", "is_off", "is_within_dead_zone"]

_BPS = Decimal(10_000)
_PERCENT = Decimal(100)


def compute_diff(
    desired: Sequence[DesiredOrder],
    current: Sequence[TrackedOrder],
    dead_zone_bps: Number,
    price_tolerance_bps: Number,
    size_tolerance_pct: Number,
) -> OrderDiff:
    """The least change that turns `current` into `desired`, orders being matched by (side, level).

    Nothing where both hold the same pairs and their size-weighted mean prices are less than
    `dead_zone_bps` apart (0: off). Else a modify where the price is off by more than `price_tolerance_bps`
    or the size by more than `size_tolerance_pct` of the desired one; never across sides: that is a cancel
    and a place. Of several orders on one pair the oldest (lowest oid) stays.
    """
    resting: dict[tuple[Side, int], TrackedOrder] = {}
    cancels: list[int] = []
    for order in sorted(current, key=lambda o: o.oid):
        if resting.setdefault(order.slot, order) is not order:
            cancels.append(order.oid)
    wanted = {order.slot: order for order in desired}
    if (
        not cancels
        and wanted.keys() == resting.keys()
        and is_within_dead_zone(_sum_up(desired), _sum_up(current), to_decimal(dead_zone_bps))
    ):
        return OrderDiff()
    cancels.extend(order.oid for pair, order in resting.items() if pair not in wanted)
    price_tolerance, size_tolerance = to_decimal(price_tolerance_bps), to_decimal(size_tolerance_pct)
    modifies: list[tuple[int, DesiredOrder]] = []
    places: list[DesiredOrder] = []
    for pair, aim in wanted.items():
        rests = resting.get(pair)
        if rests is None:
            places.append(aim)
        elif is_off(rests, aim, price_tolerance, size_tolerance):
            modifies.append((rests.oid, aim))
    return OrderDiff(modifies, places, sorted(cancels))


def is_off(rests: TrackedOrder, aim: DesiredOrder, price_tolerance_bps: Decimal, size_tolerance_pct: Decimal) -> bool:
    """Whether price or size differ by more than is tolerated."""
    return (
        abs(rests.price - aim.price) * _BPS > price_tolerance_bps * aim.price
        or abs(rests.size - aim.size) * _PERCENT > size_tolerance_pct * aim.size
    )


def is_within_dead_zone(
    wanted: tuple[Decimal, Decimal], rests: tuple[Decimal, Decimal], dead_zone_bps: Decimal
) -> bool:
    """Whether the mean prices are that near to each other. Both are (size in base, cost in quote) of all orders."""
    if dead_zone_bps <= 0:
        return False
    if not wanted[0] or not rests[0]:
        return wanted[0] == rests[0]
    wanted_price, resting_price = wanted[1] / wanted[0], rests[1] / rests[0]
    return abs(wanted_price - resting_price) * _BPS < dead_zone_bps * wanted_price


def _sum_up(orders: Iterable[DesiredOrder] | Iterable[TrackedOrder]) -> tuple[Decimal, Decimal]:
    size = cost = Decimal(0)
    for order in orders:
        size += order.size
        cost += order.size * order.price
    return size, cost
