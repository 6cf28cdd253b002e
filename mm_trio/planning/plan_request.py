"""What the operator asks a ladder to be, and the ladder that this means.

An operator knows some of five things: the prices, the number of levels, the order size, the tokens, and the price at
which it opens. The others follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import NamedTuple

from mm_trio.model.cloid import MAX_LEVELS
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import TOP_PRICE_DIGITS, PricingGrid, ends_too_high

__all__ = ["HIP2_STEP", "LEAST_STEP", "PlanRequest", "Shape", "resolve_shape"]

HIP2_STEP = Decimal("0.003")
# The configuration's bounds of a step.
LEAST_STEP, MOST_STEP = Decimal("0.0001"), Decimal(1)
_STEP_UNIT = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What the operator wants; None is left to us.

    Units: prices in quote per base, `order_sz` and `tokens` in base, `usdc` in quote, `step` a ratio. `top_px` makes it
    a range, whose levels are counted. `mid_px` is the market's, and stands in for a missing target.
    """

    sz_decimals: int
    start_px: Decimal
    top_px: Decimal | None = None
    n_orders: int | None = None
    order_sz: Decimal | None = None
    tokens: Decimal
    usdc: Decimal | None = None
    target_px: Decimal | None = None
    mid_px: Decimal | None = None
    gap_levels: int = 0
    step: Decimal | None = None
    min_notional: Decimal = Decimal(10)


class Shape(NamedTuple):
    """Ladder, order size, and tokens that it offers."""

    grid: PricingGrid
    order_size: Decimal
    tokens: Decimal


def resolve_shape(request: PlanRequest) -> Shape:
    """Find the ladder that a request means.

    Tokens are offered in whole tranches where it opens at a price, else all of them in whole lots.
    Errors: ConfigError for what does not go together, with what to do.
    """
    if request.top_px is not None and request.top_px <= request.start_px:
        raise ConfigError(
            f"--range {request.start_px:f} {request.top_px:f}: HIGH must be above LOW; swap them, or raise HIGH"
        )
    if request.order_sz is not None and request.top_px is None and request.n_orders is None:
        return _extend_upwards(request, request.order_sz)
    grid = _make_grid(request)
    if request.order_sz is None:
        return _divide_tokens(request, grid)
    return _fit_tokens(request, grid, request.order_sz)


# --- Levels -----------------------------------------------------------------------------------


def _make_grid(request: PlanRequest) -> PricingGrid:
    if request.top_px is None:
        if request.n_orders is None:
            raise ConfigError(
                f"a ladder from {request.start_px:f} without an end: give --n-orders (levels), or --order-sz, or a "
                "--range LOW HIGH"
            )
        return _grid_upwards(request, request.n_orders, request.step or HIP2_STEP)
    if request.n_orders is None:
        return _count_levels(request, request.top_px, request.step or HIP2_STEP)
    if request.step is not None:
        raise ConfigError(
            "--range, --n-orders and --step say one thing twice: any two of them give the third; leave one out"
        )
    return _grid(request, request.n_orders, _find_step(request.start_px, request.top_px, request.n_orders))


def _grid(request: PlanRequest, n_orders: int, step: Decimal) -> PricingGrid:
    try:
        return PricingGrid(request.start_px, n_orders, tick_size=step, sz_decimals=request.sz_decimals)
    except ValueError as error:
        raise ConfigError(f"this ladder is not possible: {error}") from error


def _grid_upwards(request: PlanRequest, n_orders: int, step: Decimal) -> PricingGrid:
    """Make a ladder of a number of levels. Errors: ConfigError."""
    if ends_too_high(request.start_px, n_orders, tick_size=step):
        raise ConfigError(
            f"{n_orders} levels of {step * 100:f} % from {request.start_px:f} end above 10^{TOP_PRICE_DIGITS}; take "
            "fewer levels, or a smaller --step"
        )
    return _grid(request, n_orders, step)


def _find_step(low: Decimal, high: Decimal, n_orders: int) -> Decimal:
    """Find the step of so many levels between two prices, cut down."""
    if n_orders < 2:
        raise ConfigError("--n-orders must be 2 or more with a --range, got 1; leave --n-orders out, or take 2")
    with localcontext(prec=50):
        exact = ((high / low).ln() / (n_orders - 1)).exp() - 1
    step = exact // _STEP_UNIT * _STEP_UNIT
    other = "fewer" if step < LEAST_STEP else "more"
    if not LEAST_STEP <= step <= MOST_STEP:
        raise ConfigError(
            f"{n_orders} levels from {low:f} to {high:f} are {exact * 100:.4f} % apart; a step must be from "
            f"{LEAST_STEP * 100:.2f} % to {MOST_STEP * 100:.0f} %; take {other} levels"
        )
    return step


