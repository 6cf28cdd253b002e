"""The sandbox's clocks: appointments in order, in steps and by themselves."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from mm_trio.sandbox.clock import SteppedClock, WallClock

START_MS = 1_700_000_000_000


def test_time_stands_until_it_is_stepped() -> None:
    clock = SteppedClock(START_MS)
    called: list[int] = []
    clock.call_in(0.0, lambda: called.append(clock.now_ms()))

    assert (clock.now_ms(), clock.now_s(), called) == (START_MS, 0.0, [])
    assert clock.step_to(START_MS) == 1
    assert called == [START_MS]


def test_appointments_are_kept_in_the_order_of_their_times_each_at_its_own() -> None:
    clock = SteppedClock(START_MS)
    told: list[tuple[str, int]] = []
    for name, delay_s in (("late", 2.0), ("soon", 1.0), ("also soon", 1.0), ("never", 9.0)):
        clock.call_in(delay_s, lambda name=name: told.append((name, clock.now_ms() - START_MS)))  # type: ignore[misc]

    n_kept = clock.step_to(START_MS + 5000)

    assert told == [("soon", 1000), ("also soon", 1000), ("late", 2000)]
    assert n_kept == 3
    assert clock.now_ms() == START_MS + 5000
    assert clock.next_due_ms() == START_MS + 9000


def test_what_an_appointment_makes_is_kept_in_the_same_step() -> None:
    clock = SteppedClock(START_MS)
    beats: list[float] = []
    clock.call_every(0.5, lambda: beats.append(clock.now_s()))

    clock.step_to(START_MS + 1600)

    assert beats == [0.5, 1.0, 1.5]


@pytest.mark.parametrize("ms", [-1, 86_400_001])
def test_a_step_back_or_far_away_is_refused(ms: int) -> None:
    clock = SteppedClock(START_MS)

    with pytest.raises(ValueError, match=r"cannot step to .* steps forward by a day at most"):
        clock.step_to(START_MS + ms)
    assert clock.now_ms() == START_MS


async def test_a_sleeper_of_a_stepped_clock_wakes_with_the_step(autojump_clock: trio.testing.MockClock) -> None:
    clock = SteppedClock(START_MS)
    woken: list[int] = []

    async def sleep() -> None:
        await clock.sleep(2.0)
        woken.append(clock.now_ms())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleep)
        await trio.sleep(100)
        assert woken == []
        clock.step_to(START_MS + 2000)

    assert woken == [START_MS + 2000]


async def test_a_wall_clock_keeps_appointments_by_itself(autojump_clock: trio.testing.MockClock) -> None:
    clock = WallClock(lambda: START_MS + round(trio.current_time() * 1000))
    beats: list[float] = []
    clock.call_every(3.0, lambda: beats.append(clock.now_s()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.run)
        await trio.sleep(0.5)
        clock.call_in(1.0, lambda: beats.append(-1.0))
        await clock.sleep(7.0)
        nursery.cancel_scope.cancel()

    assert beats == [-1.0, pytest.approx(3.0, abs=0.01), pytest.approx(6.0, abs=0.02)]
