"""Sums that the venue offers on request.

They are the fills of one order in one block, and the levels of a book.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from mm_trio.sandbox.matching.book import Level
from mm_trio.sandbox.model.commands import Fill

__all__ = ["MANTISSAS", "SIG_FIGS", "aggregate_fills", "aggregate_levels", "is_aggregation"]

SIG_FIGS = (2, 3, 4, 5)
MANTISSAS = (2, 5)
_AVERAGE_STEP = Decimal("1e-10")
_EXACT_DIGITS = 60  # As in the exchange.


def aggregate_fills(fills: Iterable[Fill]) -> list[Fill]:
    """Sum up the fills of each order and block.

    A sum stands where its first fill stood; dust is left out. Sizes and fees are added, the price is the average
    rounded to ten decimals, and all other fields are those of the first fill.
    Source: docs *Info endpoint* for which fills are summed. Measured: the average, and that dust is left out.
    """
    groups: dict[tuple[int, str, int, bool, bool], list[Fill]] = {}
    for fill in fills:
        if not fill.is_dust:
            key = (fill.time_ms, fill.hash, fill.oid, fill.is_buy, fill.crossed)
            groups.setdefault(key, []).append(fill)
    return [group[0] if len(group) == 1 else _sum_up(group) for group in groups.values()]


def _sum_up(group: Sequence[Fill]) -> Fill:
    with localcontext() as context:
        context.prec = _EXACT_DIGITS
        size = sum((fill.size for fill in group), Decimal(0))
        price = (sum((fill.price * fill.size for fill in group), Decimal(0)) / size).quantize(_AVERAGE_STEP)
        return replace(group[0], size=size, price=price, fee=sum((fill.fee for fill in group), Decimal(0)))


def is_aggregation(sig_figs: int | None, mantissa: int | None) -> bool:
    """Check if the venue offers an aggregation.

    Source: docs *Info endpoint*, l2Book.
    """
    if mantissa is not None and (mantissa not in MANTISSAS or sig_figs != 5):
        return False
    return sig_figs is None or sig_figs in SIG_FIGS


def aggregate_levels(
    levels: Iterable[Level], *, is_bid: bool, sig_figs: int | None, mantissa: int | None
) -> list[Level]:
    """Merge levels, best first, on a coarser price grid.

    Bids move to the price below, asks to the price above.
    """
    if sig_figs is None:
        return list(levels)
    merged: dict[Decimal, Level] = {}
    for level in levels:
        step = Decimal(mantissa or 1).scaleb(level.price.adjusted() - sig_figs + 1)
        steps = (level.price / step).to_integral_value(ROUND_FLOOR if is_bid else ROUND_CEILING)
        price = steps * step
        there = merged.get(price, Level(price, Decimal(0), 0))
        merged[price] = Level(price, there.size + level.size, there.n_orders + level.n_orders)
    return list(merged.values())
