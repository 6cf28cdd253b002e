"""The maker's real standing, on a disk that may be full."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from mm_trio.halts.standing import Standing
from mm_trio.halts.standing_file import StandingFile

__all__ = ["WatchedStanding"]


class WatchedStanding(StandingFile):
    """Standing of one process.

    `is_full`: nothing can be written now. `is_dead` is set when the process is gone: no further write is accepted.
    """

    def __init__(self, folder: Path, *, is_full: Callable[[], bool]) -> None:
        super().__init__(folder)
        self._is_full = is_full
        self.is_dead = False
        # Writes that the disk did not take.
        self.n_refused = 0

    def tighten(self, wanted: Standing) -> Standing:
        """Write a stricter standing down. Errors: OSError where the disk is full or the process is gone."""
        self._check()
        return super().tighten(wanted)

    def resume(self, is_late: Callable[[], bool] = lambda: False) -> Standing:
        """Make it active again. Errors: OSError where the disk is full or the process is gone."""
        self._check()
        return super().resume(is_late)

    def _check(self) -> None:
        if self.is_dead:
            raise OSError(errno.ESRCH, "the process was killed")
        if self._is_full():
            self.n_refused += 1
            raise OSError(errno.ENOSPC, "no space left on device")
