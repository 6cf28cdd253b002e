"""Orders that leave beside their entries: what a start does after a kill, and after a stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, World, run_inline, until
from trio.testing import MockClock

from mm_trio.cli.halt_programs.in_flight import InFlight, read_in_flight
from mm_trio.engine.ws_state import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Began, Entry, Released, Reserved, Sent
from mm_trio.model.numbers import to_decimal

LONGEST_WAIT_S, SHORTEST_WAIT_S = 15.0, 13.9


class Seam:
    """A `run_sync` that hangs from a moment on: for all calls, or for the journal's alone."""

    def __init__(self) -> None:
        self.hangs = self.loses_writes = False

    async def __call__(self, fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        name = getattr(fn, "__name__", "")
        if self.hangs or (self.loses_writes and name in ("append", "mark_end")):
            await trio.sleep_forever()
        return fn(*args)


@asynccontextmanager
async def living(world: World, folder: Path, *, run_sync: Any = run_inline, **changed: Any) -> AsyncIterator[WsState]:
    """Run a maker until the end of the context, and then stop it."""
    journal = Journal.open(folder)
    # Each process has a socket of its own.
    own = {"info": world.venue.info(MAKER), "ledger": "beside", **ALLOCATION, **changed}
    maker = world.maker(journal=journal, run_sync=run_sync, **own)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(maker.run)
            yield maker
            nursery.cancel_scope.cancel()
    finally:
        journal.close()


async def be_killed(world: World, folder: Path, *, has_traded: bool = False) -> None:
    """Run a maker, and let it end without its last entries, and with nothing behind them.

    `has_traded`: an ask is filled at its end, and the order that answers leaves without an entry.
    """
    seam = Seam()
    async with living(world, folder, run_sync=seam, requote_on_fill=True):
        await until(lambda: len(world.resting()) > 0)
        await trio.sleep(1.0)
        seam.loses_writes = True
        if has_traded:
            world.buy("5")
            await wait_for_order(world)
        seam.hangs = True


def read_entries(folder: Path) -> list[Entry]:
    journal = Journal.open(folder)
    try:
        return [row.entry for row in journal.read()]
    finally:
        journal.close()


async def wait_for_order(world: World) -> float:
    """Wait for the next order; return how long it took."""
    began_s, n_before = trio.current_time(), world.calls("bulk_orders")
    await until(lambda: world.calls("bulk_orders") > n_before, within_s=60.0)
    return trio.current_time() - began_s


async def test_an_order_may_reach_the_venue_before_its_entry_is_written(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World(signing=True)
    await be_killed(world, tmp_path, has_traded=True)
    written = {entry.cloid for entry in read_entries(tmp_path) if isinstance(entry, Sent)}

    assert {order.cloid for order in world.resting()} - written


async def test_a_start_after_a_kill_waits_until_no_order_can_arrive(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await be_killed(world, tmp_path)
    async with living(world, tmp_path):
        took_s = await wait_for_order(world)

    assert SHORTEST_WAIT_S <= took_s <= LONGEST_WAIT_S


async def test_a_start_after_a_kill_cancels_at_once(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await be_killed(world, tmp_path)
    async with living(world, tmp_path):
        await trio.sleep(1.0)
        rests = world.resting()

    assert rests == []


async def test_a_start_after_a_stop_does_not_wait(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    async with living(world, tmp_path):
        await until(lambda: len(world.resting()) > 0)
    async with living(world, tmp_path):
        took_s = await wait_for_order(world)

    assert took_s <= 1.0


async def test_what_a_killed_maker_sold_without_an_entry_is_booked(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await be_killed(world, tmp_path, has_traded=True)
    async with living(world, tmp_path) as maker:
        await wait_for_order(world)
        sold = to_decimal(ALLOCATION["allocated_token"]) - to_decimal(maker.inventory.virtual_token or 0)

    assert sold == 5


async def test_a_stop_within_the_wait_names_what_may_still_arrive(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await be_killed(world, tmp_path)
    async with living(world, tmp_path) as maker:
        await trio.sleep(5.0)

    assert any("may still arrive" in name for name in maker.orders_may_rest)


async def test_a_stop_within_the_wait_leaves_the_reservation_to_the_next_start(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World(signing=True)
    await be_killed(world, tmp_path)
    async with living(world, tmp_path):
        await trio.sleep(5.0)
    async with living(world, tmp_path):
        took_s = await wait_for_order(world)

    assert took_s >= SHORTEST_WAIT_S


async def test_the_session_that_was_killed_is_released_once_everything_is_read(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World(signing=True)
    await be_killed(world, tmp_path)
    (killed,) = [entry.epoch for entry in read_entries(tmp_path) if isinstance(entry, Began)]
    async with living(world, tmp_path):
        await wait_for_order(world)

    assert Released(killed) in read_entries(tmp_path)


@pytest.mark.parametrize("is_released", [False, True])
async def test_a_cancel_of_everything_knows_that_a_journal_may_lack_orders(
    autojump_clock: MockClock, tmp_path: Path, is_released: bool
) -> None:
    journal = Journal.open(tmp_path)
    journal.append([Began(1, {}), Reserved(1, 500, 1, 1), *([Released(1)] if is_released else [])], at_ms=1)
    journal.close()
    found = await read_in_flight(tmp_path, order_size=to_decimal("5"), wall_ms=1, run_sync=run_inline)

    assert isinstance(found, InFlight)
    assert found.lacks_orders is not is_released
