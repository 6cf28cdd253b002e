"""How blocking calls leave the loop: the seam that makes them, and the one errand that is two calls."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import trio

__all__ = ["QUICK_S", "TOO_LATE", "CommitThenSend", "RunSync"]

RunSync: TypeAlias = Callable[..., Awaitable[Any]]  # `run_sync(fn, *args, **options)`, as trio.to_thread.run_sync

QUICK_S = 0.1  # a hundred times what a good disk takes: what might leave before the write may leave after it
TOO_LATE: Final = object()  # in place of an answer: it was not sent, ask whether it still may


class CommitThenSend:
    """Write, and send right behind it on the same thread: the way there and back takes as long as a good disk.

    `send(*args)` is called after a write that succeeded, if that was quick and it `is_wanted` still, which is asked on
    that thread.
    """

    def __init__(
        self, write: Callable[[], object], is_wanted: Callable[[], bool], send: Callable[..., Any], *args: Any
    ) -> None:
        self._write = write
        self._is_wanted = is_wanted
        self._send = send
        self._args = args

    def __call__(self) -> Any:
        """What `send` returns, or `TOO_LATE`. Blocks. Errors: what either raises."""
        began_s = time.monotonic()
        self._write()
        if time.monotonic() - began_s > QUICK_S or not self._is_wanted():
            return TOO_LATE
        return self._send(*self._args)

    async def take_steps(self, run_sync: RunSync) -> Any:
        """The same as two calls of a seam that has no threads, by the loop's clock."""
        began_s = trio.current_time()
        await run_sync(self._write, abandon_on_cancel=True)
        if trio.current_time() - began_s > QUICK_S or not self._is_wanted():
            return TOO_LATE
        return await run_sync(self._send, *self._args, abandon_on_cancel=True)
