"""Mistakes that no seed of the simulation can show: each check holds, and fails with the mistake made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, booked, dec, until
from fault_kit import compute_ledger, make_maker, make_world, read_entries, remake_maker
from mutants import MUTANTS_OF_TESTS
from trio.testing import MockClock

from mm_trio.model.journal_entries import Adopted


async def check_adopted_order(folder: Path) -> None:
    """An order of the owner trades in part while no maker runs; the next one adopts it, and counts the fill once."""
    world = make_world("signing")
    async with world.running(make_maker(world, folder)) as first:
        price = first.grid.levels[19]
    world.order("buy", price, "5", tif="Alo", address=MAKER)
    (order,) = world.resting()
    world.order("sell", price, "2")
    second = remake_maker(world, folder)
    async with world.running(second):
        await trio.sleep(10)
        assert booked(second) == compute_ledger(world, second)
        assert {o.oid: o.size for o in world.resting()} == {o.oid: o.size for o in second.order_state.orders.values()}
    adopted = [entry for entry in read_entries(folder) if isinstance(entry, Adopted)]
    assert [(entry.oid, entry.quote.size) for entry in adopted] == [(order.oid, dec(5))]


async def check_age_of_a_snapshot(folder: Path) -> None:
    """A snapshot takes five seconds; the order that arrived just after the question is not missing in it."""
    world = make_world("plain")
    asked: list[float] = []
    is_slow = False

    async def run_sync(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        nonlocal is_slow
        await trio.lowlevel.checkpoint()
        raw = fn(*args)
        if fn.__name__ == "open_orders":
            asked.append(trio.current_time())
            if is_slow:
                is_slow = False
                world.venue.run_late()
                await trio.sleep(5)
        return raw

    maker = make_maker(world, folder, run_sync=run_sync, reconcile_every=1000)
    async with world.running(maker):
        await trio.sleep(10)
        world.venue.execute_late("bulk_orders")
        n_asked, n_reconciled, is_slow = len(asked), maker.stats.reconciliations, True
        world.buy("5")
        await until(lambda: maker.stats.reconciliations > n_reconciled, within_s=30)
        assert len(asked) - n_asked == 1


async def check_late_listing(folder: Path) -> None:
    """No frame tells a fill, and the history lists it 50 s late, behind a newer one; nothing is sold twice."""
    world = make_world("signing", token="200", usdc="10000")
    maker = make_maker(world, folder, reconcile_every=2)
    async with world.running(maker):
        world.venue.lose_frames("userFills")
        world.buy("5")
        late = world.fills()[-1]
        ask = world.venue.ask

        def ask_late(method: str, request: Any) -> Any:
            found = ask(method, request)
            if method != "user_fills_by_time" or world.now_ms() >= late.time_ms + 50_000:
                return found
            return [row for row in found if row["tid"] != late.tid]

        world.venue.ask = ask_late  # type: ignore[method-assign]
        await trio.sleep(1)
        world.buy("1")
        await until(lambda: maker.stats.fills == 2, within_s=100)
        assert booked(maker) == compute_ledger(world, maker)


CHECKS: dict[str, Callable[[Path], Awaitable[None]]] = {
    "an order adopted at a start has its fills counted off twice": check_adopted_order,
    "a snapshot is as old as its answer": check_age_of_a_snapshot,
    "look ups of fills do not overlap": check_late_listing,
    "a fill is missing after ten seconds": check_late_listing,
}


@pytest.mark.parametrize("name", sorted(MUTANTS_OF_TESTS))
async def test_what_a_planted_mistake_breaks_holds_without_it(
    autojump_clock: MockClock, tmp_path: Path, name: str
) -> None:
    await CHECKS[name](tmp_path)


@pytest.mark.parametrize("name", sorted(MUTANTS_OF_TESTS))
async def test_a_planted_mistake_is_caught(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    MUTANTS_OF_TESTS[name](monkeypatch)

    with pytest.raises((AssertionError, BaseExceptionGroup)):
        await CHECKS[name](tmp_path)
