"""Entries before the last checkpoint, moved out of the journal into files of their own.

A start replays from the last checkpoint on, so it needs none of them; audits, rebuilds and figures read them with the
journal, as one chain. They are moved at a start, while the folder is locked and nothing trades: the deletion would hold
up the commits of a maker at work. The journal's own entries are deleted last, in the transaction that lists the
archive; so at any moment each entry is in the journal or in an archive that the journal lists.
"""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mm_trio.config.private_paths import make_private_folders
from mm_trio.journal.end_mark import sync
from mm_trio.journal.file_errors import REBUILD
from mm_trio.journal.ledger_schema import (
    APPLICATION_ID,
    ARCHIVED_ENTRIES,
    connect,
    explained,
    link,
    make_private,
    name_read_only,
)
from mm_trio.model.errors import JournalError

__all__ = ["ARCHIVE_AT_LEAST", "ARCHIVE_NAME", "Archive", "Archives", "RawRow"]

ARCHIVE_NAME = "archive"
# An archive before it has its name.
_UNFINISHED_NAME = "unfinished"
# Fewer entries before the last checkpoint stay in the journal, so that starts in a row do not leave small files.
ARCHIVE_AT_LEAST = 20_000
# One file, and one transaction, for so many: about 100 MB.
ENTRIES_PER_FILE = 250_000
# Free space that a move needs, in sizes of the journal: for the archive, the log of the deletion, and that of the
# journal without it. What is left of the disk belongs to the maker.
SIZES_FREE, LEAST_FREE_BYTES = 3, 64_000_000
# As many fills of archives stay listed in the journal as the maker itself remembers: ten times what the venue lists.
FILLS_LISTED = 100_000
_REMEDY = (
    "a start does not need it, but whatever sums up the whole ledger does; put it back from a copy of this folder, or "
    "run `mm-trio ledger rebuild` to go on from the last checkpoint without it"
)

# Number, time, kind, body, fill key and chain value of an entry.
RawRow = tuple[int, int, str, str, str | None, bytes]
_COLUMNS = "seq, at_ms, kind, body, fill, chain"


@dataclass(frozen=True, slots=True)
class Archive:
    """Archive file as the journal lists it.

    `chain` is the chain value of its last entry, `until_ms` the latest time that one of its entries was recorded at.
    """

    path: Path
    first: int
    last: int
    until_ms: int
    chain: bytes
    n_bytes: int

    def find_fault(self) -> str | None:
        """Say what is wrong with the file at first sight."""
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return self._describe("is missing")
        except OSError as error:
            return self._describe(f"cannot be read: {error.strerror or error}")
        if not stat.S_ISREG(found.st_mode):
            return self._describe("is not a regular file")
        if found.st_size != self.n_bytes:
            return self._describe(f"has {found.st_size} bytes and was written with {self.n_bytes}")
        return None

    def read(self, chain: bytes) -> Iterator[RawRow]:
        """Yield the entries in order, checking the chain of hashes.

        `chain` is the chain value of the entry before. Errors: JournalError.
        """
        seq = self.first - 1
        for row in self.read_unchecked():
            seq, at_ms, kind, body, _, stored = row
            chain = link(chain, seq, at_ms, kind, body)
            if not chain or chain != stored:
                raise JournalError(self._describe(f"is damaged: entry {seq} differs from what was written"))
            yield row
        if seq != self.last or chain != self.chain:
            raise JournalError(self._describe(f"is damaged: it ends at entry {seq}"))

    def read_unchecked(self) -> Iterator[RawRow]:
        """Yield the entries in order. Errors: JournalError."""
        yield from self._select("", ())

    def read_kinds(self, names: list[str], *, since_ms: int) -> Iterator[RawRow]:
        """Yield the entries of some kinds, without checking the chain. Errors: JournalError."""
        if self.until_ms >= since_ms:
            where = f"WHERE kind IN ({', '.join('?' * len(names))}) AND at_ms >= ?"
            yield from self._select(where, (*names, since_ms))

    def find_chain(self, seq: int) -> bytes | None:
        """Return the chain value of one entry; None if it cannot be read."""
        with suppress(JournalError):
            for *_, chain in self._select("WHERE seq = ?", (seq,)):
                return bytes(chain)
        return None

    def _select(self, where: str, values: tuple[object, ...]) -> Iterator[RawRow]:
        return self.select(_COLUMNS, f"{where} ORDER BY seq", values)

    def select(self, columns: str, where: str, values: tuple[object, ...]) -> Iterator[Any]:
        """Yield columns of some entries, without checking the chain. Errors: JournalError."""
        if (fault := self.find_fault()) is not None:
            raise JournalError(fault)
        try:
            with (
                explained(self.path),
                closing(connect(name_read_only(self.path, is_immutable=True), is_uri=True)) as connection,
            ):
                yield from connection.execute(f"SELECT {columns} FROM entries {where}", values)
        except JournalError as error:
            raise JournalError(self._describe(f"cannot be read ({error.__cause__})")) from error

    def _describe(self, fault: str) -> str:
        return f"the archive {self.path} of entries {self.first} to {self.last} {fault}; {_REMEDY}"


