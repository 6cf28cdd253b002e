"""The folder in which a seed keeps its files while it runs."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mm_trio.model.errors import Interrupted

__all__ = ["open_seed_folder", "remove_seed_folders"]

PREFIX = "mm-trio-sim-"
_TRIES = 3  # A seed that still runs in another thread may write into its folder while it is removed.
_open: set[Path] = set()
_is_ending = threading.Event()
_lock = threading.RLock()  # A signal may interrupt the thread that holds it, and removes the folders in its place.


@contextmanager
def open_seed_folder() -> Iterator[Path]:
    """Make a folder, and remove it with all that is in it. Errors: Interrupted once the process is ending."""
    with _lock:
        if _is_ending.is_set():
            raise Interrupted
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_find_fast_folder()))
        _open.add(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _open.discard(folder)


def remove_seed_folders() -> None:
    """Remove what the seeds under way hold, before the process ends; no other seed gets a folder."""
    with _lock:
        _is_ending.set()
        folders = tuple(_open)
    for folder in folders:
        for _ in range(_TRIES):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break


def _find_fast_folder() -> str | None:
    """A folder in memory where there is one: what is durable there lasts as long as the run."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
