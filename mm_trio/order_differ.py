"""Desired - resting -> cancels, modifies, places. Pure: equal input, equal output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from mm_trio.model import DesiredOrder, Number, OrderDiff, Side, TrackedOrder, to_decimal

__all__ = ["compute_diff"]

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
        if resting.setdefault((order.side, order.level_index), order) is not order:
            cancels.append(order.oid)
    wanted = {(order.side, order.level_index): order for order in desired}
    if (
        not cancels
        and wanted.keys() == resting.keys()
        and _within_dead_zone(desired, current, to_decimal(dead_zone_bps))
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
        elif (
            abs(rests.price - aim.price) * _BPS > price_tolerance * aim.price
            or abs(rests.size - aim.size) * _PERCENT > size_tolerance * aim.size
        ):
            modifies.append((rests.oid, aim))
    return OrderDiff(modifies, places, sorted(cancels))


def _within_dead_zone(desired: Iterable[DesiredOrder], current: Iterable[TrackedOrder], dead_zone_bps: Decimal) -> bool:
    if dead_zone_bps <= 0:
        return False
    wanted, rests = _mean_price(desired), _mean_price(current)
    if wanted is None or rests is None:
        return wanted is rests
    return abs(wanted - rests) * _BPS < dead_zone_bps * wanted


def _mean_price(orders: Iterable[DesiredOrder] | Iterable[TrackedOrder]) -> Decimal | None:
    """Size-weighted mean price, None without size."""
    size = cost = Decimal(0)
    for order in orders:
        size += order.size
        cost += order.size * order.price
    return cost / size if size else None
