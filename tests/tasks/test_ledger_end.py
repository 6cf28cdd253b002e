"""A ledger whose end is missing: an older copy, or a journal that lost its last entries."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, World, booked, until
from line_kit import Line, live_until_killed, next_life, own_ledger, settle
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.journal.data_dir import open_ledger
from mm_trio.journal.end_mark import MARK_NAME, read_mark
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.errors import LedgerCut, LedgerError, find_leaves
from mm_trio.model.journal_entries import Checkpoint, Sent


async def live(world: World, folder: Path, *, until_cut: Line | None = None, **changed: Any) -> None:
    """A session with fills of both sides; with a line it is killed, and leaves its orders resting."""
    line = Line() if until_cut is None else until_cut
    maker = next_life(world, folder, line, **changed)
    if until_cut is None:
        async with world.running(maker):
            await trade(world)
            await settle(world, maker)
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live_until_killed, world, maker, line)
        await trade(world)
        line.died.set()


async def trade(world: World) -> None:
    for side in ("buy", "sell", "buy"):
        await trio.sleep(5)
        (world.buy if side == "buy" else world.sell)("7")
    await trio.sleep(5)


def copy_folder(folder: Path, name: str) -> Path:
    """A copy of a state folder as it is, made while no maker runs."""
    return Path(shutil.copytree(folder, folder.with_name(name)))


async def refuse(world: World, maker: WsState) -> LedgerError:
    """The error that this start is refused with."""
    with trio.fail_after(60), pytest.raises(LedgerCut) as refusal:
        await maker.run()
    return refusal.value


@pytest.mark.parametrize("has_cloids", [True, False])
@pytest.mark.parametrize("foreign_orders", ["keep", "cancel"])
async def test_r1_an_older_copy_is_not_traded_on(
    autojump_clock: MockClock, tmp_path: Path, has_cloids: bool, foreign_orders: str
) -> None:
    world = World(signing=True)
    world.venue.fills_have_cloids = has_cloids
    await live(world, tmp_path / "state")
    copy = copy_folder(tmp_path / "state", "copy")
    await live(world, tmp_path / "state")

    line = Line()
    error = await refuse(world, next_life(world, copy, line, foreign_orders=foreign_orders))

    assert line.new_risk() == []
    assert world.resting() == []
    assert "\n" not in str(error)
    for part in ("older copy", "another mm_trio", "`mm-trio ledger rebuild`", "--take-over"):
        assert part in str(error)


@pytest.mark.parametrize("has_cloids", [True, False])
async def test_r1_a_second_start_on_an_older_copy_is_refused_too(
    autojump_clock: MockClock, tmp_path: Path, has_cloids: bool
) -> None:
    """The refused start must not book what it found, nor pass over it."""
    world = World(signing=True)
    world.venue.fills_have_cloids = has_cloids
    await live(world, tmp_path / "state", until_cut=Line())
    copy = copy_folder(tmp_path / "state", "copy")
    await live(world, tmp_path / "state")

    for _ in range(3):
        await refuse(world, next_life(world, copy, Line()))


async def test_r1_the_orders_of_known_sessions_are_cancelled_on_the_way_out(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Those of an unknown session are left alone: another maker may look after them."""
    world = World(signing=True)
    await live(world, tmp_path / "state", until_cut=Line())
    known = {order.oid for order in world.resting()}
    copy = copy_folder(tmp_path / "state", "copy")
    await live(world, tmp_path / "state", until_cut=Line())
    unknown = {order.oid for order in world.resting()} - known
    assert unknown

    maker = next_life(world, copy, Line())
    await refuse(world, maker)

    assert {order.oid for order in world.resting()} == unknown
    assert maker.orders_may_rest == ()


