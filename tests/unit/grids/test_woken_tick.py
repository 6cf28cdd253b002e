"""A tick that a fill woke goes before the other frames of its block."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from mm_trio.grids.schedule import LEAVES_WITHIN_S, ReconcileSchedule, TickSchedule


async def tick_forever(schedule: TickSchedule, *, takes_s: float) -> None:
    schedule.start()
    while True:
        await schedule.wait_for_tick()
        await trio.sleep(takes_s)


async def measure_wait(schedule: TickSchedule) -> float:
    began_s = trio.current_time()
    await schedule.woken.let_go_first()
    return trio.current_time() - began_s


@pytest.mark.parametrize("takes_s, waits_s", [(0.004, 0.004), (0.3, LEAVES_WITHIN_S)])
async def test_a_frame_waits_for_the_woken_tick_but_not_long(
    autojump_clock: MockClock, takes_s: float, waits_s: float
) -> None:
    schedule = TickSchedule(3.0, ReconcileSchedule(20))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(tick_forever, schedule, takes_s=takes_s))
        await trio.sleep(1)
        schedule.wake_tick()

        assert await measure_wait(schedule) == pytest.approx(waits_s)

        nursery.cancel_scope.cancel()


async def test_a_frame_without_a_fill_does_not_wait(autojump_clock: MockClock) -> None:
    schedule = TickSchedule(3.0, ReconcileSchedule(20))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(tick_forever, schedule, takes_s=0.3))
        await trio.sleep(1)

        assert await measure_wait(schedule) == 0

        nursery.cancel_scope.cancel()


async def test_a_fill_during_a_tick_holds_no_frame_up(autojump_clock: MockClock) -> None:
    """An answer may take seconds, and nothing is sent before it; its frames must be read meanwhile."""
    schedule = TickSchedule(3.0, ReconcileSchedule(20))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(tick_forever, schedule, takes_s=0.3))
        await trio.sleep(1)
        schedule.wake_tick()
        await trio.sleep(0.1)
        schedule.wake_tick()

        assert await measure_wait(schedule) == 0

        nursery.cancel_scope.cancel()
