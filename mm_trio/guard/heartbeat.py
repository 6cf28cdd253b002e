"""Signs of life: the maker's heartbeat, and the guard's own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from mm_trio.guard.private_file import FileUnread, read_private, write_private

__all__ = [
    "ALIVE_NAME",
    "HEARTBEAT_NAME",
    "Alive",
    "GuardPresence",
    "Heartbeat",
    "Life",
    "parse_heartbeat",
    "read_alive",
    "read_heartbeat",
    "write_alive",
    "write_heartbeat",
]

HEARTBEAT_NAME = "heartbeat.json"
ALIVE_NAME = "guard-alive.json"
VERSION = 1
_MOST_BYTES = 4_096
# A guard writes each second, and its maker looks each second.
LOOKS_WITHOUT_NEWS = 5


class Life(StrEnum):
    """What a maker says of itself.

    STOPPED: it ended, and it was verified that nothing rests. LEFT: it ended as configured, and leaves its orders.
    """

    RUNNING = "running"
    STOPPED = "stopped"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sign of life of a maker.

    `at_ms` is of the machine's calendar, for people: a guard judges by when the file changes. `venue_ms` is the venue's
    time by the maker's estimate, as in the file of signed cancels, which may be newer; None in earlier versions.
    """

    at_ms: int
    pid: int
    venue_heard_s_ago: float
    state: Life = Life.RUNNING
    venue_ms: int | None = None

    def is_older_than(self, made_ms: int) -> bool:
        """Say whether signed cancels were made after this, as far as that is known."""
        return self.venue_ms is not None and made_ms > self.venue_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """Sign of life of a guard. `armed`: it knows of a maker that runs."""

    at_ms: int
    pid: int
    armed: bool


class GuardPresence:
    """Whether a guard watches, by whether its sign of life changes from one look to the next.

    No calendar is compared. In the beginning one may be there; where a look fails, nothing new is known.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ALIVE_NAME
        self._seen: tuple[int, int] | None = None
        self._n_same = 0

    @property
    def is_likely(self) -> bool:
        """Check if a guard may watch. Cheap, and safe on any thread."""
        return self._n_same < LOOKS_WITHOUT_NEWS

    def look(self) -> None:
        """Look at the guard's file; to be called each second. Blocks."""
        try:
            status = os.stat(self._path)
            found = (status.st_mtime_ns, status.st_ino)
        except FileNotFoundError:
            found = None
        except OSError:
            return
        is_news = found is not None and found != self._seen
        self._seen = found
        self._n_same = 0 if is_news else self._n_same + 1


def parse_heartbeat(data: bytes) -> Heartbeat:
    """Read a heartbeat. Errors: FileUnread."""
    try:
        raw = json.loads(data)
        if raw["version"] != VERSION:
            raise ValueError("version")
        venue_ms = raw.get("venue_ms")
        return Heartbeat(
            int(raw["at_ms"]),
            int(raw["pid"]),
            float(raw["venue_heard_s_ago"]),
            Life(raw["state"]),
            None if venue_ms is None else int(venue_ms),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise FileUnread(f"{HEARTBEAT_NAME} is not whole: {type(error).__name__}") from error


def read_heartbeat(folder: Path) -> Heartbeat | None:
    """Read the heartbeat of a maker; None where there is none.

    Errors: OSError; FileUnread.
    """
    data = read_private(folder / HEARTBEAT_NAME, most=_MOST_BYTES)
    return None if data is None else parse_heartbeat(data)


def write_heartbeat(folder: Path, beat: Heartbeat) -> None:
    """Replace the heartbeat. Errors: OSError."""
    values = {"version": VERSION, **asdict(beat), "venue_heard_s_ago": round(beat.venue_heard_s_ago, 3)}
    write_private(folder / HEARTBEAT_NAME, f"{json.dumps(values)}\n".encode())


def write_alive(folder: Path, alive: Alive) -> None:
    """Replace the guard's sign of life. Errors: OSError."""
    write_private(folder / ALIVE_NAME, f"{json.dumps({'version': VERSION, **asdict(alive)})}\n".encode())


def read_alive(folder: Path) -> Alive | None:
    """Read the guard's sign of life; None where there is none. Errors: OSError; FileUnread."""
    data = read_private(folder / ALIVE_NAME, most=_MOST_BYTES)
    if data is None:
        return None
    try:
        raw = json.loads(data)
        if raw["version"] != VERSION:
            raise ValueError(f"version {raw['version']!r}")
        return Alive(at_ms=int(raw["at_ms"]), pid=int(raw["pid"]), armed=raw["armed"] is True)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise FileUnread(f"{ALIVE_NAME} is not whole: {type(error).__name__}: {error}") from error
