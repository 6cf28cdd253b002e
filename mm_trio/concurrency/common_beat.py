"""Moments at which all loops that look regularly do so together.

An idle maker pays for waking up, not for looking: caches are cold each time. Loops that look at the same moments wake
it once for all of them.
"""

from __future__ import annotations

import math

import trio

__all__ = ["sleep_to_beat"]


async def sleep_to_beat(period_s: float) -> None:
    """Sleep until the next multiple of `period_s` on the loop's clock; for loops whose start nobody cares about."""
    now_s = trio.current_time()
    due_s = period_s * (math.floor(now_s / period_s) + 1)
    # A moment before its beat, a loop that was woken early waits for the one after.
    await trio.sleep_until(due_s if due_s - now_s > period_s / 8 else due_s + period_s)
