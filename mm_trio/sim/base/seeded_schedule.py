"""Run trio on virtual time with a seeded task order.

The clock jumps to the next deadline; the seed decides which of the ready tasks runs first.
"""

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
    """Run `main()` under virtual time and a seeded schedule.

    Time starts at 0. Returns the result of `main()`.
    No thread and no socket may be in use inside: the clock would jump past them.
    """
    with seeded_schedule(seed):
        return trio.run(main, clock=MockClock(autojump_threshold=0))


@contextmanager
def seeded_schedule(seed: int | str) -> Iterator[None]:
    """Make trio choose among ready tasks by `seed`.

    It uses trio's own switch for this, although it is private; a test guards its behaviour.
    """
    from trio._core import _run

    names = ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r")
    before = {name: getattr(_run, name) for name in names}
    vars(_run).update(zip(names, (True, random.Random(seed)), strict=True))
    try:
        yield
    finally:
        vars(_run).update(before)
