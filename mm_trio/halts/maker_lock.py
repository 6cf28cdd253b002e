"""Whether a process holds a lock file, a maker its state folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from mm_trio.journal.data_dir import LOCK_NAME
from mm_trio.journal.file_errors import find_lock_holders

__all__ = ["is_held", "is_locked"]


def is_held(folder: Path) -> bool | None:
    """Check if a process holds a state folder, hung ones included; None where that cannot be told. Blocks."""
    try:
        return is_locked(folder / LOCK_NAME)
    except OSError:
        return None


def is_locked(path: Path) -> bool:
    """Check if a process holds a lock; its file is neither created nor changed. Blocks. Errors: OSError.

    The system is asked first. Trying the lock for a moment, which could meet a maker that starts, is for where it does
    not tell.
    """
    if not path.exists():
        return False
    return bool(find_lock_holders(path)) or _is_refused(path)


def _is_refused(path: Path) -> bool:
    if sys.platform == "win32":
        try:
            with FileLock(path, timeout=0, mode=0o600, thread_local=False):
                return False
        except Timeout:
            return True
    import fcntl

    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(number)
    return False
