"""Mistakes of another open market maker with fills, orders and money.

One short scenario each, which shows the right behaviour. The numbers are those of the last list in docs/faults.md.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, World, booked, dec, until
from line_kit import EXACT, Line, check_gate, own_ledger, settle
from trio.testing import MockClock

from mm_trio.journal.sqlite_journal import Journal
from mm_trio.sandbox.info import rows

REFUSED = {"status": "err", "response": "something is wrong"}
ALL_AT_ONCE: dict[str, Any] = {"requote_on_fill": True, **EXACT}
STATUSES = ("scheduledCancel", "selfTradeCanceled", "marginCanceled", "rejected", "badAloPxRejected")


def status_row(world: World, oid: int, **changed: Any) -> dict[str, Any]:
    """What orderUpdates says of an order's last change."""
    record = world.exchange.find_record(MAKER, oid)
    assert record is not None
    return rows.update_row(record) | changed


# --- the connection ----------------------------------------------------------------------------


async def test_item_3_a_dead_socket_is_replaced_and_the_quoting_waits_for_it(autojump_clock: MockClock) -> None:
    world, line = World(signing=True), Line()
    maker = world.maker(run_sync=line, **EXACT)
    async with world.running(maker):
        world.venue.drop_feed()
        since = len(line.events)
        world.buy("12")
        await settle(world, maker)

    assert maker.stats.reconnects == 1
    check_gate(line, since=since)


async def test_item_4_subscribing_again_on_a_living_connection_ends_nothing(autojump_clock: MockClock) -> None:
    """The reopened connection is, twice, still the old one, which has every feed already."""
    world = World(signing=True)
    n_tried = [0]

    def reopen_feed() -> None:
        n_tried[0] += 1
        if n_tried[0] > 2:
            world.venue.reopen_feed()
        else:
            world.info.ws_manager._alive = True

    maker = world.maker(run_sync=Line(), reopen_feed=reopen_feed, **EXACT)
    async with world.running(maker):
        world.venue.drop_feed()
        world.buy("12")
        await settle(world, maker)

    assert n_tried[0] == 3
    assert world.resting() == []


async def test_item_5_with_a_dead_socket_no_bid_is_placed_twice(
    autojump_clock: MockClock,
) -> None:
    """No more is spent than the allocation."""
    world = World(token="100", usdc="50000", signing=True)
    dead = [True]

    def reopen_feed() -> None:
        if dead[0]:
            raise ConnectionError("no route")
        world.venue.reopen_feed()

    maker = world.maker(run_sync=Line(), reopen_feed=reopen_feed, reconcile_every=1, **EXACT | {"allocated_usdc": 500})
    async with world.running(maker):
        world.venue.drop_feed()
        for _ in range(10):
            world.sell("30")
            await trio.sleep(10)
        spent = sum((fill.price * fill.size for fill in world.fills()), dec(0))
        dead[0] = False
        await settle(world, maker)

    assert spent <= 500


async def test_item_33_a_fill_between_the_first_reading_and_the_subscription_counts_once(
    autojump_clock: MockClock,
) -> None:
    """At every call of a start that finds the orders of an earlier life."""
    for nth in range(1, 11):
        world = World(signing=True)
        earlier = world.maker(run_sync=Line(), cancel_on_shutdown=False, **EXACT)
        async with world.running(earlier):
            token, usdc = world.totals()
        line = Line()
        calls = [0]

        async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
            calls[0] += 1  # noqa: B023 - called within the turn of the loop
            if calls[0] == nth:  # noqa: B023
                world.buy("7")  # noqa: B023
            return await line(fn, *args, **options)  # noqa: B023

        maker = world.maker(
            run_sync=run_sync, info=world.venue.info(MAKER), **EXACT | {"allocated_token": None, "allocated_usdc": None}
        )
        async with world.running(maker):
            await trio.sleep(5)
            account = maker.inventory.account_token, maker.inventory.account_usdc
        assert account == world.totals() != (token, usdc), nth


# --- the ledger --------------------------------------------------------------------------------


