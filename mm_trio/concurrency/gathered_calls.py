"""Blocking calls of one moment, made one after another on one thread.

A thread costs more than the small calls that many grids make at the same moments: a look at a file, a write of a
second's observations.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from mm_trio.concurrency.blocking_calls import NoFreeThread

__all__ = ["GatheredCalls"]


class GatheredCalls:
    """Seam for blocking calls with one thread, which makes all calls that wait for it.

    It has the shape of `trio.to_thread.run_sync`, and a cancelled caller leaves its call behind. A call that hangs
    holds up those behind it, as in any pool of one thread. Errors: NoFreeThread, if the caller's time is up before its
    call was begun; then it will not be made.
    """

    def __init__(self, duty: str) -> None:
        self._duty = duty
        self._waiting: list[_Call] = []
        self._is_served = False

    async def __call__(self, fn: Callable[..., Any], /, *args: Any, abandon_on_cancel: bool = False) -> Any:
        """Make a blocking call and return what it returns."""
        assert abandon_on_cancel, "nobody is kept waiting for the calls of others"
        call = _Call(partial(fn, *args))
        self._waiting.append(call)
        if not self._is_served:
            self._is_served = True
            # A task of nobody's: whoever calls first may be cancelled while others wait.
            trio.lowlevel.spawn_system_task(self._serve)
        try:
            await call.ended.wait()
        except trio.Cancelled:
            if call.give_up():
                raise
            self._waiting = [other for other in self._waiting if other is not call]
        else:
            return call.give_result()
        # If it was not a deadline that ended the wait, the caller is cancelled at its next checkpoint.
        raise NoFreeThread(f"the thread for {self._duty} is held by an earlier call that has not ended")

    async def _serve(self) -> None:
        """Make calls until none waits."""
        try:
            while self._waiting:
                # Whoever calls at this moment shares the thread.
                await trio.lowlevel.checkpoint()
                calls, self._waiting = self._waiting, []
                await self._make(calls)
        finally:
            self._is_served = False

    async def _make(self, calls: list[_Call]) -> None:
        try:
            # Abandoned at the end of the program alone, which a call that hangs must not hold up.
            await trio.to_thread.run_sync(partial(_make_each, calls), abandon_on_cancel=True)
        except RuntimeError as error:
            # No thread can be started.
            for call in calls:
                call.error = error
        for call in calls:
            call.ended.set()


class _Call:
    """Blocking call that knows whether it was begun, and how it ended."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._is_begun = self._is_given_up = False
        self._result: Any = None
        self.error: BaseException | None = None
        self.ended = trio.Event()

    def make(self) -> None:
        """Make the call, unless it was given up."""
        # The loop sets the other flag and reads this one only after that, so at least one of the two sees the other.
        self._is_begun = True
        if self._is_given_up:
            return
        try:
            self._result = self._make()
        except BaseException as error:  # noqa: BLE001 - it is the caller's, in another thread
            self.error = error

    def give_up(self) -> bool:
        """Return whether the call may have been made.

        If not, it never will be.
        """
        self._is_given_up = True
        return self._is_begun

    def give_result(self) -> Any:
        """Return what the call returned. Errors: its own."""
        if self.error is not None:
            raise self.error
        return self._result


def _make_each(calls: list[_Call]) -> None:
    for call in calls:
        call.make()
