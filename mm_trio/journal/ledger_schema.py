"""Schema of ledger files, their chain of hashes, and how they are opened.

The journal and its archives have the same table of entries.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mm_trio.journal.file_errors import REBUILD, explain_os_error, explain_sqlite_error
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Entry

__all__ = [
    "APPLICATION_ID",
    "ARCHIVED_ENTRIES",
    "MIGRATIONS",
    "JournalRow",
    "connect",
    "explained",
    "is_closed_for_good",
    "link",
    "make_private",
    "name_read_only",
]

# "mmtr", in the header of the file.
APPLICATION_ID = 0x6D6D7472
# SQLite waits so long for another process that locks the file. It is short, because the loop has to know, and the
# writer tries again by itself.
BUSY_TIMEOUT_S = 0.2
# One who only reads has nothing else to do. It meets a lock only in the moments when a log is being repaired or closed.
READER_TIMEOUT_S = 5.0

ENTRIES = """
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
    """
# Entries leave the journal only for an archive: one that is listed, that joins the one before, and that ends before the
# last checkpoint. Newest fills of the archives are listed here too, so that none is booked again.
ARCHIVES = """
    CREATE TABLE archives (
        first INTEGER PRIMARY KEY,
        last INTEGER NOT NULL CHECK (last >= first),
        until_ms INTEGER NOT NULL,
        chain BLOB NOT NULL,
        name TEXT NOT NULL,
        n_bytes INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE archived_fills (seq INTEGER PRIMARY KEY, fill TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE checks (name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TRIGGER archives_stay BEFORE UPDATE ON archives BEGIN SELECT RAISE(ABORT, 'archives are never changed'); END;
    CREATE TRIGGER archives_last BEFORE DELETE ON archives BEGIN SELECT RAISE(ABORT, 'archives are never removed'); END;
    CREATE TRIGGER archives_join BEFORE INSERT ON archives WHEN
        NEW.first <> (SELECT coalesce(max(last), 0) + 1 FROM archives)
        OR NEW.chain IS NOT (SELECT chain FROM entries WHERE seq = NEW.last)
        OR NEW.last >= (SELECT coalesce(max(seq), 0) FROM entries WHERE kind = 'checkpoint')
        BEGIN SELECT RAISE(ABORT, 'an archive joins the one before and ends before the last checkpoint'); END;
    CREATE TRIGGER fills_once BEFORE INSERT ON entries WHEN
        NEW.fill IS NOT NULL AND EXISTS (SELECT 1 FROM archived_fills WHERE fill = NEW.fill)
        BEGIN SELECT RAISE(ABORT, 'the fill is booked in an archive'); END;
    DROP TRIGGER entries_last;
    CREATE TRIGGER entries_last BEFORE DELETE ON entries WHEN
        NOT EXISTS (SELECT 1 FROM archives WHERE OLD.seq BETWEEN first AND last)
        BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
    """
# The same columns in an archive. Nothing is added there, and all of it is read in order, so it has no index.
ARCHIVED_ENTRIES = (
    """
    CREATE TABLE copy.entries (
        seq INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        fill TEXT,
        chain BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TRIGGER copy.entries_stay BEFORE UPDATE ON entries
        BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END
    """,
    """
    CREATE TRIGGER copy.entries_last BEFORE DELETE ON entries
        BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END
    """,
)
# Script n turns version n of the file into n + 1; an empty file is version 0.
MIGRATIONS: tuple[str, ...] = (ENTRIES, ARCHIVES)


@dataclass(frozen=True, slots=True)
class JournalRow:
    """Entry with its number and the time it was recorded at."""

    seq: int
    at_ms: int
    entry: Entry


def link(chain: bytes, seq: int, at_ms: int, kind: str, body: str) -> bytes:
    """Compute the chain value of an entry from the one before.

    Return b"" for values that no entry has: a damaged row may have any.
    """
    try:
        return sha256(b"%s|%d|%d|%s|%s" % (chain, seq, at_ms, kind.encode(), body.encode())).digest()[:16]
    except (AttributeError, TypeError):
        return b""


def connect(path: str, *, is_uri: bool = False) -> sqlite3.Connection:
    """Open a file of SQLite; every transaction is written out."""
    # Worker threads use the connection one at a time, so the check of sqlite3 that one thread owns it is not needed.
    # The module would begin transactions by itself without the isolation level; here each BEGIN is written out.
    timeout_s = READER_TIMEOUT_S if is_uri else BUSY_TIMEOUT_S
    return sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False, uri=is_uri)


def name_read_only(path: Path, *, is_immutable: bool = False) -> str:
    """Return the URI that opens a file to read only.

    `is_immutable`: nobody writes it now, and nothing is left beside it.
    """
    return f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if is_immutable else ''}"


def is_closed_for_good(path: Path, *, is_quiet: bool = False) -> bool:
    """Check if a file is to be read as one that nobody writes.

    It has no log, and none may be left beside it: it is asked so, or the folder is read-only for this user, as that of
    a backup, where SQLite would refuse a file whose log it cannot make.
    """
    has_log = path.with_name(f"{path.name}-wal").exists()
    return not has_log and (is_quiet or not os.access(path.parent, os.W_OK))


def make_private(path: Path) -> None:
    """Create the file readable by its owner alone.

    SQLite would create it with the permissions of the present umask, and where a link points to. Errors: OSError.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o600))


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of the file into one line that names it.

    A violated constraint is a bug of ours and passes unchanged. Errors: JournalError.
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
