"""Write and post of one action, where the post is a coroutine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from mm_trio.concurrency.blocking_calls import TOO_LATE, TooLate

__all__ = ["CommitsFirst", "commit_then_post", "go_on"]

_T = TypeVar("_T")


class CommitsFirst(Protocol):
    """Ledger that makes its entries durable before it makes a call.

    `covers`: what is recorded need not be waited for.
    """

    @property
    def covers(self) -> bool: ...

    async def flush_then(self, is_wanted: Callable[[], bool], send: Callable[..., object], *args: object) -> object:
        """Make everything recorded durable, then the blocking call; or return `TOO_LATE`."""


def go_on() -> None:
    """Do nothing between the write and the post."""


async def commit_then_post(
    ledger: CommitsFirst,
    is_wanted: Callable[[], bool],
    between: Callable[[], object],
    post: Callable[[], Awaitable[_T]],
) -> _T | TooLate:
    """Write on a thread, and post in the loop once that is durable.

    `between` is called behind the write, on its thread. `is_wanted` is asked there, and again in the loop, because the
    way back takes time. No thread is used where nothing has to be done before the post. Returns what `post` returns, or
    `TOO_LATE` where nothing was sent.
    Errors: those of the ledger, and then nothing was sent; those of `post`.
    """
    if between is go_on and ledger.covers:
        return await post() if is_wanted() else TOO_LATE
    if await ledger.flush_then(is_wanted, between) is TOO_LATE or not is_wanted():
        return TOO_LATE
    return await post()
