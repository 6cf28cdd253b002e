"""How fast the request budget shrinks. Pure."""

from __future__ import annotations

from collections import deque

__all__ = ["BudgetTrend"]

# A ladder that is placed uses hundreds of requests at once, which says nothing of the hours to come.
BEGIN_AFTER_S = 120.0
LEAST_S, MOST_S = 1_800.0, 3_600.0
SAMPLE_EVERY_S = 60.0


class BudgetTrend:
    """Use of the budget within the last hour. Purchases and volume raise it, and count."""

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._samples: deque[tuple[float, int]] = deque()

    def on_seen(self, remaining: int, *, now_s: float) -> None:
        """Note what is left, of a maker that quotes."""
        self._began_s = now_s if self._began_s is None else self._began_s
        is_due = not self._samples or now_s - self._samples[-1][0] >= SAMPLE_EVERY_S
        if now_s - self._began_s >= BEGIN_AFTER_S and is_due:
            self._samples.append((now_s, remaining))
        while self._samples and self._samples[0][0] < now_s - MOST_S:
            self._samples.popleft()

    def find_hours(self, remaining: int, *, now_s: float) -> float | None:
        """Return how long the budget lasts; None while that is not known, and where it does not shrink."""
        if not self._samples or now_s - self._samples[0][0] < LEAST_S:
            return None
        at_s, before = self._samples[0]
        used = before - remaining
        return None if used <= 0 else max(0, remaining) * (now_s - at_s) / used / 3600
