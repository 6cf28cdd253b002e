"""Histories of fills with known earnings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from mm_trio.earnings.exact import exactly
from mm_trio.earnings.figures import EndMark, Figures, Setting, compute_figures
from mm_trio.earnings.markouts import HORIZONS_MS, Mids
from mm_trio.earnings.tally import Holdings, Tally
from mm_trio.earnings.trade import Trade, make_trade
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Adjusted, Began, Booked, Entry
from mm_trio.model.observations import Observed
from mm_trio.model.orders import Quote, Side
from mm_trio.recorder.record_file import RecordFile

__all__ = [
    "BASE_CASE",
    "START",
    "T0",
    "Case",
    "book",
    "make_ledger",
    "tally_up",
    "trade",
    "write_ledger",
    "write_record",
]

# A Monday at noon.
T0 = 1_796_040_000_000
START = Holdings(Decimal(100), Decimal(1000))
NO_MIDS: Mids = (None,) * len(HORIZONS_MS)


def trade(side: Side, size: str, price: str, fee: str = "0", token: str | None = None, *, at_ms: int = T0) -> Trade:
    return make_trade(at_ms, side, 0, Decimal(price), Decimal(size), fee=Decimal(fee), fee_token=token)


BASE_CASE = (
    trade("sell", "5", "20.06", "0.04012", "quote"),
    trade("buy", "5", "20", "0.002", "base", at_ms=T0 + 1_000),
)


@dataclass(frozen=True)
class Case:
    """Fills, movements (kind, base, quote) and marks, and their figures."""

    trades: Sequence[Trade] = BASE_CASE
    moved: Sequence[tuple[str, str, str]] = ()
    mark: str | None = "20.03"
    start_mark: str | None = None
    mids: Sequence[Mids] = ()
    start: Holdings = field(default=START)

    def compute(self) -> Figures:
        tally = tally_up(self.trades, self.mids)
        with exactly():
            for kind, base, quote in self.moved:
                tally.add_moved(kind, Decimal(base), Decimal(quote))
        setting = Setting(
            start=self.start,
            quoted=self.start,
            start_mark=EndMark(price=None if self.start_mark is None else Decimal(self.start_mark), absent="no mark"),
            end_mark=EndMark(price=None if self.mark is None else Decimal(self.mark), absent="no mark"),
            n_requests=4,
        )
        return compute_figures(tally, setting)


def tally_up(trades: Iterable[Trade], mids: Sequence[Mids] = ()) -> Tally:
    tally = Tally()
    with exactly():
        for n, one in enumerate(trades):
            tally.add_trade(one, mids[n] if mids else NO_MIDS)
    return tally


def book(one: Trade, *, tid: int) -> Booked:
    """Write a trade down as the maker does."""
    side: Side = "buy" if one.base > 0 else "sell"
    fee, token = one.fee_other, one.fee_token
    if not token:
        fee, token = (one.fee_base, "base") if one.fee_base else (one.fee_quote, "quote")
    quote = Quote(side, one.level, one.price, abs(one.base))
    return Booked(tid, tid, one.time_ms, "@107", quote, fee, token)


TERMS = {
    "coin": "@107",
    "start_px": "20",
    "n_orders": "50",
    "tick_size": "0.003",
    "order_sz": "5",
    "gap_levels": "0",
    "ladder": "hip2",
    "sz_decimals": "2",
}


def write_ledger(folder: Path, *entries: Entry, at_ms: int = T0) -> Path:
    """Write entries into the ledger of a folder, behind those that are there."""
    journal = Journal.open(folder)
    try:
        journal.append(entries, at_ms=at_ms)
    finally:
        journal.close()
    return folder


def make_ledger(folder: Path, trades: Iterable[Trade] = BASE_CASE, *others: Entry) -> Path:
    """Write a ledger that begins with `START`."""
    opening = Adjusted(START.base, START.quote, "balance")
    booked = (book(one, tid=n) for n, one in enumerate(trades))
    return write_ledger(folder, Began(1, TERMS), opening, *booked, *others)


def write_record(folder: Path, *observed: Observed) -> None:
    """Write observations into the record of a folder."""
    record = RecordFile.open(folder)
    try:
        record.append(observed)
    finally:
        record.close()
