"""Bins of a period: few enough for a picture, and the extremes of every value are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

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
    # Computed once, because they are asked for at every value.
    n: int = field(init=False)
    _first: int = field(init=False)

    def __post_init__(self) -> None:
        first = self.from_ms // self.width_ms
        object.__setattr__(self, "_first", first)
        object.__setattr__(self, "n", max(1, -(-self.until_ms // self.width_ms) - first))

    @classmethod
    def of(cls, from_ms: int, until_ms: int, *, most: int) -> Timeline:
        """Cut a period into at most so many bins."""
        for width_ms in WIDTHS_MS:
            line = cls(from_ms, until_ms, width_ms)
            if line.n <= most:
                return line
        return cls(from_ms, until_ms, math.ceil((until_ms - from_ms) / (most - 1)))

    def find(self, time_ms: int) -> int:
        """Return the bin of a time; the nearest one for a time outside."""
        return min(max(time_ms // self.width_ms - self._first, 0), self.n - 1)

    def begin_of(self, number: int) -> int:
        """Return the time at which a bin begins, not before the period."""
        return max(self.from_ms, (self._first + number) * self.width_ms)

    def end_of(self, number: int) -> int:
        """Return the time at which a bin ends, not after the period."""
        return min(self.until_ms, (self._first + number + 1) * self.width_ms)

    def split(self, from_ms: int, until_ms: int) -> list[tuple[int, int]]:
        """Return the bins that a span touches, and how many ms of it lie in each."""
        low, high = max(from_ms, self.from_ms), min(until_ms, self.until_ms)
        parts = []
        while low < high:
            number = self.find(low)
            end_ms = min(high, self.end_of(number))
            parts.append((number, end_ms - low))
            low = end_ms
        return parts


class Extremes:
    """Line through values that come in order: of each bin the lowest, the highest and the last."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._kept: dict[int, list[Point]] = {}
        self._broken: dict[int, int] = {}
        self._is_open = False
        # The bin of the last value, and where it begins and ends.
        self._bin = (0, 0, 0)

    def add(self, time_ms: int, value: float | None) -> None:
        """Add a value that holds from `time_ms` on; None: from here on nothing is known."""
        number, begin_ms, end_ms = self._bin
        if not begin_ms <= time_ms < end_ms:
            number = self._timeline.find(time_ms)
            self._bin = number, self._timeline.begin_of(number), self._timeline.end_of(number)
            time_ms = max(time_ms, self._timeline.from_ms)
        if value is None:
            if self._is_open:
                self._broken[number] = time_ms
            self._is_open = False
            return
        if not self._is_open:
            self._is_open = True
            self._broken.pop(number, None)
        kept = self._kept.get(number)
        point = (time_ms, value)
        if kept is None:
            # Lowest, highest, last.
            self._kept[number] = [point, point, point]
            return
        if value < kept[0][1]:
            kept[0] = point
        if value > kept[1][1]:
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
