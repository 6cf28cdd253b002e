"""Contract 2.6 and 2.11: unknown orders at the venue, at the start and later."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from builders import EPOCH_MS, MAKER, TAKER, World, dec, until
from trio.testing import MockClock

from mm_trio.model.cloid import decode_cloid
from mm_trio.sandbox.model.commands import NewOrder, PlaceOrders

PURR = 10_000
STRANGER = "0x" + "77" * 16  # a cloid of somebody else's


def rest_purr(world: World) -> None:
    """An order of the same account on another pair."""
    world.gateway.apply(PlaceOrders(MAKER, (NewOrder(PURR, True, dec("0.2"), dec(100), "Alo"),)))


def place(world: World, side: str, price: Any, size: str = "3", cloid: str | None = None) -> int:
    """An order of our account and coin, by other hands."""
    before = {order.oid for order in world.resting()}
    world.order(side, str(price), size, tif="Alo", address=MAKER, cloid=cloid)
    (oid,) = {order.oid for order in world.resting()} - before
    return oid


def oids(world: World) -> set[int]:
    return {order.oid for order in world.resting()}


def methods(world: World) -> list[str]:
    return [method for method, _ in world.venue.calls]


# --- while running ----------------------------------------------------------------------------


@pytest.mark.parametrize("cloid", [None, STRANGER])
async def test_by_default_an_order_nothing_of_ours_explains_is_cancelled(
    autojump_clock: MockClock, cloid: str | None
) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        stranger = place(world, "buy", "19", cloid=cloid)
        await until(lambda: stranger not in oids(world), within_s=5)
        n_resting = len(world.resting())

    assert n_resting == 40


@pytest.mark.parametrize("cloid", [None, STRANGER])
async def test_with_keep_what_does_not_carry_our_cloid_is_left_alone(
    autojump_clock: MockClock, cloid: str | None
) -> None:
    world = World()
    maker = world.maker(foreign_orders="keep", reconcile_every=2)

    async with world.running(maker):
        stranger = place(world, "buy", "19", cloid=cloid)
        await trio.sleep(60)

    assert [order.oid for order in world.resting()] == [stranger]
    assert world.exchange.find_record(MAKER, stranger).status == "open"  # type: ignore[union-attr]


@pytest.mark.parametrize("foreign_orders", ["cancel", "keep"])
async def test_orders_of_other_coins_are_never_touched(autojump_clock: MockClock, foreign_orders: str) -> None:
    world = World()
    rest_purr(world)
    maker = world.maker(foreign_orders=foreign_orders, reconcile_every=2)

    async with world.running(maker):
        rest_purr(world)
        await trio.sleep(60)

    assert [order.coin for order in world.exchange.open_orders(MAKER)] == ["PURR/USDC"] * 2


async def test_messages_of_other_coins_change_nothing(autojump_clock: MockClock) -> None:
    """Another market's fill and order with the oid of an order of ours."""
    world = World()
    maker = world.maker()

    async with world.running(maker):
        row = dict(world.info.open_orders(MAKER)[0])
        row["coin"] = "PURR/USDC"
        world.say("orderUpdates", [{"order": row, "status": "canceled", "statusTimestamp": EPOCH_MS}])
        world.buy("1")
        await until(lambda: maker.stats.fills == 1)
        fill = world.info.user_fills(MAKER)[0] | {"coin": "PURR/USDC", "tid": 1, "sz": "4.0"}
        world.say("userFills", {"user": MAKER, "fills": [fill]})
        await trio.sleep(1)
        tracked = len(maker.order_state.get_current_orders())

    assert (tracked, maker.stats.fills) == (40, 1)
    assert maker.stats.errors == 0


