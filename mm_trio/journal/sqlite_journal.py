"""Durable file of journal entries; the only module with SQL.

The file is an append-only SQLite database in WAL mode with `synchronous=FULL`: entries survive a power cut once
`append` has returned. Each row carries a hash over itself and the row before, so that a changed row or a hole is
detected; a second file, the end mark, tells whether the last rows are there. All functions block; except `mark_end`
they serve one caller at a time, and `JournalWriter` calls them off the loop.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from mm_trio.config.private_paths import find_open_place, make_private_folders
from mm_trio.journal.end_mark import MARK_NAME, EndMark, describe_cut, read_mark, write_mark
from mm_trio.journal.file_errors import REBUILD, explain_os_error, explain_sqlite_error
from mm_trio.journal.file_identity import FilesInPlace
from mm_trio.model.entry_codec import decode_entry, encode_entry, name_kind
from mm_trio.model.errors import JournalBusy, JournalError
from mm_trio.model.journal_entries import Booked, Entry, Requested

__all__ = ["JOURNAL_NAME", "Journal", "JournalRow"]

_log = logging.getLogger(__name__)

JOURNAL_NAME = "journal.sqlite3"
# "mmtr", in the header of the file.
APPLICATION_ID = 0x6D6D7472
# `json.dumps` would make an encoder at each call.
_to_json = json.JSONEncoder(separators=(",", ":")).encode
# SQLite waits so long for another process that locks the file. It is short, because the loop has to know, and the
# writer tries again by itself.
BUSY_TIMEOUT_S = 0.2
# One who only reads has nothing else to do. It meets a lock only in the moments when a log is being repaired or closed.
READER_TIMEOUT_S = 5.0

# Script n turns version n of the file into n + 1; an empty file is version 0.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE entries (
        seq INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        fill TEXT UNIQUE,
        chain BLOB NOT NULL
    ) STRICT;
    CREATE INDEX checkpoints ON entries (seq) WHERE kind = 'checkpoint';
    CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
    CREATE TRIGGER entries_last BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
    """,
)


@dataclass(frozen=True, slots=True)
class JournalRow:
    """Entry with its number and the time it was recorded at."""

    seq: int
    at_ms: int
    entry: Entry


