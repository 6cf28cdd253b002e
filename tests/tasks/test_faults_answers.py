"""Faults A8 to A11: answers that are incomplete, unreadable or unexpected."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from builders import World, booked, until
from fault_kit import (
    ACTIONS,
    CONVERGED_WITHIN_S,
    KINDS,
    WINDOW,
    answer,
    change_statuses,
    converge,
    count_orders,
    is_on_target,
    make_maker,
    make_world,
    n_sent,
    place_by_hand,
    provoke,
    until_definite,
    until_in_flight,
    until_on_target,
)
from trio.testing import MockClock

from mm_trio import WsState

GARBAGE: list[Any] = [
    None,
    "busy",
    [],
    {},
    {"status": "ok"},
    {"status": "ok", "response": None},
    {"status": "ok", "response": {"type": "order", "data": {"statuses": {"0": "success"}}}},
    {"status": "err", "response": {"code": 429}},
    {"error": "Too many cumulative requests"},
    {"code": 429, "msg": None, "data": None},
]


@pytest.mark.sweep
@pytest.mark.parametrize("method", ACTIONS)
@pytest.mark.parametrize("told", GARBAGE, ids=str)
async def test_a8_an_answer_that_cannot_be_read_is_an_unknown_outcome_and_counted(
    autojump_clock: MockClock, method: str, told: Any
) -> None:
    world = make_world("signing")
    maker = make_maker(world, **WINDOW.get(method, {}))

    async with world.running(maker):
        world.venue.hold_frames("orderUpdates")
        world.venue.garble_next(method, lambda raw: told)
        await converge(world, maker, await provoke(world, maker, method))
        errors = maker.stats.errors
        world.venue.release_frames()
        await trio.sleep(20)
        on_target = is_on_target(world, maker)
        n_orders = count_orders(world, 20, maker)

    assert errors >= 1
    assert n_orders == 2
    assert on_target


WRONG_TYPES: list[Any] = [
    {"resting": {}},
    {"resting": {"oid": "90000000001"}},
    {"resting": {"oid": True}},
    {"resting": None},
    {"filled": {"oid": 7}},
    {"filled": {"totalSz": "NaN", "avgPx": "1", "oid": 7}},
    {"error": None},
    {"error": {"code": 1}},
    None,
    7,
    "maybe",
]


@pytest.mark.sweep
@pytest.mark.parametrize("method", ACTIONS)
@pytest.mark.parametrize("status", WRONG_TYPES, ids=str)
async def test_a8_a_status_of_the_wrong_type_is_an_unknown_outcome(
    autojump_clock: MockClock, method: str, status: Any
) -> None:
    world = make_world("signing")
    maker = make_maker(world, **WINDOW.get(method, {}))

    async with world.running(maker):
        world.venue.hold_frames("orderUpdates")
        world.venue.garble_next(method, change_statuses(lambda statuses: [status] * len(statuses)))
        await converge(world, maker, await provoke(world, maker, method))
        world.venue.release_frames()
        await trio.sleep(20)
        on_target = is_on_target(world, maker)
        n_orders = count_orders(world, 20, maker)

    assert n_orders == 2
    assert on_target


async def test_a8_an_answer_with_more_statuses_than_requests_says_nothing_of_any(autojump_clock: MockClock) -> None:
    """What is too much stands in front: by position every order would get its neighbour's oid."""
    world = make_world("signing")
    world.venue.garble_next("bulk_orders", change_statuses(lambda statuses: [statuses[-1], *statuses]))
    world.venue.hold_frames()
    maker = make_maker(world)

    async with world.running(maker):
        rest = {order.oid: order for order in world.resting()}
        wrong = [
            order
            for order in maker.order_state.get_current_orders()
            if (rest[order.oid].is_buy, rest[order.oid].price) != (order.side == "buy", order.price)
        ]
        await until_definite(maker, trio.current_time())
        world.venue.release_frames()
        await until_on_target(world, maker)

    assert wrong == []


BAD_TICK = "Price must be divisible by tick size. asset=10107"
OVER_WEIGHT = {"status": "err", "response": "Signed action over weight limit of 200."}
BATCHES: list[Any] = [
    ("bulk_orders", answer({"error": BAD_TICK})),
    ("bulk_modify_orders_new", answer({"error": BAD_TICK})),
    ("bulk_orders", OVER_WEIGHT),
    ("bulk_modify_orders_new", OVER_WEIGHT),
    ("bulk_cancel", OVER_WEIGHT),
]


