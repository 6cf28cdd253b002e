"""Bins of a period: few enough for a picture, and the extremes of every value are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["DAY_MS", "HOUR_MS", "Extremes", "Point", "Timeline"]

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# Widths that people know, so that a bin begins at a round time.
WIDTHS_MS = (
    *(SECOND_MS * n for n in (1, 2, 5, 10, 15, 30)),
    *(MINUTE_MS * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR_MS * n for n in (1, 2, 3, 4, 6, 12)),
    *(DAY_MS * n for n in (1, 2, 7, 28, 91, 364)),
)
# Time in ms of the venue, and a value; NaN: the line breaks here.
Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Period cut into bins of one round width; the first and the last may stick out of it."""

    from_ms: int
    until_ms: int
    width_ms: int

    @classmethod
    def of(cls, from_ms: int, until_ms: int, *, most: int) -> Timeline:
        """Cut a period into at most so many bins."""
        for width_ms in WIDTHS_MS:
            line = cls(from_ms, until_ms, width_ms)
            if line.n <= most:
                return line
        return cls(from_ms, until_ms, math.ceil((until_ms - from_ms) / (most - 1)))

    @property
    def n(self) -> int:
        """Return the number of bins."""
        return max(1, -(-self.until_ms // self.width_ms) - self.from_ms // self.width_ms)

    def find(self, time_ms: int) -> int:
        """Return the bin of a time; the nearest one for a time outside."""
        return min(max(time_ms // self.width_ms - self.from_ms // self.width_ms, 0), self.n - 1)

    def begin_of(self, number: int) -> int:
        """Return the time at which a bin begins, not before the period."""
        return max(self.from_ms, (self.from_ms // self.width_ms + number) * self.width_ms)

    def end_of(self, number: int) -> int:
        """Return the time at which a bin ends, not after the period."""
        return min(self.until_ms, (self.from_ms // self.width_ms + number + 1) * self.width_ms)

    def split(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        """Yield the bins that a span touches, and how many ms of it lie in each."""
        low, high = max(from_ms, self.from_ms), min(until_ms, self.until_ms)
        while low < high:
            number = self.find(low)
            end_ms = min(high, self.end_of(number))
            yield number, end_ms - low
            low = end_ms


class Extremes:
    """Line through values that come in order: of each bin the lowest, the highest and the last."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._kept: dict[int, list[Point]] = {}
        self._broken: dict[int, int] = {}
        self._is_open = False

    def add(self, time_ms: int, value: float | None) -> None:
        """Add a value that holds from `time_ms` on; None: from here on nothing is known."""
        number = self._timeline.find(time_ms)
        if value is None:
            if self._is_open:
                self._broken[number] = time_ms
            self._is_open = False
            return
        self._is_open = True
        self._broken.pop(number, None)
        self._put(number, (max(time_ms, self._timeline.from_ms), value))

    def _put(self, number: int, point: Point) -> None:
        kept = self._kept.get(number)
        if kept is None:
            # Lowest, highest, last.
            self._kept[number] = [point, point, point]
            return
        if point[1] < kept[0][1]:
            kept[0] = point
        if point[1] > kept[1][1]:
            kept[1] = point
        kept[2] = point

    @property
    def points(self) -> tuple[Point, ...]:
        """Return the line: at most four points a bin, in order of time."""
        line: list[Point] = []
        for number in sorted(self._kept.keys() | self._broken.keys()):
            line += sorted(set(self._kept.get(number, ())))
            if number in self._broken:
                line.append((self._broken[number], math.nan))
        return tuple(line)
