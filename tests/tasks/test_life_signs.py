"""What a maker tells its guard: that it lives, that it hears the venue, and that nothing is to be cancelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, COIN, MAKER, World, run_inline, until
from trio.testing import MockClock

from mm_trio.guard.cover import CancelCover, GuardTerms
from mm_trio.guard.heartbeat import Heartbeat, Life, read_heartbeat
from mm_trio.guard.life_signs import ASK_AFTER_S, LifeSigns


def guarded(folder: Path, **changed: Any) -> dict[str, Any]:
    """The parameters of a maker with a guard. Its stand-in for an exchange signs nothing, so there are no cancels."""
    values: dict[str, Any] = {"folder": folder, "network": "sandbox", "account": MAKER, "coin": COIN, "signer": MAKER}
    return {"guard": GuardTerms(**(values | changed)), **ALLOCATION}


def read(folder: Path) -> Heartbeat:
    found = read_heartbeat(folder)
    assert found is not None
    return found


async def test_a_maker_writes_a_heartbeat_each_second(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    written: set[float] = set()

    async with world.running(world.maker(**guarded(tmp_path))):
        for _ in range(10):
            await trio.sleep(1)
            written.add((tmp_path / "heartbeat.json").stat().st_ino)
            assert read(tmp_path).state is Life.RUNNING

    assert len(written) > 1


async def test_an_end_after_which_nothing_rests_is_told(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()

    async with world.running(world.maker(**guarded(tmp_path))):
        assert world.resting()

    assert world.resting() == []
    assert read(tmp_path).state is Life.STOPPED


@pytest.mark.parametrize("silence_s, goes_on", [(20.0, True), (1.0, False)])
async def test_cancels_of_a_guard_are_no_wish_of_the_owner_to_stop(
    autojump_clock: MockClock, tmp_path: Path, silence_s: float, goes_on: bool
) -> None:
    """The process stood still for so long, as by SIGSTOP; a guard acts after 15 s."""
    world = World()
    maker = world.maker(hand_cancels_to_stop=3, hand_cancel_pause_s=5.0, **guarded(tmp_path))

    async with world.running(maker):
        autojump_clock.jump(silence_s)
        world.cancel(*[order.oid for order in world.resting()])
        await trio.sleep(60)

        assert bool(world.resting()) is goes_on


async def test_an_end_that_leaves_orders_as_configured_is_told(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()

    async with world.running(world.maker(cancel_on_shutdown=False, **guarded(tmp_path))):
        pass

    assert world.resting()
    assert read(tmp_path).state is Life.LEFT


async def test_a_heartbeat_has_the_venue_s_time_as_the_signed_cancels_have(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World()

    async with world.running(world.maker(**guarded(tmp_path))):
        await trio.sleep(3)
        beat = read(tmp_path)

        assert beat.venue_ms is not None
        assert 0 <= world.now_ms() - beat.venue_ms <= 5_000


async def test_an_end_after_which_orders_may_rest_is_not_told_as_one(autojump_clock: MockClock, tmp_path: Path) -> None:
    """The guard then takes the heartbeat that stays as it is for silence, and cancels."""
    world = World()

    async with world.running(maker := world.maker(**guarded(tmp_path))):
        for _ in range(100):
            world.venue.fail_next("bulk_cancel", ConnectionError("cut"), applied=False)

    assert maker.orders_may_rest
    assert read(tmp_path).state is Life.RUNNING


async def test_an_error_that_ends_a_maker_which_keeps_its_orders_is_not_an_end(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError), flatten_subgroups=True):
        async with world.running(maker := world.maker(cancel_on_shutdown=False, **guarded(tmp_path))):
            assert maker._session is not None

            def fail() -> None:
                raise RuntimeError("planted")

            monkeypatch.setattr(maker._session.grids[0].quoter, "plan_tick", fail)
            await trio.sleep(10)

    assert world.resting()
    assert read(tmp_path).state is Life.RUNNING


async def test_a_heartbeat_goes_on_while_a_shutdown_takes_long(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    terms = guarded(tmp_path, after_s=2.0)
    seen: list[int] = []

    async def look() -> None:
        for _ in range(6):
            await trio.sleep(0.5)
            seen.append((tmp_path / "heartbeat.json").stat().st_mtime_ns)

    async with trio.open_nursery() as nursery, world.running(world.maker(**terms)):
        for _ in range(5):
            world.venue.fail_next("bulk_cancel", ConnectionError("cut"), applied=False)
        nursery.start_soon(look)

    assert len(set(seen)) > 3


async def test_a_quiet_market_is_no_silence_of_the_venue(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    told: list[float] = []

    async with world.running(world.maker(interval_s=60.0, reconcile_every=1000, **guarded(tmp_path))):
        for _ in range(60):
            await trio.sleep(1)
            told.append(read(tmp_path).venue_heard_s_ago)

    assert max(told) < ASK_AFTER_S + 1.5


async def test_a_venue_that_is_not_heard_is_told(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()

    async with world.running(world.maker(**guarded(tmp_path))):
        world.venue.silence()
        for method in ("l2_snapshot", "open_orders", "user_fills_by_time", "spot_user_state", "user_rate_limit"):
            for _ in range(50):
                world.venue.fail_next(method, ConnectionError("cut"), applied=False)
        await until(lambda: read(tmp_path).venue_heard_s_ago > 10)


async def test_a_heartbeat_that_cannot_be_written_is_told_once(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()

    async with world.running(world.maker(**guarded(tmp_path / "gone"))):
        await trio.sleep(20)

    assert sum("guard not told" in record.getMessage() for record in caplog.records) == 1


async def test_without_a_guard_nothing_is_written(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()

    async with world.running(world.maker()):
        await trio.sleep(5)

    assert read_heartbeat(tmp_path) is None


def test_a_heartbeat_that_is_late_on_its_thread_replaces_none_that_is_newer(tmp_path: Path) -> None:
    """Else a maker that ended well would look like one that died."""
    stand_in: Any = None
    cover = CancelCover(guarded(tmp_path)["guard"], stand_in, clock_ms=lambda: 0, list_orders=stand_in)
    signs = LifeSigns(cover, run_sync=run_inline, client=stand_in, find_heard_s=lambda: 0.0)

    signs._write(2, Heartbeat(2, 7, 0.0, Life.STOPPED))
    signs._write(1, Heartbeat(1, 7, 0.0))

    assert read(tmp_path).state is Life.STOPPED
