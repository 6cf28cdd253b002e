"""Checks of money: amounts, limits, worst case, fees."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

from mm_trio.cli.check_programs.facts import Facts
from mm_trio.cli.check_programs.findings import Check, Outcome, Unknown, Verdict, expect, need
from mm_trio.cli.check_programs.market_checks import find_plan_warnings
from mm_trio.config.settings import Limits, Settings
from mm_trio.planning.income import Terms, compute_break_even_swing, compute_part_round_trip
from mm_trio.planning.ladder_plan import find_ending
from mm_trio.planning.plan_limits import find_limits

__all__ = ["MONEY_CHECKS", "START_CHECKS_OF_MONEY"]

_BPS = 10_000
_LEAST = ("max_order_notional", "max_side_notional", "max_net_spend", "max_loss_vs_hold", "max_drawdown_vs_hold")


def check_amounts(facts: Facts) -> Outcome:
    """Check that amounts or the opening price are named."""
    settings = facts.settings
    if settings.allocation is not None:
        return Outcome(
            Verdict.PASS, f"[allocation]: {settings.allocation.token:f} base and {settings.allocation.usdc:f} quote"
        )
    if settings.strategy.target_px is not None:
        return Outcome(Verdict.PASS, f"the ladder opens at target_px {settings.strategy.target_px:f}")
    verdict = Verdict.WARN if settings.market.network == "sandbox" else Verdict.FAIL
    return Outcome(
        verdict,
        "neither [strategy] target_px nor [allocation] is given: the whole account would be offered, and decide the "
        "price that the ladder opens at",
        "set one of them; to offer the whole account all the same, name the price with `run --accept-price`",
    )


def check_limits(facts: Facts) -> Outcome:
    """Check that every limit is given."""
    return judge_limits(facts.settings)


def judge_limits(settings: Settings) -> Outcome:
    """Check that every limit is given, by the configuration alone."""
    limits = settings.limits or Limits()
    missing = [item.name for item in fields(Limits) if getattr(limits, item.name) is None]
    if not missing:
        shown = [f"{item.name} {getattr(limits, item.name)}" for item in fields(Limits)]
        return Outcome(Verdict.PASS, f"all {len(shown)} are given: {', '.join(shown)}")
    verdict = Verdict.FAIL if settings.market.network == "mainnet" else Verdict.WARN
    return Outcome(
        verdict,
        f"{len(missing)} of {len(fields(Limits))} limits are not given: {', '.join(missing)}",
        "put them into [limits]; `mm-trio grid --out FILE` writes those that follow from a plan",
    )


def check_limits_fit(facts: Facts) -> Outcome:
    """Check that the limits allow the ladder's worst case."""
    given, plan = facts.settings.limits, need(facts.ladder.plan)
    if given is None:
        return Outcome(Verdict.SKIP, "no limits are given")
    wanted, narrow = find_limits(plan), list[str]()
    for name in _LEAST:
        limit, worst = getattr(given, name), getattr(wanted, name)
        if limit is not None and limit < worst:
            narrow.append(f"{name} {limit:f} is below {worst:f}")
    if given.price_low is not None and given.price_low > wanted.price_low:
        narrow.append(f"price_low {given.price_low:f} is above the lowest level {wanted.price_low:f}")
    if given.price_high is not None and given.price_high < wanted.price_high:
        narrow.append(f"price_high {given.price_high:f} is below the highest level {wanted.price_high:f}")
    if narrow:
        return Outcome(
            Verdict.WARN,
            f"limits stop this ladder before its worst case, with a tenth more: {'; '.join(narrow)}",
            "nothing, if it is to stop there; else take these numbers",
        )
    return Outcome(Verdict.PASS, "the limits given leave room for the ladder's worst case and a tenth more")


def check_worst_case(facts: Facts) -> Outcome:
    """Show the worst case, and whether all bids are paid."""
    plan = need(facts.ladder.plan)
    bottom, top = find_ending(plan, at_top=False), find_ending(plan, at_top=True)
    text = (
        f"at worst the bids spend {plan.quote:.2f} and the ladder ends {bottom.loss_vs_hold:.2f} below having held at "
        f"{bottom.price:f}, or {top.loss_vs_hold:.2f} at {top.price:f}"
    )
    if plan.quote < plan.quote_needed:
        reach = "no bid" if plan.lowest_funded is None else f"bids down to {plan.lowest_funded:f}"
        return Outcome(
            Verdict.WARN,
            f"{text}; {plan.quote:.2f} pay for {reach}, all of them need {plan.quote_needed:.2f}",
            "nothing, if that is meant; else add quote, start higher, or take smaller orders",
        )
    return Outcome(Verdict.PASS, text)


def check_fees(facts: Facts) -> Outcome:
    """Compare what a round trip gains with its fees."""
    fees, strategy = expect(facts.account.fees), facts.settings.strategy
    terms = Terms(step=strategy.tick_size, gap=strategy.gap_levels, notional=Decimal(1), fees=fees)
    part, swing = compute_part_round_trip(terms) * _BPS, compute_break_even_swing(terms)
    even = "" if swing is None else f", and whole orders break even on swings of {swing:.2f} of them"
    text = (
        f"maker {fees.maker * _BPS:.2f} bps, taker {fees.taker * _BPS:.2f} bps; a part that turns around at the next "
        f"level earns {part:.2f} bps{even}"
    )
    if part <= 0:
        return Outcome(Verdict.FAIL, f"{text}: every round trip loses", "take a larger tick_size or gap_levels")
    losing = ("whole_orders_lose", "gap_below_fees")
    if not isinstance(facts.ladder.plan, Unknown) and not isinstance(facts.market.book, Unknown):
        found = [warning for warning in find_plan_warnings(facts) if warning.name in losing]
        if found:
            remedy = "set gap_levels to 1 or more, with a smaller tick_size and order_sz for the same depth and spread"
            return Outcome(Verdict.WARN, f"{text}; {found[0].what}", remedy)
    return Outcome(Verdict.PASS, text)


_LIMITS = Check("limits", "all limits are given", check_limits)
MONEY_CHECKS = (
    Check("amounts", "the amounts or the opening price are named", check_amounts),
    _LIMITS,
    Check("limits_fit", "the limits leave room for the ladder's worst case", check_limits_fit),
    Check("worst_case", "the worst case, and whether all bids are paid for", check_worst_case),
    Check("fees", "a round trip earns more than its fees", check_fees),
)
START_CHECKS_OF_MONEY = (_LIMITS,)
