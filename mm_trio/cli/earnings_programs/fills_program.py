"""List of our fills, with what was seen of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path

from mm_trio.cli.earnings_programs.past_words import lay_out, say_number, say_time
from mm_trio.cli.earnings_programs.progress import show_progress
from mm_trio.earnings.period import Period
from mm_trio.history.fill_rows import FillRow, FillTotals, find_seen, take_last
from mm_trio.history.ledger_reader import LedgerReader
from mm_trio.model.journal_entries import Booked

__all__ = ["FillList", "list_fills"]

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
    """Last fills of a period, and the sums over all of it; `written`: the table that has all of them."""

    folder: Path
    rows: tuple[FillRow, ...]
    totals: FillTotals
    unseen_because: str | None
    written: Path | None = None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "folder": str(self.folder),
            "totals": self.totals.to_json(),
            "fills": [row.to_json() for row in self.rows],
            "record_unread_because": self.unseen_because,
            "csv": None if self.written is None else str(self.written),
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        if not self.totals.n:
            return f"no fills in this time; ledger: {self.folder}"
        totals = self.totals
        fees = ", ".join(f"{say_number(fee)} {token}" for token, fee in sorted(totals.fees.items()))
        lines = lay_out(HEAD, [_describe(row) for row in self.rows])
        if len(self.rows) < totals.n:
            lines.append(f"the last {len(self.rows)} of {totals.n} fills; --limit 0 shows all")
        lines.append(
            f"{totals.n} fills: bought {say_number(totals.bought)} base for {say_number(totals.paid)} quote, sold "
            f"{say_number(totals.sold)} base for {say_number(totals.received)} quote; fees: {fees}"
        )
        if self.unseen_because is not None:
            lines.append(f"takers and prices are unknown: {self.unseen_because}")
        if self.written is not None:
            lines.append(f"written: {self.written}")
        return "\n".join(lines)


def list_fills(folder: Path, period: Period, *, limit: int) -> FillList:
    """List the fills of a period, the last `limit` of them (0: all). Errors: JournalError."""
    with LedgerReader.open(folder) as ledger, show_progress("fills read") as tell_progress:
        fills = ledger.read_fills(period.from_ms, period.until_ms)
        kept, totals = take_last(_counted(fills, tell_progress), limit=limit)
    rows, because = find_seen(folder, kept)
    return FillList(folder=folder, rows=tuple(rows), totals=totals, unseen_because=because)


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