class Journal:
    """Opened ledger file, at `path`.

    Before each commit `files` are checked to be in their place: the ledger's own and those that its user adds.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        # The last durable entry, replaced by one assignment: `mark_end` may read it on another thread.
        self._end = EndMark(0, b"")
        self._marking = threading.Lock()
        self.files = FilesInPlace()

    @classmethod
    def open(cls, folder: Path, *, max_pages: int | None = None) -> Self:
        """Open the ledger in `folder`, or begin one there.

        The folder is made private to its owner. `max_pages` limits the size of the file, in pages of 4 KiB.
        Errors: JournalError for a file that is damaged, that lacks the entry which its end mark names, of a newer
        version, that others may change, or that cannot be used here; JournalBusy for one that another process has
        locked.
        """
        path = folder / JOURNAL_NAME
        with _explained(path):
            make_private_folders(folder)
            _refuse_open(folder)
            _make_private(path)
            connection = _connect(str(path))
            journal = cls(path, connection)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                if max_pages is not None:
                    connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
                journal._check_file()
                journal._migrate()
                journal._find_end()
                journal._check_mark()
                # SQLite writes commits to the log first, and deletes it only when the last connection closes.
                journal.files.watch(path)
                journal.files.watch(path.with_name(f"{JOURNAL_NAME}-wal"))
            except BaseException:
                connection.close()
                raise
        return journal

    @classmethod
    def open_to_read(cls, folder: Path, *, is_quiet: bool = False) -> Self:
        """Open an existing ledger read-only, even while a maker writes it.

        `is_quiet`: leave no file beside it either, where no process has it open. Errors: JournalError, also if there
        is no ledger.
        """
        path = folder / JOURNAL_NAME
        with _explained(path):
            if not path.is_file():
                raise JournalError(f"there is no ledger at {path}")
            _refuse_open(folder)
            journal = cls(path, _connect(_read_only(path, is_quiet=is_quiet), is_uri=True))
            try:
                journal._check_file()
                journal._check_version()
                journal._find_end()
            except BaseException:
                journal.close()
                raise
        return journal

    @classmethod
    def salvage(cls, folder: Path) -> list[JournalRow]:
        """Read the rows of a damaged ledger up to the damage.

        Return no rows if the file is not a ledger. Errors: JournalBusy, because a file that is locked is not damaged.
        """
        rows: list[JournalRow] = []
        try:
            with _explained(folder / JOURNAL_NAME):
                connection = _connect(_read_only(folder / JOURNAL_NAME), is_uri=True)
                with contextlib.closing(connection):
                    # One by one, so that the rows before the damage are kept when reading fails.
                    for row in cls(folder / JOURNAL_NAME, connection).read(since_checkpoint=False):
                        rows.append(row)
        except JournalBusy:
            raise
        except JournalError:
            pass
        return rows

    def read(self, *, since_checkpoint: bool = True) -> Iterator[JournalRow]:
        """Yield rows in order, checking the chain of hashes.

        They begin at the last checkpoint, or with `since_checkpoint=False` at the first row.
        Errors: JournalError at the first row that differs from what was written.
        """
        with _explained(self.path):
            first = self._find_checkpoint() if since_checkpoint else 1
            chain = self._chain_of(first - 1)
            rows = self._connection.execute(
                "SELECT seq, at_ms, kind, body, chain FROM entries WHERE seq >= ? ORDER BY seq", (first,)
            )
            for expected, (seq, at_ms, kind, body, stored) in enumerate(rows, start=first):
                chain = _link(chain, seq, at_ms, kind, body)
                is_beginning = seq > first or first == 1 or not since_checkpoint or kind == "checkpoint"
                if seq != expected or chain != stored or not is_beginning:
                    damage = f"entry {expected} differs from what was written"
                    raise JournalError(f"{self.path} is damaged: {damage}; {REBUILD}")
                yield JournalRow(seq, at_ms, self._decode(seq, kind, body))

    def read_kinds(self, *kinds: type[Entry], since_ms: int = 0) -> Iterator[JournalRow]:
        """Yield the entries of some kinds in order, recorded since then, without checking the chain of hashes.

        A reader of figures uses it; what a checkpoint repeats is left out. Errors: JournalError.
        """
        for seq, at_ms, kind, values in self.read_values(*kinds, since_ms=since_ms):
            try:
                yield JournalRow(seq, at_ms, decode_entry(kind, values))
            except ValueError as error:
                raise JournalError(f"{self.path}: entry {seq} cannot be read: {error}") from error

    def read_values(self, *kinds: type[Entry], since_ms: int = 0) -> Iterator[tuple[int, int, str, list[object]]]:
        """Yield (number, time, kind, values) of entries as `read_kinds` does, before they are made entries.

        For a reader of a million of them, which takes a third of the time. Errors: JournalError.
        """
        names = [name_kind(kind) for kind in kinds]
        with _explained(self.path):
            marks = ", ".join("?" * len(names))
            for seq, at_ms, kind, body in self._connection.execute(
                f"SELECT seq, at_ms, kind, body FROM entries WHERE kind IN ({marks}) AND at_ms >= ? ORDER BY seq",
                (*names, since_ms),
            ):
                try:
                    yield seq, at_ms, kind, json.loads(body)
                except ValueError as error:
                    raise JournalError(f"{self.path}: entry {seq} cannot be read: {error}") from error

    def sum_items(self, *, since_ms: int = 0, until_ms: int | None = None, per_ms: int) -> dict[int, int]:
        """Sum up the items of signed requests in each `per_ms`, recorded since then and before `until_ms`.

        The keys are whole numbers of `per_ms`. Errors: JournalError.
        """
        until = "" if until_ms is None else f" AND at_ms < {int(until_ms)}"
        with _explained(self.path):
            rows = self._connection.execute(
                f"SELECT at_ms / {int(per_ms)}, sum(json_extract(body, '$[2]')) FROM entries "
                f"WHERE kind = ? AND at_ms >= ?{until} GROUP BY 1",
                (name_kind(Requested), since_ms),
            )
            return {int(number): int(n_items) for number, n_items in rows}

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        """Write entries durably in one transaction, or none of them.

        Errors: JournalError, and then none was written; also where a file of `files` is not in its place any more.
        JournalBusy, if they can be written later.
        """
        seq, chain = self._end.seq, self._end.chain
        rows: list[tuple[object, ...]] = []
        for entry in entries:
            seq += 1
            kind, values = encode_entry(entry)
            body = _to_json(values)
            chain = _link(chain, seq, at_ms, kind, body)
            rows.append((seq, at_ms, kind, body, _fill_key(entry), chain))
        with _explained(self.path):
            self.files.check()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
        self._end = EndMark(seq, chain)

    def mark_end(self) -> None:
        """Write down durably how far the journal reaches now.

        It may run while another thread appends. Errors: JournalError.
        """
        with self._marking, _explained(self.path.with_name(MARK_NAME)):
            # Beside another journal this mark would be wrong.
            self.files.check()
            if not self.is_new:
                write_mark(self.path.parent, self._end)

    def find_cut(self) -> str | None:
        """Explain that entries at the end are missing.

        Return None if the end mark proves nothing missing, or if there is none. Errors: JournalError for a damaged one.
        """
        mark = read_mark(self.path.parent)
        if mark is None or (mark.seq <= self._end.seq and self._chain_of(mark.seq) == mark.chain):
            return None
        return describe_cut(self.path, mark, n_entries=self._end.seq)

    @property
    def is_new(self) -> bool:
        """True if no entry was ever written to the file."""
        return self._end.seq == 0

    @property
    def end(self) -> EndMark:
        """Return number and hash of the last entry, as of opening or the last append; 0 of a new file."""
        return self._end

    def close(self) -> None:
        """Close the file; appended entries stay."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    # --- Opening ------------------------------------------------------------------------------

    def _check_file(self) -> None:
        owner = int(self._connection.execute("PRAGMA application_id").fetchone()[0])
        is_empty = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if owner != APPLICATION_ID and not is_empty:
            raise JournalError(f"{self.path} is not a valid mm_trio ledger; the file was left unchanged")
        findings = [row[0] for row in self._connection.execute("PRAGMA quick_check(3)")]
        if findings != ["ok"]:
            raise JournalError(f"{self.path} is damaged: {' '.join(findings[0].split())}; {REBUILD}")

    def _migrate(self) -> None:
        version = self._check_version()
        if version == len(MIGRATIONS):
            return
        if version:
            self._back_up(self.path.with_name(f"{self.path.stem}-v{version}{self.path.suffix}.bak"))
        else:
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self._connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")

    def _check_version(self) -> int:
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise JournalError(
                f"{self.path} has version {version}, but this program reads versions up to {len(MIGRATIONS)}; "
                "it was written by a newer mm_trio, so use that release"
            )
        return version

    def _back_up(self, path: Path) -> None:
        """Copy the whole file before its schema changes."""
        _make_private(path)
        with contextlib.closing(_connect(str(path))) as copy:
            self._connection.backup(copy)

    def _find_end(self) -> None:
        row = self._connection.execute("SELECT seq, chain FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        self._end = EndMark(*(row or (0, b"")))

    def _check_mark(self) -> None:
        """Refuse a journal that lacks the marked entry.

        A journal without a mark is accepted, because earlier releases wrote none: at every start the venue's records
        are the second witness. Errors: JournalError.
        """
        if (cut := self.find_cut()) is not None:
            raise JournalError(cut)
        if not self.is_new and read_mark(self.path.parent) is None:
            _log.warning(
                "ledger without an end mark: file=%s; only the venue's records can show a missing end", self.path
            )

    def _find_checkpoint(self) -> int:
        row = self._connection.execute("SELECT max(seq) FROM entries WHERE kind = 'checkpoint'").fetchone()
        return int(row[0] or 1)

    def _chain_of(self, seq: int) -> bytes:
        row = self._connection.execute("SELECT chain FROM entries WHERE seq = ?", (seq,)).fetchone()
        return bytes(row[0]) if row else b""

    def _decode(self, seq: int, kind: str, body: str) -> Entry:
        try:
            return decode_entry(kind, json.loads(body))
        except ValueError as error:
            raise JournalError(f"{self.path}: entry {seq} cannot be read: {error}") from error


def _connect(path: str, *, is_uri: bool = False) -> sqlite3.Connection:
    # Worker threads use the connection one at a time, so the check of sqlite3 that one thread owns it is not needed.
    # The module would begin transactions by itself without the isolation level; here each BEGIN is written out.
    timeout_s = READER_TIMEOUT_S if is_uri else BUSY_TIMEOUT_S
    return sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False, uri=is_uri)