class Archives:
    """Archives of a journal, which is open on `connection`."""

    def __init__(self, connection: sqlite3.Connection, journal: Path) -> None:
        self._connection = connection
        self._journal = journal
        self._folder = journal.parent / ARCHIVE_NAME

    def list(self) -> list[Archive]:
        """Return the archives in order; none for a journal of an earlier version.

        Errors: JournalError for a list that is damaged.
        """
        if not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'archives'").fetchone():
            return []
        rows = self._connection.execute("SELECT name, first, last, until_ms, chain, n_bytes FROM archives ORDER BY 2")
        found: list[Archive] = []
        for name, *values in rows:
            if [type(value) for value in (name, *values)] != [str, int, int, int, bytes, int]:
                raise JournalError(f"{self._journal} is damaged: its list of archives cannot be read; {REBUILD}")
            found.append(Archive(self._folder / name, *values))
        return found

    def find_chain(self, seq: int) -> bytes | None:
        """Return the chain value of an archived entry; None if it is not known."""
        for archive in self.list():
            if archive.first <= seq <= archive.last:
                return archive.chain if seq == archive.last else archive.find_chain(seq)
        return None

    def move_entries(self, *, checkpoint: int, at_least: int, before_deletion: Callable[[], None]) -> int:
        """Move the entries before a checkpoint into archives, if there are so many.

        `before_deletion` is called before entries are deleted from the journal. Return how many were moved.
        Errors: JournalError, sqlite3.Error, OSError; at each of them every entry is in the journal or in an archive.
        """
        archives = self.list()
        first, chain = (archives[-1].last + 1, archives[-1].chain) if archives else (1, b"")
        n_old = checkpoint - first
        if n_old < max(1, at_least):
            return 0
        self._check_space()
        make_private_folders(self._folder)
        sync(self._folder.parent)
        try:
            for begin in range(first, checkpoint, ENTRIES_PER_FILE):
                archive = self._write(begin, min(begin + ENTRIES_PER_FILE, checkpoint) - 1, chain)
                before_deletion()
                self._take_over(archive)
                chain = archive.chain
        except Exception:
            # A maker goes on with what is left of the disk.
            with suppress(OSError):
                self._remove_unfinished()
            raise
        self._shrink()
        return n_old

    def _check_space(self) -> None:
        """Refuse to fill up the disk. Errors: JournalError."""
        free = shutil.disk_usage(self._folder.parent).free
        needed = SIZES_FREE * self._journal.stat().st_size + LEAST_FREE_BYTES
        if free < needed:
            raise JournalError(
                f"the disk of {self._folder.parent} has {free // 1_000_000} MB free, and to move entries into an "
                f"archive takes {needed // 1_000_000} MB; free some space"
            )

    def _shrink(self) -> None:
        """Give free pages back to the disk, if that is possible.

        They would stay in the file, and with them each copy of it as large.
        """
        with suppress(sqlite3.Error):
            self._connection.execute("VACUUM")
        # The log has all of the file in it now, and would keep its size.
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _remove_unfinished(self) -> None:
        for left in self._folder.glob(f"{_UNFINISHED_NAME}*"):
            left.unlink()

    def _write(self, first: int, last: int, chain: bytes) -> Archive:
        """Write an archive durably, and read it back."""
        beside, path = self._folder / _UNFINISHED_NAME, self._folder / f"entries-{first}-{last}.sqlite3"
        self._remove_unfinished()
        make_private(beside)
        self._copy(first, last, beside)
        beside.chmod(0o400)
        sync(beside)
        (stored,) = self._connection.execute("SELECT chain FROM entries WHERE seq = ?", (last,)).fetchone()
        written = Archive(beside, first, last, 0, stored, beside.stat().st_size)
        until_ms = 0
        for seq, at_ms, kind, body, _, stored in written.read_unchecked():
            chain, until_ms = link(chain, seq, at_ms, kind, body), max(until_ms, at_ms)
            if not chain or chain != stored:
                raise JournalError(f"entry {seq} of the journal differs from what was written; {REBUILD}")
        if chain != written.chain:
            raise JournalError(f"entries {first} to {last} of the journal are not all there; {REBUILD}")
        archive = replace(written, path=path, until_ms=until_ms)
        self._refuse_other(archive)
        beside.replace(path)
        sync(self._folder)
        return archive

    def _copy(self, first: int, last: int, beside: Path) -> None:
        """Copy entries into an empty file."""
        execute = self._connection.execute
        execute("ATTACH ? AS copy", (str(beside),))
        try:
            # What is not whole is thrown away, and what is whole is flushed by the caller.
            execute("PRAGMA copy.journal_mode = OFF")
            execute("PRAGMA copy.synchronous = OFF")
            execute(f"PRAGMA copy.application_id = {APPLICATION_ID}")
            execute("PRAGMA copy.user_version = 1")
            for statement in ARCHIVED_ENTRIES:
                execute(statement)
            columns = f"SELECT {_COLUMNS} FROM main.entries WHERE seq BETWEEN ? AND ? ORDER BY seq"
            execute(f"INSERT INTO copy.entries {columns}", (first, last))
        finally:
            execute("DETACH copy")

    def _refuse_other(self, archive: Archive) -> None:
        """Refuse to write over an archive of another ledger. Errors: JournalError."""
        # One that is left of a start that was cut short has the same entries.
        if archive.path.exists() and archive.find_chain(archive.last) != archive.chain:
            raise JournalError(f"{archive.path} is in the way: it has entries of another ledger; move it elsewhere")

    def _take_over(self, archive: Archive) -> None:
        """Delete from the journal what an archive has, and list it."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            execute(
                "INSERT INTO archives (first, last, until_ms, chain, name, n_bytes) VALUES (?, ?, ?, ?, ?, ?)",
                (archive.first, archive.last, archive.until_ms, archive.chain, archive.path.name, archive.n_bytes),
            )
            span = (archive.first, archive.last)
            fills = "SELECT seq, fill FROM entries WHERE seq BETWEEN ? AND ? AND fill IS NOT NULL"
            execute(f"INSERT INTO archived_fills {fills}", span)
            execute("DELETE FROM entries WHERE seq BETWEEN ? AND ?", span)
            execute(
                "DELETE FROM archived_fills WHERE seq <= "
                "(SELECT seq FROM archived_fills ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (FILLS_LISTED,),
            )
            execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise
