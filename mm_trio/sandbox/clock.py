"""The sandbox's time: what is due when, on the real clock or in steps.

Whatever happens later (a beat, a late action, a delayed frame, the next taker) is an appointment here. On the real
clock a task keeps them; in steps nobody does before `step_to`, and then in the order of their times.
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

MAX_SLEEP_S = 1.0  # so that a wall clock that was set, or a suspended machine, is noticed
MAX_STEP_MS = 86_400_000  # 86,400 beats: a second or two of work


class Clock:
    """Appointments in the order of their times; of equal times, in the order of making. Times in ms."""

    is_stepped = False

    def __init__(self) -> None:
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._changed = trio.Event()
        self.started_ms = self.now_ms()

    def now_ms(self) -> int:
        """The time of the exchange."""
        raise NotImplementedError

    def now_s(self) -> float:
        """Seconds since the clock began."""
        return (self.now_ms() - self.started_ms) / 1000

    def call_in(self, delay_s: float, call: Callable[[], object]) -> None:
        """Call `call` so many seconds from now; never before this returns."""
        due_ms = self.now_ms() + max(0.0, delay_s) * 1000
        heapq.heappush(self._agenda, (due_ms, next(self._numbers), call))
        self._changed.set()

    def call_every(self, pause_s: float, call: Callable[[], object]) -> None:
        """Call `call` after each pause, for ever."""

        def again() -> None:
            call()
            self.call_in(pause_s, again)

        self.call_in(pause_s, again)

    async def sleep(self, delay_s: float) -> None:
        """Wait until so many seconds have passed on this clock."""
        woken = trio.Event()
        self.call_in(delay_s, woken.set)
        await woken.wait()

    def next_due_ms(self) -> float | None:
        """When the next appointment is; None without one."""
        return self._agenda[0][0] if self._agenda else None

    def _keep_until(self, end_ms: float) -> int:
        """Keep what is due by then; gives how many."""
        n_kept = 0
        while self._agenda and self._agenda[0][0] <= end_ms:
            due_ms, _, call = heapq.heappop(self._agenda)
            self._arrive_at(due_ms)
            call()
            n_kept += 1
        return n_kept

    def _arrive_at(self, due_ms: float) -> None:
        """It is that time now, where anybody can decide that."""

    async def run(self) -> Never:
        """Keep appointments as they come due. Ends only by cancellation."""
        await trio.sleep_forever()


class WallClock(Clock):
    """The real time, or another that goes by itself."""

    def __init__(self, now_ms: Callable[[], int] | None = None) -> None:
        self._read_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        super().__init__()

    def now_ms(self) -> int:
        return self._read_ms()

    async def run(self) -> Never:
        """Sleep, keep what is due, and again. What makes appointments meanwhile wakes it."""
        while True:
            self._changed = trio.Event()
            self._keep_until(self.now_ms())
            due_ms = self.next_due_ms()
            wait_s = MAX_SLEEP_S if due_ms is None else (due_ms - self.now_ms()) / 1000
            with trio.move_on_after(min(max(wait_s, 0.0), MAX_SLEEP_S)):
                await self._changed.wait()
            await trio.lowlevel.checkpoint()


class SteppedClock(Clock):
    """Time stands until it is told to pass."""

    is_stepped = True

    def __init__(self, now_ms: int) -> None:
        self._now_ms = float(now_ms)
        super().__init__()

    def now_ms(self) -> int:
        return math.floor(self._now_ms)

    def step_to(self, end_ms: int) -> int:
        """Let time pass up to then, keeping every appointment at its own time; gives how many were kept.

        Errors: ValueError for a time that is past, or more than a day ahead.
        """
        if not self._now_ms <= end_ms <= self._now_ms + MAX_STEP_MS:
            now_ms = self.now_ms()
            raise ValueError(f"time goes forward, at most a day at once: it is {now_ms}, asked for {end_ms}")
        n_kept = self._keep_until(end_ms)
        self._now_ms = float(end_ms)
        return n_kept

    def _arrive_at(self, due_ms: float) -> None:
        self._now_ms = max(self._now_ms, due_ms)
