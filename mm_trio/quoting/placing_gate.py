"""Gates in front of every new order: one of the account, and one of each grid behind it.

A gate is STARTING until the session has read everything, then QUOTING. A lost feed or a stalled loop makes it
PAUSED until everything was read again. SHUTTING_DOWN is final. Cancels do not pass this gate.

A journal that takes no entries closes the gate as well, in any phase, because nothing is sent that is not durable.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

__all__ = ["GateState", "GridGate", "PlacingGate"]


class GateState(Enum):
    """Phases of a session, as far as they concern placing."""

    STARTING = "starting"
    QUOTING = "quoting"
    PAUSED = "paused"
    SHUTTING_DOWN = "shutting down"


class PlacingGate:
    """State of placing of an account, checked against feed and journal.

    `find_feed_fault`, `find_journal_fault` and `find_limit` return a reason or None. They are called on the loop's
    thread.
    `feed_is_alive` and `is_stopped` (by an operator or a limit) are called on any thread, between the journal's commit
    and the sending of a request.
    """

    def __init__(
        self,
        *,
        find_feed_fault: Callable[[], str | None],
        find_journal_fault: Callable[[], object | None],
        feed_is_alive: Callable[[], bool],
        find_limit: Callable[[], str | None] = lambda: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._find_feed_fault = find_feed_fault
        self._find_journal_fault = find_journal_fault
        self._feed_is_alive = feed_is_alive
        self._find_limit = find_limit
        self._is_stopped = is_stopped
        self._state = GateState.STARTING
        self._reason: str | None = GateState.STARTING.value
        self._hold: str | None = None

    @property
    def state(self) -> GateState:
        """Return the phase of the session."""
        return self._state

    @property
    def reason(self) -> str | None:
        """Return why nothing new is placed, or None while quoting."""
        return self._reason or self._hold or self._find_limit()

    @property
    def is_paused(self) -> bool:
        """Check if `pause` was called and the session does not quote again."""
        return self._state is GateState.PAUSED

    @property
    def is_shutting_down(self) -> bool:
        """Check if the session has begun to end."""
        return self._state is GateState.SHUTTING_DOWN

    # --- Transitions ------------------------------------------------------------------------------

    def start_quoting(self) -> None:
        """Allow places: everything was read and reconciled."""
        if not self.is_shutting_down:
            self._state, self._reason = GateState.QUOTING, None

    def pause(self, reason: str) -> None:
        """Forbid places until `start_quoting` is called."""
        if not self.is_shutting_down:
            self._state, self._reason = GateState.PAUSED, reason

    def hold(self, reason: str) -> None:
        """Forbid places until `release` is called.

        It is for the journal, and apart from `pause`, which is for the feed: each ends for itself.
        """
        self._hold = reason

    def release(self) -> None:
        """End what `hold` began."""
        self._hold = None

    def shut_down(self) -> None:
        """Forbid places for good."""
        self._state, self._reason = GateState.SHUTTING_DOWN, GateState.SHUTTING_DOWN.value

    # --- Questions --------------------------------------------------------------------------------

    @property
    def is_quoting(self) -> bool:
        """Check if the session quotes on a faultless feed."""
        return self._state is GateState.QUOTING and self._hold is None and self._find_feed_fault() is None

    def may_place(self) -> bool:
        """Check if a new order may be recorded and sent.

        Each tick begins with this question. Only to be called on the loop's thread.
        """
        return self.is_quoting and self._find_journal_fault() is None and self._find_limit() is None

    def may_still_place(self) -> bool:
        """Check if a recorded order may still be sent.

        Cheap, and safe on any thread.
        """
        is_open = self._state is GateState.QUOTING and self._hold is None
        return is_open and not self._is_stopped() and self._feed_is_alive()


class GridGate:
    """State of placing of one grid, which never may more than its account.

    It is STARTING until the orders of an earlier session are settled. `find_fault` and `find_limit` return a reason or
    None, on the loop's thread; `is_stopped` is called on any thread.
    """

    def __init__(
        self,
        account: PlacingGate,
        *,
        find_fault: Callable[[], str | None] = lambda: None,
        find_limit: Callable[[], str | None] = lambda: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._account = account
        self._find_fault = find_fault
        self._find_limit = find_limit
        self._is_stopped = is_stopped
        self._state = GateState.STARTING
        self._reason: str | None = GateState.STARTING.value

    @property
    def state(self) -> GateState:
        """Return the phase of the account, and of this grid where the account quotes."""
        account = self._account.state
        return self._state if account is GateState.QUOTING else account

    @property
    def reason(self) -> str | None:
        """Return why nothing new is placed, or None while quoting."""
        return self._account.reason or self._reason or self._find_limit()

    @property
    def is_paused(self) -> bool:
        """Check if `pause` was called and the grid does not quote again."""
        return self._state is GateState.PAUSED

    @property
    def is_shutting_down(self) -> bool:
        """Check if the grid has begun to end."""
        return self._state is GateState.SHUTTING_DOWN or self._account.is_shutting_down

    def start_quoting(self) -> None:
        """Allow places: what an earlier session left is settled."""
        if self._state is not GateState.SHUTTING_DOWN:
            self._state, self._reason = GateState.QUOTING, None

    def pause(self, reason: str) -> None:
        """Forbid places of this grid until `start_quoting` is called."""
        if self._state is not GateState.SHUTTING_DOWN:
            self._state, self._reason = GateState.PAUSED, reason

    def shut_down(self) -> None:
        """Forbid places of this grid for good."""
        self._state, self._reason = GateState.SHUTTING_DOWN, GateState.SHUTTING_DOWN.value

    @property
    def is_quoting(self) -> bool:
        """Check if the grid quotes on a faultless feed."""
        return self._state is GateState.QUOTING and self._account.is_quoting and self._find_fault() is None

    def may_place(self) -> bool:
        """Check if a new order may be recorded and sent.

        Each tick begins with this question. Only to be called on the loop's thread.
        """
        return self.is_quoting and self._account.may_place() and self._find_limit() is None

    def may_still_place(self) -> bool:
        """Check if a recorded order may still be sent.

        Cheap, and safe on any thread.
        """
        is_open = self._state is GateState.QUOTING and not self._is_stopped()
        return is_open and self._account.may_still_place()