async def test_r1_a_normal_restart_asks_for_no_order_more(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await live(world, tmp_path)
    line = Line()
    maker = next_life(world, tmp_path, line)
    async with world.running(maker):
        await settle(world, maker)

    assert line.sent("query_order_by_oid", "query_order_by_cloid") == []


async def test_r1_numbers_survive_a_checkpoint(autojump_clock: MockClock, tmp_path: Path) -> None:
    """The orders before it are not replayed, and no fill of them may count as lost."""
    world = World(signing=True)
    await live(world, tmp_path, checkpoint_every=20)
    journal = Journal.open_to_read(tmp_path)
    entries = [row.entry for row in journal.read()]
    journal.close()
    assert isinstance(entries[0], Checkpoint)
    assert not any(isinstance(part, Sent) for part in entries[0].entries)

    maker = next_life(world, tmp_path, Line())
    async with world.running(maker):
        await settle(world, maker)
        assert booked(maker) == own_ledger(world)


async def test_r1_a_start_with_take_over_books_what_was_lost(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await live(world, tmp_path / "state")
    copy = copy_folder(tmp_path / "state", "copy")
    await live(world, tmp_path / "state")

    for take_over in (True, False):
        maker = next_life(world, copy, Line(), take_over=take_over)
        async with world.running(maker):
            await settle(world, maker)
            assert booked(maker) == own_ledger(world)


@pytest.mark.parametrize("has_cloids", [True, False])
async def test_r1_an_unknown_session_that_trades_later_halts_the_maker(
    autojump_clock: MockClock, tmp_path: Path, has_cloids: bool
) -> None:
    """A row of the history may be listed only after the start."""
    world = World(signing=True)
    await live(world, tmp_path / "state")
    copy = copy_folder(tmp_path / "state", "copy")
    late = world.now_ms()
    await live(world, tmp_path / "state")
    assert any(fill.time_ms > late for fill in world.fills())

    def leave_out(answer: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in answer if row["time"] <= late]

    for _ in range(4):
        world.venue.garble_next("user_fills_by_time", leave_out)
    maker = next_life(world, copy, Line())
    leaves: list[BaseException] = []
    with trio.fail_after(200):
        try:
            await maker.run()
        except* LedgerError as group:
            leaves = find_leaves(group)

    assert any(isinstance(leaf, LedgerCut) for leaf in leaves)
    assert world.resting() == []


async def test_r1_an_order_of_ours_that_the_ledger_never_sent_halts_the_maker_before_it_places(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It was on its way when its session was killed, and its entry was lost: a message is the first to tell of it."""
    world, line, leaves = World(signing=True), Line(there_s=0.2, back_s=0.2), list[BaseException]()
    maker = next_life(world, tmp_path / "state", line, active_levels=3)

    async def trade_beside() -> None:
        await until(lambda: maker.stats.ticks > 1)
        epoch, number = next(iter(maker.order_state.sent_numbers))
        level = max(order.level_index for order in maker.order_state.get_current_orders()) + 5
        cloid = encode_cloid(CloidParts(epoch, "sell", level, number + 40))
        world.order("sell", maker.grid.levels[level], "5", tif="Alo", address=MAKER, cloid=cloid)
        line.events.clear()
        world.buy("5")

    with trio.fail_after(60):
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trade_beside)
                await maker.run()
        except* LedgerError as group:
            leaves = find_leaves(group)

    assert any(isinstance(leaf, LedgerCut) for leaf in leaves)
    assert line.new_risk() == []
    assert maker.orders_may_rest == ()


async def test_a_young_fill_that_is_listed_late_is_waited_for_though_one_answer_knows_no_order(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A replica that lags may know neither the fill nor its order."""
    world, line = World(signing=True), Line()
    await live(world, tmp_path / "state", until_cut=line)
    newest = max(fill.time_ms for fill in world.fills())

    def leave_out(answer: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in answer if row["time"] < newest]

    for _ in range(6):
        world.venue.garble_next("user_fills_by_time", leave_out)
    for _ in range(2):  # The first is asked for by another check.
        world.venue.answer_next("query_order_by_oid", {"status": "unknownOid"})
    maker = next_life(world, tmp_path / "state", Line())
    async with world.running(maker):
        await settle(world, maker)

    assert booked(maker) == own_ledger(world)


async def test_a_trade_by_hand_between_two_sessions_is_no_lost_entry(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Also one that rested, and whose row carries no cloid."""
    world = World(signing=True, token="200", usdc="10000")
    await live(world, tmp_path)
    world.order("sell", "20.5", "3", tif="Gtc", address=MAKER)
    world.buy("3")

    maker = next_life(world, tmp_path, Line())
    async with world.running(maker):
        await settle(world, maker)


async def test_r1_a_first_start_after_fills_without_cloids_is_refused(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The whole folder is gone, and only the venue's order records tell whose fills they are."""
    world = World(signing=True)
    world.venue.fills_have_cloids = False
    await live(world, tmp_path / "state")

    maker = next_life(world, tmp_path / "other", Line())
    with trio.fail_after(60), pytest.raises(ValueError, match="this is not a first start"):
        await maker.run()

    assert world.resting() == []


async def test_r1_the_mark_names_the_last_entry_of_a_session(autojump_clock: MockClock, tmp_path: Path) -> None:
    """So an older copy of the journal alone is refused before the venue is asked."""
    world = World(signing=True)
    await live(world, tmp_path)
    mark, journal = read_mark(tmp_path), Journal.open_to_read(tmp_path)
    n_entries = sum(1 for _ in journal.read(since_checkpoint=False))
    journal.close()

    assert mark is not None
    assert mark.seq == n_entries


@pytest.mark.parametrize("leaves_mark", [True, False])
async def test_r9_a_ledger_deleted_while_it_is_open_halts_the_maker(
    autojump_clock: MockClock, tmp_path: Path, leaves_mark: bool
) -> None:
    """Nothing rests afterwards, and the next start is no first one."""
    world = World(signing=True)
    folder = tmp_path / "state"
    maker = next_life(world, folder, Line())
    leaves: list[BaseException] = []

    async def run() -> None:
        try:
            await maker.run()
        except* LedgerError as group:
            leaves.extend(find_leaves(group))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trade(world)
        for path in folder.iterdir():
            if not leaves_mark or path.name != MARK_NAME:
                path.unlink()
        world.buy("7")

    assert any("was deleted while" in str(leaf) for leaf in leaves)
    assert world.resting() == []
    assert maker.orders_may_rest == ()
    if leaves_mark:
        with pytest.raises(LedgerError, match="there was one"):
            open_ledger(folder)
    else:
        with trio.fail_after(60), pytest.raises(ValueError, match="this is not a first start"):
            await next_life(world, folder, Line()).run()
