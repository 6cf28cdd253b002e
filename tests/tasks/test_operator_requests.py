"""Requests of the operator to a running maker: in time, on disk before they count, and over restarts."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, Hanging, World, until
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.halts.requests import Asked, Request, read_requests, write_request
from mm_trio.halts.standing import ACTIVE, Standing, State
from mm_trio.halts.standing_file import StandingFile, read_standing, replace_standing
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.errors import Halted, find_leaves

# From the request to a state that is acted on, and to a halt with nothing resting.
HEARD_WITHIN_S = 1.0
HALTED_WITHIN_S = 10.0


async def run_to_halt(maker: WsState, world: World, act: Callable[[], Any]) -> float:
    """Run a maker, act once it quotes, and return the seconds from then to its end."""
    acted_s = float("nan")

    async def act_when_quoting() -> None:
        nonlocal acted_s
        await until(lambda: len(world.resting()) == 40)
        acted_s = trio.current_time()
        act()

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.beat_forever)
            nursery.start_soon(act_when_quoting)
            await maker.run()

    with pytest.raises(ExceptionGroup) as raised:
        await run()
    assert [type(leaf) for leaf in find_leaves(raised.value)] == [Halted]
    return trio.current_time() - acted_s


def halted(match: str) -> pytest.RaisesGroup[Halted]:
    """A maker that ends with a halt for this reason."""
    return pytest.RaisesGroup(pytest.RaisesExc(Halted, match=match), flatten_subgroups=True)


def touch(folder: Path, name: str) -> None:
    (folder / name).touch()


async def touch_after(seconds: float, folder: Path, name: str) -> None:
    await trio.sleep(seconds)
    touch(folder, name)


# --- Each request -------------------------------------------------------------------------------------


async def test_a_paused_maker_places_nothing_and_what_rests_stays(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path), requote_on_fill=True)

    async with world.running(maker):
        touch(tmp_path, "PAUSE")
        await trio.sleep(HEARD_WITHIN_S)
        paused, n_placed = read_standing(tmp_path).state, world.calls("bulk_orders")
        world.buy("5")
        await trio.sleep(60)
        n_resting, n_later = len(world.resting()), world.calls("bulk_orders") - n_placed

    assert paused is State.PAUSED
    assert (n_resting, n_later) == (39, 0)
    assert not (tmp_path / "PAUSE").exists()


async def test_a_cancel_only_maker_cancels_within_a_second_and_places_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path), interval_s=30.0)

    async with world.running(maker):
        write_request(tmp_path, Request.CANCEL_ONLY, "odd prices")
        await trio.sleep(HEARD_WITHIN_S)
        standing, n_resting = read_standing(tmp_path), len(world.resting())
        await trio.sleep(120)
        n_later, why = len(world.resting()), maker.paused_because

    assert (standing.state, n_resting, n_later) == (State.CANCEL_ONLY, 0, 0)
    assert standing.why == "the operator asked for CANCEL_ONLY by the file CANCEL_ONLY: odd prices"
    assert why is not None
    assert why.startswith("cancel_only since ")


async def test_a_halted_maker_ends_with_nothing_resting(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()

    took_s = await run_to_halt(world.maker(standing=StandingFile(tmp_path)), world, lambda: touch(tmp_path, "HALT"))

    assert (world.resting(), read_standing(tmp_path).state) == ([], State.HALTED)
    assert took_s < HEARD_WITHIN_S
    assert not (tmp_path / "HALT").exists()


async def test_a_signal_halts_by_the_same_path(autojump_clock: MockClock, tmp_path: Path) -> None:
    world, came = World(), list[Asked]()
    standing = StandingFile(tmp_path, signalled=lambda: [came.pop()] if came else [])

    took_s = await run_to_halt(
        world.maker(standing=standing), world, lambda: came.append(Asked(Request.HALT, "SIGUSR2"))
    )

    assert (world.resting(), read_standing(tmp_path).state) == ([], State.HALTED)
    assert took_s < HEARD_WITHIN_S


async def test_a_halt_cancels_also_where_a_shutdown_would_not(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path), cancel_on_shutdown=False)

    await run_to_halt(maker, world, lambda: touch(tmp_path, "HALT"))

    assert world.resting() == []


@pytest.mark.parametrize("state", ["PAUSE", "CANCEL_ONLY"])
async def test_a_resumed_maker_quotes_again(autojump_clock: MockClock, tmp_path: Path, state: str) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path))

    async with world.running(maker):
        touch(tmp_path, state)
        await trio.sleep(60)
        world.buy("5")
        touch(tmp_path, "RESUME")
        await trio.sleep(HEARD_WITHIN_S)
        standing, why = read_standing(tmp_path), maker.paused_because
        await trio.sleep(30)
        n_resting = len(world.resting())

    assert (standing, why, n_resting) == (ACTIVE, None, 40)
    assert not (tmp_path / "RESUME").exists()


async def test_a_resumption_that_comes_with_a_pause_counts_for_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World()

    async with world.running(world.maker(standing=StandingFile(tmp_path))):
        touch(tmp_path, "RESUME")
        touch(tmp_path, "PAUSE")
        await trio.sleep(60)

    assert read_standing(tmp_path).state is State.PAUSED
    assert read_requests(tmp_path) == ()


async def test_a_signal_withdraws_a_resumption_that_waits(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A signal is followed without a look at the files, and the file was there before it."""
    world, came = World(), list[Asked]()
    standing = StandingFile(tmp_path, signalled=lambda: [came.pop()] if came else [])

    async with world.running(world.maker(standing=standing)):
        touch(tmp_path, "PAUSE")
        await trio.sleep(10)
        touch(tmp_path, "RESUME")
        came.append(Asked(Request.CANCEL_ONLY, "SIGUSR1"))
        await trio.sleep(60)
        n_resting = len(world.resting())

    assert (read_standing(tmp_path).state, n_resting, read_requests(tmp_path)) == (State.CANCEL_ONLY, 0, ())


