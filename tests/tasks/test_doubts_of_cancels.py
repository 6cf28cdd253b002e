"""Contract 2.8 and 2.10 for cancels, modifies and ghosts: answers lost, late and wrong."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, Spy, World, booked, until
from fault_kit import cost_of_bids
from trio.testing import MockClock

# a window of three, and nothing to pay for another bid before one is gone
TIGHT: dict[str, Any] = {"active_levels": 3, "allocated_token": 100, "allocated_usdc": cost_of_bids(3)}
BAD_TICK = "Price must be divisible by tick size. asset=10107"


def answer(*statuses: object) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(statuses)}}}


async def converged(world: World, maker: Any, n_orders: int = 40) -> None:
    """Until nothing is in doubt and so many orders rest."""
    await until(lambda: not maker.order_state.get_doubts() and len(world.resting()) == n_orders)
    await trio.sleep(3)


# --- cancels ----------------------------------------------------------------------------------


async def test_a_cancel_refused_because_its_order_was_filled_leaves_the_fill_to_be_told(
    autojump_clock: MockClock,
) -> None:
    """The window moves up and the lowest bid should go; takers were faster, and nobody has told us yet."""
    world = World()
    maker = world.maker(**TIGHT)
    world.guard(maker)

    async with world.running(maker):
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        world.venue.hold_frames()
        world.sell("15")  # bids 19, 18 and 17
        await until(lambda: world.calls("bulk_cancel"))
        in_doubt = {doubt.quote.slot for doubt in maker.order_state.get_doubts()}
        world.venue.release_frames()
        await until(lambda: maker.stats.fills == 4)
        await trio.sleep(10)
        book = world.book_of(maker)

    assert ("buy", 17) in in_doubt
    assert booked(maker) == world.ledger(*maker.inventory.allocation)
    assert set(book) == {("sell", 18), ("sell", 19), ("sell", 20), ("buy", 17)}


@pytest.mark.parametrize("raw", [{"status": "err", "response": "Something broke"}, None, answer()])
async def test_an_error_for_a_cancel_proves_nothing(autojump_clock: MockClock, raw: object) -> None:
    world = World()
    maker = world.maker(**TIGHT)
    world.guard(maker)

    async with world.running(maker):
        world.venue.answer_next("bulk_cancel", raw)
        world.buy("5")
        await until(lambda: world.calls("bulk_cancel"))
        tracked = {(o.side, o.level_index) for o in maker.order_state.get_current_orders()}
        # Words that nobody knows are tried again after a pause.
        await trio.sleep(15)
        await converged(world, maker, 6)
        book = set(world.book_of(maker))

    assert ("buy", 17) in tracked
    assert book == {("buy", 18), ("buy", 19), ("buy", 20), ("sell", 21), ("sell", 22), ("sell", 23)}


@pytest.mark.parametrize("applied", [True, False])
async def test_what_needs_a_level_waits_for_the_order_that_leaves_it(autojump_clock: MockClock, applied: bool) -> None:
    """Tokens arrive, so there must be an ask where the best bid is; the answer to its move is lost."""
    world = World(web_data2=True)
    maker = world.maker(active_levels=2)
    world.guard(maker)

    async with world.running(maker):
        world.venue.fail_next("bulk_modify_orders_new", TimeoutError("answer lost"), applied=applied)
        if applied:
            world.venue.hold_frames()
        world.fund(MAKER, "5", 0)
        await until(lambda: maker.order_state.get_doubts(), within_s=120)
        in_doubt_and_placed = []
        while any(doubt.quote.level_index == 19 for doubt in maker.order_state.get_doubts()):
            in_doubt_and_placed += [o for o in world.resting() if not o.is_buy and o.price == maker.grid.levels[19]]
            await trio.sleep(0.01)
        await until(lambda: ("sell", 19) in world.book_of(maker))
        await converged(world, maker, 4)
        book = set(world.book_of(maker))

    assert in_doubt_and_placed == []
    assert {record.status for record in world.exchange.records(MAKER)} == {"canceled"}  # none was refused
    assert book == {("sell", 19), ("sell", 20), ("buy", 18), ("buy", 17)}


# --- modifies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("frames_held", [False, True])
@pytest.mark.parametrize("applied", [True, False])
async def test_a_modify_whose_answer_is_lost_never_doubles_a_level(
    autojump_clock: MockClock, applied: bool, frames_held: bool
) -> None:
    """What an ask brought in makes the last, partly funded bid grow."""
    world = World(usdc="250")
    maker = world.maker(allocated_token=100, allocated_usdc=250)
    world.guard(maker)

    async with world.running(maker):
        small = world.book_of(maker)["buy", 17]
        world.venue.fail_next("bulk_modify_orders_new", TimeoutError("answer lost"), applied=applied)
        world.buy("2")
        await until(lambda: maker.stats.fills == 1)
        if frames_held:
            world.venue.hold_frames()
        await until(lambda: world.calls("bulk_modify_orders_new"))
        n_doubts = len(maker.order_state.get_doubts())
        await until(lambda: not maker.order_state.get_doubts())
        world.venue.release_frames()
        await trio.sleep(4)
        grown = world.book_of(maker)["buy", 17]

    assert n_doubts == (0 if applied and not frames_held else 2)
    assert grown > small + 1
    assert booked(maker) == world.ledger(100, 250)


async def test_a_modify_refused_because_its_order_was_filled_loses_no_fill(autojump_clock: MockClock) -> None:
    world = World(usdc="250")
    maker = world.maker(allocated_token=100, allocated_usdc=250)
    world.guard(maker)

    async with world.running(maker):
        world.buy("2")
        await until(lambda: maker.stats.fills == 1)
        world.venue.hold_frames()
        world.sell("12")  # all the bids there are
        await until(lambda: world.calls("bulk_modify_orders_new"))
        await trio.sleep(0.5)
        world.venue.release_frames()
        await trio.sleep(20)
        n_fills = maker.stats.fills

    assert n_fills == len(world.fills())
    assert booked(maker) == world.ledger(100, 250)


async def test_a_modify_that_is_answered_is_known_under_its_new_oid(autojump_clock: MockClock) -> None:
    world = World(usdc="250")
    maker = world.maker(allocated_token=100, allocated_usdc=250)

    async with world.running(maker):
        old = {order.oid for order in world.resting()}
        world.buy("2")
        await until(lambda: world.calls("bulk_modify_orders_new"))
        await trio.sleep(1)
        resting = {order.oid for order in world.resting()}
        tracked = {order.oid for order in maker.order_state.get_current_orders()}

    assert len(resting - old) == 1
    assert tracked == resting


# --- ghosts -----------------------------------------------------------------------------------


async def test_one_snapshot_without_our_orders_proves_nothing(autojump_clock: MockClock, spy: Spy) -> None:
    world = World()
    maker = world.maker(reconcile_every=2)
    world.guard(maker)
    removed = spy(maker.order_state, "remove_ghost")

    async with world.running(maker):
        world.venue.answer_next("open_orders", [])
        await until(lambda: maker.stats.reconciliations == 1)
        tracked = len(maker.order_state.get_current_orders())

    assert (len(removed), tracked) == (0, 40)


async def test_two_snapshots_without_an_order_that_the_venue_knows_to_rest_prove_nothing(
    autojump_clock: MockClock, spy: Spy
) -> None:
    world = World()
    maker = world.maker(reconcile_every=2)
    world.guard(maker)
    removed = spy(maker.order_state, "remove_ghost")

    async with world.running(maker):
        for _ in range(2):
            world.venue.answer_next("open_orders", [])
        await until(lambda: maker.stats.reconciliations == 1)
        asked = world.calls("query_order_by_oid")
        tracked = len(maker.order_state.get_current_orders())

    assert (len(removed), asked, tracked) == (0, 40, 40)


async def test_the_fills_of_a_ghost_are_booked_before_it_is_removed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent feed: the order was filled, its fill is found by look-up, and only then its level is quoted."""
    world = World()
    maker = world.maker(reconcile_every=2, feed_stale_after_s=None, **ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        world.venue.silence()
        world.buy("7")
        await until(lambda: maker.stats.reconciliations == 1)
        n_booked, doubts = maker.stats.fills, maker.order_state.get_doubts()
        await until(lambda: ("buy", 20) in world.book_of(maker))

    assert n_booked == 2
    assert doubts == ()
    assert booked(maker) == world.ledger(100, 5000)


@pytest.mark.parametrize("method", ["open_orders", "user_fills_by_time", "query_order_by_oid", "spot_user_state"])
async def test_a_reconciliation_that_is_cut_short_heals_nothing_and_is_tried_again(
    autojump_clock: MockClock, method: str
) -> None:
    world = World()
    maker = world.maker(reconcile_every=2, **ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        world.venue.hold_frames()
        world.buy("5")
        world.venue.fail_next(method, ConnectionError("no route"), applied=False)
        await until(lambda: maker.stats.errors == 1)
        n_done = maker.stats.reconciliations
        await until(lambda: maker.stats.reconciliations == 1, within_s=6)
        await until(lambda: ("buy", 20) in world.book_of(maker))

    assert n_done == 0
    assert booked(maker) == world.ledger(100, 5000)