@pytest.mark.parametrize("method, told", BATCHES, ids=lambda x: x if isinstance(x, str) else "")
@pytest.mark.parametrize("kind", KINDS)
async def test_a9_one_error_for_a_batch_refuses_all_of_it_and_nothing_is_forgotten(
    autojump_clock: MockClock, kind: str, method: str, told: Any
) -> None:
    world = make_world(kind)
    maker = make_maker(world, **WINDOW.get(method, {}))
    async with running_batch(world, maker, method, lambda: world.venue.answer_next(method, told)):
        doubts = maker.order_state.get_doubts()
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        resting = {order.oid for order in world.resting()}
        n_errors = maker.stats.errors
        world.venue.release_frames()
        await until_on_target(world, maker, within_s=10)

    assert doubts == ()
    assert tracked == resting
    assert n_errors >= 1
    assert booked(maker) == world.ledger(*maker.inventory.allocation)


# a window that follows the market cancels one order at a time
@pytest.mark.parametrize("method, n_told", [*((m, n) for m in ACTIONS[:2] for n in (0, 1, 2)), (ACTIONS[2], 0)])
@pytest.mark.parametrize("kind", KINDS)
async def test_a10_items_without_a_status_are_unknown_and_those_before_them_are_not(
    autojump_clock: MockClock, kind: str, method: str, n_told: int
) -> None:
    world = make_world(kind)
    maker = make_maker(world, **WINDOW.get(method, {}))
    async with running_batch(world, maker, method, lambda: world.venue.truncate_next(method, n_told)) as n_items:
        sent_s = trio.current_time()
        in_flight, tracked = maker.order_state.get_intents(), maker.order_state.get_current_orders()
        in_doubt = [order for order in tracked if order.status == "in_doubt"]
        n_then = n_sent(world, method)
        await until_definite(maker, sent_s)
        n_again = n_sent(world, method) - n_then
        world.venue.release_frames()
        await until_on_target(world, maker)

    assert len(in_doubt if method == "bulk_cancel" else in_flight) == n_items - n_told
    assert n_again == 0
    assert booked(maker) == world.ledger(*maker.inventory.allocation)


@asynccontextmanager
async def running_batch(world: World, maker: WsState, method: str, injure: Callable[[], object]) -> AsyncIterator[int]:
    """The maker has just sent one action of that kind, injured, with three items or four; frames of orders are held."""
    world.venue.hold_frames("orderUpdates")
    if method == "bulk_modify_orders_new":
        place_by_hand(world, maker, [17, 18, 21, 22])
        injure()
    async with world.running(maker):
        if method != "bulk_modify_orders_new":
            injure()
            n_calls = world.calls(method)
            world.buy("15")
            await until(lambda: world.calls(method) > n_calls)
        yield next(items for name, items in reversed(world.venue.calls) if name == method)


@pytest.mark.parametrize("variant", [{"waitingForTrigger": {"oid": 1}}, "waitingForFill", {"queued": {}}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
async def test_a11_each_item_has_its_own_answer_and_an_unknown_one_is_unknown(
    autojump_clock: MockClock, kind: str, variant: Any
) -> None:
    """Three places: one rests, one is refused, and of the third only a word came that nobody knows."""
    world = make_world(kind)
    maker = make_maker(world)

    async with world.running(maker):
        stranger = maker.grid.levels[21]
        world.venue.garble_next("bulk_orders", change_statuses(lambda statuses: [variant, *statuses[1:]]))
        world.buy("15")
        world.order("sell", stranger, "4", tif="Alo")
        world.venue.hold_frames("orderUpdates")
        sent_s = await until_in_flight(maker)
        (unknown,) = maker.order_state.get_intents()
        known = {(order.side, order.level_index) for order in maker.order_state.get_current_orders()}
        refused = ("buy", 21) in world.book_of(maker)
        await until_definite(maker, sent_s)
        world.venue.release_frames()
        world.buy("4", stranger)
        await until_on_target(world, maker, within_s=2 * CONVERGED_WITHIN_S)

    assert ("buy", unknown.quote.level_index) not in known
    assert ("buy", 21) not in known
    assert not refused
    assert {("buy", level) for level in (20, 21, 22)} - known == {("buy", unknown.quote.level_index), ("buy", 21)}
    assert booked(maker) == world.ledger(*maker.inventory.allocation)
