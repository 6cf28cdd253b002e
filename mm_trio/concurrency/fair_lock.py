"""Lock whose free turn is taken at once.

trio's own lock lets every other task run first, even where the lock is free.
"""

from __future__ import annotations

import trio

__all__ = ["UncontendedLock"]


class UncontendedLock:
    """Lock for `async with`, first come, first served.

    No checkpoint where nobody holds it.
    """

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()
