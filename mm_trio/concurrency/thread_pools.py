"""Threads for blocking calls, with a bound of its own for each duty.

A thread that nobody waits for any more goes on until its call ends. In one common pool, answers that drip would take
every thread, and the journal would wait for one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from mm_trio.concurrency.blocking_calls import NoFreeThread, RunSync
from mm_trio.concurrency.gathered_calls import GatheredCalls

__all__ = ["ThreadPool", "ThreadPools"]

# A reconciliation, the watchdog and a start ask one question each at a time. The others may be held by answers that are
# no longer waited for.
MOST_READS = 8
# Actions leave one after another. The others may be held by earlier actions without an answer.
MOST_ACTIONS = 4
# Commits are made one after another, and none is left behind: after one that hangs no other is made. The second thread
# is for reading the journal.
MOST_COMMITS = 2
# The guard's files are small. A write that hangs is left behind, and a second one may be tried.
MOST_SIGNS = 2


class ThreadPool:
    """Seam for blocking calls with at most `most` threads.

    It has the shape of `trio.to_thread.run_sync`. Errors: NoFreeThread, if the caller's time is up before a thread was
    free; then the call was not made and will not be.
    """

    def __init__(self, duty: str, most: int) -> None:
        self._duty = duty
        self._most = most
        self._limiter = trio.CapacityLimiter(most)

    @property
    def n_busy(self) -> int:
        """Count the threads at work, also those left behind."""
        return self._limiter.borrowed_tokens

    async def __call__(self, fn: Callable[..., Any], /, *args: Any, abandon_on_cancel: bool = False) -> Any:
        """Make a blocking call and return what it returns."""
        call = _Call(partial(fn, *args))
        try:
            return await trio.to_thread.run_sync(call, abandon_on_cancel=abandon_on_cancel, limiter=self._limiter)
        except trio.Cancelled:
            if call.give_up():
                raise
        # If it was not a deadline that ended the wait, the caller is cancelled at its next checkpoint.
        raise NoFreeThread(f"all {self._most} threads for {self._duty} are held by earlier calls that have not ended")


class _Call:
    """Blocking call that knows whether it was begun."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        # The thread sets the first flag, the loop the second. Each reads the other one only after that, so at least
        # one of the two sees what the other did.
        self._is_begun = self._is_given_up = False

    def __call__(self) -> Any:
        """Make the call, unless it was given up."""
        self._is_begun = True
        return None if self._is_given_up else self._make()

    def give_up(self) -> bool:
        """Return whether the call may have been made.

        If not, it never will be.
        """
        self._is_given_up = True
        return self._is_begun


class ThreadPools:
    """Pools of one maker.

    They are used where the seam is trio's own. Any other seam is called as it is, for every duty.
    """

    def __init__(self, run_sync: RunSync) -> None:
        is_own = run_sync is trio.to_thread.run_sync
        self.reads: RunSync = ThreadPool("questions", MOST_READS) if is_own else run_sync
        self.actions: RunSync = ThreadPool("actions", MOST_ACTIONS) if is_own else run_sync
        self.journal: RunSync = ThreadPool("the journal", MOST_COMMITS) if is_own else run_sync
        # Every grid looks and writes at the same moments. A call that hangs keeps the next one from being made.
        self.requests: RunSync = GatheredCalls("requests of the operator") if is_own else run_sync
        self.signs: RunSync = ThreadPool("the guard's files", MOST_SIGNS) if is_own else run_sync
        self.record: RunSync = GatheredCalls("the record") if is_own else run_sync
