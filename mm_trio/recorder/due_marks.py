"""Marks that are due after fills of ours: of which fill, how long after it, and at which time.

What the prices were then, others know. Times are the venue's ms.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from typing import NamedTuple

__all__ = ["MARKED_AFTER_MS", "DueMark", "DueMarks"]

# The prices just before a fill, and those 1 s, 10 s, 1 min, 5 min and 1 h after it.
MARKED_AFTER_MS = (0, 1_000, 10_000, 60_000, 300_000, 3_600_000)
# Three fills a second for an hour.
MOST_FILLS = 10_000


class DueMark(NamedTuple):
    """Mark to be made with the prices of `at_ms`."""

    at_ms: int
    fill_ms: int
    after_ms: int


class DueMarks:
    """Marks that wait for their time, at most those of `MOST_FILLS` moments.

    Fills of one moment share their marks. `n_left_out` counts fills beyond the bound.
    """

    def __init__(self) -> None:
        self._waiting: list[DueMark] = []
        self._fills: set[int] = set()
        self.n_left_out = 0

    def on_fill(self, fill_ms: int, *, made: Collection[int] = ()) -> bool:
        """Want the marks of a fill, less those that are `made`; return whether the fill was new."""
        if fill_ms in self._fills:
            return False
        if len(self._fills) >= MOST_FILLS:
            self.n_left_out += 1
            return False
        wanted = [after_ms for after_ms in MARKED_AFTER_MS if after_ms not in made]
        for after_ms in wanted:
            # Prices of the fill's own block are those after it.
            at_ms = fill_ms + after_ms if after_ms else fill_ms - 1
            heapq.heappush(self._waiting, DueMark(at_ms, fill_ms, after_ms))
        if wanted:
            self._fills.add(fill_ms)
        return bool(wanted)

    def take_due(self, until_ms: int, *, most: int) -> list[DueMark]:
        """Take the marks whose time is before `until_ms`."""
        due: list[DueMark] = []
        while self._waiting and self._waiting[0].at_ms < until_ms and len(due) < most:
            due.append(heapq.heappop(self._waiting))
        for mark in due:
            if mark.after_ms == MARKED_AFTER_MS[-1]:
                self._fills.discard(mark.fill_ms)
        return due

    def put_back(self, marks: Iterable[DueMark]) -> None:
        """Let marks wait that could not be made yet."""
        for mark in marks:
            heapq.heappush(self._waiting, mark)
            self._fills.add(mark.fill_ms)
