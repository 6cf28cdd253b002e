"""Facts read from a ledger: in the venue's order, within a span, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mm_trio.history.ledger_reader import LedgerReader, sort_nearly_sorted
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Adjusted, Allocated, Began, Booked, Entry, Moved, MoveKind, Requested
from mm_trio.model.orders import Quote


def make_fill(tid: int, time_ms: int | None) -> Booked:
    return Booked(1, tid, time_ms, "@1", Quote("buy", 3, Decimal(20), Decimal(5)), Decimal("0.002"), "base")


def write(folder: Path, *entries: Entry, at_ms: int = 1_000) -> LedgerReader:
    journal = Journal.open(folder)
    journal.append(entries, at_ms=at_ms)
    journal.close()
    return LedgerReader.open(folder)


def test_fills_come_in_the_venues_order(tmp_path: Path) -> None:
    with write(tmp_path, make_fill(1, 300), make_fill(2, 100), make_fill(3, 200)) as ledger:
        assert [fill.tid for fill in ledger.read_fills()] == [2, 3, 1]


def test_a_span_has_its_beginning_and_not_its_end(tmp_path: Path) -> None:
    with write(tmp_path, *(make_fill(n, n) for n in (99, 100, 199, 200))) as ledger:
        assert [fill.tid for fill in ledger.read_fills(100, 200)] == [100, 199]


def test_a_fill_without_a_time_counts_when_it_was_recorded(tmp_path: Path) -> None:
    with write(tmp_path, make_fill(1, None), at_ms=500) as ledger:
        assert [fill.tid for fill in ledger.read_fills(500, 501)] == [1]


def test_moves_come_in_the_venues_order(tmp_path: Path) -> None:
    later, earlier = (Moved(Decimal(0), Decimal(1), MoveKind.DEPOSIT, at, str(at)) for at in (200, 100))
    with write(tmp_path, later, earlier) as ledger:
        assert list(ledger.read_moves()) == [earlier, later]


def test_terms_leave_out_sessions_that_tell_none(tmp_path: Path) -> None:
    told = Began(2, {"coin": "@1"})
    with write(tmp_path, Began(1, {}), told) as ledger:
        assert list(ledger.read_terms()) == [(1_000, told)]


def test_balances_and_allotments_come_with_their_time(tmp_path: Path) -> None:
    change, allotment = Adjusted(Decimal(1), Decimal(2), "balance"), Allocated(Decimal(1), None)
    with write(tmp_path, change, allotment) as ledger:
        assert list(ledger.read_adjustments()) == [(1_000, change)]
        assert list(ledger.read_allotments()) == [(1_000, allotment)]


@pytest.mark.parametrize(
    "from_ms, until_ms, n", [(None, None, 5), (1_000, None, 5), (1_001, None, 0), (None, 1_000, 0)]
)
def test_requests_are_counted_in_items(tmp_path: Path, from_ms: int | None, until_ms: int | None, n: int) -> None:
    with write(tmp_path, *(Requested(n, "order", n, "", 0) for n in (2, 3))) as ledger:
        assert ledger.count_requests(from_ms, until_ms) == n


def test_a_folder_without_a_ledger_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no ledger"):
        LedgerReader.open(tmp_path)


def test_what_is_late_within_bounds_is_put_right() -> None:
    values = [0, 3, 1, 2, 4, 7, 5, 6, 8, 9]

    assert list(sort_nearly_sorted(values, key=int, late_by=3)) == sorted(values)
