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
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.errors import ConfigError
from mm_trio.sandbox import DEFAULT_MARKETS, NewOrder, PlaceOrders, RefuseOrders

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


async def test_a_longer_ladder_rests_whole(autojump_clock: MockClock) -> None:
    """How many orders a grid may have open follows its ladder."""
    world = GridsWorld()
    maker = world.account_maker([world.terms(FIRST, n_orders=6, allocated_token=10), world.terms(COINS[1])])
    async with world.quoting(maker):
        await trio.sleep(10)
        assert len(world.open_of(FIRST)) == 6
        changed = world.terms(FIRST, n_orders=30, allocated_token=10, tick_size="0.004")
        await maker.change(FIRST, changed.settings, NO_LIMITS)
        await trio.sleep(20)
        assert len(world.open_of(FIRST)) == 30
        assert maker.moving == ()


async def test_a_ladder_that_cannot_move_now_does_not_spin(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        await trio.sleep(10)
        world.gateway.apply(RefuseOrders(MAKER, "Order price cannot be more than 95% away from the reference price"))
        await maker.change(FIRST, world.terms(FIRST, start_px="20.5").settings, NO_LIMITS)
        before = maker.faces[FIRST].stats.ticks
        await trio.sleep(30)
        assert maker.faces[FIRST].stats.ticks - before < 40
        world.gateway.apply(RefuseOrders(MAKER, None))
        await trio.sleep(330)
        assert {order.price for order in world.open_of(FIRST)} <= set(maker.faces[FIRST].grid.levels)


async def test_what_an_allocation_is_raised_by_counts_at_once(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    world.fund(MAKER, 0, 1_000)
    maker = world.account_maker()
    async with world.quoting(maker):
        await trio.sleep(10)
        await maker.change(FIRST, world.terms(FIRST, allocated_usdc=6_000).settings, NO_LIMITS)
        assert maker.faces[FIRST].inventory.effective_usdc == 6_000
        await trio.sleep(60)
        assert maker.faces[FIRST].inventory.effective_usdc == 6_000


async def test_a_token_of_one_grid_is_raised_by_no_more_than_there_is(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker([world.terms(FIRST, allocated_token=60), *(world.terms(c) for c in COINS[1:])])
    async with world.quoting(maker):
        await trio.sleep(10)
        await maker.change(FIRST, world.terms(FIRST, allocated_token=500).settings, NO_LIMITS)
        assert maker.faces[FIRST].inventory.effective_token == 100


async def test_a_changed_grid_follows_how_foreign_orders_are_taken(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker([world.terms(coin, foreign_orders="keep") for coin in COINS])
    pair = DEFAULT_MARKETS.pair(FIRST)
    async with world.quoting(maker):
        await trio.sleep(10)
        foreign = NewOrder(pair.asset, True, Decimal("18"), Decimal("1"), "Alo", None)
        world.gateway.apply(PlaceOrders(MAKER, (foreign,)))
        await trio.sleep(70)
        assert any(order.cloid is None for order in world.open_of(FIRST))
        await maker.change(FIRST, world.terms(FIRST, foreign_orders="cancel").settings, NO_LIMITS)
        await trio.sleep(70)
        assert all(order.cloid is not None for order in world.open_of(FIRST))


async def test_a_lower_limit_of_a_side_lets_its_ladder_move(autojump_clock: MockClock) -> None:
    """The old orders hold more than the new limit allows, and the grid goes on all the same."""
    world = GridsWorld()
    wide, narrow = RiskLimits(max_side_notional=Decimal(5_100)), RiskLimits(max_side_notional=Decimal(1_900))
    maker = world.account_maker([world.terms(FIRST, limits=wide), *(world.terms(coin) for coin in COINS[1:])])
    smaller = {"order_sz": "2", "start_px": "20.03", "allocated_token": "40", "allocated_usdc": "1850"}
    async with world.quoting(maker):
        await trio.sleep(10)
        await maker.change(FIRST, world.terms(FIRST, **smaller).settings, narrow)
        await trio.sleep(30)
        face = maker.faces[FIRST]
        assert face.limits_tripped == ()
        assert {order.price for order in world.open_of(FIRST)} <= set(face.grid.levels)
        assert {order.is_buy for order in world.open_of(FIRST)} == {True, False}


async def test_a_grid_that_cannot_be_cancelled_is_removed_later(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        await trio.sleep(10)
        world.venue.freeze_reads("open_orders")
        left = await maker.remove(FIRST)
        assert left
        with pytest.raises(ConfigError, match="has ended already"):
            await maker.remove(FIRST)
        with pytest.raises(ConfigError, match="has ended already"):
            await maker.change(FIRST, world.terms(FIRST).settings, NO_LIMITS)
        assert any(FIRST in name for name in maker.orders_may_rest)
        world.venue.thaw_reads()
        await trio.sleep(60)
        assert world.open_of(FIRST) == []
        assert FIRST not in maker.faces
        await maker.add(world.terms(FIRST))
        await trio.sleep(10)
        assert world.open_of(FIRST)


async def test_nothing_is_changed_before_the_start_is_over(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker([world.terms(coin) for coin in COINS[:2]])
    assert not maker.has_started
    with pytest.raises(ConfigError, match="has not started"):
        await maker.add(world.terms(COINS[2]))
    with pytest.raises(ConfigError, match="has not started"):
        await maker.change(FIRST, world.terms(FIRST).settings, NO_LIMITS)
    async with world.quoting(maker):
        assert maker.has_started


async def test_a_limit_that_needs_a_price_has_one_looked_up(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        await trio.sleep(10)
        since_s = trio.current_time()
        maker.change_limits(RiskLimits(max_loss_vs_hold=Decimal(1_000)))
        session = maker._session
        assert session is not None
        await trio.sleep(30)
        marks = [grid.stops.limits.marked_s for grid in session.grids]
        assert all(mark > since_s for mark in marks)


async def test_what_may_rest_of_a_coin_that_is_not_configured_is_named(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    world = GridsWorld()
    journal = Journal.open(tmp_path)
    maker = world.account_maker([world.terms(coin, cancel_on_shutdown=False) for coin in COINS], journal=journal)
    async with world.quoting(maker):
        await trio.sleep(10)
    journal.close()
    assert world.open_of(FIRST)
    journal = Journal.open(tmp_path)
    maker = world.account_maker([world.terms(coin) for coin in COINS[1:]], journal=journal)
    world.venue.freeze_reads("open_orders")
    with trio.move_on_after(5):
        await maker.run()
    world.venue.thaw_reads()
    # As far as its last look showed.
    assert any(name.startswith(f"{FIRST}: ") for name in maker.orders_may_rest)
    journal.close()
    journal = Journal.open(tmp_path)
    maker = world.account_maker([world.terms(coin) for coin in COINS[1:]], journal=journal)
    async with world.quoting(maker):
        await trio.sleep(10)
        assert world.open_of(FIRST) == []
    assert maker.orders_may_rest == ()
    journal.close()
