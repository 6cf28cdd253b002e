"""Copying of a ledger into a folder of its own, while its maker may write it.

SQLite's online backup copies one state of the journal. It holds no lock that a commit waits for: in WAL mode a reader
and the writer do not meet. What is copied is checked before it gets its name, so a ledger that is damaged, or that
lacks its end, never takes the place of a good copy.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from mm_trio.cli.copy_programs.ledger_copies import (
    UNFINISHED_NAME,
    Label,
    LedgerCopy,
    discard_unfinished,
    list_copies,
    name_copy,
    told,
    write_description,
)
from mm_trio.halts.standing import StandingUnread, State
from mm_trio.halts.standing_file import STANDING_NAME, read_standing
from mm_trio.journal.archives import ARCHIVE_NAME, Archive, Archives
from mm_trio.journal.end_mark import EndMark, read_mark, sync, write_mark
from mm_trio.journal.ledger_schema import connect, explained, is_closed_for_good, make_private, name_read_only
from mm_trio.journal.sqlite_journal import ACCOUNT_NAME, JOURNAL_NAME, Journal
from mm_trio.model.errors import ConfigError, JournalError

__all__ = ["copy_ledger"]

_log = logging.getLogger(__name__)

# 1 MB with pages of 4 KiB: a stop is heard so often.
PAGES_AT_ONCE = 256
ROWS_AT_ONCE = 1_000


def copy_ledger(folder: Path, root: Path, *, label: Label, check_stop: Callable[[], None]) -> LedgerCopy:
    """Copy the ledger in `folder` into a new folder in `root`.

    It is complete and durable once it has its name; at every other end nothing of it is left but what
    `discard_unfinished` removes. `check_stop` is called often and may raise. One caller at a time writes to `root`.
    Errors: JournalError for the ledger, ConfigError for the place of the copies.
    """
    discard_unfinished(root)
    beside = root / UNFINISHED_NAME
    try:
        with told(root):
            beside.mkdir(mode=0o700)
            end = _copy_journal(folder, beside, check_stop)
            lacks = _copy_archives(folder, beside, check_stop)
            name, copied_ms = name_copy(root, n_entries=end.seq, now_ms=time.time_ns() // 1_000_000)
            copy = LedgerCopy(
                folder=root / name,
                label=label,
                n_entries=end.seq,
                chain=end.chain.hex(),
                copied_ms=copied_ms,
                standing=_read_standing(folder),
                standings=_read_standings(folder),
                lacks=lacks,
            )
            write_description(copy, beside)
            sync(beside)
            beside.rename(copy.folder)
            sync(root)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return copy


def _copy_journal(folder: Path, beside: Path, check_stop: Callable[[], None]) -> EndMark:
    """Copy the journal, check it, and return its end."""
    source, target = folder / JOURNAL_NAME, beside / JOURNAL_NAME
    if not source.is_file():
        raise JournalError(f"there is no ledger at {source}")
    # The mark is never newer than the journal, so one that is read first names an entry which the copy must have.
    mark = read_mark(folder)
    make_private(target)
    with explained(source), _told_if_full(beside.parent):
        _copy_pages(source, target, check_stop)
    if mark is not None:
        write_mark(beside, mark)
    try:
        end = _check_copy(beside, check_stop)
    except JournalError as error:
        raise JournalError(f"the ledger in {folder} was not copied: {error}") from error
    write_mark(beside, end)
    sync(target)
    return end


def _copy_pages(source: Path, target: Path, check_stop: Callable[[], None]) -> None:
    name = name_read_only(source, is_immutable=is_closed_for_good(source))
    with closing(connect(name, is_uri=True)) as journal, closing(connect(str(target))) as copy:
        # What is not whole is thrown away, and what is whole is flushed at the end.
        copy.execute("PRAGMA synchronous = OFF")
        # Without a transaction of its own the copy would begin anew after each commit of the maker.
        journal.execute("BEGIN")
        journal.execute("SELECT count(*) FROM sqlite_master").fetchone()
        journal.backup(copy, pages=PAGES_AT_ONCE, progress=lambda *_: check_stop())
        journal.execute("COMMIT")


def _check_copy(beside: Path, check_stop: Callable[[], None]) -> EndMark:
    """Check a copied journal and return its end. Errors: JournalError."""
    with closing(Journal.open_to_read(beside, is_quiet=True, check_pages=True)) as copy:
        if copy.is_new:
            raise JournalError("it has no entries yet")
        if copy.find_cut() is not None:
            raise JournalError(
                "it lacks the entry that its end mark names; `mm-trio ledger audit` says what is missing"
            )
        for row in copy.read():
            if row.seq % ROWS_AT_ONCE == 0:
                check_stop()
        return copy.end


def _copy_archives(folder: Path, beside: Path, check_stop: Callable[[], None]) -> tuple[str, ...]:
    """Copy the archives that the copied journal lists; return the names of those that cannot be."""
    path = beside / JOURNAL_NAME
    with explained(path), closing(connect(name_read_only(path, is_immutable=True), is_uri=True)) as connection:
        archives = Archives(connection, path).list()
    if not archives:
        return ()
    (beside / ARCHIVE_NAME).mkdir(mode=0o700)
    earlier = list_copies(beside.parent)[-1:]
    lacks: list[str] = []
    chain = b""
    for archive in archives:
        if not any(_link_archive(archive, copy) for copy in earlier):
            try:
                _copy_archive(archive, folder, chain, check_stop)
            except JournalError as error:
                # The journal is worth a copy without it, and an earlier copy may have it.
                archive.path.unlink(missing_ok=True)
                _log.warning("archive not copied: %s", error)
                lacks.append(archive.path.name)
        chain = archive.chain
    sync(beside / ARCHIVE_NAME)
    return tuple(lacks)


def _link_archive(archive: Archive, copy: Path) -> bool:
    """Take an archive over from an earlier copy, which needs no room; return whether that was possible."""
    earlier = replace(archive, path=copy / ARCHIVE_NAME / archive.path.name)
    if earlier.find_fault() is not None or earlier.find_chain(archive.last) != archive.chain:
        return False
    # Not every file system has a second name for a file.
    with suppress(OSError):
        os.link(earlier.path, archive.path)
        return True
    return False


def _copy_archive(archive: Archive, folder: Path, chain: bytes, check_stop: Callable[[], None]) -> None:
    """Copy an archive of the ledger and read the copy. Errors: JournalError."""
    source = replace(archive, path=folder / ARCHIVE_NAME / archive.path.name)
    if (fault := source.find_fault()) is not None:
        raise JournalError(fault)
    make_private(archive.path)
    shutil.copyfile(source.path, archive.path)
    archive.path.chmod(0o400)
    sync(archive.path)
    for n, _ in enumerate(archive.read(chain)):
        if n % ROWS_AT_ONCE == 0:
            check_stop()


def _read_standing(folder: Path) -> dict[str, object] | None:
    """Read what the standing says, for whoever restores the copy on another machine."""
    if not (folder / STANDING_NAME).exists():
        return None
    try:
        return read_standing(folder).to_json()
    except StandingUnread as error:
        return {"unread": str(error)}


def _read_standings(folder: Path) -> dict[str, dict[str, object]]:
    """Read what stopped markets of an account, whose ledger is in one folder."""
    if folder.name != ACCOUNT_NAME:
        return {}
    others = sorted(path for path in folder.parent.iterdir() if path.is_dir() and path != folder)
    found = {path.name: _read_standing(path) for path in others}
    return {name: each for name, each in found.items() if each is not None and each.get("state") != str(State.ACTIVE)}


@contextmanager
def _told_if_full(root: Path) -> Iterator[None]:
    """Tell a full disk of the copies from one of the ledger, which is only read."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_FULL:
            raise
        raise ConfigError(f"the copy in {root} cannot be written: the disk is full; free some space") from error
