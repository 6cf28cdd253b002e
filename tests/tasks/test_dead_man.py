"""The venue's dead man's switch is armed while a maker lives, and taken back when nothing rests."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import trio
from builders import MAKER, World
from trio.testing import MockClock

from mm_trio.engine.session import GRACE_S
from mm_trio.guard import dead_man
from mm_trio.guard.dead_man import ARM_EVERY_S, MOVE_AGAIN_S, WAITS_S
from mm_trio.sandbox.model.limits import Limits
from mm_trio.venue.order_gateway import MOST_SENDS

BUSY = {"status": "err", "response": "Too many cumulative requests sent (1 > 0) for cumulative volume traded"}
CUT = ConnectionError("cut")


@pytest.fixture
def traded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account counts as one that the venue offers the switch to."""
    monkeypatch.setattr(dead_man, "LEAST_VOLUME", Decimal(0))


def make_world(**limits: Any) -> World:
    return World(signing=True, limits=replace(Limits(), **limits))


def count_told(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


async def test_it_is_moved_on_while_the_maker_lives(autojump_clock: MockClock, traded: None) -> None:
    world = make_world(schedule_volume=None)

    async with world.running(world.maker(dead_man=True)):
        for _ in range(5):
            await trio.sleep(ARM_EVERY_S)
            due_ms = world.exchange.next_due_ms()
            assert due_ms is not None
            assert 1000 * (WAITS_S - ARM_EVERY_S) <= due_ms - world.now_ms() <= 1000 * (WAITS_S + 5)


async def test_it_is_taken_back_after_nothing_rests(autojump_clock: MockClock, traded: None) -> None:
    world = make_world(schedule_volume=None)

    async with world.running(world.maker(dead_man=True)):
        await trio.sleep(ARM_EVERY_S)
        assert world.exchange.next_due_ms() is not None

    assert world.exchange.open_orders(MAKER) == ()
    assert world.exchange.next_due_ms() is None


async def test_without_the_owners_word_it_is_left_alone(autojump_clock: MockClock, traded: None) -> None:
    world = make_world(schedule_volume=None)

    async with world.running(world.maker()):
        await trio.sleep(3 * ARM_EVERY_S)
        assert world.exchange.next_due_ms() is None


async def test_below_the_volume_it_is_not_asked_for(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world()

    async with world.running(world.maker(dead_man=True)):
        await trio.sleep(5 * ARM_EVERY_S)

    assert count_told(caplog, "the account's volume is below 1000000") == 1
    assert world.calls("schedule_cancel") == 0


async def test_a_refusal_is_told_once_and_asked_again_each_hour(
    autojump_clock: MockClock, traded: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_man, "ASK_AGAIN_S", 120.0)
    world = make_world()

    async with world.running(world.maker(dead_man=True)):
        await trio.sleep(2.5 * 120)

    assert count_told(caplog, "dead man's switch not armed: reason=Cannot set scheduled cancel time") == 1
    assert world.calls("schedule_cancel") == 3


async def test_a_start_says_that_it_cancels_everything(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world()

    async with world.running(world.maker(dead_man=True)):
        await trio.sleep(1)

    assert count_told(caplog, "the venue cancels ALL orders of this account") == 1


async def test_a_passing_refusal_leaves_a_healthy_maker_its_orders(
    autojump_clock: MockClock, traded: None, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour later the venue would long have cancelled everything."""
    world = make_world(schedule_volume=None)

    async with world.running(world.maker(dead_man=True)):
        await trio.sleep(ARM_EVERY_S / 2)
        world.venue.answer_next("schedule_cancel", BUSY)
        await trio.sleep(ARM_EVERY_S / 2 + 2 * MOVE_AGAIN_S)
        due_ms = world.exchange.next_due_ms()

    assert due_ms is not None
    assert due_ms - world.now_ms() > 1000 * (WAITS_S - ARM_EVERY_S)
    assert count_told(caplog, "dead man's switch not moved on: reason=Too many cumulative requests") == 1
    assert count_told(caplog, f"else the venue cancels in {WAITS_S - ARM_EVERY_S:.0f} s") == 1


async def test_refusals_after_the_moment_has_passed_are_asked_again_each_hour(
    autojump_clock: MockClock, traded: None
) -> None:
    world = make_world(schedule_volume=None)

    async with world.running(world.maker(dead_man=True)):
        await trio.sleep(ARM_EVERY_S / 2)
        for _ in range(100):
            world.venue.answer_next("schedule_cancel", BUSY)
        await trio.sleep(2 * WAITS_S)
        n_early = world.calls("schedule_cancel")
        await trio.sleep(3_000)
        n_late = world.calls("schedule_cancel")

    assert WAITS_S / MOVE_AGAIN_S - 5 < n_early < WAITS_S / MOVE_AGAIN_S + 5
    assert n_late == n_early


async def test_an_end_whose_answer_is_lost_is_told_to_the_venue_again(autojump_clock: MockClock, traded: None) -> None:
    world = make_world(schedule_volume=None)

    async with world.running(world.maker(dead_man=True)):
        await trio.sleep(ARM_EVERY_S / 2)
        for _ in range(MOST_SENDS):
            world.venue.fail_next("schedule_cancel", CUT, applied=False)

    assert world.exchange.next_due_ms() is None


async def test_a_moment_that_could_not_be_taken_back_is_told(
    autojump_clock: MockClock, traded: None, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(schedule_volume=None)

    async with world.running(world.maker(dead_man=True)):
        await trio.sleep(ARM_EVERY_S / 2)
        for _ in range(100):
            world.venue.fail_next("schedule_cancel", CUT, applied=False)
        began_s = trio.current_time()

    assert trio.current_time() - began_s <= GRACE_S
    assert count_told(caplog, "dead man's switch not taken back: reason=ConnectionError: cut") == 1
