"""Temporary folder for the files of one running seed."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mm_trio.model.errors import Interrupted, LocalError

__all__ = ["check_disk", "open_seed_folder", "remove_seed_folders"]

PREFIX = "mm-trio-sim-"
# Removal is retried, because a seed still running in another thread may write into its folder meanwhile.
_TRIES = 3
# More than the journal of a seed grows by at a time.
_PROBE_BYTES = 65_536
_open: set[Path] = set()
_is_ending = threading.Event()
# Reentrant, because a signal may interrupt the thread that holds it and remove the folders in the same thread.
_lock = threading.RLock()


@contextmanager
def open_seed_folder() -> Iterator[Path]:
    """Make a folder and remove it with its content afterwards.

    Errors: Interrupted once the process is ending.
    """
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


def check_disk(folder: Path) -> None:
    """Check that the folder of a seed can still be written to.

    Where it cannot, a violation says nothing of the maker. Errors: LocalError.
    """
    probe = folder / "probe"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
        probe.unlink()
    except OSError as error:
        raise LocalError(
            f"the seed was not judged, because its files cannot be written: {error.strerror or error}; free some space "
            f"in {folder.parent}, or check the limits of this shell (ulimit)"
        ) from error


def remove_seed_folders() -> None:
    """Remove the folders of running seeds before the process ends.

    No further seed gets a folder.
    """
    with _lock:
        _is_ending.set()
        folders = tuple(_open)
    for folder in folders:
        for _ in range(_TRIES):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break


def _find_fast_folder() -> str | None:
    """Return an in-memory folder if the machine has one.

    Data is durable there for as long as the run needs it.
    """
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
