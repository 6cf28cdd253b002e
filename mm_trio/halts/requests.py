"""Requests of the operator to a maker: files in its state folder, signals, and what a part of its process tells it.

A file's name is the request, so that `touch` is enough; its first line may say why. Whoever may not write to the folder
cannot ask.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mm_trio.config.private_paths import REQUEST_NAMES, make_private_folders
from mm_trio.halts.standing import Standing, State
from mm_trio.journal.end_mark import replace_file, sync

__all__ = ["Asked", "Request", "Requests", "find_strictest", "read_requests", "remove_request", "write_request"]

# Longer reasons are cut.
MOST_CHARS = 200
# Told and not taken yet. A maker takes all of them twice a second.
MOST_TOLD = 32
_MOST_BYTES = 4 * MOST_CHARS
# A pipe or a link under a request's name must not hold up the reader, nor lead it elsewhere.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Request(StrEnum):
    """What an operator may ask for, the strictest first."""

    HALT = "HALT"
    CANCEL_ONLY = "CANCEL_ONLY"
    PAUSE = "PAUSE"
    RESUME = "RESUME"

    @property
    def state(self) -> State:
        """Return the state that is asked for."""
        return _STATES[self]


_STATES = {
    Request.HALT: State.HALTED,
    Request.CANCEL_ONLY: State.CANCEL_ONLY,
    Request.PAUSE: State.PAUSED,
    Request.RESUME: State.ACTIVE,
}
assert set(Request) == REQUEST_NAMES


@dataclass(frozen=True, slots=True)
class Asked:
    """Request that came, by which way, and why as far as that was said."""

    request: Request
    way: str
    reason: str = ""

    def describe(self) -> str:
        """Describe the request in one line."""
        return f"the operator asked for {self.request} by {self.way}{f': {self.reason}' if self.reason else ''}"

    def to_standing(self, *, since_ms: int) -> Standing:
        """Return the standing that is asked for."""
        return Standing(state=self.request.state, since_ms=since_ms, why=self.describe())


class Requests:
    """Ways by which an operator reaches one maker.

    `signalled` returns the signals that came since it was called last. `read_files` and `remove` block; all else is of
    the loop's thread.
    """

    def __init__(self, folder: Path, signalled: Callable[[], Iterable[Asked]] | None = None) -> None:
        self._folder = folder
        self._signalled = signalled
        self._told: list[Asked] = []

    def tell(self, asked: Asked) -> bool:
        """Tell of a request, as a screen or a socket of this process does; return whether there is room for it."""
        if len(self._told) >= MOST_TOLD:
            return False
        self._told.append(asked)
        return True

    def withdraw(self, asked: Asked) -> bool:
        """Take back a request that was told; return whether it was not taken yet."""
        before, self._told = self._told, [each for each in self._told if each is not asked]
        return len(self._told) < len(before)

    def take_signalled(self) -> tuple[Asked, ...]:
        """Return the requests that were told or came by a signal, each once."""
        told, self._told = self._told, []
        return (*told, *(() if self._signalled is None else self._signalled()))

    def read_files(self) -> tuple[Asked, ...]:
        """Read the files that are there. Errors: OSError."""
        return read_requests(self._folder)

    def remove(self, request: Request) -> None:
        """Remove a request that was followed. Errors: OSError."""
        remove_request(self._folder, request)


def find_strictest(found: Iterable[Asked]) -> Asked | None:
    """Find the request to follow; None where there is none.

    Where several came at once, nobody knows which one was meant last: the strictest is the safe one.
    """
    return min(found, key=lambda asked: list(Request).index(asked.request), default=None)


def read_requests(folder: Path) -> tuple[Asked, ...]:
    """Read the requests in a state folder, the strictest first. Errors: OSError."""
    return tuple(
        Asked(request, f"the file {request}", _read_reason(folder / request))
        for request in Request
        if _is_there(folder / request)
    )


def write_request(folder: Path, request: Request, reason: str = "") -> None:
    """Leave a request in a state folder, durably; the folder is made where it is missing. Errors: OSError."""
    make_private_folders(folder)
    line = f"{reason}\n" if reason else ""
    replace_file(folder / request, line.encode(), beside=folder / f"{request}.new")


def remove_request(folder: Path, request: Request) -> None:
    """Remove a request from a state folder, durably; one that is not there is removed. Errors: OSError."""
    path = folder / request
    if _is_there(path):
        path.unlink(missing_ok=True)
        sync(folder)


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _read_reason(path: Path) -> str:
    """Read the first line of a request. What cannot be read gives no reason, and the request holds all the same."""
    with suppress(OSError):
        number = os.open(path, _OPEN_FLAGS)
        with os.fdopen(number, "rb") as file:
            if stat.S_ISREG(os.fstat(number).st_mode):
                lines = file.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
                line = "".join(c for c in lines[0] if c.isprintable()) if lines else ""
                return line.strip()[:MOST_CHARS]
    return ""
