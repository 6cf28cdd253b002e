"""Ladder of recorded prices, found again.

Knows HIP-2's rule of rounding and nothing of orders. Written apart from the maker's ladder, so that a mistake there
does not agree with one here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

__all__ = ["compute_ladder", "find_step", "ladder_start"]

_MAX_STARTS = 64  # Candidate prices that are followed at once.
_PRICE_FIGURES = 5
_PRICE_DECIMALS = 8  # Less the size decimals.
# Steps of HIP-2: today's, and that of its first months.
_STEPS = (Decimal("0.003"), Decimal("0.01"))


def compute_ladder(start: Decimal, n_levels: int, *, step: Decimal, sz_decimals: int) -> tuple[Decimal, ...]:
    """Compute a ladder's prices from its start upwards.

    Errors: ValueError if a level would not be above the one before.
    """
    unit = _find_unit(sz_decimals)
    raws = [int(start / unit)]
    while len(raws) < n_levels:
        raws.append(_step_up(raws[-1], step))
        if raws[-1] <= raws[-2]:
            raise ValueError(f"a ladder with a step of {step} does not rise at {raws[-1] * unit:f}")
    return tuple(raw * unit for raw in raws)


def find_step(sweeps: Iterable[Sequence[Decimal]], *, sz_decimals: int) -> Decimal:
    """Find the step of a ladder with these prices.

    `sweeps` are the prices of each taker, who leaves out no level. HIP-2's own steps are tried first, then the least
    distance of two prices in hundredths of a percent.
    Errors: ValueError if no step has all of them.
    """
    taken = [sorted(set(prices)) for prices in sweeps]
    wanted = sorted({price for prices in taken for price in prices})
    ratios = [above / below - 1 for below, above in pairwise(wanted)]
    read_off = [step for digits in (3, 4) if ratios and (step := round(min(ratios), digits)) > 0]
    for step in (*_STEPS, *read_off):
        if all(_are_neighbours(prices, step, sz_decimals) for prices in taken):
            try:
                _check_passes([_to_raw(price, sz_decimals) for price in wanted], step, sz_decimals)
            except ValueError:
                continue
            return step
    tried = ", ".join(f"{step.normalize():f}" for step in (*_STEPS, *read_off))
    raise ValueError(
        f"no ladder has the {len(wanted)} prices from {wanted[0]} to {wanted[-1]} at sz_decimals={sz_decimals}; "
        f"steps tried: {tried}"
    )


def ladder_start(prices: Iterable[Decimal], *, step: Decimal, sz_decimals: int, levels_below: int) -> Decimal:
    """Find a start price whose ladder contains all `prices`.

    Return the price `levels_below` levels under the lowest price, or fewer levels if rounding leaves no lower price.
    If several starts fit, the middle one is returned.
    Errors: ValueError if no such ladder contains all of them.
    Source: HIP-2's rule: the nearest raw unit of `10^-(8 - sz_decimals)`, halves up, then cut to five figures.
    """
    wanted = sorted(set(prices))
    if not wanted or wanted[0] <= 0 or step <= 0:
        raise ValueError(f"a ladder needs prices above 0 and a step above 0, got a step of {step}")
    raws = [_to_raw(price, sz_decimals) for price in wanted]
    _check_passes(raws, step, sz_decimals)
    starts = raws[:1]
    for _ in range(levels_below):
        before = sorted({raw for start in starts for raw in _find_predecessors(start, step)})
        if not before:
            break
        # In each decade one price may have up to ten predecessors. All lead to the same prices, so a few will do.
        middle = len(before) // 2
        starts = before[max(0, middle - _MAX_STARTS // 2) : middle + _MAX_STARTS // 2]
    price = starts[len(starts) // 2] * _find_unit(sz_decimals)
    return price if price == price.to_integral_value() else price.normalize()


def _find_unit(sz_decimals: int) -> Decimal:
    return Decimal(1).scaleb(sz_decimals - _PRICE_DECIMALS)


def _to_raw(price: Decimal, sz_decimals: int) -> int:
    """Return a price in raw units.

    Errors: ValueError if it is not a price of the venue.
    """
    raw = int(price / _find_unit(sz_decimals))
    if raw * _find_unit(sz_decimals) != price or _cut_figures(raw) != raw:
        raise ValueError(f"no ladder contains {price}: it is not a valid price at sz_decimals={sz_decimals}")
    return raw


def _check_passes(wanted: Sequence[int], step: Decimal, sz_decimals: int) -> None:
    """Check that one ladder contains all raw prices.

    It starts at the lowest price. Errors: ValueError if it does not contain them all.
    """
    raw = wanted[0]
    for goal in wanted:
        while raw < goal and (above := _step_up(raw, step)) > raw:
            raw = above
        if raw != goal:
            low, high = (each * _find_unit(sz_decimals) for each in (wanted[0], goal))
            raise ValueError(
                f"no ladder with a step of {step} contains both {low} and {high} at sz_decimals={sz_decimals}"
            )


def _are_neighbours(prices: Sequence[Decimal], step: Decimal, sz_decimals: int) -> bool:
    """Check that no level lies between the prices."""
    raws = [_to_raw(price, sz_decimals) for price in prices]
    return all(_step_up(below, step) == above for below, above in pairwise(raws))


def _step_up(raw: int, step: Decimal) -> int:
    """Return the next level's raw price."""
    factor = 1 + Fraction(step)
    # Half a unit is added before the division is cut, so halves go up.
    return _cut_figures((2 * raw * factor.numerator + factor.denominator) // (2 * factor.denominator))


def _cut_figures(raw: int) -> int:
    """Cut to five significant figures."""
    return raw - raw % _find_tick(raw)


def _find_predecessors(raw: int, step: Decimal) -> list[int]:
    """Find the raw prices whose next level is `raw`, ascending.

    There may be none or several, because rounding cannot be reversed.
    """
    factor = 1 + Fraction(step)
    lowest, highest = int((raw - 1) / factor), int((raw + _find_tick(raw)) / factor) + 1
    tick = _find_tick(lowest)
    candidates = range(max(lowest - lowest % tick, tick), min(highest, raw - 1) + 1, tick)
    return [before for before in candidates if _cut_figures(before) == before and _step_up(before, step) == raw]


def _find_tick(raw: int) -> int:
    """Return the distance to the next valid raw price."""
    return int(10 ** max(0, len(str(raw)) - _PRICE_FIGURES))