# --- At the very end of a session -----------------------------------------------------------------------


class SlowDisk:
    """A disk that takes its time for a standing."""

    async def __call__(self, fn: Any, *args: Any, **options: Any) -> Any:
        await trio.sleep(3 if getattr(fn, "__name__", "") == "tighten" else 0)
        return fn(*args)


@pytest.mark.parametrize("cancel_on_shutdown", [True, False])
async def test_a_halt_that_is_being_written_outlasts_a_stop(
    autojump_clock: MockClock, tmp_path: Path, cancel_on_shutdown: bool
) -> None:
    world = World()
    maker = world.maker(
        standing=StandingFile(tmp_path),
        run_sync=SlowDisk(),
        cancel_on_shutdown=cancel_on_shutdown,
        limits=RiskLimits(max_fills_per_minute=1),
    )

    with halted("max_fills_per_minute"), trio.CancelScope() as stop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.beat_forever)
            nursery.start_soon(trade_and_stop, world, stop)
            await maker.run()

    assert (world.resting(), read_standing(tmp_path).state) == ([], State.HALTED)


async def trade_and_stop(world: World, stop: trio.CancelScope) -> None:
    """Break the limit of fills, and stop the maker while that is being written."""
    await until(lambda: len(world.resting()) == 40)
    world.sell("1")
    world.sell("1")
    await trio.sleep(4)
    stop.cancel()


async def test_a_signal_that_came_with_the_stop_is_followed(autojump_clock: MockClock, tmp_path: Path) -> None:
    world, came = World(), list[Asked]()
    standing = StandingFile(tmp_path, signalled=lambda: [came.pop()] if came else [])
    maker = world.maker(standing=standing, cancel_on_shutdown=False)

    async def stop_at_once(stop: trio.CancelScope) -> None:
        await until(lambda: len(world.resting()) == 40)
        came.append(Asked(Request.HALT, "SIGUSR2"))
        stop.cancel()

    with halted("SIGUSR2"), trio.CancelScope() as stop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.beat_forever)
            nursery.start_soon(stop_at_once, stop)
            await maker.run()

    assert (world.resting(), read_standing(tmp_path).state) == ([], State.HALTED)


async def test_a_resumption_that_cannot_be_removed_resumes_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    """It would count again, against a pause that comes later."""
    world = World()

    async with world.running(world.maker(standing=StandingFile(tmp_path))):
        touch(tmp_path, "PAUSE")
        await trio.sleep(5)
        (tmp_path / "RESUME").mkdir()
        await trio.sleep(5)

    assert read_standing(tmp_path).state is State.PAUSED


