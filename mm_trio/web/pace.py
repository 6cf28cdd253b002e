"""Pace of requests: how often the event loop may be asked for an answer.

Each answer is worked out on the loop that quotes, between its ticks. A client that asks without a pause is answered
later, and the maker does not notice.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

__all__ = ["RequestPace"]

# A page loads some ten files at once, in several windows.
BURST = 60
# At a few milliseconds each, a fifth of one processor at most.
A_SECOND = 50.0


class RequestPace:
    """Bucket of requests that fills as time passes.

    Units: `a_second` requests a second, `burst` requests at once after a pause.
    """

    def __init__(
        self, *, a_second: float = A_SECOND, burst: int = BURST, now_s: Callable[[], float] = trio.current_time
    ) -> None:
        self._interval_s = 1 / a_second
        self._burst_s = burst * self._interval_s
        self._now_s = now_s
        self._free_s = -math.inf

    async def wait_turn(self) -> None:
        """Wait until one more request may be answered. Those who wait are as many as there are connections."""
        now_s = self._now_s()
        # The moment from which an empty bucket would have filled; each request moves it on.
        self._free_s = max(self._free_s, now_s - self._burst_s) + self._interval_s
        await trio.sleep(max(0.0, self._free_s - now_s))
