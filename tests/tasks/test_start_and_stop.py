"""Starts that fail before quoting: orders of an earlier session are cancelled, or at least named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, World, run_inline
from hyperliquid.utils.error import ClientError
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import Busy, ConfigError, Unreachable
from mm_trio.venue.rest_client import BUSY_PAUSE_S, START_PATIENCE_S


async def leave_orders(world: World, folder: Path) -> None:
    """One life, whose orders rest on after it."""
    maker = world.maker(journal=Journal.open(folder), cancel_on_shutdown=False, **ALLOCATION)
    async with world.running(maker):
        pass
    assert len(world.resting()) == 40


def next_life(world: World, folder: Path, **changed: Any) -> WsState:
    return world.maker(journal=Journal.open(folder), info=world.venue.info(MAKER), rng=None, **ALLOCATION | changed)


async def test_a_start_that_the_venue_does_not_answer_cancels_what_an_earlier_life_left(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World(signing=True)
    await leave_orders(world, tmp_path)
    world.venue.fail_next("user_rate_limit", ConnectionError("down"), applied=False)
    maker = next_life(world, tmp_path)

    with pytest.raises(Unreachable):
        await maker.run()

    assert world.resting() == []
    assert maker.orders_may_rest == ()


@pytest.mark.parametrize("method", ["spot_meta", "user_fills_by_time", "spot_user_state"])
async def test_a_maker_that_is_stopped_in_its_start_does_not_say_that_nothing_rests(
    autojump_clock: MockClock, tmp_path: Path, method: str
) -> None:
    world = World(signing=True)
    await leave_orders(world, tmp_path)
    hangs = True

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        if hangs and fn.__name__ == method:
            await trio.sleep_forever()
        return await run_inline(fn, *args)

    maker = next_life(world, tmp_path, run_sync=run_sync)
    with trio.move_on_after(1):
        try:
            await maker.run()
        finally:
            hangs = False

    assert maker.orders_may_rest or not world.resting()


async def test_a_first_life_that_is_stopped_in_its_start_left_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World(signing=True)
    maker = world.maker(journal=Journal.open(tmp_path), **ALLOCATION)

    with trio.CancelScope() as scope:
        scope.cancel()
        await maker.run()

    assert maker.orders_may_rest == ()


async def test_orders_of_another_ledger_are_refused_until_taken_over(autojump_clock: MockClock, tmp_path: Path) -> None:
    """The refusal names their owner, another mm_trio, and the orders are left alone."""
    world = World(signing=True)
    await leave_orders(world, tmp_path / "one")

    with pytest.raises(ConfigError, match="another mm_trio"):
        await next_life(world, tmp_path / "two").run()
    assert len(world.resting()) == 40

    maker = next_life(world, tmp_path / "two", take_over=True)
    world.guard(maker)
    before = {order.oid for order in world.resting()}
    async with world.running(maker):
        assert {order.oid for order in world.resting()} == before
    assert world.resting() == []


async def test_the_owner_s_order_that_is_like_one_of_ours_in_flight_stays_the_owner_s(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A place of ours is lost; meanwhile the owner places by hand at the same price, as much."""
    world = World(token="200", usdc="10000", signing=True)
    maker = world.maker(journal=Journal.open(tmp_path), foreign_orders="keep", **ALLOCATION)
    async with world.running(maker):
        await trio.sleep(5)
        for _ in range(3):
            world.venue.fail_next("bulk_orders", ConnectionError("cut"), applied=False)
        world.buy("5")  # the ask on level 20 is gone: its bid is sent, and lost
        await trio.sleep(3.5)
        (lost,) = maker.order_state.get_intents()
        world.order(lost.quote.side, lost.quote.price, lost.quote.size, tif="Alo", address=MAKER)
        world.sell("2", lost.quote.price)
        await trio.sleep(60)
        by_hand = [order for order in world.resting() if order.cloid is None]

        assert maker.stats.fills == 1
        assert [order.size for order in by_hand] == [3]
    assert [order.oid for order in world.resting()] == [order.oid for order in by_hand]


# --- a venue that wants us to wait ----------------------------------------------------------------


@pytest.mark.parametrize("method", ["spot_meta", "open_orders", "user_rate_limit"])
async def test_a_start_waits_until_the_venue_has_weight_for_this_address_again(
    autojump_clock: MockClock, method: str
) -> None:
    world = World()
    for _ in range(4):
        world.venue.fail_next(method, ClientError(429, None, "null", None, None), applied=False)
    began_s = trio.current_time()

    async with world.running(world.maker()):
        assert trio.current_time() - began_s >= 4 * BUSY_PAUSE_S
        assert len(world.resting()) == 40


async def test_a_start_does_not_wait_for_ever(autojump_clock: MockClock) -> None:
    world = World()
    for _ in range(100):
        world.venue.fail_next("open_orders", ClientError(429, None, "null", None, None), applied=False)
    began_s = trio.current_time()

    with pytest.raises(Busy, match="HTTP 429"):
        await world.maker().run()
    assert trio.current_time() - began_s <= START_PATIENCE_S
