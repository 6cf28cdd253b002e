"""Record of market and own orders, in a SQLite file beside the ledger.

The file may be lost without harm to money: it holds what is observed, never what is owed. Commits are not waited for
by the disk (`synchronous=NORMAL`), so a crash of the machine costs the last seconds, and a killed process none that
were committed. All functions block; one caller at a time. Decimals are stored as their exact text.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Self, cast

from mm_trio.config.private_paths import make_private_folders
from mm_trio.journal.ledger_schema import is_closed_for_good, name_read_only
from mm_trio.model.errors import RecordError
from mm_trio.model.observations import (
    BestPrices,
    Coverage,
    Mark,
    MarketTrade,
    Observed,
    OwnBook,
    Watched,
)
from mm_trio.model.orders import Side
from mm_trio.recorder import pruning
from mm_trio.recorder.book_differences import BookStep, find_differences, fold_books, to_sizes
from mm_trio.recorder.mark_texts import read_marks_of, write_mark
from mm_trio.recorder.record_schema import MIGRATIONS

__all__ = ["MOST_LOG_BYTES", "RECORD_NAME", "RecordFile", "explained"]

RECORD_NAME = "record.sqlite3"
# "mmre", in the header of the file.
APPLICATION_ID = 0x6D6D7265
BUSY_TIMEOUT_S = 2.0
# The log of a file that nobody reads is folded in at 4 MB.
MOST_LOG_BYTES = 4 * 1024 * 1024
# A reader goes back to the last whole book.
WHOLE_EVERY = 300
# So far back a time of ours may go, where it is put right.
TIME_STEP_MS = 60_000


class RecordFile:
    """Opened record, at `path`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        # The last book written by this object; the next one is written as what differs from it.
        self._last_book: OwnBook | None = None
        self._n_differences = 0
        # The latest time of a book in the file, None until it is asked for.
        self._latest_book_ms: int | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the record in `folder`, or begin one there, readable by its owner alone.

        Errors: RecordError.
        """
        path = folder / RECORD_NAME
        with explained(path):
            make_private_folders(folder)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o600))
            record = cls(path, _connect(str(path)))
            try:
                # Before anything is written: later it would take a copy of the whole file.
                record._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                record._connection.execute("PRAGMA journal_mode = WAL")
                record._connection.execute(f"PRAGMA journal_size_limit = {MOST_LOG_BYTES}")
                record._connection.execute("PRAGMA synchronous = NORMAL")
                record._migrate()
            except BaseException:
                record.close()
                raise
        return record

    @classmethod
    def open_to_read(cls, folder: Path) -> Self:
        """Open an existing record read-only, even while a maker writes it. Errors: RecordError, also without one."""
        path = folder / RECORD_NAME
        with explained(path):
            if not path.is_file():
                raise RecordError(f"there is no record at {path}; a maker writes one while it runs")
            name = name_read_only(path, is_immutable=is_closed_for_good(path))
            record = cls(path, _connect(name, is_uri=True))
            try:
                record._check_version()
            except BaseException:
                record.close()
                raise
        return record

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    # --- Writing ------------------------------------------------------------------------------

    def append(self, observed: Iterable[Observed], *, fills_ms: Iterable[int] = ()) -> None:
        """Write observations, and times of fills that want marks, in one transaction or not. Errors: RecordError."""
        with explained(self.path), self._writing():
            for value in observed:
                self._write(value)
            self._connection.executemany("INSERT OR IGNORE INTO marked_fills VALUES (?)", ((ms,) for ms in fills_ms))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Write in one transaction, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # What differs from a book that was not written must not be written.
            self._last_book = self._latest_book_ms = None
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _write(self, value: Observed) -> None:
        run = self._connection.execute
        match value:
            case BestPrices():
                prices = (value.bid, value.bid_size, value.ask, value.ask_size)
                run("INSERT OR REPLACE INTO best_prices VALUES (?, ?, ?, ?, ?)", (value.time_ms, *map(_text, prices)))
            case MarketTrade():
                row = (value.time_ms, value.tid, str(value.price), str(value.size), value.side)
                # A fresh subscription repeats the last trades.
                run("INSERT OR IGNORE INTO trades VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, value.buyer, value.seller))
            case OwnBook():
                self._write_book(value)
            case Mark():
                added = "INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE SET marks = marks || excluded.marks"
                run(added, (value.fill_ms, write_mark(value)))
            case Coverage():
                self._write_coverage(value)

    def _write_book(self, book: OwnBook) -> None:
        last, is_last = self._last_book, self._make_last(book.time_ms)
        is_whole = last is None or not is_last or self._n_differences >= WHOLE_EVERY
        orders = to_sizes(book) if last is None or is_whole else find_differences(to_sizes(last), to_sizes(book))
        body = _to_json([[side, str(price), str(size)] for (side, price), size in orders.items()])
        row = (book.time_ms, int(is_whole), body, book.state, book.reason)
        self._connection.execute("INSERT OR REPLACE INTO own_books VALUES (?, ?, ?, ?, ?)", row)
        self._last_book, self._n_differences = book, 0 if is_whole else self._n_differences + 1

    def _make_last(self, time_ms: int) -> bool:
        """Remove books of a clock that was put back since; return whether a book of this time is the last one.

        Books are read in the order of their times, and each differs from the one that is before it then.
        """
        if self._latest_book_ms is None:
            found = self._connection.execute("SELECT max(time_ms) FROM own_books").fetchone()[0]
            self._latest_book_ms = -1 if found is None else found
        if time_ms > self._latest_book_ms:
            self._latest_book_ms = time_ms
            return True
        span = (time_ms, time_ms + TIME_STEP_MS)
        self._connection.execute("DELETE FROM own_books WHERE time_ms BETWEEN ? AND ?", span)
        # One of a much later time stays, for a clock may be wrong for a moment, and then each book is written whole.
        self._latest_book_ms = None
        return False

    def _write_coverage(self, seen: Coverage) -> None:
        """Extend the last span if this one joins it, else begin another."""
        joined = self._connection.execute(
            "UPDATE coverage SET until_ms = max(until_ms, ?) WHERE watched = ? AND until_ms >= ? AND from_ms = "
            "(SELECT max(from_ms) FROM coverage WHERE watched = ?)",
            (seen.until_ms, seen.watched, seen.from_ms, seen.watched),
        )
        if not joined.rowcount:
            row = (seen.watched, seen.from_ms, seen.until_ms)
            self._connection.execute("INSERT OR REPLACE INTO coverage VALUES (?, ?, ?)", row)

    def prune(self, *, before_ms: int | None) -> bool:
        """Remove a step of the oldest observations, and of those alone that are before `before_ms`, if given.

        Return whether there may be more to remove. Errors: RecordError.
        """
        with explained(self.path), self._writing():
            return pruning.prune(self._connection, before_ms=before_ms)

    def measure(self) -> tuple[int, int]:
        """Return the bytes in use of the file, and those of its log. Errors: RecordError."""
        with explained(self.path):
            log = self.path.with_name(f"{self.path.name}-wal")
            return pruning.measure(self._connection), log.stat().st_size if log.exists() else 0

    # --- Reading ------------------------------------------------------------------------------

    def read_best_prices(self, from_ms: int, until_ms: int) -> Iterator[BestPrices]:
        """Return best prices in order, beginning with those that hold at `from_ms`."""
        first = f"coalesce((SELECT max(time_ms) FROM best_prices WHERE time_ms <= {int(from_ms)}), {int(from_ms)})"
        return self._read_prices(f"time_ms >= {first} AND time_ms <= ? ORDER BY time_ms", until_ms)

    def read_price_texts(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, str | None, str | None]]:
        """Yield (time, bid, ask) as `read_best_prices` does, the prices as exact texts.

        For a reader of a million of them, which takes a fifth of the time.
        """
        first = f"coalesce((SELECT max(time_ms) FROM best_prices WHERE time_ms <= {int(from_ms)}), {int(from_ms)})"
        sql = f"SELECT time_ms, bid, ask FROM best_prices WHERE time_ms >= {first} AND time_ms <= ? ORDER BY time_ms"
        yield from cast("Iterator[tuple[int, str | None, str | None]]", self._rows(sql, until_ms))

    def read_trades(self, from_ms: int, until_ms: int) -> Iterator[MarketTrade]:
        """Yield trades of the market in order."""
        sql = "SELECT * FROM trades WHERE time_ms >= ? AND time_ms <= ? ORDER BY time_ms, tid"
        for time_ms, tid, price, size, side, buyer, seller in self._rows(sql, from_ms, until_ms):
            yield MarketTrade(
                cast("int", time_ms),
                cast("int", tid),
                Decimal(cast("str", price)),
                Decimal(cast("str", size)),
                cast("Side", side),
                cast("str | None", buyer),
                cast("str | None", seller),
            )

    def read_takers(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int, str | None]]:
        """Yield (time, trade id, address of the taker) of trades in order; quick, for a reader of a million."""
        taker = "CASE side WHEN 'buy' THEN buyer ELSE seller END"
        sql = f"SELECT time_ms, tid, {taker} FROM trades WHERE time_ms >= ? AND time_ms <= ? ORDER BY time_ms, tid"
        yield from cast("Iterator[tuple[int, int, str | None]]", self._rows(sql, from_ms, until_ms))

    def read_own_books(self, from_ms: int, until_ms: int) -> Iterator[OwnBook]:
        """Yield our books in order, beginning with the one that holds at `from_ms`."""
        held: OwnBook | None = None
        for book in fold_books(self.read_book_steps(from_ms, until_ms)):
            if book.time_ms <= from_ms:
                held = book
                continue
            if held is not None:
                yield held
                held = None
            yield book
        if held is not None:
            yield held

    def read_book_steps(self, from_ms: int, until_ms: int) -> Iterator[BookStep]:
        """Yield what changes of our books, beginning with the last whole one at or before `from_ms`.

        For a reader of a million changes, which need not make as many books.
        """
        first = f"SELECT max(time_ms) FROM own_books WHERE is_whole AND time_ms <= {int(from_ms)}"
        sql = f"SELECT * FROM own_books WHERE time_ms >= coalesce(({first}), 0) AND time_ms <= ? ORDER BY time_ms"
        for time_ms, is_whole, body, state, reason in self._rows(sql, until_ms):
            sizes, _ = _parse(cast("str", body))
            yield BookStep(cast("int", time_ms), bool(is_whole), sizes, cast("str", state), cast("str | None", reason))

    def read_marks_of_fills(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, str]]:
        """Yield the time of each fill and the text of its marks, which `read_marks_of` takes apart.

        For a reader of a million fills, many of which have the same text.
        """
        sql = "SELECT fill_ms, marks FROM marks WHERE fill_ms >= ? AND fill_ms <= ? ORDER BY fill_ms"
        yield from cast("Iterator[tuple[int, str]]", self._rows(sql, from_ms, until_ms))

    def read_marks(self, from_ms: int, until_ms: int) -> Iterator[Mark]:
        """Yield the marks of fills in this time."""
        for fill_ms, text in self.read_marks_of_fills(from_ms, until_ms):
            yield from read_marks_of(fill_ms, text)

    def read_marked_fills(self, from_ms: int) -> Iterator[int]:
        """Yield the times of fills that want marks, since then."""
        for (fill_ms,) in self._rows("SELECT fill_ms FROM marked_fills WHERE fill_ms >= ? ORDER BY 1", from_ms):
            yield cast("int", fill_ms)

    def read_coverage(self, watched: Watched, from_ms: int, until_ms: int) -> Iterator[Coverage]:
        """Yield the spans that touch this time, in order and whole."""
        sql = "SELECT * FROM coverage WHERE watched = ? AND until_ms >= ? AND from_ms <= ? ORDER BY from_ms"
        for name, begin_ms, end_ms in self._rows(sql, watched, from_ms, until_ms):
            yield Coverage(cast("Watched", name), cast("int", begin_ms), cast("int", end_ms))

    def find_prices_at(self, time_ms: int) -> BestPrices | None:
        """Return the best prices that held at a time; None where nobody watched the market then."""
        if next(self.read_coverage("market", time_ms, time_ms), None) is None:
            return None
        return next(iter(self.read_best_prices(time_ms, time_ms)), None)

    def find_last_two_sided(self, until_ms: int) -> tuple[BestPrices, int] | None:
        """Find the last best prices by a time that had both sides, and the last moment by then at which they held."""
        last = f"SELECT max(time_ms) FROM best_prices WHERE time_ms <= {int(until_ms)} AND bid NOTNULL AND ask NOTNULL"
        found = self._read_prices(f"time_ms >= ({last}) ORDER BY time_ms LIMIT 2")
        prices, follower = next(found, None), next(found, None)
        if prices is None:
            return None
        return prices, until_ms if follower is None else min(until_ms, follower.time_ms - 1)

    def _read_prices(self, which: str, *values: object) -> Iterator[BestPrices]:
        for time_ms, *prices in self._rows(
            f"SELECT time_ms, bid, bid_size, ask, ask_size FROM best_prices WHERE {which}", *values
        ):
            yield BestPrices(cast("int", time_ms), *map(_number, prices))

    def _rows(self, sql: str, *values: object) -> Iterator[tuple[object, ...]]:
        with explained(self.path):
            # Not `yield from`, which would close the cursor of a reader that is given up after the record was closed.
            for row in self._connection.execute(sql, values):  # noqa: UP028
                yield row

    # --- Opening ------------------------------------------------------------------------------

    def _migrate(self) -> None:
        version = self._check_version()
        if version == 0:
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self._connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")

    def _check_version(self) -> int:
        owner = int(self._connection.execute("PRAGMA application_id").fetchone()[0])
        is_empty = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if owner != APPLICATION_ID and not is_empty:
            raise RecordError(f"{self.path} is not a valid record of mm_trio; the file was left unchanged")
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise RecordError(f"{self.path} was written by a newer mm_trio; use that release")
        return version


_to_json = json.JSONEncoder(separators=(",", ":")).encode
# Twice as quick as json.loads.
_parse = json.JSONDecoder().raw_decode


class _Connection(sqlite3.Connection):
    """Connection that closes itself when nobody has it: a reader opened for one look need not be closed by hand."""

    def __del__(self) -> None:
        self.close()


def _connect(path: str, *, is_uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, factory=_Connection, uri=is_uri
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> Decimal | None:
    return None if value is None else Decimal(cast("str", value))


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of the file into one line that names it. Errors: RecordError."""
    try:
        yield
    except sqlite3.Error as error:
        raise RecordError(f"the record {path} cannot be used: {error}") from error
    except OSError as error:
        raise RecordError(f"the record {path} cannot be used: {error.strerror or error}") from error
