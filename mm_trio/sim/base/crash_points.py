"""Crashes: a life of the maker that ends at once, at a moment or at a stage of a request, and nobody is told.

The process is gone: nothing of it arrives any more but what had left, its journal takes nothing more, nobody waits for
it. Its tasks run into `Gone` wherever they touch the world.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

__all__ = ["Crash", "CrashSwitch", "ProcessKilled"]


class ProcessKilled(BaseException):
    """There is no process any more that could do this; nothing in the maker catches it."""


class Crash(Enum):
    """Where a life ends. The value is what a report calls it."""

    ANYTIME = "at any moment"
    BEFORE_SEND = "between intent and send"
    ON_THE_WAY = "on the way there"
    BEFORE_ANSWER = "between execution and answer"
    BEFORE_NOTE = "between answer and journal"
    WRITE_LOST = "during a write that is lost"
    WRITE_KEPT = "during a write that is kept"


class CrashSwitch:
    """One life's: `arm` a stage, and the line asks at each stage whether it is `due`; `on_crash` ends the life."""

    def __init__(self, on_crash: Callable[[Crash], None]) -> None:
        self._on_crash = on_crash
        self._armed: Crash | None = None
        self._is_answered = False  # the answer after which nothing may be written down has come
        self.is_dead = False

    def arm(self, crash: Crash) -> None:
        """The next time that a request or a write gets there."""
        self._armed, self._is_answered = crash, False

    def disarm(self) -> None:
        """No crash any more."""
        self._armed = None

    def is_due(self, crash: Crash) -> bool:
        """Whether this stage is the one; then the life is over."""
        if self._armed is not crash or self.is_dead:
            return False
        self.trigger(crash)
        return True

    def raise_if_due(self, crash: Crash) -> None:
        """Go on, unless this stage is the one. Errors: Gone."""
        if self.is_due(crash):
            raise ProcessKilled

    def raise_if_dead(self) -> None:
        """Go on, unless the life is over. Errors: Gone."""
        if self.is_dead:
            raise ProcessKilled

    def note_answer(self) -> None:
        """An action was answered: what the maker makes of it is not written down yet."""
        self._is_answered = True

    def on_write(self, write: Callable[[], object]) -> None:
        """The journal is about to be written: the life may end here, with the write done or not."""
        if self._armed is Crash.BEFORE_NOTE and not self._is_answered:
            return
        if self._armed is Crash.WRITE_KEPT and not self.is_dead:
            write()
        for crash in (Crash.BEFORE_NOTE, Crash.WRITE_LOST, Crash.WRITE_KEPT):
            self.is_due(crash)

    def trigger(self, crash: Crash) -> None:
        """Now."""
        self.is_dead, self._armed = True, None
        self._on_crash(crash)