async def test_an_orphan_on_a_level_of_ours_goes_and_ours_stays(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        ours = oids(world)
        twin = place(world, "buy", maker.grid.levels[15])
        await until(lambda: twin not in oids(world), within_s=5)
        resting = oids(world)

    assert resting == ours


async def test_an_order_that_answers_a_request_of_unknown_outcome_is_adopted(autojump_clock: MockClock) -> None:
    """All its frames are lost with the silent feed; the snapshot shows it with the cloid we gave it."""
    world = World()
    maker = world.maker(feed_stale_after_s=None)
    world.guard(maker)

    async with world.running(maker):
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        world.venue.silence()
        world.venue.fail_next("bulk_orders", TimeoutError("answer lost"), applied=True)
        await until(lambda: maker.order_state.get_intents())
        (arrived,) = (order.oid for order in world.resting() if order.price == maker.grid.levels[20])
        await until(lambda: not maker.order_state.get_doubts())
        adopted = maker.order_state.find(arrived)
        cancelled = world.calls("bulk_cancel")

    assert adopted is not None
    assert (adopted.side, adopted.level_index, adopted.size) == ("buy", 20, dec(5))
    assert cancelled == 0


async def test_every_order_carries_a_cloid_of_its_own_that_tells_its_place(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        for _ in range(5):
            world.buy("6")
            world.sell("3")
            await trio.sleep(4)
        records = world.exchange.records(MAKER)

    parts = [decode_cloid(record.cloid) for record in records]
    assert len({record.cloid for record in records}) == len(records) > 45
    for record, part in zip(records, parts, strict=True):
        assert part is not None
        assert (part.side == "buy") == record.is_buy
        assert maker.grid.levels[part.level_index] == record.price


# --- at the start -----------------------------------------------------------------------------


async def test_orders_within_half_a_step_of_a_level_are_adopted(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(price_tolerance_bps=20, dead_zone_bps=0)
    near = place(world, "buy", "20.07", "5")  # level 1 is 20.06

    async with world.running(maker):
        tracked = maker.order_state.find(near)
        book = oids(world)

    assert tracked is not None
    assert (tracked.side, tracked.level_index) == ("buy", 1)
    assert near in book


async def test_one_order_for_each_level_is_adopted(
    autojump_clock: MockClock,
) -> None:
    """All others are cancelled before the first quotes are placed."""
    world = World()
    levels = world.maker().grid.levels
    first = place(world, "buy", levels[10], "5")
    second = place(world, "buy", levels[10], "5")
    below = place(world, "buy", "18", "5")
    above = place(world, "sell", "30", "5")
    maker = world.maker()

    async with world.running(maker):
        resting, calls = oids(world), methods(world)

    assert first in resting
    assert not {second, below, above} & resting
    assert len(resting) == 40
    assert calls.index("bulk_cancel") < calls.index("bulk_orders")


async def test_with_keep_only_our_own_orders_are_adopted(autojump_clock: MockClock) -> None:
    world = World()
    levels = world.maker().grid.levels
    foreign = place(world, "buy", levels[10], "5", STRANGER)
    maker = world.maker(foreign_orders="keep")

    async with world.running(maker):
        tracked = maker.order_state.find(foreign)
        on_level = [order.oid for order in world.resting() if order.price == levels[10]]

    assert tracked is None
    assert len(on_level) == 2
    assert oids(world) == {foreign}


@pytest.mark.parametrize("foreign_orders", ["cancel", "keep"])
async def test_orders_of_an_earlier_life_are_taken_over_with_what_is_left_of_them(
    autojump_clock: MockClock, foreign_orders: str
) -> None:
    world = World()
    async with world.running(world.maker(cancel_on_shutdown=False, rng=random.Random(1))):
        left = oids(world)
    world.buy("7")
    world.venue.reopen_feed()
    maker = world.maker(foreign_orders=foreign_orders, allocated_token=93, allocated_usdc=5200)
    world.guard(maker)

    async with world.running(maker):
        book, resting = world.book_of(maker), oids(world)
        world.buy("3")
        await until(lambda: maker.stats.fills == 1)
        booked = maker.inventory.virtual_token

    assert len(resting - left) == 1
    assert book["sell", 21] == 3
    assert book["buy", 20] == 5
    assert booked == 90


async def test_fills_that_the_venue_lists_before_the_balances_are_never_applied(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker(cancel_on_shutdown=False, rng=random.Random(1))):
        world.buy("12")
        world.sell("3")
        await trio.sleep(5)
    world.venue.reopen_feed()
    maker = world.maker()

    async with world.running(maker):
        await trio.sleep(10)
        account = maker.inventory.account_token, maker.inventory.account_usdc
        n_fills = maker.stats.fills

    assert n_fills == 0
    assert account == world.totals()


@pytest.mark.parametrize("before", ["open_orders", "spot_user_state", "user_fills_by_time", "user_rate_limit"])
async def test_a_fill_between_two_readings_of_the_start_is_counted_once(autojump_clock: MockClock, before: str) -> None:
    world = World()
    async with world.running(world.maker(cancel_on_shutdown=False, rng=random.Random(1))):
        pass
    world.venue.reopen_feed()
    n_seen = 0

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        nonlocal n_seen
        await trio.lowlevel.checkpoint()
        n_seen += fn.__name__ == before
        if fn.__name__ == before and n_seen == (2 if before == "user_fills_by_time" else 1):
            n_seen += 10
            world.buy("7")
        return fn(*args)

    maker = world.maker(run_sync=run_sync)
    world.guard(maker)
    async with world.running(maker):
        await trio.sleep(10)
        account = maker.inventory.account_token, maker.inventory.account_usdc
        book = world.book_of(maker)

    assert account == world.totals()
    assert [book["buy", 20], book["sell", 21]] == [5, 3]


async def test_a_second_maker_of_the_same_account_is_no_stranger_to_keep(autojump_clock: MockClock) -> None:
    """Orders that carry a cloid of this program and are unknown here are orphans, whatever the rule for strangers."""
    world = World()
    maker = world.maker(foreign_orders="keep")

    async with world.running(maker):
        record = world.resting()[0]
        assert record.cloid is not None
        theirs = place(world, "buy", "19", cloid=f"0x{int(record.cloid, 16) ^ (1 << 70):032x}")
        await until(lambda: theirs not in oids(world), within_s=5)
        n_resting = len(world.resting())

    assert n_resting == 40
    assert world.exchange.account(TAKER).n_requests == 0
