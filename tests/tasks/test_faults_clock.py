"""Fault A21: nonces and clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
from builders import World, booked, run_inline, until
from fault_kit import (
    KINDS,
    WINDOW,
    Mortal,
    check_nonces,
    lose,
    make_maker,
    make_world,
    on_request,
    provoke,
    remake_maker,
    until_definite,
    until_on_target,
)
from trio.testing import MockClock

from mm_trio.grids import schedule as cadence
from mm_trio.witness.venue_clock import MOST_SKEW_S

HOUR_MS = 3_600_000


def make_clock(world: World, ahead_ms: Callable[[], int]) -> Callable[[], int]:
    return lambda: world.now_ms() + ahead_ms()


def set_clock(monkeypatch: pytest.MonkeyPatch, clock_ms: Callable[[], int]) -> None:
    """This is what the machine's clock says, to a maker that has it from nobody else."""
    monkeypatch.setattr(cadence, "time", SimpleNamespace(**vars(time) | {"time": lambda: clock_ms() / 1000}))


async def trade(world: World, n: int) -> None:
    for i in range(n):
        (world.buy if i % 3 else world.sell)("5")
        await trio.sleep(0.2)


async def test_a21_nonces_rise_also_within_one_millisecond(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, requote_on_fill=True, active_levels=3)

    async with world.running(maker):
        await trade(world, 20)

    nonces = check_nonces(tmp_path)
    assert len(nonces) > 20
    assert any(later == nonce + 1 for nonce, later in pairwise(nonces))


