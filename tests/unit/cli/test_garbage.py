"""Garbage collection of a program that runs for months."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from mm_trio.cli.shell.garbage import freeze_when_started


@pytest.fixture(autouse=True)
def thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


async def test_what_a_start_made_is_frozen_once_it_is_over(autojump_clock: MockClock) -> None:
    began_s = trio.current_time()
    n_before = gc.get_freeze_count()

    await freeze_when_started(lambda: trio.current_time() >= began_s + 3)

    assert trio.current_time() >= began_s + 3
    assert gc.get_freeze_count() > n_before + 1000
