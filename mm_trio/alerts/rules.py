"""Rules that find trouble in one look at a maker. Pure.

Each finds what is wrong at that moment, by a key, and says what it is, what the limit is and what helps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from mm_trio.alerts.look import MakerLook
from mm_trio.alerts.message import Severity

__all__ = ["RULES", "AlertTerms", "Finding", "Rule", "find_trouble"]

# A guard writes each second. A machine under load, or a restart of the guard by its service, takes some.
GUARD_SILENT_AFTER_S = 60.0
# A difference is looked at again within seconds, and believed within a minute where it stays.
DIFFERS_AFTER_S = 120.0
# The venue may tell the reason of a movement late; a few reconciliations ask for it.
EXPLAINED_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTerms:
    """Limits of the rules. 0 switches those of budget and key off."""

    feed_down_after_s: float = 60.0
    one_sided_after_min: float = 10.0
    budget_hours: int = 24
    agent_days: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong at a moment.

    `after_s`: how long it has to last before it is told. `is_event`: it happened, and is never over; its key is
    new each time. `cleared` is told when it is over.
    """

    key: str
    severity: Severity
    title: str
    text: str
    cleared: str = ""
    after_s: float = 0.0
    is_event: bool = False


Rule: TypeAlias = Callable[[MakerLook, AlertTerms], Iterator[Finding]]


def find_trouble(look: MakerLook, terms: AlertTerms) -> Iterator[Finding]:
    """Find everything that is wrong at a moment."""
    for rule in RULES.values():
        yield from rule(look, terms)


def find_halts(look: MakerLook, terms: AlertTerms) -> Iterator[Finding]:
    """Find what ended quoting for good: a limit, an operator, or a ledger that contradicts the venue."""
    for coin, why in _list_reasons(look.halted, ((grid.coin, grid.halted) for grid in look.grids)):
        yield Finding(
            key=f"halted:{coin}",
            severity=Severity.CRITICAL,
            title=f"{coin} halted",
            text=f"{why}. It places nothing until you let it: read the log, then `mm-trio resume --config FILE`, "
            "which shows the reason and what may rest.",
            cleared=f"{coin} is not halted any more",
        )


def find_stops(look: MakerLook, terms: AlertTerms) -> Iterator[Finding]:
    """Find what keeps a maker from placing without ending it."""
    for coin, why in _list_reasons(look.stopped, ((grid.coin, grid.stopped) for grid in look.grids)):
        yield Finding(
            key=f"stopped:{coin}",
            severity=Severity.WARNING,
            title=f"{coin} places nothing",
            text=f"{why}. `mm-trio resume --config FILE` lets it go on.",
            cleared=f"{coin} places orders again",
        )


def find_lost_feed(look: MakerLook, terms: AlertTerms) -> Iterator[Finding]:
    """Find a venue that has not been heard for a while."""
    silent_s = look.feed_silent_s
    if silent_s is not None and silent_s > terms.feed_down_after_s:
        yield Finding(
            key="feed",
            severity=Severity.CRITICAL,
            title="the venue is not heard",
            text=f"no frame for {silent_s:.0f} s (limit {terms.feed_down_after_s:g} s). Nothing new is placed, and "
            "what rests can trade. Look at the network and at the venue's status page; a guard cancels in time.",
            cleared="frames of the venue arrive again",
        )


def find_one_sided(look: MakerLook, terms: AlertTerms) -> Iterator[Finding]:
    """Find grids that have no order on a side for a while."""
    for grid in look.grids:
        is_meant = grid.halted or grid.stopped or look.halted or look.stopped
        if not grid.is_quoting or is_meant or (grid.n_asks and grid.n_bids):
            continue
        missing = "orders" if not grid.n_asks and not grid.n_bids else "bids" if grid.n_asks else "asks"
        why = f": {grid.waits_for}" if grid.waits_for else ""
        yield Finding(
            key=f"one-sided:{grid.coin}",
            severity=Severity.WARNING,
            title=f"{grid.coin} has no {missing}",
            text=f"no {missing} rest for {terms.one_sided_after_min:g} min or more ({grid.n_asks} asks, {grid.n_bids} "
            f"bids){why}. Add the token that is used up, or move the ladder.",
            cleared=f"{grid.coin} quotes both sides again",
            after_s=60 * terms.one_sided_after_min,
        )


