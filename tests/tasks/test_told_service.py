"""What a service manager hears of a maker and of a guard: that they are ready, alive, and ending."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import trio
from builders import ALLOCATION, World, until
from grids_kit import COINS, GridsWorld
from manager_kit import NotifySocket, open_notify_socket
from trio.testing import MockClock

from mm_trio.cli.guard_programs.told_guard import LOOK_WITHIN_S, tell_manager_of_guard
from mm_trio.cli.run_programs.maker_run import OpenMaker
from mm_trio.cli.run_programs.service_manager import ServiceManager
from mm_trio.cli.run_programs.told_service import TICK_WITHIN_S, tell_manager
from mm_trio.guard.watcher import Watcher
from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import VolatileStanding
from mm_trio.views.maker import Maker

WATCHDOG_S = 20.0


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[NotifySocket]:
    with open_notify_socket(tmp_path) as opened:
        yield opened


def manager_of(listening: NotifySocket) -> ServiceManager:
    return ServiceManager(listening.name, WATCHDOG_S)


def stand(state: State, why: str) -> VolatileStanding:
    standing = VolatileStanding()
    standing.tighten(Standing(state=state, since_ms=0, why=why))
    return standing


@asynccontextmanager
async def told(maker: Maker, listening: NotifySocket) -> AsyncIterator[None]:
    """A manager is told of the maker inside."""
    async with trio.open_nursery() as nursery:
        opened = OpenMaker(maker=maker, folder=Path("state"))
        nursery.start_soon(tell_manager, manager_of(listening), opened, trio.CancelScope())
        yield
        nursery.cancel_scope.cancel()


async def count_beats(listening: NotifySocket, within_s: float) -> int:
    """Count how often the watchdog is fed in so many seconds."""
    before = len(listening.words("WATCHDOG"))
    for _ in range(int(within_s)):
        await trio.sleep(1)
        listening.take()
    return len(listening.words("WATCHDOG")) - before


async def test_a_maker_is_ready_once_it_quotes(autojump_clock: MockClock, listening: NotifySocket) -> None:
    world = World(signing=True)
    maker = world.maker(**ALLOCATION)
    async with told(maker, listening):
        await trio.sleep(1)
        assert listening.words("READY") == []
        assert listening.words("EXTEND_TIMEOUT_USEC")
        assert listening.words("STATUS") == ["starting: @107 paused: starting, 0 orders, 0 fills"]

        async with world.running(maker):
            await until(lambda: listening.words("READY"))
            assert maker.stats.ticks > 0
            await until(lambda: listening.words("STATUS")[-1] == "@107 quoting, 40 orders, 0 fills")
            assert await count_beats(listening, 60) in (5, 6, 7)

    assert listening.words("READY") == ["1"]


async def test_the_end_of_a_maker_is_told_before_it_has_cancelled(
    autojump_clock: MockClock, listening: NotifySocket
) -> None:
    world = World(signing=True)
    maker = world.maker(**ALLOCATION)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        async with told(maker, listening):
            nursery.start_soon(maker.run)
            await until(lambda: listening.words("READY"))
        resting = world.resting()
        nursery.cancel_scope.cancel()

    assert listening.words("STOPPING") == ["1"]
    assert len(resting) == 40


@pytest.mark.parametrize("state", [State.PAUSED, State.CANCEL_ONLY])
async def test_a_maker_that_its_operator_paused_is_ready_and_alive(
    autojump_clock: MockClock, listening: NotifySocket, state: State
) -> None:
    """A restart would change nothing, and whoever paused it knows."""
    world = World(signing=True)
    standing = stand(state, "by hand")
    maker = world.maker(standing=standing, **ALLOCATION)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(maker.run)
        async with told(maker, listening):
            await until(lambda: listening.words("READY"))
            assert await count_beats(listening, 5 * TICK_WITHIN_S) > 20
            assert listening.words("STATUS")[-1] == f"{state} since 1970-01-01 00:00:00 UTC: by hand"
            assert maker.stats.ticks == 0
        nursery.cancel_scope.cancel()


async def test_a_maker_whose_ticks_stand_still_is_not_alive(autojump_clock: MockClock, listening: NotifySocket) -> None:
    """Its loop goes on, and so would its heartbeat."""
    world = World(signing=True)
    maker = world.maker(**ALLOCATION)
    async with told(maker, listening), world.running(maker):
        await until(lambda: listening.words("WATCHDOG"))
        grid = maker._grid
        assert grid is not None
        async with grid.turn:
            # Whatever holds the turn for so long is a mistake of ours: no wait in it is without an end.
            assert await count_beats(listening, TICK_WITHIN_S) > 8
            assert await count_beats(listening, 10 * WATCHDOG_S) == 0
            assert listening.words("STATUS")[-1] == "hung: no tick of @107 any more"
        await trio.sleep(5)
        assert await count_beats(listening, WATCHDOG_S) > 0


async def test_a_maker_whose_feed_is_lost_is_alive(autojump_clock: MockClock, listening: NotifySocket) -> None:
    world = World(signing=True)
    maker = world.maker(**ALLOCATION)
    async with told(maker, listening), world.running(maker):
        await until(lambda: listening.words("WATCHDOG"))
        grid = maker._grid
        assert grid is not None
        grid.account.gate.pause("feed lost")
        async with grid.turn:
            assert await count_beats(listening, 3 * TICK_WITHIN_S) > 20
            assert listening.words("STATUS")[-1].startswith("@107 paused: feed lost, 40 orders")


async def test_a_grid_that_ended_alone_is_no_hung_maker(autojump_clock: MockClock, listening: NotifySocket) -> None:
    world = GridsWorld()
    standing = stand(State.HALTED, "too much spent")
    grids = [world.terms(COINS[0]), world.terms(COINS[1], standing=standing), world.terms(COINS[2])]
    maker = world.account_maker(grids)
    async with told(maker, listening), world.quoting(maker):
        await until(lambda: listening.words("READY"))
        assert await count_beats(listening, 3 * TICK_WITHIN_S) > 20
        status = listening.words("STATUS")[-1]

    assert status.startswith(f"{COINS[0]} quoting, ")
    assert f"; {COINS[1]} halted since 1970-01-01 00:00:00 UTC: too much spent; {COINS[2]} quoting" in status


# --- The guard ------------------------------------------------------------------------------------


class Looking:
    """A guard that looked so long ago."""

    def __init__(self) -> None:
        self.looked_s_ago = 0.0

    def describe(self) -> str:
        return "maker alive"


async def test_a_guard_is_ready_once_it_looks(autojump_clock: MockClock, listening: NotifySocket) -> None:
    watchers: list[Looking] = []

    def find() -> Watcher | None:
        return cast("Watcher", watchers[0]) if watchers else None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_manager_of_guard, manager_of(listening), find)
        assert await count_beats(listening, 100) == 0
        assert listening.words("READY") == []
        assert set(listening.words("STATUS")) == {"waiting for the venue"}
        assert len(listening.words("EXTEND_TIMEOUT_USEC")) >= 99
        watchers.append(Looking())
        await trio.sleep(2)
        assert (listening.words("READY"), listening.words("STATUS")[-1]) == (["1"], "maker alive")
        assert await count_beats(listening, 60) in (5, 6, 7)
        watchers[0].looked_s_ago = LOOK_WITHIN_S + 1
        assert await count_beats(listening, 60) <= 1
        assert listening.words("STATUS")[-1] == "hung: no look at the maker's files any more"
        nursery.cancel_scope.cancel()

    assert listening.words("STOPPING") == ["1"]
    assert listening.words("READY") == ["1"]
