"""What waits to be written to one client, in order and bounded. Who cannot put one more in cuts the client off."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import trio

__all__ = ["MAX_BYTES", "MAX_FRAMES", "WRITE_BYTES", "Outbox"]

MAX_FRAMES = 2000  # the venue's most messages in a minute: a client a minute behind is not listening
MAX_BYTES = 16 << 20  # eighteen snapshots of 2000 fills; ten users are the most that a client may follow
WRITE_BYTES = 1 << 16  # what the kernel takes at once, more or less
T = TypeVar("T")


class Outbox(Generic[T]):
    """`max_bytes` is exceeded by at most one item, so that any item fits into an empty box."""

    def __init__(self, *, max_frames: int = MAX_FRAMES, max_bytes: int = MAX_BYTES) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._arrived = trio.Event()

    def put(self, item: T, *, n_bytes: int = 0) -> bool:
        """Whether there was room."""
        if len(self._items) >= self._max_frames or self._n_bytes > self._max_bytes:
            return False
        self._items.append((item, n_bytes))
        self._n_bytes += n_bytes
        self._arrived.set()
        return True

    def take(self) -> list[T]:
        """What waits, oldest first; of much, one write's worth."""
        taken: list[T] = []
        n_bytes = 0
        while self._items and n_bytes < WRITE_BYTES:
            item, size = self._items.popleft()
            taken.append(item)
            n_bytes += size
        self._n_bytes -= n_bytes
        return taken

    async def wait(self) -> None:
        """Until something waits, or did: another may have taken it meanwhile."""
        if not self._items:
            self._arrived = trio.Event()
            await self._arrived.wait()
