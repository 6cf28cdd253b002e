"""Bounded queue of data to be written to one client.

If it is full, the caller disconnects the client.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import trio

__all__ = ["MAX_BYTES", "MAX_FRAMES", "WRITE_BYTES", "Outbox"]

# The venue's limit of messages in a minute: a client that is a minute behind is not reading.
MAX_FRAMES = 2000
# Eighteen snapshots of 2000 fills; a client may follow at most ten users.
MAX_BYTES = 16 << 20
# About what the kernel accepts in one write.
WRITE_BYTES = 1 << 16
T = TypeVar("T")


class Outbox(Generic[T]):
    """Bounded first-in, first-out queue.

    At most one item exceeds `max_bytes`, so that any item fits into an empty queue.
    """

    def __init__(self, *, max_frames: int = MAX_FRAMES, max_bytes: int = MAX_BYTES) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._arrived = trio.Event()

    def put(self, item: T, *, n_bytes: int = 0) -> bool:
        """Queue an item and return True if there was room."""
        if len(self._items) >= self._max_frames or self._n_bytes > self._max_bytes:
            return False
        self._items.append((item, n_bytes))
        self._n_bytes += n_bytes
        self._arrived.set()
        return True

    def take(self) -> list[T]:
        """Take the oldest items, about `WRITE_BYTES` of them."""
        taken: list[T] = []
        n_bytes = 0
        while self._items and n_bytes < WRITE_BYTES:
            item, size = self._items.popleft()
            taken.append(item)
            n_bytes += size
        self._n_bytes -= n_bytes
        return taken

    async def wait(self) -> None:
        """Wait for an item.

        Another task may take it before the caller does.
        """
        if not self._items:
            self._arrived = trio.Event()
            await self._arrived.wait()
