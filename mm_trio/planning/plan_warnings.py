"""What an operator should know before a plan is used, each with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from mm_trio.model.numbers import round_up
from mm_trio.planning.income import Fees
from mm_trio.planning.ladder_plan import MOST_OPEN_ORDERS, LadderPlan
from mm_trio.planning.market_view import MarketView, count_ladder_rows

__all__ = ["PlanWarning", "find_warnings"]

# The venue refuses prices more than 80 % away from its reference: below a fifth, and above five times of it.
LOWEST_OF_MID, HIGHEST_OF_MID = Decimal("0.2"), Decimal(5)
USUAL_TAKERS = 5
# Fewer rows of one size, a step apart, happen by chance.
ROWS_OF_A_LADDER = 4


class PlanWarning(NamedTuple):
    """What is the matter and what to do; `name` is for programs."""

    name: str
    what: str
    remedy: str


def find_warnings(
    plan: LadderPlan, view: MarketView, fees: Fees, *, taker_size: Decimal | None = None
) -> tuple[PlanWarning, ...]:
    """Find what an operator should know of a plan. Units: base."""
    return (
        *_check_sizes(plan, view),
        *_check_market(plan, view),
        *_check_funds(plan, view),
        *_check_earnings(plan, view, fees, taker_size),
        *_check_hip2(plan, view),
    )


def _check_sizes(plan: LadderPlan, view: MarketView) -> Iterator[PlanWarning]:
    smallest, least = plan.order_size * plan.grid.levels[0], plan.min_notional
    if smallest < 2 * least:
        enough = round_up(2 * least / plan.grid.levels[0], unit=plan.grid.lot)
        yield PlanWarning(
            "small_orders",
            f"an order is worth {smallest:.2f} {view.quote} at the lowest level; the venue's minimum is {least:f}, and "
            "below twice that both parts of a partly filled order can be too small to place",
            f"take orders of at least {enough:f} {view.base}, or fewer levels",
        )
    n_orders = len(plan.all_orders)
    if n_orders > MOST_OPEN_ORDERS:
        yield PlanWarning(
            "many_orders",
            f"the ladder has {n_orders} orders, and the venue allows {MOST_OPEN_ORDERS:,} open orders of an account",
            f"nothing, if {plan.active_levels} orders a side are enough: the configuration has active_levels = "
            f"{plan.active_levels}, and the others rest when the price comes near; else take a larger --step",
        )


def _check_market(plan: LadderPlan, view: MarketView) -> Iterator[PlanWarning]:
    mid = view.mid
    if mid is None:
        yield PlanWarning(
            "no_mid",
            "the book of this pair is empty on one side at least, so the plan could not be compared with a price",
            "check the opening price by another source",
        )
        return
    low, high = LOWEST_OF_MID * mid, HIGHEST_OF_MID * mid
    far = [order for order in (*plan.asks, *plan.bids) if not low <= order.price <= high]
    if far:
        yield PlanWarning(
            "far_prices",
            f"{len(far)} orders are outside {low:f} to {high:f} {view.quote}, a fifth to five times of the market's "
            f"mid {mid:f}: the venue refuses prices that are more than 80 % away",
            "take a narrower range, or set active_levels so that they do not rest until the price comes near",
        )
    crossing = [order for order in plan.asks if order.price <= view.book.bids[0].price]
    crossing += [order for order in plan.bids if order.price >= view.book.asks[0].price]
    if crossing:
        side = "asks" if crossing[0].side == "sell" else "bids"
        yield PlanWarning(
            "opens_off_market",
            f"the ladder opens at {plan.opens_at:f} {view.quote} and the market's mid is {mid:f}: {len(crossing)} "
            f"{side} would trade at once, so the venue refuses them (post-only) until the market comes to them",
            f"open at the market (--target-px {mid:f}), with the tokens and the quote that this needs",
        )


def _check_funds(plan: LadderPlan, view: MarketView) -> Iterator[PlanWarning]:
    if plan.quote < plan.quote_needed:
        reach = "no bid at all" if plan.lowest_funded is None else f"bids down to {plan.lowest_funded:f} alone"
        yield PlanWarning(
            "short_of_quote",
            f"{plan.quote:.2f} {view.quote} pay for {reach}; all bids down to {plan.grid.levels[0]:f} need "
            f"{plan.quote_needed:.2f}",
            f"add {plan.quote_needed - plan.quote:.2f} {view.quote}, start higher, or take smaller orders",
        )
    if plan.spare_tokens >= plan.order_size:
        yield PlanWarning(
            "spare_tokens",
            f"{plan.spare_tokens:f} of the {plan.spare_tokens + plan.tokens:f} {view.base} are not offered: the levels "
            "above the opening hold whole orders alone",
            "nothing, or take another --order-sz, --target-px or number of levels",
        )
    if not plan.bids or not plan.asks:
        missing = "asks" if plan.bids else "bids"
        yield PlanWarning(
            "one_sided",
            f"the ladder opens with no {missing}, so it makes a market on one side alone",
            "nothing, if that is meant; else open it inside the ladder (--target-px), with funds for both sides",
        )


def _check_earnings(
    plan: LadderPlan, view: MarketView, fees: Fees, taker_size: Decimal | None
) -> Iterator[PlanWarning]:
    gained, paid = plan.gap_levels * plan.grid.tick_size, 2 * fees.maker
    if 0 < gained <= paid:
        yield PlanWarning(
            "gap_below_fees",
            f"a round trip gains {gained * 10_000:.1f} bps and costs {paid * 10_000:.1f} bps in fees",
            "take a larger --gap-levels or --step",
        )
    if plan.gap_levels == 0 and fees.maker > 0:
        yield PlanWarning(
            "whole_orders_lose",
            f"at gap 0 an order that is sold whole and bought back whole gains nothing and costs {paid * 10_000:.1f} "
            "bps in fees; only parts of an order that turn around gain the step",
            "take --gap-levels 1, with half the --step and half the order size for the same depth and spread",
        )
    if taker_size is not None and plan.gap_levels == 0 and plan.order_size < USUAL_TAKERS * taker_size:
        yield PlanWarning(
            "orders_below_takers",
            f"an order of {plan.order_size:f} {view.base} is less than {USUAL_TAKERS} usual takers of {taker_size:f}, "
            "so most orders turn around whole",
            f"take orders of {USUAL_TAKERS * taker_size:f} to {4 * USUAL_TAKERS * taker_size:f} {view.base}, or "
            "--gap-levels 1 or more",
        )


def _check_hip2(plan: LadderPlan, view: MarketView) -> Iterator[PlanWarning]:
    rows, signs = count_ladder_rows(view), []
    if view.hip2_orders:
        signs.append(f"{view.hip2_orders} open orders of its account")
    if view.hip2_tokens:
        signs.append(f"it was given {view.hip2_tokens:f} {view.base} when the token began")
    if view.hip2_quote:
        signs.append(f"its lowest levels began as bids of {view.hip2_quote:f} USDC")
    if rows >= ROWS_OF_A_LADDER:
        signs.append(f"{rows} rows of the book have one size and stand one step of HIP-2 apart")
    if signs:
        yield PlanWarning(
            "hip2_here",
            f"HIP-2, or another ladder like it, seems to quote this pair already: {'; '.join(signs)}",
            "expect to share its trades: it pays no fee, so a second ladder beside it earns less; a gap or a finer "
            "step sets yours apart",
        )
