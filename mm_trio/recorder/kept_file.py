"""Record file that is kept open as far as that is possible, within its bounds.

A fault of it is told once and costs observations alone. All functions block; one caller at a time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mm_trio.model.errors import RecordError
from mm_trio.model.observations import Observed
from mm_trio.recorder.record_file import MOST_LOG_BYTES, RECORD_NAME, RecordFile, explained

__all__ = ["KeptFile", "RecordBounds"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

RETRY_MS = 60_000
# Between two looks whether there is something to prune, where nothing was left over.
PRUNE_EVERY_MS = 60_000
DAY_MS = 86_400_000
# More than a batch of observations needs. The rest waits for the next second.
MOST_STEPS = 20
# Pruning begins so far below the bound, so that what waited for a minute finds room.
ROOM, LEAST_ROOM_BYTES = 0.05, 2_000_000
# Damaged files that are kept for whoever wants to look into them.
MOST_ASIDE = 3
ASIDE_NAME = f"{RECORD_NAME}.damaged"
_PARTS = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordBounds:
    """How long observations are kept, how large the file may become, and what is left of the disk.

    The ledger needs the last of a disk more: it keeps 8 MB for itself, and a maker logs 50 MB at most.
    """

    keep_days: int = 90
    max_mb: int = 2_000
    least_free_mb: int = 64


class KeptFile:
    """Record of a folder, opened when something is to be written.

    `is_open` tells whether the last call reached the file. Times are the venue's ms.
    """

    def __init__(self, folder: Path, bounds: RecordBounds) -> None:
        self._folder = folder
        self._bounds = bounds
        self._file: RecordFile | None = None
        self._identity: tuple[int, int] | None = None
        self._retry_ms = 0
        self._prune_ms = 0
        self._is_told = False
        self._fault: RecordError | None = None

    @property
    def fault(self) -> RecordError | None:
        """Return why the file cannot be used, None while it can."""
        return self._fault

    @property
    def is_open(self) -> bool:
        """Check if the file could be used the last time."""
        return self._file is not None

    def append(self, observed: Sequence[Observed], *, fills_ms: Sequence[int], now_ms: int) -> bool:
        """Write observations; return whether they are in the file."""

        def write(file: RecordFile) -> bool:
            self._check_place(file)
            self._prune(file, now_ms)
            if observed or fills_ms:
                file.append(observed, fills_ms=fills_ms)
            return True

        return self.use(write, now_ms=now_ms) is True

    def use(self, call: Callable[[RecordFile], _T], *, now_ms: int) -> _T | None:
        """Call with the open file; None where it cannot be used now."""
        # A clock that was set back must not keep it shut.
        if self._file is None and 0 < self._retry_ms - now_ms <= RETRY_MS:
            return None
        try:
            file = self._open()
            result = call(file)
        except RecordError as error:
            self._give_up(error, now_ms)
            return None
        if self._is_told:
            _log.info("record goes on: file=%s", file.path)
        self._is_told, self._fault = False, None
        return result

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    # --- Opening ------------------------------------------------------------------------------

    def _open(self) -> RecordFile:
        """Return the open file. Errors: RecordError."""
        if self._file is None:
            with explained(self._folder / RECORD_NAME):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_space()
            self._file = RecordFile.open(self._folder)
            self._identity = _identify(self._file.path)
        return self._file

    def _check_place(self, file: RecordFile) -> None:
        """Refuse a file that was deleted or replaced, or a disk that is nearly full. Errors: RecordError."""
        if _identify(file.path) != self._identity:
            raise RecordError(f"the record {file.path} was deleted or replaced while it was in use")
        self._check_space()

    def _check_space(self) -> None:
        with explained(self._folder / RECORD_NAME):
            free = shutil.disk_usage(self._folder).free
        least = self._bounds.least_free_mb
        if free < least * 1_000_000:
            raise RecordError(
                f"the disk of {self._folder} has {free // 1_000_000} MB free; the last {least} MB are the ledger's"
            )

    # --- Bounds -------------------------------------------------------------------------------

    def _prune(self, file: RecordFile, now_ms: int) -> None:
        """Remove a step of what is too old or too much. Errors: RecordError where it stays too much."""
        most = self._bounds.max_mb * 1_000_000
        wanted = most - max(most * ROOM, LEAST_ROOM_BYTES) - MOST_LOG_BYTES
        is_large = file.measure()[0] > wanted
        if not is_large and 0 < self._prune_ms - now_ms <= PRUNE_EVERY_MS:
            return
        is_more = file.prune(before_ms=None if is_large else now_ms - self._bounds.keep_days * DAY_MS)
        self._prune_ms = now_ms if is_more else now_ms + PRUNE_EVERY_MS
        for _ in range(MOST_STEPS):
            if file.measure()[0] <= wanted:
                break
            file.prune(before_ms=None)
        if sum(file.measure()) > most:
            raise RecordError(
                f"the record {file.path} is larger than {self._bounds.max_mb} MB ([record] max_mb), and another "
                "process reads it, so that nothing can be removed"
            )

    # --- Faults -------------------------------------------------------------------------------

    def _give_up(self, error: RecordError, now_ms: int) -> None:
        """Close the file and tell why, once, until it goes on."""
        self.close()
        self._fault, self._retry_ms = error, now_ms + RETRY_MS
        if _is_damage(error) and (aside := self._set_aside()) is not None:
            self._retry_ms = 0
            _log.warning("record damaged: reason=%s; moved to %s, a new one is begun; the maker goes on", error, aside)
            return
        if not self._is_told:
            self._is_told = True
            _log.warning(
                "record stopped: reason=%s; the maker goes on, figures of this time will be missing. It is tried "
                "again every minute: %s",
                error,
                _find_remedy(error),
            )

    def _set_aside(self) -> Path | None:
        """Rename a damaged file; return its new path, None where there are too many already."""
        for n in range(1, MOST_ASIDE + 1):
            aside = self._folder / f"{ASIDE_NAME}-{n}"
            if not aside.exists():
                break
        else:
            return None
        try:
            for part in _PARTS:
                path = self._folder / f"{RECORD_NAME}{part}"
                if path.exists():
                    path.rename(f"{aside}{part}")
        except OSError:
            return None
        return aside


def _identify(path: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    return None


def _is_damage(error: RecordError) -> bool:
    """Check if the file itself is broken; a lock or a full disk is not."""
    cause = error.__cause__
    is_broken = type(cause) is sqlite3.DatabaseError
    return is_broken or (isinstance(cause, sqlite3.OperationalError) and "no such" in str(cause))


def _find_remedy(error: RecordError) -> str:
    text = str(error)
    if "MB free" in text or "full" in text:
        return "free space on that disk"
    if "locked" in text:
        return "end the program that has it locked"
    if _is_damage(error):
        return f"remove {ASIDE_NAME}-1 to -{MOST_ASIDE}, and have the disk checked"
    if "newer" in text or "not a valid record" in text:
        return "move that file away"
    return "see that the folder is there and can be written"
