"""Span of time that figures are about."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DAY_MS", "WHOLE", "Period"]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Period:
    """Time from `from_ms` up to `until_ms`, which is not in it; None: without an end on that side.

    Both are milliseconds of the venue's calendar.
    """

    from_ms: int | None = None
    until_ms: int | None = None

    def contains(self, time_ms: int) -> bool:
        """Check if a time lies within."""
        return not self.is_before(time_ms) and (self.until_ms is None or time_ms < self.until_ms)

    def is_before(self, time_ms: int) -> bool:
        """Check if a time lies before the beginning."""
        return self.from_ms is not None and time_ms < self.from_ms

    @classmethod
    def of_day(cls, time_ms: int) -> Period:
        """Return the UTC day that holds a time."""
        first_ms = time_ms // DAY_MS * DAY_MS
        return cls(first_ms, first_ms + DAY_MS)

    def meet(self, other: Period) -> Period:
        """Return what two spans have in common."""
        froms = [ms for ms in (self.from_ms, other.from_ms) if ms is not None]
        untils = [ms for ms in (self.until_ms, other.until_ms) if ms is not None]
        return Period(max(froms, default=None), min(untils, default=None))


WHOLE = Period()
