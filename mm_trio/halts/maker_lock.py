"""Whether a maker holds a state folder."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from mm_trio.journal.data_dir import LOCK_NAME
from mm_trio.journal.file_errors import find_lock_holders

__all__ = ["is_held"]


def is_held(folder: Path) -> bool | None:
    """Check if a process holds a state folder, hung ones included; None where that cannot be told. Blocks.

    The system is asked first. Taking the lock for a moment, which could meet a maker that starts, is for where it does
    not tell.
    """
    path = folder / LOCK_NAME
    try:
        if not path.exists():
            return False
        if find_lock_holders(path):
            return True
        with FileLock(path, timeout=0, mode=0o600, thread_local=False):
            return False
    except Timeout:
        return True
    except OSError:
        return None
