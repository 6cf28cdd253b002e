"""Plan of a ladder: what it offers, what it needs, and where it can end.

All figures follow from the orders that the maker itself would place, so they equal what it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.errors import ConfigError
from mm_trio.model.numbers import round_up
from mm_trio.model.orders import DesiredOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import LEAST_IN_MINIMA
from mm_trio.planning.plan_request import PlanRequest, Shape, resolve_shape
from mm_trio.quoting.quoting_engine import compute_boundary, compute_desired_orders

__all__ = [
    "MOST_OPEN_ORDERS",
    "WINDOW",
    "Ending",
    "LadderPlan",
    "find_ending",
    "plan_allocation",
    "plan_ladder",
    "sum_notional",
]

_ZERO = Decimal(0)
# The venue's limit of an account's open orders.
MOST_OPEN_ORDERS = 1_000
# Orders a side of a ladder that would pass it; a tenth is left for other coins.
WINDOW = 450


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Inventory at one end of the ladder, fees left out.

    Units: `price` in quote per base, `token` in base, `quote` and `loss_vs_hold` in quote. The loss is against having
    held what the ladder began with, all valued at `price`.
    """

    price: Decimal
    token: Decimal
    quote: Decimal
    loss_vs_hold: Decimal

    @property
    def worth(self) -> Decimal:
        """Return the value of the inventory at `price`, in quote."""
        return self.token * self.price + self.quote


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderPlan:
    """Ladder, what it offers, and what rests at the start.

    Units: `order_size`, `tokens`, `spare_tokens` in base; `quote`, `quote_needed` in quote. `all_orders` are those of
    every level, asks first, each side from the boundary outwards. `active_levels` is the window, None without one.
    """

    grid: PricingGrid
    gap_levels: int
    order_size: Decimal
    tokens: Decimal
    spare_tokens: Decimal
    quote: Decimal
    quote_needed: Decimal
    spare_quote: Decimal
    min_notional: Decimal
    active_levels: int | None
    all_orders: tuple[DesiredOrder, ...]

    @property
    def asks(self) -> tuple[DesiredOrder, ...]:
        """Return the asks that rest at the start, best first."""
        return tuple(order for order in self.all_orders if order.side == "sell")[: self.active_levels]

    @property
    def bids(self) -> tuple[DesiredOrder, ...]:
        """Return the bids that rest at the start, best first."""
        return tuple(order for order in self.all_orders if order.side == "buy")[: self.active_levels]

    @property
    def best_ask(self) -> Decimal | None:
        """Return the price of the best ask."""
        return self.asks[0].price if self.asks else None

    @property
    def best_bid(self) -> Decimal | None:
        """Return the price of the best bid."""
        return self.bids[0].price if self.bids else None

    @property
    def opens_at(self) -> Decimal:
        """Return the middle of the inside, or the price of the only side."""
        prices = [price for price in (self.best_bid, self.best_ask) if price is not None]
        return sum(prices, _ZERO) / len(prices) if prices else self.grid.levels[0]

    @property
    def spread_bps(self) -> Decimal | None:
        """Return the width of the inside, in bps of its middle."""
        if self.best_ask is None or self.best_bid is None:
            return None
        return (self.best_ask - self.best_bid) / self.opens_at * 10_000

    @property
    def bid_size(self) -> Decimal:
        """Return what all bids of the ladder buy, in base."""
        return sum((order.size for order in self.all_orders if order.side == "buy"), _ZERO)

    @property
    def lowest_funded(self) -> Decimal | None:
        """Return the price of the lowest bid that is paid for."""
        prices = [order.price for order in self.all_orders if order.side == "buy"]
        return min(prices, default=None)


