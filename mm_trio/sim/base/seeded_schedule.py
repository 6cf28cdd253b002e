"""One virtual run: the clock jumps to the next deadline, and who runs first among the ready is drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio
from trio.testing import MockClock

__all__ = ["run_virtual", "seeded_schedule"]

T = TypeVar("T")


def run_virtual(main: Callable[[], Awaitable[T]], *, seed: int) -> T:
    """What `main()` returns, run under virtual time from 0 on and a schedule that `seed` alone decides.

    Nothing real may be in flight inside: the clock would leap over a thread or a socket.
    """
    with seeded_schedule(seed):
        return trio.run(main, clock=MockClock(autojump_threshold=0))


@contextmanager
def seeded_schedule(seed: int | str) -> Iterator[None]:
    """Inside, trio draws from `seed` who of the ready runs first.

    Trio's own switch for this, private as it is; a test guards that it still does what it did.
    """
    from trio._core import _run

    names = ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r")
    before = {name: getattr(_run, name) for name in names}
    vars(_run).update(zip(names, (True, random.Random(seed)), strict=True))
    try:
        yield
    finally:
        vars(_run).update(before)
