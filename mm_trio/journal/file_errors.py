"""Words for errors of files: what happened, and what to do about it.

Each cause has its own words, because a locked file, a full disk and a damaged one need different remedies.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from mm_trio.model.errors import JournalBusy, JournalError

__all__ = ["REBUILD", "describe_os_error", "explain_os_error", "explain_sqlite_error", "find_lock_holders"]

REBUILD = "run `mm-trio ledger rebuild` to make a new one from what can be read and what the venue knows"

_FREE_SPACE = "free some space, then start again"
_MAKE_WRITABLE = "make the file and its folder writable for this user"
_CHECK_DISK = "check the disk and its mount (the system's log names the device), then run `mm-trio ledger audit`"
_FEWER_FILES = "raise the limit of open files (`ulimit -n`), or end programs that hold many"

# SQLite keeps the primary code of a result in its low byte. `PROTOCOL` is a lock that was fought over for too long.
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_OF_SQLITE: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", _FREE_SPACE),
    sqlite3.SQLITE_READONLY: ("the file or its folder is read-only", _MAKE_WRITABLE),
    sqlite3.SQLITE_PERM: ("access is denied", _MAKE_WRITABLE),
    sqlite3.SQLITE_AUTH: ("access is denied", _MAKE_WRITABLE),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", f"check that its folder exists; {_MAKE_WRITABLE}"),
    sqlite3.SQLITE_IOERR: ("reading or writing failed", _CHECK_DISK),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", REBUILD),
    sqlite3.SQLITE_NOTADB: ("it is damaged", REBUILD),
    sqlite3.SQLITE_NOMEM: ("the machine is out of memory", "free some memory, then start again"),
    sqlite3.SQLITE_TOOBIG: ("an entry is too long for it", "this is a bug of mm_trio; please report it"),
}
_OF_SYSTEM: dict[int, str] = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: "raise the quota of this user, or free some space",
    errno.EROFS: "mount the file system writable, or choose another folder by XDG_STATE_HOME",
    errno.EACCES: _MAKE_WRITABLE,
    errno.EPERM: _MAKE_WRITABLE,
    errno.EIO: _CHECK_DISK,
    errno.EMFILE: _FEWER_FILES,
    errno.ENFILE: _FEWER_FILES,
    errno.ENOTDIR: "a part of its path is a file; choose another folder by XDG_STATE_HOME, or move that file away",
}


def explain_sqlite_error(path: Path, error: sqlite3.Error) -> JournalError:
    """Turn an error of SQLite into one line for the operator.

    Return a JournalBusy where another process has the file locked, and then nothing was written.
    """
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code & 0xFF in _LOCKED:
        holders = find_lock_holders(path)
        return JournalBusy(
            f"the ledger {path} is locked by another process ({', '.join(holders) or 'which one is not known'}): "
            f"{error}; let it finish or end it, and copy the ledger only by tools that do not lock it "
            "(`mm-trio ledger backup`)"
        )
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        what, remedy = "the file was moved or deleted while it was open", "put it back, then start again"
    elif code & 0xFF == sqlite3.SQLITE_IOERR and _is_full(path):
        # Some writes of SQLite report a full disk as an error of input and output.
        what, remedy = _OF_SQLITE[sqlite3.SQLITE_FULL]
    elif code & 0xFF in _OF_SQLITE:
        what, remedy = _OF_SQLITE[code & 0xFF]
    else:
        return JournalError(f"the ledger {path} cannot be used: {error}")
    return JournalError(f"the ledger {path} cannot be used: {what} ({error}); {remedy}")


def explain_os_error(path: Path, error: OSError) -> JournalError:
    """Turn an error of the system into one line for the operator."""
    return JournalError(f"the ledger {path} cannot be used: {describe_os_error(error)}")


def describe_os_error(error: OSError) -> str:
    """Describe an error of the system, and what to do if known."""
    remedy = _OF_SYSTEM.get(error.errno or 0)
    return f"{error.strerror or error}{f'; {remedy}' if remedy else ''}"


def _is_full(path: Path) -> bool:
    """Check if the disk has no room for another page."""
    with suppress(OSError, AttributeError):
        room = os.statvfs(path.parent)
        return room.f_bavail * room.f_frsize < 64 * 1024
    return False


def find_lock_holders(path: Path) -> list[str]:
    """Name the other processes that hold locks on a ledger.

    Return none where the system does not tell, which Linux alone does. The files are not opened for it: closing one
    would drop the locks that this process itself holds on it.
    """
    ours: set[tuple[int, int, int]] = set()
    for name in (path, path.with_name(f"{path.name}-shm")):
        with suppress(OSError, AttributeError):
            status = name.stat()
            ours.add((os.major(status.st_dev), os.minor(status.st_dev), status.st_ino))
    holders: set[int] = set()
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            # `7: POSIX  ADVISORY  WRITE 4711 fd:01:131 120 120`; a line with an arrow is of one who waits.
            words = line.split()
            if words[1] != "->" and words[3] == "WRITE":
                major, minor, inode = words[5].split(":")
                if (int(major, 16), int(minor, 16), int(inode)) in ours:
                    holders.add(int(words[4]))
    return [_name_process(holder) for holder in sorted(holders - {os.getpid()}) if holder > 0]


def _name_process(pid: int) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return f"PID {pid}, {Path(f'/proc/{pid}/comm').read_text(encoding='utf-8').strip()}"
    return f"PID {pid}"
