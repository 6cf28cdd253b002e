"""Summary in words: what it earned, where that came from, and how it was kept up."""

from __future__ import annotations

from decimal import Decimal

from mm_trio.earnings.exact import shorten
from mm_trio.pages.page import Number
from mm_trio.pages.scales import format_time
from mm_trio.reports.amounts import find_decimals, share
from mm_trio.reports.facts import Facts

__all__ = ["describe_span", "summarise"]

# Less than so many bps is called the same.
SAME_BPS = Decimal("0.5")
AFTER_MS = 60_000
# Of the fills, for words about all of them.
ENOUGH = Decimal("0.9")


def describe_span(facts: Facts) -> str:
    """Describe the period."""
    return f"{format_time(facts.span[0])} to {format_time(facts.span[1])} UTC"


def summarise(facts: Facts) -> tuple[str, str, str]:
    """Return three sentences."""
    if not facts.earnings.tally.n_fills:
        nothing = f"Nothing was filled from {describe_span(facts)}, so nothing was earned or lost by trading."
        return nothing, "There were no fees and no pairs.", _describe_presence(facts)
    return _describe_result(facts), _describe_parts(facts), _describe_fills(facts)


def _write(amount: Decimal | None, unit: str, *, is_signed: bool = True) -> str:
    return Number(amount, unit, find_decimals([amount]), is_signed).shown


def _describe_result(facts: Facts) -> str:
    earnings, names = facts.earnings, facts.names
    done = f"{Number(earnings.tally.n_fills).shown} fills of {_write(earnings.volume, names.quote, is_signed=False)}"
    pnl = earnings.pnl_vs_hold
    if pnl is None:
        brought = f"{_write(earnings.earned.base, names.base)} and {_write(earnings.earned.quote, names.quote)}"
        reason = earnings.absent.get("pnl_vs_hold", "no mark")
        return f"{done} brought {brought} after fees; what that is worth in {names.quote} is unknown ({reason})."
    verb = "gained" if pnl > 0 else "lost" if pnl < 0 else "neither gained nor lost"
    amount = "" if not pnl else f" {_write(abs(pnl), names.quote, is_signed=False)}"
    ratio = shorten(pnl * 10_000, earnings.volume, places=2)
    return (
        f"Against holding, the ladder {verb}{amount} on {done} ({Number(ratio, 'bps', 2, True).shown} of the volume)."
    )


def _describe_parts(facts: Facts) -> str:
    earnings, unit = facts.earnings, facts.names.quote
    opened, fees = earnings.open.at(earnings.mark), earnings.fees.at(earnings.mark)
    parts = [f"Sales and purchases that pair up made {_write(earnings.realised, unit)}"]
    parts.append(
        "what is not paired yet is worth an unknown amount"
        if opened is None
        else f"what is not paired yet stands at {_write(opened, unit)}"
    )
    if fees is None:
        fee_text = f"{_write(earnings.fees.base, facts.names.base)} and {_write(earnings.fees.quote, unit)}"
        parts.append(f"fees took {fee_text}")
    elif fees < 0:
        parts.append(f"rebates brought {_write(abs(fees), unit)}")
    else:
        parts.append(f"fees took {_write(fees, unit, is_signed=False)}")
    return f"{parts[0]}, {parts[1]}, and {parts[2]}."


def _describe_fills(facts: Facts) -> str:
    """Tell how prices moved after fills, and how much of the time both sides were there."""
    presence = _describe_presence(facts)
    return f"{_describe_moves(facts)}; {presence[0].lower()}{presence[1:]}"


def _describe_moves(facts: Facts) -> str:
    earnings, unit = facts.earnings, facts.names.quote
    edge, after = earnings.find_marked(0), earnings.find_marked(AFTER_MS)
    n_marked = min(edge.n_marked, after.n_marked)
    if n_marked < ENOUGH * edge.n or edge.of_marked is None or after.of_marked is None:
        reason = facts.no_record or f"{edge.n - n_marked} of {edge.n} fills have no price beside them"
        return f"How prices moved after the fills is unknown ({reason})"
    change = after.of_marked - edge.of_marked
    ratio = shorten(change * 10_000, earnings.volume, places=2) or Decimal(0)
    verdict = "stayed" if abs(ratio) < SAME_BPS else "moved against it" if ratio < 0 else "came back to it"
    some = "" if n_marked == edge.n else f", of the {Number(n_marked).shown} fills with a price"
    return (
        f"Against the middle of the book its fills stood at {_write(edge.of_marked, unit)} at once and at "
        f"{_write(after.of_marked, unit)} a minute later{some}: prices {verdict}"
    )


def _describe_presence(facts: Facts) -> str:
    if facts.uptime is None:
        return f"How long both sides were quoted is unknown ({facts.no_record or 'nothing was recorded'})."
    return f"Both sides were quoted {share(facts.uptime, unit='%').shown} of the time."