def plan_ladder(request: PlanRequest) -> LadderPlan:
    """Plan the ladder that a request means. Errors: ConfigError."""
    shape = resolve_shape(request)
    grid, order_size, tokens = shape
    gap, least = request.gap_levels, request.min_notional
    _check_order_size(grid, order_size, least)
    if gap >= grid.n_orders:
        raise ConfigError(
            f"--gap-levels {gap} is not below the number of levels, {grid.n_orders}: there would be no bid; take a "
            "smaller gap or more levels"
        )
    # More than every level together costs.
    enough = order_size * sum(grid.levels, _ZERO)
    funded = _compute_orders(shape, enough, gap_levels=gap, min_notional=least)
    needed = sum_notional(order for order in funded if order.side == "buy")
    quote = needed if request.usdc is None else min(request.usdc, needed)
    orders = _compute_orders(shape, quote, gap_levels=gap, min_notional=least)
    return LadderPlan(
        grid=grid,
        gap_levels=gap,
        order_size=order_size,
        tokens=tokens,
        spare_tokens=request.tokens - tokens,
        quote=quote,
        quote_needed=needed,
        spare_quote=_ZERO if request.usdc is None else request.usdc - quote,
        min_notional=least,
        active_levels=WINDOW if len(orders) > MOST_OPEN_ORDERS else None,
        all_orders=orders,
    )


def plan_allocation(
    shape: Shape, quote: Decimal, *, gap_levels: int, min_notional: Decimal, active_levels: int | None
) -> LadderPlan:
    """Plan the ladder that a maker opens with an allocation, as it was configured.

    All of `quote` counts as offered, also what no bid needs.
    """
    grid, order_size, tokens = shape
    orders = _compute_orders(shape, quote, gap_levels=gap_levels, min_notional=min_notional)
    return LadderPlan(
        grid=grid,
        gap_levels=gap_levels,
        order_size=order_size,
        tokens=tokens,
        spare_tokens=_ZERO,
        quote=quote,
        quote_needed=sum_notional(order for order in orders if order.side == "buy"),
        spare_quote=_ZERO,
        min_notional=min_notional,
        active_levels=active_levels,
        all_orders=orders,
    )


def _check_order_size(grid: PricingGrid, order_size: Decimal, least: Decimal) -> None:
    """Refuse an order that the maker would refuse too."""
    if order_size % grid.lot:
        raise ConfigError(f"--order-sz {order_size:f} is not a whole number of lots of {grid.lot:f}; round it")
    worth, needed = order_size * grid.levels[0], LEAST_IN_MINIMA * least
    if worth < needed:
        enough = round_up(needed / grid.levels[0], unit=grid.lot)
        raise ConfigError(
            f"an order of {order_size:f} is worth {worth:f} at the lowest level {grid.levels[0]:f}; it must be worth "
            f"{needed:f} or more, 1.01 times the venue's minimum of {least:f}; take orders of at least {enough:f}, "
            "fewer levels, more tokens, or start higher"
        )


def find_ending(plan: LadderPlan, *, at_top: bool) -> Ending:
    """Find the inventory when the price has left the ladder.

    At the top every ask is sold, at the bottom every bid that is paid for is bought.
    """
    side = "sell" if at_top else "buy"
    orders = [order for order in plan.all_orders if order.side == side]
    price = plan.grid.levels[-1 if at_top else 0]
    sign = 1 if at_top else -1
    moved, paid = sum((order.size for order in orders), _ZERO), sum_notional(orders)
    return Ending(
        price=price,
        token=plan.tokens - sign * moved,
        quote=plan.quote + sign * paid,
        loss_vs_hold=sum((order.size * abs(price - order.price) for order in orders), _ZERO),
    )


def sum_notional(orders: Iterable[DesiredOrder]) -> Decimal:
    """Sum up what orders are worth at their prices, in quote."""
    return sum((order.size * order.price for order in orders), _ZERO)


def _compute_orders(
    shape: Shape, quote: Decimal, *, gap_levels: int, min_notional: Decimal
) -> tuple[DesiredOrder, ...]:
    """Compute what the maker places when it starts with these balances."""
    grid, order_size, tokens = shape
    boundary = compute_boundary(grid, tokens, order_size, bid_levels=())
    return compute_desired_orders(
        grid, boundary, tokens, quote, order_size, min_notional=min_notional, gap_levels=gap_levels
    )
