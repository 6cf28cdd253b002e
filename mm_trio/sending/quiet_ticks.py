"""Ticks that found nothing to do: one line a minute for all of them."""

from __future__ import annotations

from mm_trio.model.orders import EmitResult
from mm_trio.quoting.plan import TickPlan

__all__ = ["QuietTicks"]

# Whoever watches a start wants to see that the maker goes on.
ALWAYS_TOLD = 3
SUMMARY_EVERY_S = 60.0


class QuietTicks:
    """Judge of which ticks have a line of their own.

    A tick is quiet if it sent nothing and found what the one before it found.
    """

    def __init__(self) -> None:
        self._n_ticks = 0
        self._n_quiet = 0
        self._told_s = float("-inf")
        self._found: tuple[object, ...] = ()

    def is_quiet(self, plan: TickPlan, result: EmitResult, *, now_s: float) -> bool:
        """Check if a tick is quiet, and count it then."""
        self._n_ticks += 1
        found = (plan.boundary_level, plan.observed_level, len(plan.desired), result)
        is_same, self._found = found == self._found, found
        did = result.n_cancelled or result.n_modified or result.n_placed or result.n_errors
        if is_same and not did and self._n_ticks > ALWAYS_TOLD:
            self._n_quiet += 1
            return True
        self._n_quiet, self._told_s = 0, now_s
        return False

    def take_summary(self, *, now_s: float) -> int:
        """Return how many quiet ticks came since the last line, once a minute, else 0."""
        if now_s < self._told_s + SUMMARY_EVERY_S:
            return 0
        n_quiet, self._n_quiet, self._told_s = self._n_quiet, 0, now_s
        return n_quiet
