"""Kill a maker process at a chosen moment or stage.

A killed process gets no notice. Only requests that had already left still arrive; its journal accepts no more
writes, and nobody waits for its tasks. Those raise `ProcessKilled` as soon as they touch the world.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

__all__ = ["Crash", "CrashSwitch", "ProcessKilled"]


class ProcessKilled(BaseException):
    """Signal that a task's process was killed; never caught."""


class Crash(Enum):
    """Stage at which a process is killed.

    The value is the name that reports print.
    """

    ANYTIME = "at any moment"
    BEFORE_SEND = "between intent and send"
    ON_THE_WAY = "on the way there"
    BEFORE_ANSWER = "between execution and answer"
    BEFORE_NOTE = "between answer and journal"
    WRITE_LOST = "during a write that is lost"
    WRITE_KEPT = "during a write that is kept"
    STANDING_LOST = "before a standing is written"
    STANDING_KEPT = "after a standing is written"


class CrashSwitch:
    """Switch that kills one process at an armed stage.

    The request transport asks at each stage whether a crash `is_due`; `on_crash` then ends the process.
    """

    def __init__(self, on_crash: Callable[[Crash], None]) -> None:
        self._on_crash = on_crash
        self._armed: Crash | None = None
        # Set once the answer has come after which nothing may be written.
        self._is_answered = False
        self.is_dead = False

    def arm(self, crash: Crash) -> None:
        """Crash when a request or write next reaches this stage."""
        self._armed, self._is_answered = crash, False

    def disarm(self) -> None:
        """Cancel the armed crash."""
        self._armed = None

    def is_due(self, crash: Crash) -> bool:
        """Crash if this stage is armed; return whether it was."""
        if self._armed is not crash or self.is_dead:
            return False
        self.trigger(crash)
        return True

    def raise_if_due(self, crash: Crash) -> None:
        """Crash now if this stage is armed. Errors: ProcessKilled."""
        if self.is_due(crash):
            raise ProcessKilled

    def raise_if_dead(self) -> None:
        """Check that the process still runs. Errors: ProcessKilled."""
        if self.is_dead:
            raise ProcessKilled

    def note_answer(self) -> None:
        """Record that an action was answered.

        The maker's conclusions from the answer are not in the journal yet.
        """
        self._is_answered = True

    def on_write(self, write: Callable[[], object]) -> None:
        """Crash around the coming journal write, if armed.

        With `WRITE_KEPT` the write is carried out first, with `WRITE_LOST` it is not.
        """
        if self._armed is Crash.BEFORE_NOTE and not self._is_answered:
            return
        if self._armed is Crash.WRITE_KEPT and not self.is_dead:
            write()
        for crash in (Crash.BEFORE_NOTE, Crash.WRITE_LOST, Crash.WRITE_KEPT):
            self.is_due(crash)

    def on_standing(self, write: Callable[[], object]) -> None:
        """Crash around the writing of a standing, if armed.

        With `STANDING_KEPT` it is written first, with `STANDING_LOST` it is not.
        """
        if self._armed is Crash.STANDING_KEPT and not self.is_dead:
            write()
        for crash in (Crash.STANDING_LOST, Crash.STANDING_KEPT):
            self.is_due(crash)

    def trigger(self, crash: Crash) -> None:
        """Crash now."""
        self.is_dead, self._armed = True, None
        self._on_crash(crash)