async def test_item_6_a_restart_goes_on_from_what_was_traded(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    first = world.maker(run_sync=Line(), journal=Journal.open(tmp_path), **EXACT)
    async with world.running(first):
        world.buy("25")
        await settle(world, first)
        lowest_ask = min(world.levels(first, "sell"))
    second = world.maker(run_sync=Line(), journal=Journal.open(tmp_path), info=world.venue.info(MAKER), **EXACT)
    async with world.running(second):
        await settle(world, second)
        asks = world.levels(second, "sell")

    assert asks[0] == lowest_ask == 25
    assert booked(second) == own_ledger(world)


@pytest.mark.parametrize("replays", [0, 3])
async def test_item_7_a_fill_that_beats_the_answer_to_its_place_is_kept_and_not_burnt(
    autojump_clock: MockClock, replays: int
) -> None:
    world, line = World(signing=True), Line()
    maker = world.maker(run_sync=line, **ALL_AT_ONCE)
    world.guard(maker)
    async with world.running(maker):
        line.back_s = 2.0
        world.venue.hold_frames("orderUpdates")
        world.venue.repeat_frames(1 + replays)
        world.buy("5")
        await until(lambda: ("buy", 20) in world.book_of(maker))
        world.sell("2")
        await trio.sleep(5)
        world.venue.release_frames()
        await settle(world, maker)

    assert maker.stats.fills == len(world.fills()) == 2


@pytest.mark.parametrize("how", ["ghost", "cancel error", "cannot modify", "oid swap"])
async def test_item_8_the_fill_of_an_order_that_left_our_books_before_it_is_told_counts(
    autojump_clock: MockClock, how: str
) -> None:
    world, line = World(token="200", usdc="10000", signing=True), Line()
    maker = world.maker(run_sync=line, reconcile_every=2, **EXACT | {"active_levels": None})
    world.guard(maker)
    async with world.running(maker):
        await trio.sleep(4)
        world.venue.hold_frames("userFills", "orderUpdates")
        if how == "ghost":
            world.buy("5")  # found gone by the next reconciliations
            await trio.sleep(30)
        elif how == "oid swap":
            line.there_s = 0.5
            world.buy("2")
            await trio.sleep(0.2)
            world.buy("1")
        else:  # the fill meets our own request on its way
            line.there_s = 1.0
            maker.inventory.on_balance_update(97, 5000)  # what is offered has to shrink
            await until(lambda: line.events[-1].method in ("bulk_cancel", "bulk_modify_orders_new"))
            lowest = min(o.price for o in world.resting() if not o.is_buy)
            world.order("buy", lowest, "5")
            await trio.sleep(5)
        world.venue.release_frames()
        await until(lambda: maker.stats.fills == len(world.fills()))
        await settle(world, maker, within_s=60)


async def test_item_9_fills_that_a_new_connection_tells_again_are_not_applied_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A partly filled order rests; the snapshot of the next connection, and of the next life, has its fills."""
    world = World(signing=True)
    first = world.maker(run_sync=Line(), journal=Journal.open(tmp_path), cancel_on_shutdown=False, **EXACT)
    async with world.running(first):
        world.buy("2")
        await settle(world, first)
        world.venue.drop_feed()
        await until(lambda: first.stats.reconnects == 1)
        await settle(world, first)
        partly = [order.oid for order in world.resting() if order.size == 3]
    second = world.maker(run_sync=Line(), journal=Journal.open(tmp_path), info=world.venue.info(MAKER), **EXACT)
    async with world.running(second):
        await settle(world, second)
        kept = [order.oid for order in world.resting() if order.size == 3]

    assert partly == kept
    assert second.stats.fills == 0


@pytest.mark.slow
async def test_item_10_the_last_trades_are_known_after_thousands_of_them(autojump_clock: MockClock) -> None:
    """Trade ids rise and fall; the newest hundred are told again after each ten."""
    world, rng = World(signing=True), random.Random(10)
    maker = world.maker(run_sync=Line(), requote_on_fill=True, interval_s=1, **EXACT)
    async with world.running(maker):
        for i in range(1500):
            (world.buy if i % 2 else world.sell)(dec(rng.randint(60, 120)) / 100)
            await trio.sleep(0.06)
            if i % 10 == 0:
                world.say("userFills", {"user": MAKER, "fills": world.info.user_fills(MAKER)[:100]})
        await settle(world, maker)

    assert maker.stats.fills == len(world.fills()) >= 1500


async def test_item_11_a_time_out_after_acceptance_doubles_nothing(autojump_clock: MockClock) -> None:
    world, line = World(signing=True), Line()
    world.venue.fail_next("bulk_orders", TimeoutError("no answer"), applied=True)
    world.venue.lose_frames("orderUpdates")
    maker = world.maker(run_sync=line, **EXACT)
    world.guard(maker)
    async with world.running(maker):
        await trio.sleep(5)
        world.venue.stop_losing_frames()
        await settle(world, maker)

    assert len(world.exchange.records(MAKER)) == 40


@pytest.mark.parametrize("method", ["bulk_cancel", "bulk_modify_orders_new", "bulk_orders"])
async def test_item_12_a_refusal_as_a_whole_forgets_no_order(autojump_clock: MockClock, method: str) -> None:
    world, line = World(token="200", usdc="10000", signing=True), Line()
    for _ in range(3):
        world.venue.answer_next(method, REFUSED)
    maker = world.maker(run_sync=line, active_levels=6, reconcile_every=3, **EXACT)
    world.guard(maker)
    async with world.running(maker):
        for side in ("buy", "buy", "sell", "buy"):
            (world.buy if side == "buy" else world.sell)("12")
            await trio.sleep(12)
        # Words that nobody knows are tried again after a pause, and all is whole within ten minutes.
        await trio.sleep(600)
        tracked = {order.oid: order.size for order in maker.order_state.get_current_orders()}
        resting = {order.oid: order.size for order in world.resting()}

    assert tracked == resting
    assert len(resting) == 12
    assert booked(maker) == own_ledger(world)


@pytest.mark.parametrize("n_refused", [1, 3, 1000])
async def test_item_13_leaving_says_clean_only_when_the_venue_shows_that_nothing_rests(
    autojump_clock: MockClock, n_refused: int
) -> None:
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), **EXACT)
    async with world.running(maker):
        resting = {f"oid {order.oid}" for order in world.resting()}
        for _ in range(n_refused):
            world.venue.answer_next("bulk_cancel", REFUSED)
        left_s = trio.current_time()
    took_s = trio.current_time() - left_s

    assert took_s <= 11  # L5
    assert (world.resting() == []) is (n_refused < 1000)
    assert resting <= set(maker.orders_may_rest) if n_refused == 1000 else maker.orders_may_rest == ()
