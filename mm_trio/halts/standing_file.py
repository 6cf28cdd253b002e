"""File of a maker's standing, in its state folder.

It is written and flushed to disk before it is acted on, in one step, and read before anything else at a start. No file
means active: a maker that never stopped has none. One that cannot be read means halted.
"""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from mm_trio.halts.requests import Asked, Requests
from mm_trio.halts.standing import ACTIVE, Standing, StandingUnread, State, parse_standing, tighten
from mm_trio.journal.end_mark import replace_file

__all__ = [
    "STANDING_NAME",
    "KeepsStanding",
    "StandingFile",
    "VolatileStanding",
    "keep_reserve",
    "read_standing",
    "replace_standing",
]

STANDING_NAME = "standing.json"
_BESIDE_NAME = "standing.json.new"
_MOST_BYTES = 64 * 2**10
RESERVE_NAME = "standing.reserve"
_RESERVE_BYTES = 128 * 2**10
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class KeepsStanding(Protocol):
    """Place where a standing lasts.

    `requests` are the ways by which its operator asks for another one; None where there is no way.
    """

    @property
    def standing(self) -> Standing: ...
    @property
    def requests(self) -> Requests | None: ...
    def tighten(self, wanted: Standing) -> Standing: ...
    def resume(self, is_late: Callable[[], bool]) -> Standing: ...


class VolatileStanding:
    """Standing of a maker without a folder: it lasts as long as the process."""

    requests = None

    def __init__(self) -> None:
        self.standing = ACTIVE

    def tighten(self, wanted: Standing) -> Standing:
        """Take the stricter of the present standing and another."""
        self.standing = tighten(self.standing, wanted)
        return self.standing

    def resume(self, is_late: Callable[[], bool] = lambda: False) -> Standing:
        """Make it active again, unless it is halted."""
        self.standing = self.standing if self.standing.state is State.HALTED else ACTIVE
        return self.standing


class StandingFile:
    """Owner of the standing: what is on disk, and nothing that is not.

    `signalled` are the operator's signals, beside the files in the folder. Errors: StandingUnread for a file that
    cannot be read.
    """

    def __init__(self, folder: Path, *, signalled: Callable[[], Iterable[Asked]] | None = None) -> None:
        self._folder = folder
        # A call that nobody waits for any more may still write while the next one begins.
        self._writing = threading.Lock()
        self.requests: Requests | None = Requests(folder, signalled)
        self.standing = read_standing(folder)
        with suppress(OSError):
            keep_reserve(folder)

    def tighten(self, wanted: Standing) -> Standing:
        """Write a standing down where it is stricter than the present one.

        Returns what holds from now on. Errors: OSError, and then the present one still holds on disk.
        """
        with self._writing:
            found = tighten(self.standing, wanted)
            if found != self.standing:
                replace_standing(self._folder, found)
                self.standing = found
            return found

    def resume(self, is_late: Callable[[], bool] = lambda: False) -> Standing:
        """Make a running maker active again, unless it is halted.

        Once `is_late` says so nobody waits for this any more, and nothing is changed. Returns what holds from now on.
        Errors: OSError, and then the present one still holds on disk.
        """
        with self._writing:
            before = self.standing
            if before.state not in (State.ACTIVE, State.HALTED) and not is_late():
                replace_standing(self._folder, ACTIVE)
                if is_late():
                    replace_standing(self._folder, before)
                else:
                    self.standing = ACTIVE
            return self.standing


def read_standing(folder: Path) -> Standing:
    """Read the standing of a state folder. Errors: StandingUnread for a file that cannot be read."""
    path = folder / STANDING_NAME
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return ACTIVE
    except OSError as error:
        raise StandingUnread(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        if len(data) > _MOST_BYTES:
            raise StandingUnread(f"it has more than {_MOST_BYTES} bytes")
        return parse_standing(json.loads(data))
    except (ValueError, RecursionError, StandingUnread) as error:
        raise StandingUnread(
            f"{path} cannot be read ({error}), and it says whether this maker was halted; nothing is placed. "
            "Look at the last log, then run `mm-trio resume`, which replaces the file"
        ) from error


def replace_standing(folder: Path, standing: Standing) -> None:
    """Replace the standing of a state folder in one step, durably.

    If the process ends at any point, the old one is in place or the new one. On a full disk it gets the room that was
    kept for it. Errors: OSError.
    """
    data = f"{json.dumps(standing.to_json())}\n".encode()
    try:
        replace_file(folder / STANDING_NAME, data, beside=folder / _BESIDE_NAME)
    except OSError as error:
        if error.errno not in _FULL or not (folder / RESERVE_NAME).exists():
            raise
        (folder / RESERVE_NAME).unlink()
        replace_file(folder / STANDING_NAME, data, beside=folder / _BESIDE_NAME)


def keep_reserve(folder: Path) -> None:
    """Keep room on the disk for a halt, because a full disk is a reason for one. Errors: OSError."""
    path = folder / RESERVE_NAME
    if not path.exists() or path.stat().st_size != _RESERVE_BYTES:
        # Not zeros, which some file systems keep no room for.
        replace_file(path, b"reserve\n" * (_RESERVE_BYTES // 8), beside=folder / f"{RESERVE_NAME}.new")
