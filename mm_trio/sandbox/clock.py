"""Clocks of the sandbox, with scheduled calls.

Everything that happens later (a periodic task, a late action, a delayed frame, the next taker) is a scheduled call
here. On the wall clock a task makes the calls; on a stepped clock `step_to` makes them, in the order of their times.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from itertools import count
from typing import Never

import trio

__all__ = ["Clock", "SteppedClock", "WallClock"]

# The clock sleeps no longer than this, so that it notices a changed wall clock or a suspended machine.
MAX_SLEEP_S = 1.0
# A step of one day runs a periodic task 86,400 times, which takes a second or two.
MAX_STEP_MS = 86_400_000


class Clock:
    """Clock with scheduled calls, in ms.

    Calls run in the order of their times; those of one time run in the order in which they were scheduled.
    """

    is_stepped = False

    def __init__(self) -> None:
        self._schedule: list[tuple[float, int, Callable[[], object]]] = []
        self._sequence = count()
        self._changed = trio.Event()
        self.started_ms = self.now_ms()

    def now_ms(self) -> int:
        """Return the time of the exchange, in ms."""
        raise NotImplementedError

    def now_s(self) -> float:
        """Return seconds since the clock was created."""
        return (self.now_ms() - self.started_ms) / 1000

    def call_in(self, delay_s: float, call: Callable[[], object]) -> None:
        """Schedule a call after a delay.

        It never runs before this returns.
        """
        due_ms = self.now_ms() + max(0.0, delay_s) * 1000
        heapq.heappush(self._schedule, (due_ms, next(self._sequence), call))
        self._changed.set()

    def call_every(self, pause_s: float, call: Callable[[], object]) -> None:
        """Schedule `call` after each pause, without end."""

        def run_and_repeat() -> None:
            call()
            self.call_in(pause_s, run_and_repeat)

        self.call_in(pause_s, run_and_repeat)

    async def sleep(self, delay_s: float) -> None:
        """Wait until the delay has passed on this clock."""
        woken = trio.Event()
        self.call_in(delay_s, woken.set)
        await woken.wait()

    def next_due_ms(self) -> float | None:
        """Return the next call's time; None if there is none."""
        return self._schedule[0][0] if self._schedule else None

    def _run_until(self, end_ms: float) -> int:
        """Run all calls due by a time; return their number."""
        n_run = 0
        while self._schedule and self._schedule[0][0] <= end_ms:
            due_ms, _, call = heapq.heappop(self._schedule)
            self._set_time(due_ms)
            call()
            n_run += 1
        return n_run

    def _set_time(self, due_ms: float) -> None:
        """Set the time, on a clock that can be set."""

    async def run(self) -> Never:
        """Run due calls. Ends only by cancellation."""
        await trio.sleep_forever()


class WallClock(Clock):
    """Clock that advances by itself; by default the real time."""

    def __init__(self, now_ms: Callable[[], int] | None = None) -> None:
        self._read_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        super().__init__()

    def now_ms(self) -> int:
        """Return the time that the clock reads, in ms."""
        return self._read_ms()

    async def run(self) -> Never:
        """Run due calls. Ends only by cancellation.

        A call that is scheduled meanwhile wakes it.
        """
        while True:
            self._changed = trio.Event()
            self._run_until(self.now_ms())
            due_ms = self.next_due_ms()
            wait_s = MAX_SLEEP_S if due_ms is None else (due_ms - self.now_ms()) / 1000
            with trio.move_on_after(min(max(wait_s, 0.0), MAX_SLEEP_S)):
                await self._changed.wait()
            await trio.lowlevel.checkpoint()


class SteppedClock(Clock):
    """Virtual clock that a test steps."""

    is_stepped = True

    def __init__(self, now_ms: int) -> None:
        self._now_ms = float(now_ms)
        super().__init__()

    def now_ms(self) -> int:
        """Return the virtual time, in ms."""
        return math.floor(self._now_ms)

    def step_to(self, end_ms: int) -> int:
        """Advance to a time.

        Every call that is due until then runs at its own time.
        Return the number of calls. Errors: ValueError for a time in the past, or more than a day ahead.
        """
        if not self._now_ms <= end_ms <= self._now_ms + MAX_STEP_MS:
            now_ms = self.now_ms()
            raise ValueError(
                f"cannot step to {end_ms} ms: the clock is at {now_ms} ms and steps forward by a day at most"
            )
        n_run = self._run_until(end_ms)
        self._now_ms = float(end_ms)
        return n_run

    def _set_time(self, due_ms: float) -> None:
        self._now_ms = max(self._now_ms, due_ms)
