"""Blocking calls made from the event loop, and a commit and a send as one call."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

import trio

__all__ = ["QUICK_S", "TOO_LATE", "CommitThenSend", "NoFreeThread", "RunSync", "TooLate"]

_T = TypeVar("_T")


class RunSync(Protocol):
    """Seam for blocking calls, of the shape of `trio.to_thread.run_sync`."""

    def __call__(self, fn: Callable[..., _T], /, *args: Any, abandon_on_cancel: bool = ...) -> Awaitable[_T]:
        """Make a blocking call and return what it returns."""


class NoFreeThread(Exception):
    """Blocking call that was not made, because no thread was free in time."""


# A hundred times what a good disk takes. What might leave before the write may leave so soon after it.
QUICK_S = 0.1


class TooLate(Enum):
    """Type of `TOO_LATE`."""

    TOO_LATE = "the write took too long, or the send is no longer wanted"


# Returned in place of an answer: nothing was sent, so check again whether it may be.
TOO_LATE: Final[Literal[TooLate.TOO_LATE]] = TooLate.TOO_LATE


class CommitThenSend(Generic[_T]):
    """Write, and send right behind it on the same thread.

    One thread saves the way back to the loop and out again, which takes as long as a good disk. `send(*args)` is
    called after a write that succeeded, if the write was quick and `is_wanted` still agrees, on that thread.
    """

    def __init__(
        self, write: Callable[[], object], is_wanted: Callable[[], bool], send: Callable[..., _T], *args: object
    ) -> None:
        self._write = write
        self._is_wanted = is_wanted
        self._send = send
        self._args = args

    def __call__(self) -> _T | TooLate:
        """Return what `send` returns, or `TOO_LATE`. Blocks.

        Errors: those of `write` and `send`.
        """
        began_s = time.monotonic()
        self._write()
        if time.monotonic() - began_s > QUICK_S or not self._is_wanted():
            return TOO_LATE
        return self._send(*self._args)

    async def take_steps(self, run_sync: RunSync) -> _T | TooLate:
        """Make two calls of a seam without threads, by the loop's clock."""
        began_s = trio.current_time()
        await run_sync(self._write, abandon_on_cancel=True)
        if trio.current_time() - began_s > QUICK_S or not self._is_wanted():
            return TOO_LATE
        answer: _T = await run_sync(self._send, *self._args, abandon_on_cancel=True)
        return answer
