"""Requests are answered at once after a pause, and one by one in a flood."""

from __future__ import annotations

import pytest
import trio

from mm_trio.web.pace import RequestPace


async def test_a_burst_is_answered_at_once_and_a_flood_later(autojump_clock: trio.abc.Clock) -> None:
    pace = RequestPace(a_second=10, burst=5)
    began_s = trio.current_time()
    times: list[float] = []
    for _ in range(10):
        await pace.wait_turn()
        times.append(trio.current_time() - began_s)

    assert times == pytest.approx([0.0] * 5 + [0.1, 0.2, 0.3, 0.4, 0.5])


async def test_a_pause_fills_the_bucket_and_no_more(autojump_clock: trio.abc.Clock) -> None:
    pace = RequestPace(a_second=10, burst=5)
    for _ in range(10):
        await pace.wait_turn()
    await trio.sleep(1000)
    began_s = trio.current_time()
    for _ in range(6):
        await pace.wait_turn()

    assert trio.current_time() - began_s == pytest.approx(0.1)
