"""Durable file of journal entries.

The file is an append-only SQLite database in WAL mode with `synchronous=FULL`: entries survive a power cut once
`append` has returned. Each row carries a hash over itself and the row before, so that a changed row or a hole is
detected; a second file, the end mark, tells whether the last rows are there. Rows before the last checkpoint may lie in
archives, which are read as if they were here. All functions block; except `mark_end` they serve one caller at a time,
and `JournalWriter` calls them off the loop.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self

from mm_trio.config.private_paths import find_open_place, make_private_folders
from mm_trio.journal.archives import ARCHIVE_AT_LEAST, Archives, RawRow
from mm_trio.journal.end_mark import MARK_NAME, EndMark, describe_cut, read_mark, write_mark
from mm_trio.journal.file_errors import REBUILD
from mm_trio.journal.file_identity import FilesInPlace
from mm_trio.journal.ledger_schema import (
    APPLICATION_ID,
    MIGRATIONS,
    JournalRow,
    connect,
    explained,
    is_closed_for_good,
    link,
    make_private,
    name_read_only,
)
from mm_trio.model.entry_codec import decode_entry, encode_entry, name_kind
from mm_trio.model.errors import JournalBusy, JournalError
from mm_trio.model.journal_entries import Booked, Checkpoint, Entry, Of, Requested

__all__ = ["ACCOUNT_NAME", "JOURNAL_NAME", "Journal", "JournalRow"]

_log = logging.getLogger(__name__)

JOURNAL_NAME = "journal.sqlite3"
# Beside the folders of an account's coins: what its grids share. No coin has this name: one is @N, or two names.
ACCOUNT_NAME = "account"
# `json.dumps` would make an encoder at each call.
_to_json = json.JSONEncoder(separators=(",", ":")).encode
# Bodies that a reader of figures parses together.
ROWS_AT_ONCE = 1_000
# SQLite looks at each page of the file so often, at a start. In between a start trusts pages that it does not read.
CHECK_EVERY_MS = 24 * 3_600_000


class Journal:
    """Opened ledger file, at `path`.

    Before each commit `files` are checked to be in their place: the ledger's own and those that its user adds. A reader
    of one `coin` sees the entries of that coin alone, as if nobody else wrote into this journal.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, is_reader: bool = False, coin: str | None = None
    ) -> None:
        self.path = path
        self._coin = coin
        self._connection = connection
        # The last durable entry, replaced by one assignment: `mark_end` may read it on another thread.
        self._end = EndMark(0, b"")
        self._marking = threading.Lock()
        self._archives = Archives(connection, path)
        self._is_reader = is_reader
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
        with explained(path):
            make_private_folders(folder)
            _refuse_open(folder)
            make_private(path)
            # A log is left where the last writer did not close the file.
            was_closed = not _has_log(path)
            connection = connect(str(path))
            journal = cls(path, connection)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                if max_pages is not None:
                    connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
                journal._check_owner()
                is_to_check = not (was_closed and journal._was_checked())
                if is_to_check:
                    journal._check_pages()
                journal._migrate()
                journal._find_end()
                journal._check_mark()
                if is_to_check:
                    journal._note_check()
                # SQLite writes commits to the log first, and deletes it only when the last connection closes.
                journal.files.watch(path)
                journal.files.watch(path.with_name(f"{JOURNAL_NAME}-wal"))
            except BaseException:
                connection.close()
                raise
        return journal

    @classmethod
    def open_to_read(cls, folder: Path, *, is_quiet: bool = False, check_pages: bool = False) -> Self:
        """Open an existing ledger read-only, even while a maker writes it.

        A coin whose folder has none may be in the journal of several, in the folder of its account; what is read is
        then this coin's part of it.
        `is_quiet`: leave no file beside it either, where no process has it open. `check_pages`: let SQLite look at
        every page of it, also at those that are not read. Errors: JournalError, also if there is no ledger.
        """
        with explained(folder / JOURNAL_NAME):
            path, coin = _find_journal(folder)
        with explained(path):
            if not path.is_file():
                raise JournalError(f"there is no ledger at {path}")
            _refuse_open(path.parent)
            # SQLite leaves an empty log behind, unless it is told that nobody writes. Where there is no log, nobody
            # does.
            name = name_read_only(path, is_immutable=is_closed_for_good(path, is_quiet=is_quiet))
            journal = cls(path, connect(name, is_uri=True), is_reader=True, coin=coin)
            try:
                journal._check_owner()
                if check_pages:
                    journal._check_pages()
                journal._check_version()
                journal._find_end()
            except BaseException:
                journal.close()
                raise
        return journal

    @classmethod
    def salvage(cls, folder: Path) -> list[JournalRow]:
        """Read the rows of a damaged ledger up to the damage.

        Where an archive cannot be read, they begin at the last checkpoint, which sums up what is lost. Return no rows
        if the file is not a ledger. Errors: JournalBusy, because a file that is locked is not damaged.
        """
        rows: list[JournalRow] = []
        try:
            with explained(folder / JOURNAL_NAME):
                connection = connect(name_read_only(folder / JOURNAL_NAME), is_uri=True)
                with contextlib.closing(connection):
                    journal = cls(folder / JOURNAL_NAME, connection, is_reader=True)
                    is_whole = journal._can_read_archives()
                    # One by one, so that the rows before the damage are kept when reading fails.
                    for row in journal.read(since_checkpoint=not is_whole):
                        rows.append(row)
        except JournalBusy:
            raise
        except JournalError:
            pass
        return rows

    def _can_read_archives(self) -> bool:
        try:
            for _ in self._read_archives():
                pass
        except JournalError as error:
            _log.warning("archive left out: %s", error)
            return False
        return True

    def read(self, *, since_checkpoint: bool = True) -> Iterator[JournalRow]:
        """Yield rows in order, checking the chain of hashes.

        They begin at the last checkpoint, or with `since_checkpoint=False` at the first row, in the archives.
        Errors: JournalError at the first row that differs from what was written, and for an archive that is missing.
        """
        with explained(self.path), self._snapshot():
            first = self._find_checkpoint() if since_checkpoint else 1
            chain = self._chain_of(first - 1) or b""
            if not since_checkpoint:
                for seq, at_ms, kind, body, _, stored in self._read_archives():
                    first, chain = seq + 1, stored
                    if (entry := self._decode_own(seq, kind, body)) is not None:
                        yield JournalRow(seq, at_ms, entry)
            rows = self._connection.execute(
                "SELECT seq, at_ms, kind, body, chain FROM entries WHERE seq >= ? ORDER BY seq", (first,)
            )
            for expected, (seq, at_ms, kind, body, stored) in enumerate(rows, start=first):
                chain = link(chain, seq, at_ms, kind, body)
                is_beginning = seq > first or first == 1 or not since_checkpoint or kind == "checkpoint"
                if seq != expected or not chain or chain != stored or not is_beginning:
                    damage = f"entry {expected} differs from what was written"
                    raise JournalError(f"{self.path} is damaged: {damage}; {REBUILD}")
                if (entry := self._decode_own(seq, kind, body)) is not None:
                    yield JournalRow(seq, at_ms, entry)

    def read_kinds(self, *kinds: type[Entry], since_ms: int = 0) -> Iterator[JournalRow]:
        """Yield the entries of some kinds in order, recorded since then, without checking the chain of hashes.

        A reader of figures uses it; what a checkpoint repeats is left out. Errors: JournalError.
        """
        for seq, at_ms, kind, values in self.read_values(*kinds, since_ms=since_ms):
            try:
                entry = decode_entry(kind, values)
            except (TypeError, ValueError) as error:
                raise JournalError(f"{self.path}: entry {seq} cannot be read: {error}") from error
            own = self._own(entry) if isinstance(entry, Checkpoint) else entry
            if own is not None:
                yield JournalRow(seq, at_ms, own)

    def read_beginning(self) -> tuple[int, Checkpoint] | None:
        """Return the checkpoint that the ledger begins with, and its time; None where it begins with other entries.

        Such a ledger was rebuilt without its archives, and only the checkpoint knows what they had. Errors:
        JournalError.
        """
        columns, where = "at_ms, kind, body", "WHERE seq = 1"
        with explained(self.path), self._snapshot():
            archives = self._archives.list()
            rows = (
                list(archives[0].select(columns, where, ()))
                if archives
                else self._connection.execute(f"SELECT {columns} FROM entries {where}").fetchall()
            )
            for at_ms, kind, body in rows:
                entry = self._decode_own(1, kind, body) if kind == name_kind(Checkpoint) else None
                if isinstance(entry, Checkpoint):
                    return at_ms, entry
        return None

    def read_values(self, *kinds: type[Entry], since_ms: int = 0) -> Iterator[tuple[int, int, str, list[object]]]:
        """Yield (number, time, kind, values) of entries as `read_kinds` does, before they are made entries.

        For a reader of a million of them, which takes a third of the time. Errors: JournalError.
        """
        names = [self._name(kind) for kind in kinds if kind is not Of]
        with explained(self.path), self._snapshot():
            for archive in self._archives.list():
                yield from self._parse_values(archive.read_kinds(names, since_ms=since_ms))
            marks = ", ".join("?" * len(names))
            rows = self._connection.execute(
                f"SELECT seq, at_ms, kind, body FROM entries WHERE kind IN ({marks}) AND at_ms >= ? ORDER BY seq",
                (*names, since_ms),
            )
            yield from self._parse_values(rows)

    def _parse_values(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, int, str, list[object]]]:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            yield from self._parse_some(some)

    def _parse_some(self, rows: list[tuple[Any, ...]]) -> Iterator[tuple[int, int, str, list[object]]]:
        """Parse the bodies of some rows together, which takes half the time."""
        with contextlib.suppress(ValueError):
            bodies = json.loads(f"[{','.join([row[3] for row in rows])}]")
            if len(bodies) == len(rows):
                for (seq, at_ms, kind, *_), values in zip(rows, bodies, strict=True):
                    yield seq, at_ms, self._strip(kind), values
                return
        for seq, at_ms, kind, body, *_ in rows:
            try:
                yield seq, at_ms, self._strip(kind), json.loads(body)
            except ValueError as error:
                raise JournalError(f"{self.path}: entry {seq} cannot be read: {error}") from error

    def sum_items(self, *, since_ms: int = 0, until_ms: int | None = None, per_ms: int) -> dict[int, int]:
        """Sum up the items of signed requests in each `per_ms`, recorded since then and before `until_ms`.

        The keys are whole numbers of `per_ms`. Errors: JournalError.
        """
        sums: dict[int, int] = {}
        columns = f"at_ms / {int(per_ms)}, json_extract(body, '$[2]')"
        until = "" if until_ms is None else f" AND at_ms < {int(until_ms)}"
        where, values = f"WHERE kind = ? AND at_ms >= ?{until}", (self._name(Requested), since_ms)
        with explained(self.path), self._snapshot():
            for archive in self._archives.list():
                for number, n_items in archive.select(columns, where, values):
                    sums[number] = sums.get(number, 0) + n_items
            for number, n_items in self._connection.execute(f"SELECT {columns} FROM entries {where}", values):
                sums[number] = sums.get(number, 0) + n_items
        return sums

    def _read_archives(self) -> Iterator[RawRow]:
        chain = b""
        for archive in self._archives.list():
            yield from archive.read(chain)
            chain = archive.chain

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Let a reader see one state: entries may move into an archive while it reads."""
        if not self._is_reader or self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("COMMIT")

    def move_to_archive(self, *, at_least: int = ARCHIVE_AT_LEAST) -> int:
        """Move the entries before the last checkpoint into an archive.

        Nothing is done where there are fewer of them than `at_least`. Return how many were moved; the caller holds
        the lock of the folder. Errors: JournalError, and then every entry is in the journal or in a listed archive.
        """
        with explained(self.path):
            checkpoint = self._find_checkpoint()
            kinds = self._connection.execute("SELECT kind FROM entries WHERE seq = ?", (checkpoint,)).fetchall()
            if kinds != [("checkpoint",)]:
                return 0
            # The mark names an entry of the journal itself then, so that a start need not read an archive.
            return self._archives.move_entries(checkpoint=checkpoint, at_least=at_least, before_deletion=self.mark_end)

    def find_archive_faults(self) -> list[str]:
        """Say which archives are missing or changed, at first sight. Errors: JournalError."""
        with explained(self.path):
            return [fault for archive in self._archives.list() if (fault := archive.find_fault()) is not None]

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
            chain = link(chain, seq, at_ms, kind, body)
            rows.append((seq, at_ms, kind, body, _fill_key(entry), chain))
        with explained(self.path):
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
        with self._marking, explained(self.path.with_name(MARK_NAME)):
            # Beside another journal this mark would be wrong.
            self.files.check()
            if not self.is_new:
                write_mark(self.path.parent, self._end)

    def find_cut(self) -> str | None:
        """Explain that entries at the end are missing.

        Return None if the end mark proves nothing missing, or if there is none. Errors: JournalError for a damaged one.
        """
        mark = read_mark(self.path.parent)
        if mark is None or (mark.seq <= self._end.seq and self._chain_of(mark.seq) in (mark.chain, None)):
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

    def _check_owner(self) -> None:
        owner = int(self._connection.execute("PRAGMA application_id").fetchone()[0])
        is_empty = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if owner != APPLICATION_ID and not is_empty:
            raise JournalError(f"{self.path} is not a valid mm_trio ledger; the file was left unchanged")

    def _check_pages(self) -> None:
        findings = [row[0] for row in self._connection.execute("PRAGMA quick_check(3)")]
        if findings != ["ok"]:
            raise JournalError(f"{self.path} is damaged: {' '.join(findings[0].split())}; {REBUILD}")

    def _was_checked(self) -> bool:
        """Return whether all pages were checked lately; a check in the future does not count."""
        if not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'checks'").fetchone():
            return False
        row = self._connection.execute("SELECT at_ms FROM checks WHERE name = 'pages'").fetchone()
        return row is not None and isinstance(row[0], int) and 0 <= _now_ms() - row[0] < CHECK_EVERY_MS

    def _note_check(self) -> None:
        # A full disk must not keep a maker from cancelling its orders; the next start checks again.
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("INSERT OR REPLACE INTO checks VALUES ('pages', ?)", (_now_ms(),))

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
        make_private(path)
        with contextlib.closing(connect(str(path))) as copy:
            self._connection.backup(copy)

    def _find_end(self) -> None:
        row = self._connection.execute("SELECT seq, chain FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        if row and not isinstance(row[1], bytes):
            raise JournalError(f"{self.path} is damaged: entry {row[0]} differs from what was written; {REBUILD}")
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

    def _chain_of(self, seq: int) -> bytes | None:
        """Return the chain value of an entry, b"" where there is none.

        None for one in an archive that cannot be read.
        """
        row = self._connection.execute("SELECT chain FROM entries WHERE seq = ?", (seq,)).fetchone()
        if row:
            return row[0] if isinstance(row[0], bytes) else b""
        archives = self._archives.list()
        return self._archives.find_chain(seq) if archives and 1 <= seq <= archives[-1].last else b""

    def _name(self, kind: type[Entry]) -> str:
        """Return the name of a kind of entries that this reader sees. Checkpoints sum up all coins."""
        return name_kind(kind) if kind is Checkpoint else name_kind(kind, coin=self._coin)

    def _strip(self, kind: str) -> str:
        return kind if self._coin is None else kind.removesuffix(f":{self._coin}")

    def _own(self, entry: Entry) -> Entry | None:
        """Return an entry as a reader of one coin sees it, None where it is of another."""
        if self._coin is None:
            return entry
        if isinstance(entry, Checkpoint):
            return Checkpoint(tuple(own for part in entry.entries if (own := self._own(part)) is not None))
        return entry.entry if isinstance(entry, Of) and entry.coin == self._coin else None

    def _decode_own(self, seq: int, kind: str, body: str) -> Entry | None:
        return self._own(self._decode(seq, kind, body))

    def _decode(self, seq: int, kind: str, body: str) -> Entry:
        try:
            return decode_entry(kind, json.loads(body))
        except (TypeError, ValueError) as error:
            raise JournalError(f"{self.path}: entry {seq} cannot be read: {error}") from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _find_journal(folder: Path) -> tuple[Path, str | None]:
    """Find the journal that has the entries of a folder, and the coin that they are of where others are in it."""
    path, shared = folder / JOURNAL_NAME, folder.parent / ACCOUNT_NAME / JOURNAL_NAME
    if path.exists() or folder.name == ACCOUNT_NAME or not shared.is_file():
        return path, None
    # A folder cannot have the slash of a name like PURR/USDC.
    return shared, folder.name if folder.name.startswith("@") else folder.name.replace("-", "/")


def _refuse_open(folder: Path) -> None:
    fault = find_open_place(folder)
    if fault is not None:
        raise JournalError(f"the ledger in {folder} is not safe from other users: {fault}")


def _fill_key(entry: Entry) -> str | None:
    """Return the unique key of a booked fill; None for other entries.

    The column's constraint ensures that a fill is booked once even if the maker's own memory of fills fails.
    """
    entry = entry.entry if isinstance(entry, Of) else entry
    if not isinstance(entry, Booked):
        return None
    return f"{entry.time_ms}|{entry.coin}|{entry.tid}|{entry.oid}"