# --- Before it counts ---------------------------------------------------------------------------------


class Watched(StandingFile):
    """Standing that notes how many cancels had left, and whether the request was there, when it was written."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder)
        self.folder, self.world = folder, world
        self.seen: list[tuple[int, bool]] = []

    def tighten(self, wanted: Standing) -> Standing:
        self.seen.append((self.world.calls("bulk_cancel"), (self.folder / "HALT").exists()))
        return super().tighten(wanted)


async def test_a_request_is_on_disk_before_it_counts_and_removed_after(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World()
    standing = Watched(tmp_path, world)

    await run_to_halt(world.maker(standing=standing), world, lambda: touch(tmp_path, "HALT"))

    assert standing.seen[0] == (0, True)
    assert world.calls("bulk_cancel") > 0


async def test_a_request_that_cannot_be_written_down_is_followed_and_found_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    class Full(StandingFile):
        def tighten(self, wanted: Standing) -> Standing:
            raise OSError(errno.ENOSPC, "No space left on device")

    world = World()

    await run_to_halt(world.maker(standing=Full(tmp_path)), world, lambda: touch(tmp_path, "HALT"))

    assert world.resting() == []
    assert (tmp_path / "HALT").exists()


class HangingDisk:
    """A `run_sync` whose calls of the state folder never end once `hangs` is set."""

    def __init__(self) -> None:
        self.hangs = False

    async def __call__(self, fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if self.hangs and getattr(fn, "__name__", "") in ("read_files", "remove", "tighten", "resume"):
            await trio.sleep_forever()
        return fn(*args)


async def test_a_disk_that_hangs_stops_no_tick_and_no_signal(autojump_clock: MockClock, tmp_path: Path) -> None:
    world, disk, came = World(), HangingDisk(), list[Asked]()
    standing = StandingFile(tmp_path, signalled=lambda: [came.pop()] if came else [])
    maker = world.maker(standing=standing, run_sync=disk)

    async with world.running(maker):
        disk.hangs = True
        n_ticks = maker.stats.ticks
        await trio.sleep(60)
        n_later = maker.stats.ticks - n_ticks
        came.append(Asked(Request.CANCEL_ONLY, "SIGUSR1"))
        await trio.sleep(HEARD_WITHIN_S)
        why = maker.paused_because
        await trio.sleep(HALTED_WITHIN_S)
        n_resting = len(world.resting())

    assert n_later >= 19
    assert why is not None
    assert why.startswith("cancel_only since ")
    assert n_resting == 0


# --- While the venue does not answer -------------------------------------------------------------------


class Silent(Hanging):
    """A venue that does what it is asked and never answers once `hangs` is set; the disk works."""

    async def __call__(self, fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        is_local = getattr(fn, "__name__", type(fn).__name__) in (
            *("append", "_replay", "mark_end"),
            *("read_files", "remove", "tighten", "resume"),
        )
        answer = fn(*args)
        if self.hangs and not is_local:
            await trio.sleep_forever()
        return answer


async def test_a_halt_while_every_answer_hangs_ends_in_time_with_nothing_resting(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world, venue = World(), Silent()
    maker = world.maker(standing=StandingFile(tmp_path), run_sync=venue)

    def act() -> None:
        venue.hangs = True
        touch(tmp_path, "HALT")

    took_s = await run_to_halt(maker, world, act)

    assert world.resting() == []
    assert took_s <= HALTED_WITHIN_S
    # No answer proved it, so all of them are named.
    assert len(read_standing(tmp_path).rests) >= 40


async def test_cancel_only_closes_the_gate_within_a_second_while_every_answer_hangs(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world, venue = World(), Silent()
    maker = world.maker(standing=StandingFile(tmp_path), run_sync=venue)

    async with world.running(maker):
        venue.hangs = True
        await trio.sleep(20)
        touch(tmp_path, "CANCEL_ONLY")
        await trio.sleep(HEARD_WITHIN_S)
        state, n_placed = read_standing(tmp_path).state, world.calls("bulk_orders")
        await trio.sleep(20)
        n_resting, n_later = len(world.resting()), world.calls("bulk_orders") - n_placed
        venue.hangs = False

    assert state is State.CANCEL_ONLY
    assert (n_resting, n_later) == (0, 0)


# --- Starts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PAUSE", "CANCEL_ONLY"])
async def test_a_start_takes_a_request_before_it_places(autojump_clock: MockClock, tmp_path: Path, name: str) -> None:
    world = World()
    touch(tmp_path, name)

    with trio.move_on_after(60):
        await world.maker(standing=StandingFile(tmp_path)).run()

    assert world.calls("bulk_orders") == 0
    assert not (tmp_path / name).exists()


async def test_a_start_that_is_to_halt_cancels_what_a_killed_one_left(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world, hanging = World(signing=True), Hanging()
    journal = Journal.open(tmp_path)
    with trio.move_on_after(60) as life:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.maker(journal=journal, run_sync=hanging, **ALLOCATION).run)
            await until(lambda: len(world.resting()) == 40)
            # Nothing that it does from here on leaves the machine: it is as dead as by SIGKILL.
            hanging.hangs = True
            life.cancel()
    journal.close()
    assert len(world.resting()) == 40
    touch(tmp_path, "HALT")
    journal = Journal.open(tmp_path)

    with pytest.raises(Halted, match="asked for HALT by the file HALT"):
        await world.maker(
            journal=journal, standing=StandingFile(tmp_path), info=world.venue.info("0x" + "a1" * 20), **ALLOCATION
        ).run()

    journal.close()
    assert (world.resting(), read_standing(tmp_path).state) == ([], State.HALTED)


class CannotList(Hanging):
    """A venue that refuses to list open orders once a start has read them; it takes actions."""

    n_lists = 0

    async def __call__(self, fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if getattr(fn, "__name__", "") == "open_orders":
            self.n_lists += 1
            if self.n_lists > 2:
                raise ConnectionError("HTTP 502")
        return fn(*args)


async def test_a_start_that_cannot_reconcile_cancels_all_the_same(autojump_clock: MockClock, tmp_path: Path) -> None:
    """What an earlier session had under way is in doubt, and no list of open orders settles it."""
    world, hanging = World(signing=True), Hanging()
    journal = Journal.open(tmp_path)
    with trio.move_on_after(60) as life:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.maker(journal=journal, run_sync=hanging, requote_on_fill=True, **ALLOCATION).run)
            await until(lambda: len(world.resting()) == 40)
            world.venue.fail_next("bulk_orders", TimeoutError("no answer"), applied=False)
            world.buy("5")
            await trio.sleep(1)
            hanging.hangs = True
            life.cancel()
    journal.close()
    n_left = len(world.resting())
    journal = Journal.open(tmp_path)
    maker = world.maker(
        journal=journal,
        standing=StandingFile(tmp_path),
        info=world.venue.info("0x" + "a1" * 20),
        run_sync=CannotList(),
        **ALLOCATION,
    )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(maker.run)
        await trio.sleep(3)
        touch(tmp_path, "CANCEL_ONLY")
        await trio.sleep(5)
        n_resting, why = len(world.resting()), maker.paused_because
        nursery.cancel_scope.cancel()
    journal.close()

    assert (n_left, n_resting) == (39, 0)
    assert why is not None


class Mute(Hanging):
    """A venue that never answers when it is asked for open orders, as a start does."""

    async def __call__(self, fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if getattr(fn, "__name__", "") == "open_orders":
            await trio.sleep_forever()
        return fn(*args)


async def test_a_start_that_waits_for_the_venue_is_halted_in_time(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path), run_sync=Mute())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(touch_after, 3.0, tmp_path, "HALT")
        with pytest.raises(Halted):
            await maker.run()

    assert trio.current_time() < 3 + HEARD_WITHIN_S


async def test_a_paused_maker_resumes_by_the_next_start(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    replace_standing(tmp_path, Standing(state=State.PAUSED, why="by hand"))
    touch(tmp_path, "RESUME")

    async with world.running(world.maker(standing=StandingFile(tmp_path))):
        await until(lambda: len(world.resting()) == 40)

    assert read_standing(tmp_path) == ACTIVE


async def test_a_halted_standing_is_not_resumed_by_a_file(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    replace_standing(tmp_path, Standing(state=State.HALTED, why="a limit"))
    touch(tmp_path, "RESUME")

    with pytest.raises(Halted):
        await world.maker(standing=StandingFile(tmp_path)).run()

    assert world.calls("bulk_orders") == 0
    assert read_standing(tmp_path).state is State.HALTED
