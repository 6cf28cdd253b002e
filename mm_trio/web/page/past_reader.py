"""Reader of the past, on a thread of its own: one read at a time, and pauses in between.

A thread that computes takes turns with the event loop. The longer a read took, the longer is the pause after it, so the
loop has most of the time to itself.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import trio

from mm_trio.model.errors import LedgerError
from mm_trio.model.local_failures import describe_local_failure
from mm_trio.web.page.past import Past, read_past

__all__ = ["PastRead", "PastReader"]

_log = logging.getLogger(__name__)

# The same grid and span again, and another one, in times of what the last read took.
RESTS_AGAIN, RESTS_OTHER = 20.0, 4.0
LEAST_REST_S = 2.0
# Grids and spans whose past is kept.
MOST_KEPT = 8

ReadPast: TypeAlias = Callable[[Path, str], Past]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRead:
    """What was read last; `past` None: nothing so far. `failure` says why it is not newer. Units: seconds."""

    past: Past | None
    took_s: float
    failure: str | None = None
    due_s: float = 0.0


class PastReader:
    """Reads the past of grids for those who ask, which all get what was read last.

    `find_folder` gives a grid's state folder by the grid's name. `now_s` is a clock that threads may ask too.
    """

    def __init__(
        self,
        find_folder: Callable[[str], Path],
        *,
        read: ReadPast = read_past,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find_folder = find_folder
        self._read_past = read
        self._now_s = now_s
        self._kept: OrderedDict[tuple[str, str], PastRead] = OrderedDict()
        self._limiter = trio.CapacityLimiter(1)
        self._turn = trio.Lock()
        # Set by the thread at the end of a read, also of one that nobody waits for any more.
        self._rested_s = 0.0

    async def read(self, name: str, span: str) -> PastRead:
        """Return the past of a grid, read anew where that is due. Errors: none of the files."""
        # At once: a grid may be gone by the time it is this one's turn.
        folder = self._find_folder(name)
        async with self._turn:
            found = self._kept.get((name, span))
            if found is not None and self._now_s() < found.due_s:
                return found
            await trio.sleep(max(0.0, self._rested_s - self._now_s()))
            read = await self._read_anew(folder, name, span, found)
            self._kept[name, span] = read
            self._kept.move_to_end((name, span))
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return read

    async def _read_anew(self, folder: Path, name: str, span: str, found: PastRead | None) -> PastRead:
        began_s = self._now_s()
        past, failure = None if found is None else found.past, None
        try:
            past = await trio.to_thread.run_sync(
                self._call, folder, span, abandon_on_cancel=True, limiter=self._limiter
            )
        except (LedgerError, OSError) as error:
            failure = describe_local_failure(error) or str(error)
            if found is None or found.failure is None:
                _log.warning(
                    "page past unread: grid=%s error=%s; the page says so, and the maker goes on", name, failure
                )
        now_s = self._now_s()
        took_s = now_s - began_s
        return PastRead(
            past=past, took_s=took_s, failure=failure, due_s=now_s + max(LEAST_REST_S, RESTS_AGAIN * took_s)
        )

    def _call(self, folder: Path, span: str) -> Past:
        """Read on the thread, and note until when it rests."""
        began_s = self._now_s()
        try:
            return self._read_past(folder, span)
        finally:
            ended_s = self._now_s()
            self._rested_s = ended_s + RESTS_OTHER * (ended_s - began_s)