@pytest.mark.parametrize("step_ms", [-HOUR_MS, -1500, HOUR_MS])
async def test_a21_nonces_rise_over_a_step_of_the_clock_and_over_a_restart_behind_it(
    autojump_clock: MockClock, tmp_path: Path, step_ms: int
) -> None:
    world, ahead_ms = make_world("signing"), [0]
    clock = make_clock(world, lambda: ahead_ms[0])
    first = make_maker(world, tmp_path, wall_ms=clock, requote_on_fill=True)

    async with world.running(first):
        await trade(world, 3)
        ahead_ms[0] = step_ms
        await trade(world, 3)
    n_first = len(check_nonces(tmp_path))
    ahead_ms[0] = -HOUR_MS
    second = remake_maker(world, tmp_path, wall_ms=clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(second.run)
        await until(lambda: "3600 s behind" in str(second.paused_because))
        ahead_ms[0] = 0
        await until_definite(second, trio.current_time())
        await until_on_target(world, second)
        nursery.cancel_scope.cancel()

    assert len(check_nonces(tmp_path)) > n_first
    assert booked(second) == world.ledger(*second.inventory.allocation)
    assert world.resting() == []


async def test_a21_a_clock_that_is_set_back_does_not_stop_a_maker(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deadlines follow the time that passed since the start."""
    world, ahead_ms = make_world("signing"), [0]
    set_clock(monkeypatch, make_clock(world, lambda: ahead_ms[0]))
    maker = make_maker(world, tmp_path, wall_ms=None)

    async with world.running(maker):
        ahead_ms[0] = -HOUR_MS
        world.buy("5")
        await trio.sleep(4)
        book, errors = world.book_of(maker), maker.stats.errors

    assert ("buy", 20) in book
    assert errors == 0
    check_nonces(tmp_path)


@pytest.mark.parametrize("interval_s", [0.5, 3.0])
@pytest.mark.parametrize("late_s", [12.9, 13.5, 14.5, 14.8])
@pytest.mark.parametrize("method", ["bulk_orders", "bulk_modify_orders_new"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a21_a_fast_clock_lets_no_late_order_double_a_level(
    autojump_clock: MockClock, kind: str, method: str, late_s: float, interval_s: float
) -> None:
    """The clock is as far ahead as a start allows, so the venue accepts an order for that much longer than we think."""
    world = make_world(kind)
    clock = make_clock(world, lambda: int(MOST_SKEW_S * 1000) - 100)
    maker = make_maker(world, wall_ms=clock, interval_s=interval_s, **WINDOW.get(method, {}))

    async with world.running(maker):
        for _ in range(1 if kind == "plain" else 3):
            world.venue.execute_late(method)
        sent_s = await provoke(world, maker, method)
        await trio.sleep_until(sent_s + late_s)
        world.venue.run_late()
        await trio.sleep(10)
        await until_definite(maker, trio.current_time())
        await until_on_target(world, maker)

    assert booked(maker) == world.ledger(*maker.inventory.allocation)


@pytest.mark.parametrize("kind", KINDS)
async def test_a21_a_clock_that_leaps_ahead_lets_no_late_order_double_a_level(
    autojump_clock: MockClock, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the feed tells seems late by the same time then. The order sent into it is held up for half a minute."""
    world, ahead_ms = make_world(kind), [0]
    set_clock(monkeypatch, make_clock(world, lambda: ahead_ms[0]))
    maker = make_maker(world, wall_ms=None, feed_lag_limit_s=10.0)

    async with world.running(maker):
        ahead_ms[0] = 60_000
        for _ in range(1 if kind == "plain" else 3):
            world.venue.execute_late("bulk_orders")
        world.buy("5")
        await trio.sleep(30)
        world.venue.run_late()
        await trio.sleep(10)
        ahead_ms[0] = 0
        await until_on_target(world, maker, within_s=120)

    assert booked(maker) == world.ledger(*maker.inventory.allocation)


@pytest.mark.parametrize("text", ["Invalid nonce: duplicate nonce 7", "Invalid nonce: nonce too low 7 < 8"])
@pytest.mark.parametrize("method", ["bulk_orders", "bulk_modify_orders_new", "bulk_cancel"])
async def test_a21_a_nonce_refused_at_once_is_a_definite_refusal_and_the_next_one_is_taken(
    autojump_clock: MockClock, tmp_path: Path, method: str, text: str
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, **WINDOW.get(method, {}))

    async with world.running(maker):
        world.venue.answer_next(method, {"status": "err", "response": text})
        await provoke(world, maker, method)
        doubts = maker.order_state.get_doubts()
        await until_on_target(world, maker, within_s=10)

    assert doubts == ()
    check_nonces(tmp_path)


async def test_a21_an_unanswered_nonce_that_the_venue_then_has_is_an_unknown_outcome(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Sent again, "duplicate nonce" says that it arrived, and not what came of it."""
    world = make_world("signing")
    maker = make_maker(world, tmp_path)

    async with world.running(maker):
        lose(world, "bulk_orders", applied=True, times=1)
        world.venue.hold_frames("orderUpdates")
        sent_s = await provoke(world, maker, "bulk_orders")
        await until(lambda: world.calls("bulk_orders") == 3)
        await trio.sleep(0.1)
        n_unknown = len(maker.order_state.get_intents())
        await until_definite(maker, sent_s)
        await until_on_target(world, maker)

    assert n_unknown == 1
    assert len(check_nonces(tmp_path)) >= 2


async def test_a21_a_nonce_of_a_life_that_died_with_it_is_not_taken_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The clock is set back meanwhile, as far as is allowed; the journal alone knows."""
    world, mortal = make_world("signing"), Mortal(0.05, 0.05)
    first = make_maker(world, tmp_path, run_sync=mortal, wall_ms=make_clock(world, lambda: 1_900))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(mortal.live, first)
        await until(lambda: first.stats.ticks > 0)

        def die() -> None:
            mortal.dies_next = mortal.is_dead = True

        on_request(world, "bulk_orders", die, after=True)
        world.buy("5")
        await until(lambda: mortal.is_dead)
        second = remake_maker(world, tmp_path, run_sync=run_inline, wall_ms=make_clock(world, lambda: -1_900))
        async with world.running(second):
            await until_on_target(world, second, within_s=90)
        nursery.cancel_scope.cancel()

    check_nonces(tmp_path)
    assert booked(second) == world.ledger(*second.inventory.allocation)
