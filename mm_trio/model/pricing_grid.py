"""Prices of the fixed ladder, by level."""

from __future__ import annotations

import math
from bisect import bisect_left
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction
from typing import Literal, TypeAlias

from mm_trio.model.numbers import Number, to_decimal

__all__ = ["TOP_PRICE_DIGITS", "LadderRule", "PricingGrid", "ends_too_high"]

# The venue's tick rule for every price.
SIGNIFICANT_FIGURES = 5
# Less szDecimals: the venue's other tick rule, for spot.
SPOT_PRICE_DECIMALS = 8
_FIVE_FIGURES = Context(prec=SIGNIFICANT_FIGURES, rounding=ROUND_HALF_EVEN)

# A ladder that ends above 10^15 is a typing error.
TOP_PRICE_DIGITS = 15

# "half-even" is the rule of ledgers before 0.2; their orders rest on its prices.
LadderRule: TypeAlias = Literal["hip2", "half-even"]


class PricingGrid:
    """Ladder of `n_orders` prices.

    Each is `1 + tick_size` times the one below, rounded as HIP-2 rounds: to the nearest raw unit of
    `10^-(8 - sz_decimals)` (None counts as 0), halves up, and then down to five significant figures. The first level is
    `start_px` cut down to a price of the venue.

    Units: prices in quote per base; `tick_size` is a ratio (0.003 = 0.3 %).
    Errors: ValueError for numbers that cannot make a ladder, and for a rounding that repeats a level.
    Source: all 31 levels observed on 11 markets of HIP-2; exact where the chain's floats differ by one unit.
    """

    def __init__(
        self,
        start_px: Number,
        n_orders: int,
        *,
        tick_size: Number = "0.003",
        sz_decimals: int | None = None,
        ladder: LadderRule = "hip2",
    ) -> None:
        if n_orders < 1:
            raise ValueError(f"n_orders must be 1 or more, got {n_orders}")
        if sz_decimals is not None and not 0 <= sz_decimals <= SPOT_PRICE_DECIMALS:
            raise ValueError(f"sz_decimals must be from 0 to {SPOT_PRICE_DECIMALS}, got {sz_decimals}")
        self.n_orders = n_orders
        self.sz_decimals = sz_decimals
        self.ladder = ladder
        # The least step of a size in base; the finest the wire carries where `sz_decimals` is unknown.
        self.lot = Decimal(1).scaleb(-(SPOT_PRICE_DECIMALS if sz_decimals is None else sz_decimals))
        self.tick_size = to_decimal(tick_size, name="tick_size")
        if self.tick_size <= 0:
            raise ValueError(f"tick_size must be above 0 (0.003 is 0.3 %), got {tick_size}")
        start = to_decimal(start_px, name="start_px")
        self.levels = self._compute_levels(start) if ladder == "hip2" else self._compute_half_even(start)

    def __repr__(self) -> str:
        lowest, highest = self.levels[0], self.levels[-1]
        return f"<PricingGrid {self.n_orders} levels from {lowest} to {highest}, tick_size={self.tick_size}>"

    def _compute_levels(self, start: Decimal) -> tuple[Decimal, ...]:
        """Compute the levels in whole raw units."""
        decimals = SPOT_PRICE_DECIMALS - (self.sz_decimals or 0)
        raw = _cut_figures(int(Fraction(start) * 10**decimals)) if start > 0 else 0
        if raw == 0:
            raise ValueError(
                f"start_px must be at least one unit of the venue, {Decimal(1).scaleb(-decimals):f} at "
                f"sz_decimals={self.sz_decimals}, got {start}"
            )
        factor = 1 + Fraction(self.tick_size)
        up, down = factor.numerator, 2 * factor.denominator
        levels = [_make_price(raw, decimals)]
        for _ in range(1, self.n_orders):
            # Half a unit is added before the division is cut, so halves go up.
            raw = _cut_figures((2 * raw * up + factor.denominator) // down)
            self._append(levels, _make_price(raw, decimals))
        return tuple(levels)

    def _append(self, levels: list[Decimal], price: Decimal) -> None:
        if price <= levels[-1]:
            raise ValueError(
                f"level {len(levels)} would repeat the price {price}: a step of {self.tick_size} is finer than the "
                f"venue's ticks at sz_decimals={self.sz_decimals}; start higher or take a larger tick_size"
            )
        levels.append(price)

    def _compute_half_even(self, start: Decimal) -> tuple[Decimal, ...]:
        price = self._round_half_even(start)
        if start <= 0 or price <= 0:
            raise ValueError(f"start_px must be above 0 and a price of the venue, got {start}")
        levels = [price]
        for _ in range(1, self.n_orders):
            price = self._round_half_even(price * (1 + self.tick_size))
            self._append(levels, price)
        return tuple(levels)

    def _round_half_even(self, price: Decimal) -> Decimal:
        rounded = _FIVE_FIGURES.plus(price)
        decimals = SPOT_PRICE_DECIMALS - (self.sz_decimals or 0)
        if self.sz_decimals is not None and -int(rounded.as_tuple().exponent) > decimals:
            rounded = rounded.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN)
        # Plain digits: 1.2E+4 and 12000 are equal, and people and venues read the second.
        return Decimal(int(rounded)) if int(rounded.as_tuple().exponent) > 0 else rounded

    def price_at_level(self, level: int) -> Decimal:
        """Return the price of a level.

        Errors: IndexError outside 0 .. n_orders - 1.
        """
        if not 0 <= level < self.n_orders:
            raise IndexError(f"level {level} is outside 0..{self.n_orders - 1}")
        return self.levels[level]

    def level_for_price(self, px: Number) -> int | None:
        """Return the nearest level, the lower of two equally near.

        None beyond half a step outside the ladder.
        """
        price, levels = to_decimal(px, name="px"), self.levels
        above = bisect_left(levels, price)
        if above == 0:
            step = levels[1] - levels[0] if self.n_orders > 1 else levels[0] * self.tick_size
            return 0 if levels[0] - price <= step / 2 else None
        if above == self.n_orders:
            step = levels[-1] - levels[-2] if self.n_orders > 1 else levels[0] * self.tick_size
            return above - 1 if price - levels[-1] <= step / 2 else None
        with localcontext(prec=50):
            return above if levels[above] - price < price - levels[above - 1] else above - 1


def ends_too_high(start_px: Decimal, n_orders: int, *, tick_size: Decimal) -> bool:
    """Check if a ladder ends above every price, before it is computed."""
    return math.log10(start_px) + (n_orders - 1) * math.log10(1 + tick_size) > TOP_PRICE_DIGITS


def _cut_figures(raw: int) -> int:
    """Cut a whole number down to five significant figures."""
    unit: int = 10 ** max(0, len(str(raw)) - SIGNIFICANT_FIGURES)
    return raw // unit * unit


def _make_price(raw: int, decimals: int) -> Decimal:
    """Make a price of raw units, in plain digits without idle zeros."""
    price = Decimal(raw).scaleb(-decimals)
    return Decimal(int(price)) if price == int(price) else price.normalize()
