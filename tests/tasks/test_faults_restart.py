"""Faults E1, E6 and E12 at a restart, and a long time without the venue."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, World, booked, dec
from line_kit import (
    EXACT,
    Line,
    check_gate,
    check_ownership,
    live_among_takers,
    next_life,
    own_ledger,
    settle,
    trade,
)
from trio.testing import MockClock

from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import JournalError, LedgerCut, find_leaves

# --- E1: where it quotes from -------------------------------------------------------------------


@pytest.mark.parametrize("end", ["killed", "cancelled"])
@pytest.mark.parametrize(
    "taken", [[("buy", "15")], [("buy", "12.3")], [("sell", "5"), ("sell", "2.2")], [("buy", "10"), ("sell", "7")]]
)
async def test_e1_the_next_life_quotes_from_the_same_boundary(
    autojump_clock: MockClock, tmp_path: Path, end: str, taken: list[tuple[str, str]]
) -> None:
    """Also with a partly filled bid on the level of the boundary; killed it sends nothing that it has already."""
    world, line = World(signing=True), Line()
    first = next_life(world, tmp_path, line)
    world.guard(first)
    async with world.running(first):
        for side, size in taken:
            (world.buy if side == "buy" else world.sell)(size)
            await trio.sleep(4)
        await settle(world, first)
        before = world.book_of(first)
        boundary = first.boundary_level
        if end == "killed":
            line.died.set()
    again = Line()
    second = next_life(world, tmp_path, again)
    async with world.running(second):
        await settle(world, second)
        after = world.book_of(second)
        boundary_again = second.boundary_level
        observed = second.order_state.boundary_level(40)

    assert boundary == boundary_again == observed
    assert after.keys() == before.keys()
    if end == "killed":
        assert after == before
        assert again.sent("bulk_orders", "bulk_modify_orders_new") == []
    assert booked(second) == own_ledger(world)


# --- E6: a journal that was damaged --------------------------------------------------------------


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(40))
async def test_e6_a_file_with_flipped_bytes_is_refused_or_tells_the_truth(
    autojump_clock: MockClock, tmp_path: Path, seed: int
) -> None:
    """Where the bytes meant nothing it may go on, and then exactly. Nothing is sent before that is known."""
    world, rng = World(signing=True), random.Random(seed)
    line = Line(dies_at=70)
    journal = Journal.open(tmp_path)
    first = next_life(world, tmp_path, line, journal=journal)
    await live_among_takers(world, first, line, 7)
    journal.close()
    path = tmp_path / JOURNAL_NAME
    data = bytearray(path.read_bytes())
    if seed % 4 == 3:
        del data[rng.randrange(1, len(data)) :]
    else:
        for _ in range(1 + 7 * (seed % 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))
    n_resting = len(world.resting())

    again = Line()
    refusal = ""
    try:
        second = next_life(world, tmp_path, again)
        async with world.running(second):
            await settle(world, second)
    except* JournalError as group:
        refusal = str(find_leaves(group)[0])
    if refusal:
        assert "\n" not in refusal
        assert str(path) in refusal or "contradicts" in refusal
        assert again.sent("bulk_orders", "bulk_cancel", "bulk_modify_orders_new") == []
        assert len(world.resting()) == n_resting


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(12))
async def test_e6_lost_commits_are_restored_or_refused(autojump_clock: MockClock, tmp_path: Path, seed: int) -> None:
    """The tail of the write-ahead log is gone, as after a power cut on a disk that reports writes it did not do.

    Where an order that was sent is among the lost entries, the venue's rows prove it and the start is refused.
    """
    world, rng = World(signing=True), random.Random(seed)
    line = Line(dies_at=rng.randint(30, 150))
    first = next_life(world, tmp_path / "whole", line)
    await live_among_takers(world, first, line, seed)
    (tmp_path / "cut").mkdir()
    shutil.copy(tmp_path / "whole" / JOURNAL_NAME, tmp_path / "cut" / JOURNAL_NAME)
    log = (tmp_path / "whole" / f"{JOURNAL_NAME}-wal").read_bytes()
    n_frames = (len(log) - 32) // (4096 + 24)
    kept = log[: 32 + (4096 + 24) * rng.randint(n_frames // 3, n_frames - 1)]
    (tmp_path / "cut" / f"{JOURNAL_NAME}-wal").write_bytes(kept)

    again = Line()
    second = next_life(world, tmp_path / "cut", again)
    world.guard(second)
    try:
        async with world.running(second):
            await settle(world, second, within_s=60)
    except* LedgerCut:
        assert again.new_risk() == []
        assert world.resting() == []


# --- E12: another configuration over what rests ---------------------------------------------------


@pytest.mark.sweep
@pytest.mark.parametrize(
    "changed",
    [
        {"start_px": "20.01"},
        {"start_px": "21.5"},
        {"n_orders": 30},
        {"n_orders": 55},
        {"tick_size": "0.01"},
        {"tick_size": "0.0011"},
        {"order_sz": "2.5"},
        {"order_sz": "8"},
        {"active_levels": 4},
        {"allocated_token": "60", "allocated_usdc": "1500"},
        {"start_px": "19", "n_orders": 70, "tick_size": "0.002", "order_sz": "3"},
    ],
    ids=str,
)
@pytest.mark.parametrize("foreign_orders", ["cancel", "keep"])
async def test_e12_a_new_configuration_moves_the_orders_to_its_ladder(
    autojump_clock: MockClock, tmp_path: Path, changed: dict[str, Any], foreign_orders: str
) -> None:
    """The ledger is kept.

    The maker is killed with a full ladder and restarted with another one while takers trade on.
    """
    world, rng = World(token="400", usdc="20000", signing=True), random.Random(12)
    dead = Line(dies_at=60)
    first = next_life(world, tmp_path, dead)
    await live_among_takers(world, first, dead, 3)
    trade(world, rng)
    line = Line()
    second = next_life(world, tmp_path, line, foreign_orders=foreign_orders, **changed)
    off_ladder: list[str] = []

    def look() -> None:
        """Whatever rests twice at one price, or across itself, fails; what is new lies on the new ladder."""
        ours = [order for order in world.resting() if decode_cloid(order.cloid) is not None]
        places = [(order.is_buy, order.price) for order in ours]
        assert len(places) == len(set(places)), places
        new = {order.oid for order in ours} - old
        off_ladder.extend(str(o.price) for o in ours if o.oid in new and o.price not in second.grid.levels)

    old = {order.oid for order in world.resting()}
    async with world.running(second):
        world.gateway.checks.append(look)
        for _ in range(8):
            trade(world, rng)
            await trio.sleep(1)
        if "active_levels" in changed:
            await trio.sleep(20)
            assert len(world.resting()) == 8
        else:
            await settle(world, second)
        ledger = booked(second)
        allocation = second.inventory.allocation

    assert off_ladder == []
    assert ledger == own_ledger(world, *map(str, allocation))
    check_ownership(world, line)


async def test_e12_another_coin_has_a_ledger_of_its_own(autojump_clock: MockClock, tmp_path: Path) -> None:
    """The orders of the first coin are left alone."""
    world = World(signing=True)
    dead = Line(dies_at=40)
    first = next_life(world, tmp_path / "a", dead)
    await live_among_takers(world, first, dead, 3)
    resting = {order.oid for order in world.resting()}
    world.fund(MAKER, "0", "5000")
    purr = world.exchange.markets.pair("PURR/USDC")
    line = Line()
    second = next_life(
        world, tmp_path / "b", line, coin="PURR/USDC", start_px="0.2", order_sz="100", n_orders=20,
        allocated_token=None, allocated_usdc="500",
    )  # fmt: skip
    async with world.running(second):
        await trio.sleep(20)
        on_purr = [o for o in world.exchange.open_orders(MAKER) if o.coin == purr.name]

    assert on_purr
    assert {order.oid for order in world.resting()} == resting
    check_ownership(world, line)


# --- cut off for long ------------------------------------------------------------------------------


@pytest.mark.parametrize("with_journal", [False, True])
async def test_ten_minutes_without_venue_leave_the_ledger_exact(
    autojump_clock: MockClock, tmp_path: Path, with_journal: bool
) -> None:
    """The ladder is whole again in the end.

    Neither REST nor the socket works. Takers fill open orders bit by bit, and orders in flight have an unknown outcome.
    """
    world, rng = World(signing=True), random.Random(10)
    line = Line(there_s=0.1, back_s=0.1)

    def reopen_feed() -> None:
        world.info.reopen_feed()

    journal = {"journal": Journal.open(tmp_path)} if with_journal else {}
    maker = world.maker(run_sync=line, reopen_feed=reopen_feed, requote_on_fill=True, **EXACT, **journal)
    world.guard(maker)
    async with world.running(maker):
        world.buy("7")
        await trio.sleep(0.15)
        line.is_cut = True
        world.venue.drop_feed()
        for _ in range(60):
            trade(world, rng)
            await trio.sleep(10)
        since = len(line.events)
        line.is_cut = False
        await settle(world, maker, within_s=40)
        fills = maker.stats.fills

    check_gate(line, since=since)
    check_ownership(world, line)
    assert fills == len(world.fills()) > 20
    assert dec(0) <= maker.inventory.effective_token
