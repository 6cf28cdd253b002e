"""List of our fills, with what was seen of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Literal, TypeAlias

from mm_trio.cli.earnings_programs.past_words import lay_out, say_number, say_time
from mm_trio.cli.earnings_programs.progress import show_progress
from mm_trio.cli.earnings_programs.running_maker import RunningFills
from mm_trio.control.routes import MOST_FILLS
from mm_trio.earnings.period import Period
from mm_trio.history.fill_rows import FillRow, FillTotals, find_seen, take_last
from mm_trio.history.ledger_reader import LedgerReader
from mm_trio.model.journal_entries import Booked
from mm_trio.model.replies import FillKey

__all__ = ["FillList", "list_fills", "list_running"]

Source: TypeAlias = Literal["maker", "ledger"]
HEAD = (
    "time (UTC)", "side", "level", "price", "size", "fee", "mid before", "mid +60 s", "edge bps", "taker", "oid", "tid",
)  # fmt: skip
AFTER_MS = 60_000
TELL_EVERY = 1_000
TENTH = Decimal("0.1")
# Of an address: enough to tell takers apart.
ADDRESS_CHARS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FillList:
    """Last fills of a period, and the sums over all of it; `written`: the table that has all of them.

    `source` "ledger": they are all, together with those of a maker that runs which it has not written yet (`n_fresh`).
    "maker": the ledger has other markets too, so they are the last ones of the maker's session (`is_whole`: all).
    """

    folder: Path
    source: Source
    rows: tuple[FillRow, ...]
    totals: FillTotals
    unseen_because: str | None
    written: Path | None = None
    n_fresh: int = 0
    is_whole: bool = True

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "folder": str(self.folder),
            "source": self.source,
            "whole": self.is_whole,
            "not_in_ledger_yet": self.n_fresh,
            "totals": self.totals.to_json(),
            "fills": [row.to_json() for row in self.rows],
            "record_unread_because": self.unseen_because,
            "csv": None if self.written is None else str(self.written),
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        if not self.totals.n:
            return f"no fills in this time{self._describe_source()}; ledger: {self.folder}"
        totals = self.totals
        fees = ", ".join(f"{say_number(fee)} {token}" for token, fee in sorted(totals.fees.items()))
        lines = lay_out(HEAD, [_describe(row) for row in self.rows])
        if len(self.rows) < totals.n:
            lines.append(f"the last {len(self.rows)} of {totals.n} fills; --limit 0 shows all")
        lines.append(
            f"{totals.n} fills: bought {say_number(totals.bought)} base for {say_number(totals.paid)} quote, sold "
            f"{say_number(totals.sold)} base for {say_number(totals.received)} quote; fees: {fees}"
        )
        lines[-1] += self._describe_source()
        if self.unseen_because is not None:
            lines.append(f"takers and prices are unknown: {self.unseen_because}")
        if self.written is not None:
            lines.append(f"written: {self.written}")
        return "\n".join(lines)

    def _describe_source(self) -> str:
        if self.source == "ledger":
            return _say_fresh(self.n_fresh)
        older = "" if self.is_whole else "; older ones of it are in the ledger"
        return f"; of the session that runs now, as its maker says{older}"


def list_fills(folder: Path, period: Period, *, limit: int, running: RunningFills | None = None) -> FillList:
    """List the fills of a period, the last `limit` of them (0: all), by the ledger and the maker that runs.

    Errors: JournalError.
    """
    fresh = _Fresh(running, period)
    with LedgerReader.open(folder) as ledger, show_progress("fills read") as tell_progress:
        fills = ledger.read_fills(period.from_ms, period.until_ms)
        kept, totals = take_last(fresh.add_to(_counted(fills, tell_progress)), limit=limit)
    rows, because = find_seen(folder, kept)
    return FillList(
        folder=folder, source="ledger", rows=tuple(rows), totals=totals, unseen_because=because, n_fresh=fresh.n_added
    )


def list_running(folder: Path, period: Period, *, limit: int, running: RunningFills) -> FillList:
    """List the last fills of a maker's session, where its ledger is not one of this market alone."""
    fresh = _Fresh(running, period)
    kept, totals = take_last(fresh.add_to([]), limit=limit)
    rows, because = find_seen(folder, kept)
    return FillList(
        folder=folder,
        source="maker",
        rows=tuple(rows),
        totals=totals,
        unseen_because=because,
        is_whole=running.is_whole,
    )


class _Fresh:
    """Fills of a maker that runs, to be added to those of its ledger."""

    def __init__(self, running: RunningFills | None, period: Period) -> None:
        self._fills = () if running is None else running.fills
        self._period = period
        self.n_added = 0

    def add_to(self, fills: Iterable[Booked]) -> Iterator[Booked]:
        """Yield fills, and behind them those of the period that were not among them."""
        # More than a maker tells of, so that what it tells is either here or younger.
        known: deque[FillKey] = deque(maxlen=10 * MOST_FILLS)
        for fill in fills:
            known.append(fill.key)
            yield fill
        for fill in self._fills:
            at_ms, period = fill.time_ms, self._period
            is_early = at_ms is not None and period.from_ms is not None and at_ms < period.from_ms
            is_late = at_ms is not None and period.until_ms is not None and at_ms >= period.until_ms
            if fill.key not in known and not is_early and not is_late:
                self.n_added += 1
                yield fill


def _say_fresh(n: int) -> str:
    return f"; {n} of them {'is' if n == 1 else 'are'} not in the ledger yet" if n else ""


def _counted(fills: Iterable[Booked], tell_progress: Callable[[int], None]) -> Iterator[Booked]:
    for number, fill in enumerate(fills, start=1):
        if number % TELL_EVERY == 0:
            tell_progress(number)
        yield fill


def _describe(row: FillRow) -> tuple[str, ...]:
    fill, quote = row.fill, row.fill.quote
    return (
        say_time(fill.time_ms),
        quote.side,
        str(quote.level_index),
        say_number(quote.price),
        say_number(quote.size),
        f"{say_number(fill.fee)} {fill.fee_token or ''}".strip(),
        _say_seen(row.mark_before),
        _say_seen(row.find_mid(AFTER_MS)),
        _say_edge(row),
        (row.seen.counterparty or "-")[:ADDRESS_CHARS],
        str(fill.oid),
        str(fill.tid),
    )


def _say_seen(value: Decimal | None) -> str:
    return "-" if value is None else say_number(value)


def _say_edge(row: FillRow) -> str:
    """Write the edge in basis points of the fill's notional, as a person reads it; JSON has it in quote, exactly."""
    edge, quote = row.edge, row.fill.quote
    if edge is None:
        return "-"
    with localcontext(prec=60):
        return f"{(edge / (quote.price * quote.size) * 10_000).quantize(TENTH):+f}"
