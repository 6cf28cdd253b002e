"""Lock: taken at once while free, otherwise in the order of asking."""

from __future__ import annotations

import pytest
import trio
from trio.testing import assert_no_checkpoints, wait_all_tasks_blocked

from mm_trio.concurrency.fair_lock import UncontendedLock


async def test_a_free_turn_is_taken_without_letting_anybody_else_run() -> None:
    turn = UncontendedLock()

    with assert_no_checkpoints():
        async with turn:
            pass


async def test_who_asks_first_is_served_first() -> None:
    turn, served = UncontendedLock(), []

    async def ask(n: int) -> None:
        async with turn:
            served.append(n)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery, turn:
        for n in range(3):
            nursery.start_soon(ask, n)
            await wait_all_tasks_blocked()
        assert served == []

    assert served == [0, 1, 2]


async def test_a_turn_that_ends_in_an_error_is_free_again() -> None:
    turn = UncontendedLock()
    with pytest.raises(ValueError, match="mine"):
        async with turn:
            raise ValueError("mine")

    async with turn:
        pass
