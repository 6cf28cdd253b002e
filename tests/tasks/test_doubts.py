"""Contract 2.8 and 2.10: answers lost, late and wrong.

No level ever holds two of our orders, and no fill is lost.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, World, booked, dec, run_inline, run_with_latency, until
from trio.testing import MockClock

from mm_trio.sandbox.info.rows import update_row

BAD_TICK = "Price must be divisible by tick size. asset=10107"


def answer(*statuses: object) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(statuses)}}}


async def converged(world: World, maker: Any, n_orders: int = 40) -> None:
    """Until nothing is in doubt and so many orders rest."""
    await until(lambda: not maker.order_state.get_doubts() and len(world.resting()) == n_orders)
    await trio.sleep(3)


# --- places -----------------------------------------------------------------------------------


@pytest.mark.parametrize("frames_held", [False, True])
@pytest.mark.parametrize("applied", [True, False])
async def test_a_place_whose_answer_is_lost_never_doubles_a_level(
    autojump_clock: MockClock, applied: bool, frames_held: bool
) -> None:
    world = World()
    world.venue.fail_next("bulk_orders", TimeoutError("answer lost"), applied=applied)
    maker = world.maker(**ALLOCATION)
    world.guard(maker)
    if frames_held:
        world.venue.hold_frames()

    async with world.running(maker):
        await converged(world, maker)
        n_placed = sum(items for method, items in world.venue.calls if method == "bulk_orders")
        world.venue.release_frames()
        book = world.book_of(maker)

    assert len(book) == 40
    assert n_placed == (40 if applied else 80)
    assert booked(maker) == (dec(100), dec(5000))


async def test_nothing_is_sent_for_the_level_of_an_order_in_doubt(autojump_clock: MockClock) -> None:
    """Until the request has expired for sure: its 10 s and 3 s more. The other levels go on."""
    world = World()
    maker = world.maker()
    world.guard(maker)

    async with world.running(maker):
        world.venue.fail_next("bulk_orders", TimeoutError("answer lost"), applied=False)
        world.buy("5")
        await until(lambda: maker.order_state.get_intents())
        lost_s = trio.current_time()
        world.sell("5")  # the bid below it
        gone = ("buy", 19) not in world.book_of(maker)
        await until(lambda: ("buy", 19) in world.book_of(maker), within_s=4)
        await until(lambda: {("buy", 20), ("sell", 20)} & set(world.book_of(maker)))
        silent_s = trio.current_time() - lost_s

    assert gone
    assert silent_s >= 13


@pytest.mark.parametrize("frames_held", [False, True])
@pytest.mark.parametrize("n_statuses", [0, 1, 39])
async def test_statuses_that_are_missing_leave_their_orders_unknown(
    autojump_clock: MockClock, n_statuses: int, frames_held: bool
) -> None:
    world = World()
    world.venue.truncate_next("bulk_orders", n_statuses)
    maker = world.maker()
    world.guard(maker)
    if frames_held:
        world.venue.hold_frames()

    async with world.running(maker):
        await converged(world, maker)
        n_calls = world.calls("bulk_orders")

    assert n_calls == 1


async def test_one_error_for_a_batch_means_all_of_it_and_its_halves_are_sent_at_once(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.venue.answer_next("bulk_orders", answer({"error": BAD_TICK}))
    maker = world.maker()
    world.guard(maker)

    async with world.running(maker):
        doubts, resting = maker.order_state.get_doubts(), world.resting()
        sizes = [n for method, n in world.venue.calls if method == "bulk_orders"]

    assert doubts == ()
    assert len(resting) == 40
    assert sizes == [40, 20, 20]


@pytest.mark.parametrize("raw", [None, "busy", [], {"status": "ok"}, {"status": "err", "response": "Something new"}])
async def test_an_answer_that_cannot_be_read_is_no_answer(autojump_clock: MockClock, raw: object) -> None:
    world = World()
    world.venue.answer_next("bulk_orders", raw)
    maker = world.maker()
    world.guard(maker)

    async with world.running(maker):
        n_in_flight = len(maker.order_state.get_intents())
        await converged(world, maker)

    assert n_in_flight == 40
    assert maker.stats.errors == 1


async def test_an_order_refused_for_a_foreign_one_in_its_way_does_not_hold_up_the_others(
    autojump_clock: MockClock,
) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.buy("5")
        stranger = maker.grid.levels[20]
        world.order("sell", stranger, "4", tif="Alo")
        await trio.sleep(7)
        refused = world.book_of(maker)
        world.buy("4", stranger)
        await until(lambda: ("buy", 20) in world.book_of(maker))

    assert ("buy", 20) not in refused
    assert len(refused) == 39
    assert maker.stats.errors == 0


# --- fills that come before or after one would think --------------------------------------------


async def test_a_fill_before_its_acknowledgement_counts_once(autojump_clock: MockClock) -> None:
    """The order trades between its arrival and the answer, which takes 2 s."""
    world = World()
    slow = run_with_latency(0, 2)

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        return await (slow if fn.__name__ == "_act" else run_inline)(fn, *args)

    maker = world.maker(run_sync=run_sync, **ALLOCATION)
    world.guard(maker)
    async with trio.open_nursery() as nursery:

        async def trade_early() -> None:
            await until(lambda: len(world.resting()) == 40)
            world.buy("7")
            world.sell("5")

        nursery.start_soon(trade_early)
        async with world.running(maker):
            fills_at_first_answer = maker.stats.fills
            await trio.sleep(10)
            book = world.book_of(maker)

    assert fills_at_first_answer == 3
    assert booked(maker) == world.ledger(100, 5000)
    assert len(book) == 40


async def test_frames_of_fill_and_order_that_come_after_the_answer_count_once(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(**ALLOCATION)
    world.guard(maker)
    world.venue.hold_frames()

    async with world.running(maker):
        world.buy("7")
        await trio.sleep(4)
        world.venue.release_frames()
        await until(lambda: maker.stats.fills == 2)
        await converged(world, maker)
        n_fills = maker.stats.fills

    assert n_fills == 2
    assert booked(maker) == world.ledger(100, 5000)


async def test_a_fill_of_an_order_nobody_knows_waits_until_it_is_known(autojump_clock: MockClock) -> None:
    """Its frame carries no cloid and comes before the answer does."""
    world = World()
    slow = run_with_latency(0, 2)

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        return await (slow if fn.__name__ == "_act" else run_inline)(fn, *args)

    maker = world.maker(run_sync=run_sync, **ALLOCATION)
    async with trio.open_nursery() as nursery:
        early: list[int] = []

        async def trade_early() -> None:
            world.venue.hold_frames()
            await until(lambda: len(world.resting()) == 40)
            world.buy("2")
            (row,) = world.info.user_fills(MAKER)
            del row["cloid"]
            world.say("userFills", {"user": MAKER, "fills": [row]})
            await trio.sleep(1)
            early.append(maker.stats.fills)

        nursery.start_soon(trade_early)
        async with world.running(maker):
            booked_with_answer = maker.stats.fills
            world.venue.release_frames()
            await trio.sleep(4)
            in_the_end = maker.stats.fills

    assert (early, booked_with_answer, in_the_end) == ([0], 1, 1)
    assert booked(maker) == world.ledger(100, 5000)


async def test_a_late_fill_of_an_order_that_left_is_booked(autojump_clock: MockClock) -> None:
    """The ask of a narrow window is partly filled unseen, then cancelled because the window moves on."""
    world = World()
    maker = world.maker(active_levels=1, dead_zone_bps=0, **ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        world.sell("5")
        await until(lambda: maker.stats.fills == 1)
        world.venue.hold_frames()
        world.buy("2")
        await until(lambda: ("sell", 20) not in world.book_of(maker))
        early = maker.stats.fills
        world.venue.release_frames()
        await until(lambda: maker.stats.fills == 2)
        await trio.sleep(4)
        book = world.book_of(maker)

    assert early == 1
    assert booked(maker) == world.ledger(100, 5000)
    assert book["sell", 19] == dec("2.99")


async def test_an_order_told_filled_before_its_fills_locks_its_level_until_they_come(
    autojump_clock: MockClock,
) -> None:
    world = World()
    maker = world.maker(**ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        oid = next(order.oid for order in world.resting() if order.price == maker.grid.levels[20])
        world.venue.hold_frames()
        world.buy("5")
        for _ in range(20):
            world.venue.answer_next("user_fills_by_time", [])  # a replica that lags
        record = world.exchange.find_record(MAKER, oid)
        assert record is not None
        world.say("orderUpdates", [update_row(record)])
        await trio.sleep(7)
        in_doubt, n_booked = maker.order_state.get_doubts(), maker.stats.fills
        book = world.book_of(maker)
        world.venue.release_frames()
        await until(lambda: ("buy", 20) in world.book_of(maker))

    assert [(*doubt.quote.slot, doubt.quote.size) for doubt in in_doubt] == [("sell", 20, dec(5))]
    assert n_booked == 0
    assert ("buy", 20) not in book
    assert ("sell", 20) not in book
    assert booked(maker) == world.ledger(100, 5000)


async def test_an_order_told_filled_is_settled_by_the_fills_the_venue_lists(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(**ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        oid = next(order.oid for order in world.resting() if order.price == maker.grid.levels[20])
        world.venue.hold_frames()
        world.buy("5")
        record = world.exchange.find_record(MAKER, oid)
        assert record is not None
        world.say("orderUpdates", [update_row(record)])
        await until(lambda: ("buy", 20) in world.book_of(maker))
        n_booked = maker.stats.fills

    assert n_booked == 1
    assert booked(maker) == world.ledger(100, 5000)
