"""Check that a maker whose key the venue does not know ends after three requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mm_trio.sim.base.judge import Judge

__all__ = ["LostKey"]

MOST_IN_A_ROW = 3
UNKNOWN = ("does not exist", "Must deposit")
STATUSES = frozenset({"resting", "filled", "error"})


class LostKey:
    """S24, of one process: the answers that reached it.

    `lost_s`: since when it has to know that its key is lost.
    """

    def __init__(self, judge: Judge, *, now_s: Callable[[], float]) -> None:
        self._judge = judge
        self._now_s = now_s
        # An answer that is hard to read may clear a row or leave it: the first count takes it so, the second so.
        self._n_at_least = self._n_at_most = 0
        self.lost_s: float | None = None

    @property
    def may_be_lost(self) -> bool:
        """Return whether the maker may take its key for lost."""
        return self._n_at_most >= MOST_IN_A_ROW

    def on_leaving(self, method: str) -> None:
        """Check that nothing is signed with a lost key."""
        self._judge.check(
            "S24",
            self.lost_s is None,
            lambda: f"{method} was sent although the venue refused the key {MOST_IN_A_ROW} times in a row",
        )

    def on_answered(self, answer: Any) -> None:
        """Count an answer to an action that reached the maker."""
        if self.lost_s is not None or self.may_be_lost:
            return
        status = answer.get("status") if isinstance(answer, dict) else None
        if status == "err" and any(words in str(answer.get("response")) for words in UNKNOWN):
            self._n_at_least += 1
            self._n_at_most += 1
        elif status in ("ok", "err"):
            self._n_at_least = 0
            # Without a readable status it may be no answer to the maker.
            if status == "err" or _is_readable(answer.get("response")):
                self._n_at_most = 0
        if self._n_at_least >= MOST_IN_A_ROW:
            self.lost_s = self._now_s()


def _is_readable(response: Any) -> bool:
    if not isinstance(response, dict):
        return False
    data = response.get("data")
    statuses = data.get("statuses") if isinstance(data, dict) else None
    if not statuses:
        return response.get("type") == "default"
    first = statuses[0]
    return first == "success" or (isinstance(first, dict) and not first.keys().isdisjoint(STATUSES))
