"""Facts of a ledger for reports: fills, movements, sessions, requests.

Nothing is written, and a maker may run meanwhile. The chain of hashes is not checked here; `ledger audit` does that.
Entries are streamed: a ledger of a million fills needs the memory of a few thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias, TypeVar, cast

from mm_trio.earnings.period import DAY_MS
from mm_trio.earnings.trade import Trade, make_trade
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.entry_codec import decode_entry, name_kind
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import REBUILT, Adjusted, Allocated, Began, Booked, Checkpoint, Entry, Moved, Summed

__all__ = ["LedgerReader", "sort_nearly_sorted"]

_T = TypeVar("_T")
# The time, of a trade and of each pair here.
_first = itemgetter(0)
_BookedValues: TypeAlias = tuple[int, int, int | None, str | None, str, int, str, str, str, str | None]

# A fill that was found late is recorded behind younger ones. Restarts read the history in order, so what lies between
# is what trades while one answer is lost; a fill that is even later comes when it was booked.
LATE_BY_ENTRIES = 5_000


class LedgerReader:
    """Opened ledger, to be read."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._begun: tuple[tuple[int, Entry], ...] | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the ledger in `folder`. Errors: JournalError, also if there is none."""
        return cls(Journal.open_to_read(folder))

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def read_fills(self, from_ms: int | None = None, until_ms: int | None = None) -> Iterator[Booked]:
        """Yield our fills with from_ms <= time < until_ms by the venue's time, in its order.

        A fill without a time (of early ledgers) counts at the time it was recorded at.
        """
        fills = (
            (row.at_ms if row.entry.time_ms is None else row.entry.time_ms, row.entry)
            for row in self._journal.read_kinds(Booked)
            if isinstance(row.entry, Booked)
        )
        return _within(fills, from_ms, until_ms)

    def read_moves(self, from_ms: int | None = None, until_ms: int | None = None) -> Iterator[Moved]:
        """Yield explained movements of funds by the venue's time, in its order."""
        moves = (
            (row.entry.time_ms, row.entry) for row in self._journal.read_kinds(Moved) if isinstance(row.entry, Moved)
        )
        return _within(moves, from_ms, until_ms)

    def read_terms(self) -> Iterator[tuple[int, Began]]:
        """Yield (time recorded, beginning) of each session that tells its ladder."""
        for at_ms, entry in self._read_beginning():
            if isinstance(entry, Began):
                yield at_ms, entry
        for row in self._journal.read_kinds(Began):
            if isinstance(row.entry, Began) and row.entry.parameters:
                yield row.at_ms, row.entry

    def read_adjustments(self) -> Iterator[tuple[int, Adjusted]]:
        """Yield (time recorded, change) of each balance that nothing explains; the first is the opening balance."""
        for at_ms, entry in self._read_beginning():
            if isinstance(entry, Adjusted):
                yield at_ms, entry
        for row in self._journal.read_kinds(Adjusted):
            if isinstance(row.entry, Adjusted):
                yield row.at_ms, row.entry

    def read_allotments(self) -> Iterator[tuple[int, Allocated]]:
        """Yield (time recorded, amounts) of each allotment of the operator."""
        for at_ms, entry in self._read_beginning():
            if isinstance(entry, Allocated):
                yield at_ms, entry
        for row in self._journal.read_kinds(Allocated):
            if isinstance(row.entry, Allocated):
                yield row.at_ms, row.entry

    def count_requests(self, from_ms: int | None = None, until_ms: int | None = None) -> int:
        """Count the items of signed requests by the time they were recorded at."""
        return sum(self.count_requests_by_day(from_ms, until_ms).values())

    def count_requests_by_day(self, from_ms: int | None = None, until_ms: int | None = None) -> dict[int, int]:
        """Count the items of signed requests in each UTC day, by the number of the day since 1970."""
        return self.count_requests_per(DAY_MS, from_ms, until_ms)

    def count_requests_per(
        self, per_ms: int, from_ms: int | None = None, until_ms: int | None = None
    ) -> dict[int, int]:
        """Count the items of signed requests in each `per_ms`, by its number since 1970."""
        return self._journal.sum_items(since_ms=from_ms or 0, until_ms=until_ms, per_ms=per_ms)

    def read_trades(self, on_other: Callable[[int, Entry], None]) -> Iterator[Trade]:
        """Yield all our fills as trades, in the order of their times.

        Every other movement of money on the way, and every session, is handed to `on_other` with the time it was
        recorded at. It is one pass, because a ledger may have a million entries.
        """
        return sort_nearly_sorted(self._read_trades(on_other), key=_first)

    def _read_trades(self, on_other: Callable[[int, Entry], None]) -> Iterator[Trade]:
        # A ladder has few prices; each is made a number once.
        prices: dict[str, Decimal] = {}
        booked = name_kind(Booked)
        for recorded_ms, entry in self._read_beginning():
            on_other(recorded_ms, entry)
        for seq, at_ms, kind, values in self._journal.read_values(Booked, Moved, Adjusted, Allocated, Began):
            try:
                if kind != booked:
                    on_other(at_ms, decode_entry(kind, values))
                    continue
                # As `Booked` is written; the four values of its quote lie in between.
                _, _, time_ms, _, side, level, px, size, fee, fee_token = cast("_BookedValues", values)
                price = prices.get(px)
                if price is None:
                    price = prices[px] = Decimal(px)
                at = at_ms if time_ms is None else time_ms
                made = make_trade(at, side, level, price, Decimal(size), fee=Decimal(fee), fee_token=fee_token)
            except (TypeError, ValueError, ArithmeticError) as error:
                raise JournalError(f"{self._journal.path}: entry {seq} cannot be read: {error}") from error
            yield made

    def _read_beginning(self) -> tuple[tuple[int, Entry], ...]:
        """Return the entries that a ledger would begin with which was rebuilt without its archives.

        Its first balance is what the account had when its archives ended, its allotment what was left of the
        operator's.
        """
        if self._begun is None:
            found = self._journal.read_beginning()
            self._begun = () if found is None else tuple(_sum_up(*found))
        return self._begun


def _sum_up(at_ms: int, checkpoint: Checkpoint) -> Iterator[tuple[int, Entry]]:
    for part in checkpoint.entries:
        if isinstance(part, Allocated) or (isinstance(part, Began) and part.parameters):
            yield at_ms, part
        elif isinstance(part, Summed):
            yield at_ms, part
            yield at_ms, Adjusted(part.account_token, part.account_usdc, REBUILT)


def sort_nearly_sorted(
    values: Iterable[_T], *, key: Callable[[_T], int], late_by: int = LATE_BY_ENTRIES
) -> Iterator[_T]:
    """Yield values by `key`, where none stands more than `late_by` places too late; equal ones keep their order."""
    held: list[_T] = []
    arriving = iter(values)
    while some := list(islice(arriving, late_by)):
        held += some
        # Quick, because the sort takes runs that are sorted already as they are.
        held.sort(key=key)
        yield from held[:-late_by]
        del held[:-late_by]
    yield from held


def _within(values: Iterable[tuple[int, _T]], from_ms: int | None, until_ms: int | None) -> Iterator[_T]:
    for time_ms, value in sort_nearly_sorted(values, key=_first):
        if (from_ms is None or time_ms >= from_ms) and (until_ms is None or time_ms < until_ms):
            yield value
