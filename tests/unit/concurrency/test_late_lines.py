"""Log lines that wait until an action has left."""

from __future__ import annotations

from functools import partial

import trio
from trio.testing import MockClock

from mm_trio.concurrency.late_lines import TELL_WITHIN_S, LateLines


async def test_a_line_waits_no_longer_than_a_moment(autojump_clock: MockClock) -> None:
    lines, told = LateLines(), list[float]()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lines.tell_forever)
        await trio.sleep(1)
        lines.put(lambda: told.append(trio.current_time()))
        began_s, at_once = trio.current_time(), list(told)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert at_once == []
    assert told == [began_s + TELL_WITHIN_S]


async def test_lines_that_are_wanted_now_are_told_in_order(autojump_clock: MockClock) -> None:
    lines, told = LateLines(), list[int]()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lines.tell_forever)
        await trio.sleep(1)
        for number in range(3):
            lines.put(partial(told.append, number))
        lines.tell()
        at_once = list(told)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert at_once == told == [0, 1, 2]


async def test_an_end_tells_what_waits(autojump_clock: MockClock) -> None:
    lines, told = LateLines(), list[int]()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lines.tell_forever)
        await trio.sleep(1)
        lines.put(partial(told.append, 1))
        nursery.cancel_scope.cancel()

    assert told == [1]


async def test_before_the_start_and_after_the_end_nothing_waits(autojump_clock: MockClock) -> None:
    lines, told = LateLines(), list[int]()
    lines.put(partial(told.append, 1))
    before = list(told)
    with trio.move_on_after(1):
        await lines.tell_forever()
    lines.put(partial(told.append, 2))

    assert (before, told) == ([1], [1, 2])
