"""Loops that look regularly do so at the same moments."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from mm_trio.concurrency.common_beat import begin_beat, sleep_to_beat


async def test_loops_that_began_apart_look_together(autojump_clock: MockClock) -> None:
    async def look(after_s: float, seen_s: list[float]) -> None:
        await trio.sleep(after_s)
        for _ in range(5):
            await sleep_to_beat(0.5)
            seen_s.append(trio.current_time())

    first, second = list[float](), list[float]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look, 0.11, first)
        nursery.start_soon(look, 0.23, second)

    assert first == second


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.2, 0.43, 0.499])
async def test_a_sleep_lasts_a_period_at_most_and_hardly_longer(autojump_clock: MockClock, after_s: float) -> None:
    await sleep_to_beat(0.5)
    await trio.sleep(after_s)
    began_s = trio.current_time()

    await sleep_to_beat(0.5)

    assert 0.5 / 8 <= trio.current_time() - began_s <= 0.5 * 9 / 8 + 1e-9


async def test_a_session_looks_at_the_same_moments_whenever_it_begins(autojump_clock: MockClock) -> None:
    waited_s = []
    for pause_s in (0.1, 0.37):
        await trio.sleep(pause_s)
        begin_beat()
        began_s = trio.current_time()
        await sleep_to_beat(0.5)
        waited_s.append(trio.current_time() - began_s)

    assert waited_s == pytest.approx([0.5, 0.5])
