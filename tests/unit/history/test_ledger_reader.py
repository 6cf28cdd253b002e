"""Facts read from a ledger: in the venue's order, within a span, and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from mm_trio.earnings.trade import read_trade
from mm_trio.history.ledger_reader import LedgerReader, sort_nearly_sorted
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import (
    Adjusted,
    Allocated,
    Began,
    Booked,
    Checkpoint,
    Entry,
    Moved,
    MoveKind,
    Remembered,
    Requested,
    Summed,
)
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


def test_trades_are_the_fills(tmp_path: Path) -> None:
    """They are read by the positions of the values of a `Booked`."""
    fills = [make_fill(1, 300), replace(make_fill(2, 100), fee_token="HYPE"), make_fill(3, None)]
    with write(tmp_path, *fills, Adjusted(Decimal(1), Decimal(2), "balance")) as ledger:
        others: list[Entry] = []
        found = list(ledger.read_trades(lambda _, entry: others.append(entry)))

    assert found == [read_trade(fill, recorded_ms=1_000) for fill in (fills[1], fills[0], fills[2])]
    assert others == [Adjusted(Decimal(1), Decimal(2), "balance")]


@pytest.mark.parametrize("body", ["null", "[1]", "{", '[1,1,1,"@1","buy",3,"20",null,"0","base"]'])
def test_an_entry_that_cannot_be_read_is_named(tmp_path: Path, body: str) -> None:
    write(tmp_path, make_fill(1, 100)).close()
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER entries_stay")
        connection.execute("UPDATE entries SET body = ?", (body,))

    with LedgerReader.open(tmp_path) as ledger:
        for read in (lambda: list(ledger.read_trades(lambda *_: None)), lambda: list(ledger.read_fills())):
            with pytest.raises(JournalError, match="entry 1 cannot be read"):
                read()


def test_archives_are_read_with_the_journal(tmp_path: Path) -> None:
    parts: tuple[Entry, ...] = (Began(1, {}), Summed(None, None, Decimal(0), Decimal(0)), Remembered(1_000, ()))
    request = Requested(1, "order", 2, "", 0)
    write(tmp_path, request, make_fill(1, 100), Checkpoint(parts), make_fill(2, 200), request).close()
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.move_to_archive(at_least=1) == 2

    with LedgerReader.open(tmp_path) as ledger:
        assert [fill.tid for fill in ledger.read_fills()] == [1, 2]
        assert [trade.time_ms for trade in ledger.read_trades(lambda *_: None)] == [100, 200]
        assert ledger.count_requests() == 4
