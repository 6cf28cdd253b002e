"""Cap of the first live run: the same ladder with one order of about the venue's minimum a side.

The boundary follows from tokens and order size together, so both are made smaller by the same ratio. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, Decimal

from mm_trio.config.settings import Allocation, Settings
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.numbers import round_up
from mm_trio.model.settings import LEAST_IN_MINIMA
from mm_trio.planning.ladder_plan import LadderPlan

__all__ = ["VENUE_MINIMUM", "cap_limits", "cap_settings"]

# Of one order, in quote. It is not the configured one, which an operator may set to anything.
VENUE_MINIMUM = Decimal(10)
# Above one order, below two.
_MARGIN = Decimal("1.5")
# The quote of an allocation, in whole units of this.
_UNIT = Decimal("0.00000001")


def cap_settings(settings: Settings, plan: LadderPlan) -> Settings:
    """Return the settings of a first run: one small order a side, on the same levels.

    `plan` is that of the settings. What it asks for on the level of a remainder becomes a whole small order there.
    """
    size = min(plan.order_size, round_up(LEAST_IN_MINIMA * VENUE_MINIMUM / plan.grid.levels[0], unit=plan.grid.lot))
    asks = [order.level_index for order in plan.all_orders if order.side == "sell"]
    lot, n_asks = plan.grid.lot, plan.grid.n_orders - min(asks, default=plan.grid.n_orders)
    tokens = min(n_asks * size, plan.tokens // lot * lot)
    quote = (plan.quote * size / plan.order_size).quantize(_UNIT, rounding=ROUND_CEILING)
    # A target says where the ladder opens, whatever the size is.
    allocation = None if settings.allocation is None else Allocation(token=tokens, usdc=min(quote, plan.quote))
    return replace(
        settings,
        strategy=replace(settings.strategy, order_sz=size, active_levels=1, window_slack=0),
        tuning=replace(settings.tuning, min_notional=VENUE_MINIMUM),
        allocation=allocation,
    )


def cap_limits(limits: RiskLimits, plan: LadderPlan) -> RiskLimits:
    """Return limits that let no second order rest on a side; `plan` is that of the first run.

    They hold where orders are signed, whatever was planned.
    """
    most = _MARGIN * plan.order_size * plan.opens_at
    return replace(
        limits,
        max_order_notional=_take_lower(limits.max_order_notional, most),
        max_side_notional=_take_lower(limits.max_side_notional, most),
    )


def _take_lower(limit: Decimal | None, cap: Decimal) -> Decimal:
    return cap if limit is None else min(limit, cap)