def _count_levels(request: PlanRequest, top: Decimal, step: Decimal) -> PricingGrid:
    """Make the ladder of all levels that are not above `top`."""
    n_orders = 64
    while (grid := _grid(request, n_orders, step)).levels[-1] <= top:
        if n_orders >= MAX_LEVELS:
            raise ConfigError(
                f"--range {request.start_px:f} {top:f} has more than {MAX_LEVELS} levels of {step * 100:f} %; take a "
                "larger --step, or a narrower range"
            )
        n_orders = min(2 * n_orders, MAX_LEVELS)
    return _grid(request, sum(price <= top for price in grid.levels), step)


# --- Tokens -----------------------------------------------------------------------------------


def _find_opening(request: PlanRequest, grid: PricingGrid) -> int | None:
    """Find the first level that asks; None where no price is known.

    A market below the ladder opens it at the lowest level, with asks alone.
    Errors: ConfigError for a price outside.
    """
    target, name = request.target_px, "--target-px"
    if target is None:
        target, name = request.mid_px, "the market's mid"
    if target is None:
        return None
    level = grid.level_for_price(target)
    if level is None and request.target_px is None and target < grid.levels[0]:
        return 0
    if level is None:
        raise ConfigError(
            f"{name} {target:f} is outside the ladder of {grid.n_orders} levels from {grid.levels[0]:f} to "
            f"{grid.levels[-1]:f}; open it inside (--target-px), or choose other prices"
        )
    return level


def _divide_tokens(request: PlanRequest, grid: PricingGrid) -> Shape:
    """Divide the tokens among the levels from the opening upwards."""
    level = _find_opening(request, grid)
    if level is None:
        raise ConfigError(
            "the order size cannot be found: the book of this pair is empty on one side, so no price is known; give "
            "--target-px, or --order-sz"
        )
    n_asks = grid.n_orders - level
    order_size = request.tokens / n_asks // grid.lot * grid.lot
    if order_size <= 0:
        raise ConfigError(
            f"--tokens {request.tokens:f} on {n_asks} levels is less than one lot of {grid.lot:f} a level; give at "
            f"least {n_asks * grid.lot:f} tokens, fewer levels, or a larger --step"
        )
    return Shape(grid, order_size, order_size * n_asks)


def _fit_tokens(request: PlanRequest, grid: PricingGrid, order_size: Decimal) -> Shape:
    """Offer the tokens in orders of a given size on given levels."""
    if request.target_px is None:
        most = order_size * grid.n_orders
        return Shape(grid, order_size, min(request.tokens // grid.lot * grid.lot, most))
    level = _find_opening(request, grid)
    assert level is not None
    needed = order_size * (grid.n_orders - level)
    if needed > request.tokens:
        fitting = request.tokens / (grid.n_orders - level) // grid.lot * grid.lot
        raise ConfigError(
            f"--tokens {request.tokens:f} do not reach from {grid.levels[level]:f} to the top {grid.levels[-1]:f}: "
            f"{grid.n_orders - level} orders of {order_size:f} need {needed:f}; give {needed:f} tokens, or an "
            f"--order-sz of at most {fitting:f}, or open higher"
        )
    return Shape(grid, order_size, needed)


def _extend_upwards(request: PlanRequest, order_size: Decimal) -> Shape:
    """Make the ladder end where the last whole tranche is sold."""
    n_asks = int(request.tokens // order_size)
    if n_asks < 1:
        raise ConfigError(
            f"--tokens {request.tokens:f} is less than one order of {order_size:f}; give more tokens, a smaller "
            "--order-sz, or the end of the ladder by --n-orders"
        )
    price = request.target_px or request.mid_px
    if price is None:
        raise ConfigError(
            "the levels cannot be counted: the book of this pair is empty on one side, so no price is known; give "
            "--target-px, or a --range LOW HIGH"
        )
    step, level = request.step or HIP2_STEP, 0
    if price > request.start_px:
        # The levels below the opening, and one more for a price between two.
        grid = _count_levels(request, price, step)
        level = _find_opening(request, _grid(request, grid.n_orders + 1, step)) or 0
    elif request.target_px is not None:
        level = _find_opening(request, _grid(request, 2, step)) or 0
    if level + n_asks > MAX_LEVELS:
        raise ConfigError(
            f"{level} levels below {price:f} and {n_asks} above are more than {MAX_LEVELS}; take a larger --order-sz "
            "or --step"
        )
    return Shape(_grid_upwards(request, level + n_asks, step), order_size, order_size * n_asks)
