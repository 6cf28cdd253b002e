"""Whether the limits of a maker of real money fit its plan. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mm_trio.limits.terms import RiskLimits
from mm_trio.planning.ladder_plan import LadderPlan, find_ending, sum_notional
from mm_trio.planning.plan_limits import find_limits

__all__ = ["WIDEST", "describe_plan", "find_misfits"]

# A limit of so many times the plan's worst case bounds nothing of this plan: it has a digit too many, or was written
# for another one.
WIDEST = 10
_WORST = ("max_order_notional", "max_side_notional", "max_net_spend", "max_loss_vs_hold", "max_drawdown_vs_hold")


def find_misfits(plan: LadderPlan, limits: RiskLimits) -> tuple[str, ...]:
    """Name every limit that the plan breaks when it opens, and every one that is far wider than its worst case.

    All limits are set.
    """
    return (*_find_too_narrow(plan, limits), *_find_too_wide(plan, limits))


def describe_plan(plan: LadderPlan, *, base: str, quote: str) -> tuple[str, ...]:
    """Describe what is at stake: what is offered, and what is held at both ends of the ladder."""
    opening = f"asks={_plain(sum_notional(plan.asks))} bids={_plain(sum_notional(plan.bids))} {quote}"
    lines = [f"exposure: {_plain(plan.tokens)} {base} and {_plain(plan.quote)} {quote} at most; resting {opening}"]
    for name, at_top in (("lowest", False), ("highest", True)):
        end = find_ending(plan, at_top=at_top)
        lines.append(
            f"at the {name} price {end.price:f}: {_plain(end.token)} {base} and {_plain(end.quote)} {quote}, "
            f"{_plain(end.loss_vs_hold)} {quote} less than by holding, before fees"
        )
    return tuple(lines)


def _find_too_narrow(plan: LadderPlan, limits: RiskLimits) -> Iterator[str]:
    """Find the limits that the first orders would break: the maker would stop at once."""
    orders = (*plan.asks, *plan.bids)
    needed = {
        "max_order_notional": max((order.price * order.size for order in orders), default=Decimal(0)),
        "max_side_notional": max(sum_notional(plan.asks), sum_notional(plan.bids)),
    }
    for name, amount in needed.items():
        if (limit := getattr(limits, name)) is not None and limit < amount:
            yield f"[limits] {name} {limit:f} is below the {amount:f} that the plan opens with; raise it, or plan less"
    prices = [order.price for order in orders]
    if prices and limits.price_low is not None and limits.price_low > min(prices):
        yield (
            f"[limits] price_low {limits.price_low:f} is above the lowest order, {min(prices):f}; lower it, or "
            "start the ladder higher"
        )
    if prices and limits.price_high is not None and limits.price_high < max(prices):
        yield (
            f"[limits] price_high {limits.price_high:f} is below the highest order, {max(prices):f}; raise it, or "
            "end the ladder lower"
        )


def _find_too_wide(plan: LadderPlan, limits: RiskLimits) -> Iterator[str]:
    worst, one_order = find_limits(plan), plan.order_size * plan.grid.levels[-1]
    for name in _WORST:
        # A plan that can lose next to nothing needs room for one order all the same.
        most = WIDEST * max(getattr(worst, name), one_order)
        if (limit := getattr(limits, name)) is not None and limit > most:
            yield (
                f"[limits] {name} {limit:f} is more than {WIDEST} times the worst case of the plan, so it limits "
                f"nothing; at most {most:f} is allowed, and {getattr(worst, name):f} fits"
            )
    low, high = plan.grid.levels[0], plan.grid.levels[-1]
    if limits.price_low is not None and limits.price_low * WIDEST < low:
        yield f"[limits] price_low {limits.price_low:f} is far below the ladder; {low:f} fits"
    if limits.price_high is not None and limits.price_high > high * WIDEST:
        yield f"[limits] price_high {limits.price_high:f} is far above the ladder; {high:f} fits"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
