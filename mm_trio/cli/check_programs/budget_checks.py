"""Checks of the venue itself: reachable, request budget, weight, clock, status."""

from __future__ import annotations

from decimal import Decimal

from mm_trio.cli.check_programs.facts import Facts
from mm_trio.cli.check_programs.findings import Check, Outcome, Unknown, Verdict, expect, need
from mm_trio.cli.check_programs.market_checks import count_wanted
from mm_trio.planning.request_budget import find_request_need
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue.ip_weight import WEIGHT_PER_MINUTE

__all__ = ["BUDGET_CHECKS", "DEAD_MAN_VOLUME"]

# Of scheduleCancel. Source: docs, exchange endpoint.
DEAD_MAN_VOLUME = Decimal(1_000_000)
# USDC for each request. Source: docs, reserveRequestWeight.
REQUEST_PRICE = Decimal("0.0005")
_BOUGHT = 10_000


def check_venue(facts: Facts) -> Outcome:
    """Check that the venue answers."""
    url, unreached = facts.settings.market.base_url, facts.questions.unreached
    if unreached is not None:
        return Outcome(
            Verdict.FAIL,
            f"{url} did not tell its pairs: {unreached}",
            "look at [market] network, this machine's network and the venue's status; a sandbox has to be started "
            "(`mm-trio sandbox`)",
        )
    return Outcome(Verdict.PASS, f"{url} answers")


def check_weight(facts: Facts) -> Outcome:
    """Check that this IP address has request weight left."""
    asked = facts.questions
    if asked.n_busy:
        return Outcome(
            Verdict.FAIL,
            f"{asked.n_busy} questions were refused as too many (HTTP 429): this IP address has used its "
            f"{WEIGHT_PER_MINUTE:,} of weight a minute, or others behind it have",
            "wait a minute; end other clients of this address, or give the maker an address of its own",
        )
    if asked.unreached is not None:
        return Outcome(Verdict.SKIP, "not looked at: the venue was not reached")
    return Outcome(
        Verdict.PASS, f"no question was refused; this check used {asked.weight} of {WEIGHT_PER_MINUTE:,} a minute"
    )


def check_budget(facts: Facts) -> Outcome:
    """Check that the address has requests for its orders."""
    volume, n_used = expect(facts.account.budget)
    budget = RateLimitBudget()
    budget.sync_from_exchange(volume, n_used)
    left = budget.remaining()
    remedy = f"trade, or buy {_BOUGHT:,} more for {_BOUGHT * REQUEST_PRICE:.2f} USDC (reserveRequestWeight)"
    if left <= 0:
        return Outcome(Verdict.FAIL, f"no request is left: {n_used:,} were used at a volume of {volume:,.0f}", remedy)
    text = f"{left:,} requests are left after {n_used:,} at a volume of {volume:,.0f}"
    plan = facts.ladder.plan
    if isinstance(plan, Unknown):
        return Outcome(Verdict.PASS, text)
    first, need_of_plan = count_wanted(plan), find_request_need(plan, taker_notional=None)
    floor = 0 if facts.settings.limits is None else facts.settings.limits.budget_floor or 0
    text += f", enough for {left // (2 * first)} starts" if first else ""
    text += "" if need_of_plan.fills is not None else "; fills of whole orders earn more than they use"
    if left - floor < 2 * first:
        return Outcome(Verdict.WARN, f"{text}; placing and cancelling the ladder takes {2 * first:,}", remedy)
    return Outcome(Verdict.PASS, text)


def check_dead_man(facts: Facts) -> Outcome:
    """Check the volume that the venue's dead man's switch needs."""
    if getattr(getattr(facts.settings, "guard", None), "dead_man", "off") != "venue":
        return Outcome(Verdict.SKIP, "the venue's own dead man's switch is not asked for (dead_man = \"venue\")")
    volume, _ = need(facts.account.budget)
    if volume < DEAD_MAN_VOLUME:
        return Outcome(
            Verdict.FAIL,
            f'dead_man = "venue" needs a volume of {DEAD_MAN_VOLUME:,} USDC, and the account has {volume:,.0f}',
            "leave dead_man out, and let a guard process watch",
        )
    return Outcome(Verdict.PASS, f"the volume of {volume:,.0f} is enough for the venue's dead man's switch")


def check_clock(facts: Facts) -> Outcome:
    """Check this machine's clock against the venue's."""
    skew = expect(facts.market.skew)
    if skew is not None:
        return Outcome(Verdict.FAIL, skew, "set the clock, and keep it by NTP (`timedatectl set-ntp true`)")
    return Outcome(Verdict.PASS, "this machine's clock agrees with the venue's")


def check_status(facts: Facts) -> Outcome:
    """Check that the exchange is in no special state."""
    status = expect(facts.market.status)
    if status is not None:
        return Outcome(
            Verdict.WARN,
            f"the exchange tells a special state: {status}",
            "wait until it is over; after an upgrade only post-only orders are taken for a while",
        )
    return Outcome(Verdict.PASS, "the exchange tells no special state")


BUDGET_CHECKS = (
    Check("venue", "the venue answers", check_venue),
    Check("ip_weight", "this IP address has request weight left", check_weight),
    Check("clock", "this machine's clock agrees with the venue's", check_clock),
    Check("exchange_status", "the exchange is in no special state", check_status),
    Check("budget", "the address has requests for its orders", check_budget),
    Check("dead_man", 'the volume that dead_man = "venue" needs', check_dead_man),
)
