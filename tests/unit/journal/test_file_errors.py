"""Errors of files: each cause has its own words and its own remedy."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mm_trio.journal import file_errors as module
from mm_trio.journal import ledger_schema
from mm_trio.journal.file_errors import describe_os_error, explain_sqlite_error, find_lock_holders
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import JournalBusy, JournalError
from mm_trio.model.journal_entries import Entry, Quoted

LOCK_AND_WAIT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("locked", flush=True)
sys.stdin.read()
"""


EXCLUSIVE = ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")


def make_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "code, what, remedy",
    [
        (sqlite3.SQLITE_FULL, "the disk is full", "free some space"),
        (sqlite3.SQLITE_READONLY, "read-only", "make the file and its folder writable"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "read-only", "make the file and its folder writable"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "moved or deleted while it was open", "put it back"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened", "check that its folder exists"),
        (sqlite3.SQLITE_IOERR_FSYNC, "reading or writing failed", "check the disk"),
        (sqlite3.SQLITE_CORRUPT, "damaged", "mm-trio ledger rebuild"),
        (sqlite3.SQLITE_NOTADB, "damaged", "mm-trio ledger rebuild"),
        (sqlite3.SQLITE_NOMEM, "out of memory", "free some memory"),
    ],
)
def test_r12_each_cause_has_its_own_words_and_remedy(tmp_path: Path, code: int, what: str, remedy: str) -> None:
    path = tmp_path / JOURNAL_NAME

    text = str(explain_sqlite_error(path, make_error(code)))

    assert re.fullmatch(rf"the ledger {path} cannot be used: .*{what}.* \(what SQLite says\); .*{remedy}.*", text)
    assert "locked" not in text


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY, sqlite3.SQLITE_LOCKED])
def test_r12_a_lock_is_an_error_of_its_own(tmp_path: Path, code: int) -> None:
    error = explain_sqlite_error(tmp_path / JOURNAL_NAME, make_error(code))

    assert type(error) is JournalBusy
    assert "is locked by another process" in str(error)


def test_r12_an_error_that_is_not_known_is_passed_on(tmp_path: Path) -> None:
    for error in (make_error(sqlite3.SQLITE_MISUSE), sqlite3.ProgrammingError("what SQLite says")):
        text = str(explain_sqlite_error(tmp_path / JOURNAL_NAME, error))

        assert text == f"the ledger {tmp_path / JOURNAL_NAME} cannot be used: what SQLite says"


def test_r12_an_io_error_on_a_full_disk_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says so where its shared memory finds no room."""
    monkeypatch.setattr(module, "_is_full", lambda path: True)

    text = str(explain_sqlite_error(tmp_path / JOURNAL_NAME, make_error(sqlite3.SQLITE_IOERR_SHMSIZE)))

    assert "the disk is full" in text
    assert "check the disk" not in text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE, errno.EDQUOT])
def test_r12_an_error_of_the_system_says_what_to_do(number: int) -> None:
    text = describe_os_error(OSError(number, os.strerror(number)))

    assert text.startswith(f"{os.strerror(number)}; ")


def test_r12_an_error_of_the_system_without_a_remedy_is_its_own_words() -> None:
    assert describe_os_error(OSError(errno.EPIPE, "Broken pipe")) == "Broken pipe"


# --- real locks of a real process -----------------------------------------------------------------


@contextlib.contextmanager
def locking(folder: Path, *statements: str) -> Iterator[int]:
    """Another process that holds a lock on the ledger."""
    command = [sys.executable, "-c", LOCK_AND_WAIT, str(folder / JOURNAL_NAME), *(statements or ("BEGIN IMMEDIATE",))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        try:
            yield process.pid
        finally:
            process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the locks of other processes")
def test_r12_the_process_that_locks_the_ledger_is_named(tmp_path: Path) -> None:
    with contextlib.closing(Journal.open(tmp_path)) as journal, locking(tmp_path) as pid:
        holders = find_lock_holders(journal.path)
        with pytest.raises(JournalBusy, match=rf"is locked by another process \(PID {pid}, python"):
            journal.append([], at_ms=1)

    assert [holder.split(",")[0] for holder in holders] == [f"PID {pid}"]
    assert find_lock_holders(tmp_path / JOURNAL_NAME) == []


def test_r12_a_ledger_that_is_locked_is_not_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild would begin anew without a single entry."""
    monkeypatch.setattr(ledger_schema, "READER_TIMEOUT_S", 0.05)
    Journal.open(tmp_path).close()
    with locking(tmp_path, *EXCLUSIVE), pytest.raises(JournalBusy):
        Journal.salvage(tmp_path)


@pytest.mark.parametrize("open_it", [Journal.open, Journal.open_to_read])
def test_r12_a_ledger_that_is_locked_is_not_opened_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_it: Callable[[Path], Journal]
) -> None:
    monkeypatch.setattr(ledger_schema, "READER_TIMEOUT_S", 0.05)
    Journal.open(tmp_path).close()
    with locking(tmp_path, *EXCLUSIVE), pytest.raises(JournalBusy, match=f"the ledger {tmp_path}.* is locked"):
        open_it(tmp_path)


def test_r12_a_full_disk_is_no_lock(tmp_path: Path) -> None:
    many: list[Entry] = [Quoted(n) for n in range(1000)]
    with (
        contextlib.closing(Journal.open(tmp_path, max_pages=12)) as journal,
        pytest.raises(JournalError, match="the disk is full") as caught,
    ):
        journal.append(many, at_ms=1)

    assert not isinstance(caught.value, JournalBusy)
