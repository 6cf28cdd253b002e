"""The one answer to the question whether something new may be placed.

A gate is STARTING until the session has read everything, then QUOTING. A lost feed or a stalled loop makes it
PAUSED until everything was read anew; shutting down is for good. Cancels never ask here.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

__all__ = ["GateState", "PlacingGate"]


class GateState(Enum):
    """Phase of a session, as far as placing goes."""

    STARTING = "starting"
    QUOTING = "quoting"
    PAUSED = "paused"
    SHUTTING_DOWN = "shutting down"


class PlacingGate:
    """Hold the state, and ask feed and journal whenever somebody wants to place.

    `find_feed_fault` and `find_journal_fault` return a reason or None; they are asked on the loop's thread.
    `feed_is_alive` is asked from any thread, between the journal's commit and the sending of a request.
    """

    def __init__(
        self,
        *,
        find_feed_fault: Callable[[], str | None],
        find_journal_fault: Callable[[], object | None],
        feed_is_alive: Callable[[], bool],
    ) -> None:
        self._find_feed_fault = find_feed_fault
        self._find_journal_fault = find_journal_fault
        self._feed_is_alive = feed_is_alive
        self._state = GateState.STARTING
        self._reason: str | None = GateState.STARTING.value

    @property
    def state(self) -> GateState:
        """Phase that the session is in."""
        return self._state

    @property
    def reason(self) -> str | None:
        """Why nothing new is placed; None while quoting."""
        return self._reason

    @property
    def is_shutting_down(self) -> bool:
        """Whether the session has begun to end."""
        return self._state is GateState.SHUTTING_DOWN

    # --- Transitions ------------------------------------------------------------------------------

    def start_quoting(self) -> None:
        """Everything was read and reconciled: places may go out."""
        if not self.is_shutting_down:
            self._state, self._reason = GateState.QUOTING, None

    def pause(self, reason: str) -> None:
        """Place nothing new until `start_quoting`."""
        if not self.is_shutting_down:
            self._state, self._reason = GateState.PAUSED, reason

    def shut_down(self) -> None:
        """Place nothing new any more."""
        self._state, self._reason = GateState.SHUTTING_DOWN, GateState.SHUTTING_DOWN.value

    # --- Questions --------------------------------------------------------------------------------

    @property
    def is_quoting(self) -> bool:
        """Whether the session quotes and its feed has no fault; the tick begins with this."""
        return self._state is GateState.QUOTING and self._find_feed_fault() is None

    def may_place(self) -> bool:
        """Whether something new may be written down and sent now. Loop's thread only."""
        return self.is_quoting and self._find_journal_fault() is None

    def may_still_place(self) -> bool:
        """Whether what is written down may still be sent. Cheap, and safe on any thread."""
        return self._state is GateState.QUOTING and self._feed_is_alive()
