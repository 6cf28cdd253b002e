"""Moments at which all loops that look regularly do so together.

An idle maker pays for waking up, not for looking: caches are cold each time. Loops that look at the same moments wake
it once for all of them.
"""

from __future__ import annotations

import math
from contextvars import ContextVar

import trio

__all__ = ["begin_beat", "sleep_to_beat"]

# The session's beginning on the loop's clock: so a session does the same things whenever it begins.
_BEGAN_S: ContextVar[float] = ContextVar("began_s", default=0.0)


def begin_beat() -> None:
    """Count the moments from now on, in this task and those that it starts."""
    _BEGAN_S.set(trio.current_time())


async def sleep_to_beat(period_s: float) -> None:
    """Sleep until the next multiple of `period_s`; for loops whose start nobody cares about."""
    now_s, began_s = trio.current_time(), _BEGAN_S.get()
    due_s = began_s + period_s * (math.floor((now_s - began_s) / period_s) + 1)
    # A moment before its beat, a loop that was woken early waits for the one after.
    await trio.sleep_until(due_s if due_s - now_s > period_s / 8 else due_s + period_s)
