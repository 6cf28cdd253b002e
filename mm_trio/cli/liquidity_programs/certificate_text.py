"""Figures of a certificate, and what they prove, as text for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mm_trio.liquidity.certificate import Header
from mm_trio.liquidity.figures import Figures
from mm_trio.liquidity.terms import CAUSES
from mm_trio.liquidity.units import format_units

__all__ = ["CONCLUSIONS", "describe_certificate"]

# So many outages are shown; --json has more.
MOST_SHOWN = 10

CONCLUSIONS = (
    "What this proves: the file is as the named key signed it, to the byte, and every figure and verdict follows from "
    "the samples and fills in it.",
    "What it does not prove: the samples are the maker's own record of its orders and of the best prices, at times of "
    "its own clock, and so is the market's volume; nothing public shows them, and a fill may be left out. A hole in "
    "the samples counts as downtime.",
    "That the key acts for the account is shown by fills that the venue knows as this account's (--fills), and by the "
    "venue's list of the account's agents; not by the signature.",
)


def describe_certificate(header: Header, figures: Figures) -> str:
    """Describe a certificate: subject, figures, clauses, outages."""
    return "\n".join([*_describe_subject(header), *_describe_figures(figures), *_describe_clauses(header, figures)])


def _describe_subject(header: Header) -> Iterator[str]:
    partial = " (PARTIAL: the period was not over)" if header.is_partial else ""
    yield f"{header.coin} on {header.network}, account {header.account}"
    yield f"{_moment(header.from_s)} to {_moment(header.until_s)}{partial}"
    within, target = format_units(header.terms.within_pct), format_units(header.terms.target_bps)
    yield f"terms: {header.preset or 'own clauses'}; within {within} % of the mid, target {target} bps"
    yield ""


def _describe_figures(figures: Figures) -> Iterator[str]:
    columns: list[Any] = [figures.period, *figures.days]
    names = ["period", *(_moment(day["day_s"])[:10] for day in figures.days)]
    # The last days are the ones that are read; all of them are in the file.
    if len(columns) > 8:
        columns, names = [columns[0], *columns[-6:]], [names[0], *names[-6:]]
    yield _row("", names)
    for label, path in _ROWS:
        yield _row(label, [_show(_find(column, path)) for column in columns])
    yield ""


_ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("samples (1 s)", ("samples",)),
    ("uptime bid", ("uptime_bid",)),
    ("uptime ask", ("uptime_ask",)),
    ("uptime both", ("uptime_two_sided",)),
    ("spread, mean bps", ("spread_ours_bps", "mean")),
    ("spread, p95 bps", ("spread_ours_bps", "p95")),
    ("spread on target", ("spread_ours_bps", "on_target")),
    ("market spread, mean bps", ("spread_market_bps", "mean")),
    ("depth bid 2 %, mean", ("depth_bid", "2", "mean")),
    ("depth bid 2 %, p5", ("depth_bid", "2", "p5")),
    ("depth ask 2 %, mean", ("depth_ask", "2", "mean")),
    ("depth ask 2 %, p5", ("depth_ask", "2", "p5")),
    ("slippage buy 1,000, p50 bps", ("slippage_bps", "buy_1000", "p50")),
    ("slippage sell 1,000, p50 bps", ("slippage_bps", "sell_1000", "p50")),
    ("fills", ("volume", "fills")),
    ("our volume", ("volume", "ours")),
    ("share of market volume", ("volume", "share")),
    ("requote after a full fill, p95 s", ("requote_s", "p95")),
    *((f"down, {cause}, s", ("down_s", cause)) for cause in CAUSES),
)


def _describe_clauses(header: Header, figures: Figures) -> Iterator[str]:
    # A name is its maker's, and may promise more than the clause.
    least = {clause.name: format_units(clause.at_least) for clause in header.terms.clauses}
    for clause in figures.clauses:
        verdict = "met" if clause["met"] else "NOT MET"
        value = "unknown (no sample counts)" if clause["value"] is None else _show(clause["value"])
        tail = f"; {clause['failed']} of {clause['samples']} samples failed, {clause['excluded']} excluded"
        yield f"clause {clause['clause']}: {verdict}, {value} of at least {least[str(clause['clause'])]}{tail}"
    rows: Any = figures.outages["first"]
    yield f"outages: {figures.outages['count']}"
    for row in rows[:MOST_SHOWN]:
        sold_out = f", sold out on {row['sold_out']}s" if row["sold_out"] else ""
        excluded = f", excluded by {', '.join(row['excluded_by'])}" if row["excluded_by"] else ""
        yield f"  {_moment(row['at_s'])} {row['length_s']} s: {row['cause']}{sold_out}{excluded}"


def _row(label: str, cells: list[str]) -> str:
    return "  ".join([label.ljust(34), *(cell.rjust(14) for cell in cells)]).rstrip()


def _find(column: Mapping[str, Any], path: tuple[str, ...]) -> object:
    found: Any = column
    for key in path:
        found = found[key]
    return found


def _show(value: object) -> str:
    if value is None:
        return "unknown"
    return f"{Decimal(value):.4f}".rstrip("0").rstrip(".") if isinstance(value, str) and "." in value else str(value)


def _moment(second: object) -> str:
    assert isinstance(second, int)
    # Beyond the years that a calendar of the library has.
    if second > 253_402_300_799:
        return f"second {second}"
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
