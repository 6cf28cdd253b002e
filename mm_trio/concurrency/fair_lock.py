"""Taking turns: a lock whose free turn is taken at once. trio's own lets every other task run first, also then."""

from __future__ import annotations

import trio

__all__ = ["UncontendedLock"]


class UncontendedLock:
    """`async with turn:` waits for whoever has it, first come first served; no checkpoint where nobody has."""

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()
