"""Garbage collection of a program that runs for months."""

from __future__ import annotations

import gc
from collections.abc import Callable

import trio

__all__ = ["freeze_when_started"]

LOOK_EVERY_S = 0.2


async def freeze_when_started(is_started: Callable[[], bool]) -> None:
    """Leave what a start made out of all later collections.

    Modules and ladders live as long as the process. A full collection looks at each of their objects, which takes tens
    of milliseconds, and comes when it likes: in the middle of a reaction too.
    """
    while not is_started():  # noqa: ASYNC110 - a few looks at each start
        await trio.sleep(LOOK_EVERY_S)
    gc.collect()
    gc.freeze()
