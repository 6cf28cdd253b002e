"""Limits of a plan: its worst case, and a tenth more."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from mm_trio.planning.ladder_plan import LadderPlan, find_ending

__all__ = ["MARGIN", "PlanLimits", "find_limits"]

MARGIN = Decimal("1.1")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLimits:
    """Amounts of `[limits]` that follow from a plan, in quote.

    A ladder's prices never move, so its lowest and highest price need no margin.
    """

    max_order_notional: Decimal
    max_side_notional: Decimal
    max_net_spend: Decimal
    price_low: Decimal
    price_high: Decimal
    max_loss_vs_hold: Decimal
    max_drawdown_vs_hold: Decimal


def find_limits(plan: LadderPlan) -> PlanLimits:
    """Find the worst case of a plan, times 1.1, in whole cents."""
    levels, size = plan.grid.levels, plan.order_size
    # At the bottom all that was bought is offered, from the top of the ladder down.
    n_levels = min(plan.grid.n_orders, int(((plan.tokens + plan.bid_size) / size).to_integral_value(ROUND_CEILING)))
    shown = n_levels if plan.active_levels is None else min(n_levels, plan.active_levels)
    worst_loss = max(find_ending(plan, at_top=top).loss_vs_hold for top in (False, True))
    return PlanLimits(
        max_order_notional=_add_margin(size * levels[-1]),
        max_side_notional=_add_margin(size * sum(levels[len(levels) - shown :], Decimal(0))),
        # Fees of sales come off the quote on offer, so bids never spend more than it.
        max_net_spend=_add_margin(plan.quote),
        price_low=levels[0],
        price_high=levels[-1],
        max_loss_vs_hold=_add_margin(worst_loss),
        # Wealth against having held is highest where the ladder opened, so the way down from there is the same.
        max_drawdown_vs_hold=_add_margin(worst_loss),
    )


def _add_margin(amount: Decimal) -> Decimal:
    return max(_CENT, (amount * MARGIN).quantize(_CENT, rounding=ROUND_CEILING))