def find_short_budget(look: MakerLook, terms: AlertTerms) -> Iterator[Finding]:
    """Find a request budget that is used up, or will be soon."""
    if look.budget_left is None:
        return
    remedy = "Trade, let it rest, or buy requests (reserveRequestWeight); a wider `tick_size` needs fewer."
    if look.budget_left <= look.budget_floor:
        yield Finding(
            key="budget",
            severity=Severity.CRITICAL,
            title="the request budget is used up",
            text=f"{look.budget_left:,} requests are left, and {look.budget_floor:,} are kept for cancels. Nothing new "
            f"is placed. {remedy}",
            cleared="the request budget is above its floor again",
        )
    elif look.budget_hours is not None and look.budget_hours < terms.budget_hours:
        yield Finding(
            key="budget",
            severity=Severity.WARNING,
            title="the request budget runs out",
            text=f"{look.budget_left:,} requests last {look.budget_hours:.1f} h at the last hour's rate (limit "
            f"{terms.budget_hours} h). {remedy}",
            cleared="the request budget lasts long enough again",
        )


def find_ending_key(look: MakerLook, terms: AlertTerms) -> Iterator[Finding]:
    """Find a signing key that ends soon, or that the venue does not list any more."""
    remedy = "Run `mm-trio keys rotate`, then start the maker anew."
    if not look.is_key_listed:
        yield Finding(
            key="key",
            severity=Severity.CRITICAL,
            title="the signing key is gone",
            text=f"the venue does not list the key any more: it was removed or replaced, or has ended. {remedy}",
            cleared="the venue lists the signing key again",
        )
    elif look.key_days is not None and look.key_days < terms.agent_days:
        yield Finding(
            key="key",
            severity=Severity.CRITICAL if look.key_days < 1 else Severity.WARNING,
            title="the signing key ends soon",
            text=f"{look.key_days:.1f} days are left (limit {terms.agent_days}), then actions are refused. {remedy}",
            cleared="the signing key lasts long enough again",
        )


def find_silent_guard(look: MakerLook, terms: AlertTerms) -> Iterator[Finding]:
    """Find a guard that watched, and does not any more."""
    silent_s = look.guard_silent_s
    if silent_s is not None and silent_s > GUARD_SILENT_AFTER_S:
        yield Finding(
            key="guard",
            severity=Severity.WARNING,
            title="the guard is silent",
            text=f"no sign of life of the guard for {silent_s:.0f} s (limit {GUARD_SILENT_AFTER_S:g} s): nobody "
            "cancels if the maker dies. Start `mm-trio guard --config FILE`.",
            cleared="the guard watches again",
        )


def find_ledger_trouble(look: MakerLook, terms: AlertTerms) -> Iterator[Finding]:
    """Find a ledger that differs from the venue's balances, or took over what nothing explains."""
    remedy = "Compare with `mm-trio ledger audit --config FILE`."
    for grid in look.grids:
        if grid.difference is not None:
            yield Finding(
                key=f"ledger:{grid.coin}",
                severity=Severity.WARNING,
                title=f"{grid.coin}: the ledger is not exact",
                text=f"the venue's balance differs by {grid.difference[0]:+f} base and {grid.difference[1]:+f} quote "
                f"for more than {DIFFERS_AFTER_S:g} s (allowed: 0). {remedy}",
                cleared=f"{grid.coin}: the ledger equals the venue's balance",
                after_s=DIFFERS_AFTER_S,
            )
        if any(grid.unexplained):
            token, usdc = grid.unexplained
            yield Finding(
                # Another sum is another event.
                key=f"unexplained:{grid.coin}:{token:f}:{usdc:f}",
                severity=Severity.WARNING,
                title=f"{grid.coin}: balance changed without a cause",
                text=f"since its start the ledger took over {token:+f} base and {usdc:+f} quote that no fill explains, "
                f"and no movement of funds that is this market's alone (allowed: 0). {remedy}",
                after_s=EXPLAINED_WITHIN_S,
                is_event=True,
            )


def _list_reasons(account: str | None, grids: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, str]]:
    """List what holds, once: the account's reason, or those of grids."""
    if account is not None:
        yield "the maker", account
        return
    for coin, why in grids:
        if why is not None:
            yield coin, why


RULES: dict[str, Rule] = {
    "halted": find_halts,
    "stopped": find_stops,
    "feed": find_lost_feed,
    "one-sided": find_one_sided,
    "budget": find_short_budget,
    "key": find_ending_key,
    "guard": find_silent_guard,
    "ledger": find_ledger_trouble,
}