def _read_only(path: Path, *, is_quiet: bool = False) -> str:
    # SQLite leaves an empty log behind, unless it is told that nobody writes. Where there is no log, nobody does.
    is_closed = is_quiet and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if is_closed else ''}"


def _refuse_open(folder: Path) -> None:
    fault = find_open_place(folder)
    if fault is not None:
        raise JournalError(f"the ledger in {folder} is not safe from other users: {fault}")


def _make_private(path: Path) -> None:
    """Create the file readable by its owner alone.

    SQLite would create it with the permissions of the present umask, and where a link points to.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o600))


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of the file into one line that names it.

    A violated constraint is a bug of ours and passes unchanged.
    """
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.Error as error:
        raise explain_sqlite_error(path, error) from error
    except OSError as error:
        raise explain_os_error(path, error) from error
    except UnicodeDecodeError as error:
        raise JournalError(f"{path} is damaged: it contains text that cannot be read; {REBUILD}") from error


def _link(chain: bytes, seq: int, at_ms: int, kind: str, body: str) -> bytes:
    return sha256(b"%s|%d|%d|%s|%s" % (chain, seq, at_ms, kind.encode(), body.encode())).digest()[:16]


def _fill_key(entry: Entry) -> str | None:
    """Return the unique key of a booked fill; None for other entries.

    The column's constraint ensures that a fill is booked once even if the maker's own memory of fills fails.
    """
    if not isinstance(entry, Booked):
        return None
    return f"{entry.time_ms}|{entry.coin}|{entry.tid}|{entry.oid}"
