"""Steps of a check, for interrupted ones to report."""

from __future__ import annotations

from collections.abc import Mapping

from mm_trio.model.errors import Interrupted

__all__ = ["CheckSteps"]


class CheckSteps:
    """Steps of a check, and how many are done."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._n_done = 0

    def finish(self, name: str) -> None:
        """Mark the next step, which must be `name`, as done."""
        assert self._names[self._n_done] == name, name
        self._n_done += 1

    def make_interruption(self, *, summary: Mapping[str, object], note: str = "") -> Interrupted:
        """Make the error of a check that a signal stopped."""
        done, left = self._names[: self._n_done], self._names[self._n_done :]
        return Interrupted(checked=done, not_checked=left, summary=summary, note=note)
