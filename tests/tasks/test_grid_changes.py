"""Grids that change while they are quoted: the inside stays, and nothing is sent twice."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER
from grids_kit import COINS, GridsWorld, find_sums
from trio.testing import MockClock

from mm_trio.journal.sqlite_journal import Journal
from mm_trio.limits.terms import NO_LIMITS
from mm_trio.model.errors import ConfigError

FIRST = COINS[0]


class Insides:
    """The inside of our orders of one coin, after each tick."""

    def __init__(self, world: GridsWorld, coin: str) -> None:
        self.world, self.coin = world, coin
        self.widths: list[Decimal | None] = []

    def look(self) -> Decimal | None:
        orders = self.world.open_of(self.coin)
        bids, asks = ([o.price for o in orders if o.is_buy is is_buy] for is_buy in (True, False))
        return min(asks) - max(bids) if bids and asks else None

    async def watch(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            while True:
                self.widths.append(self.look())
                await trio.sleep(0.05)


@pytest.mark.parametrize(
    "changed",
    [
        {"start_px": "20.03"},
        {"tick_size": "0.006", "n_orders": 30},
        {"order_sz": "4"},
        {"active_levels": 6},
        {"gap_levels": 1},
        {"start_px": "19", "order_sz": "3", "active_levels": 8, "tick_size": "0.004"},
    ],
)
async def test_a_ladder_moves_without_an_empty_inside(changed: dict[str, Any], autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        await trio.sleep(10)
        insides = Insides(world, FIRST)
        before = insides.look()
        await maker.change(FIRST, world.terms(FIRST, **changed).settings, NO_LIMITS)
        await insides.watch(40)
        face = maker.faces[FIRST]
        after = insides.look()
        assert before is not None
        assert after is not None
        # Looked at twenty times a tick: wide between the cancel and the place of one action at most.
        wide = [width is None or width > max(before, after) for width in insides.widths]
        assert not any(one and two for one, two in pairwise(wide)), insides.widths
        prices = {order.price for order in world.open_of(FIRST)}
        assert prices <= set(face.grid.levels)
        assert all(ledger == exchange for ledger, exchange in find_sums(world, maker).values())
        assert all(world.open_of(coin) for coin in COINS[1:])
    assert world.exchange.open_orders(MAKER) == ()


async def test_a_ladder_moves_among_takers_and_stays_exact(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    rng = random.Random(3)
    async with world.quoting(maker):
        for start_px, order_sz in (("20.05", "5"), ("19.5", "3"), ("20", "4")):
            with trio.move_on_after(20):
                while True:
                    await trio.sleep(rng.uniform(0.05, 1.0))
                    world.take(FIRST, rng.choice(["buy", "sell"]), Decimal(rng.randint(1, 60)) / 10)
            await maker.change(FIRST, world.terms(FIRST, start_px=start_px, order_sz=order_sz).settings, NO_LIMITS)
        await trio.sleep(60)
        face = maker.faces[FIRST]
        assert {order.price for order in world.open_of(FIRST)} <= set(face.grid.levels)
        assert all(ledger == exchange for ledger, exchange in find_sums(world, maker).values())


async def test_more_may_be_allotted_if_the_account_has_it(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    world.fund(MAKER, 0, 1_000)
    maker = world.account_maker()
    async with world.quoting(maker):
        await trio.sleep(10)
        with pytest.raises(ConfigError, match="sum up to 17000"):
            await maker.change(FIRST, world.terms(FIRST, allocated_usdc=7_000).settings, NO_LIMITS)
        await maker.change(FIRST, world.terms(FIRST, allocated_usdc=6_000).settings, NO_LIMITS)
        await trio.sleep(30)
        assert [face.inventory.effective_usdc for face in maker.faces.values()] == [6_000, 5_000, 5_000]


async def test_a_restart_goes_on_with_the_ladder_that_was_changed(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    changed = world.terms(FIRST, start_px="20.07", order_sz="4")
    journal = Journal.open(tmp_path)
    maker = world.account_maker(journal=journal)
    async with world.quoting(maker):
        await trio.sleep(10)
        await maker.change(FIRST, changed.settings, NO_LIMITS)
        await trio.sleep(4)
    journal.close()
    journal = Journal.open(tmp_path)
    maker = world.account_maker([changed, *(world.terms(coin) for coin in COINS[1:])], journal=journal)
    async with world.quoting(maker):
        await trio.sleep(20)
        assert {order.price for order in world.open_of(FIRST)} <= set(maker.faces[FIRST].grid.levels)
        assert all(ledger == exchange for ledger, exchange in find_sums(world, maker).values())
    journal.close()


async def test_a_grid_joins_while_the_others_quote(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker([world.terms(coin) for coin in COINS[:2]])
    async with world.quoting(maker):
        await trio.sleep(10)
        face = await maker.add(world.terms(COINS[2]))
        await trio.sleep(10)
        world.take(COINS[2], "buy", "7")
        world.take(COINS[2], "sell", "12")
        world.take(FIRST, "buy", "7")
        await trio.sleep(30)
        assert face.stats.fills > 0
        assert {order.is_buy for order in world.open_of(COINS[2])} == {True, False}
        assert all(ledger == exchange for ledger, exchange in find_sums(world, maker).values())
    assert world.exchange.open_orders(MAKER) == ()


async def test_a_grid_that_the_account_does_not_cover_does_not_join(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker([world.terms(coin) for coin in COINS[:2]])
    async with world.quoting(maker):
        with pytest.raises(ConfigError, match="sum up to 17000"):
            await maker.add(world.terms(COINS[2], allocated_usdc=7_000))
        with pytest.raises(ConfigError, match="quoted already"):
            await maker.add(world.terms(FIRST))
        await trio.sleep(10)
        assert world.open_of(COINS[2]) == []
        assert all(world.open_of(coin) for coin in COINS[:2])


async def test_a_grid_leaves_nothing_and_may_come_back(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    journal = Journal.open(tmp_path)
    maker = world.account_maker(journal=journal, checkpoint_every=60)
    async with world.quoting(maker):
        world.take(FIRST, "buy", "7")
        await trio.sleep(10)
        before = maker.faces[FIRST].inventory.virtual_usdc
        assert await maker.remove(FIRST) == ()
        assert world.open_of(FIRST) == []
        for _ in range(40):
            world.take(COINS[1], "buy", "1")
            world.take(COINS[1], "sell", "1")
            await trio.sleep(3)
        face = await maker.add(world.terms(FIRST))
        await trio.sleep(20)
        assert face.inventory.virtual_usdc == before != 5_000
        assert world.open_of(FIRST)
        assert all(ledger == exchange for ledger, exchange in find_sums(world, maker).values())
    journal.close()
    assert world.exchange.open_orders(MAKER) == ()


async def test_a_grid_that_could_not_come_back_keeps_its_ledger(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    journal = Journal.open(tmp_path)
    maker = world.account_maker(journal=journal, checkpoint_every=60)

    async def trade_the_others() -> None:
        for _ in range(40):
            world.take(COINS[1], "buy", "1")
            world.take(COINS[1], "sell", "1")
            await trio.sleep(3)

    async with world.quoting(maker):
        world.take(FIRST, "buy", "7")
        await trio.sleep(10)
        before = maker.faces[FIRST].inventory.virtual_usdc
        assert await maker.remove(FIRST) == ()
        await trade_the_others()
        for _ in range(2):
            with pytest.raises(ConfigError, match="sum up to 171"):
                await maker.add(world.terms(FIRST, allocated_usdc=7_000))
            await trade_the_others()
        face = await maker.add(world.terms(FIRST))
        await trio.sleep(20)
        assert face.inventory.virtual_usdc == before != 5_000
        assert all(ledger == exchange for ledger, exchange in find_sums(world, maker).values())
    journal.close()


async def test_the_last_grid_is_not_removed(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker([world.terms(coin) for coin in COINS[:2]])
    async with world.quoting(maker):
        await maker.remove(FIRST)
        with pytest.raises(ConfigError, match="is the last grid"):
            await maker.remove(COINS[1])
        assert world.open_of(COINS[1])
