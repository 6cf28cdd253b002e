"""What the writer knows of a lock of another process on the journal."""

from __future__ import annotations

import trio

from mm_trio.model.errors import JournalBusy

__all__ = ["START_PATIENCE_S", "LockState"]

# A start waits so long for a journal that is locked. A copy of it takes a few seconds; a person who has just typed the
# command should soon hear of a lock that stays, and orders of an earlier session may rest meanwhile.
START_PATIENCE_S = 30.0


class LockState:
    """Lock of another process, from the first refused commit to the next good one.

    Tasks wait here for the one and for the other.
    """

    def __init__(self) -> None:
        self._error: JournalBusy | None = None
        self._since_s = 0.0
        self._changed = trio.Event()

    @property
    def reason(self) -> str | None:
        """Return which lock keeps entries from being written, or None."""
        return None if self._error is None else str(self._error)

    @property
    def lasts_s(self) -> float:
        """Return for how long it has lasted; 0 if there is none."""
        return 0.0 if self._error is None else trio.current_time() - self._since_s

    def on_refused(self, error: JournalBusy) -> None:
        """Note that a commit was refused."""
        if self._error is None:
            self._since_s = trio.current_time()
            self._announce()
        self._error = error

    def on_written(self) -> None:
        """Note that everything which waited was written."""
        if self._error is not None:
            self._error = None
            self._announce()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait_until_locked(self) -> None:
        """Return once a commit was refused and not made good."""
        while self._error is None:
            await self._changed.wait()

    async def wait_until_free(self) -> None:
        """Return once everything which waited was written."""
        while self._error is not None:
            await self._changed.wait()
