"""Contract 2.15: a key that the venue does not know any more ends the maker, at the price of three requests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, World
from fault_kit import KINDS, make_maker, make_world, remake_maker, until_on_target
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.model.errors import ActionsRefused, find_leaves

ACTIONS = ("bulk_orders", "bulk_modify_orders_new", "bulk_cancel", "bulk_cancel_by_cloid", "noop")
HOUR_S = 3600
TEXTS = ("User or API Wallet 0xabc does not exist.", "Must deposit before performing actions. User: 0xabc")


def lose_key(world: World, *, n: int = 1000, text: str = TEXTS[0]) -> None:
    """Refuse the next actions of every kind as those of an unknown signer."""
    for method in ACTIONS:
        for _ in range(n):
            world.venue.answer_next(method, {"status": "err", "response": text})


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def n_actions(world: World) -> int:
    return sum(world.calls(method) for method in ACTIONS)


async def end_of(maker: WsState) -> list[BaseException]:
    """Run a maker until it ends by itself."""
    try:
        await maker.run()
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return find_leaves(error)
    return []


async def run_and_lose(
    world: World, maker: WsState, lose: Callable[[], Any], *, stop: Callable[[], bool] = lambda: False
) -> list[BaseException]:
    """Run a maker that loses its key once it is on target, and give how it ended."""
    leaves: list[BaseException] = []
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            leaves.extend(await end_of(maker))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        async with trio.open_nursery() as inner:
            inner.start_soon(run)
            await until_on_target(world, maker)
            lose()
            if stop():
                scope.cancel()
        nursery.cancel_scope.cancel()
    return leaves


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a22_a_lost_key_ends_the_maker_after_three_requests(
    autojump_clock: MockClock, tmp_path: Path, kind: str, text: str
) -> None:
    world = make_world(kind)
    maker = make_maker(world, tmp_path, requote_on_fill=True)
    before: list[int] = []

    def lose() -> None:
        before.append(n_actions(world))
        lose_key(world, text=text)
        world.buy("5")

    began_s = trio.current_time()
    with trio.fail_after(60):
        (halt,) = await run_and_lose(world, maker, lose)

    assert isinstance(halt, ActionsRefused)
    assert str(halt).startswith("SIGNER_LOST: ")
    assert n_actions(world) - before[0] == 3
    assert trio.current_time() - began_s < 20


async def test_after_the_first_refusal_each_request_has_one_item(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, requote_on_fill=True)
    begun = len(world.venue.calls)

    def lose() -> None:
        nonlocal begun
        begun = len(world.venue.calls)
        lose_key(world)
        world.buy("20")

    await run_and_lose(world, maker, lose)

    sent = [n for name, n in world.venue.calls[begun:] if name in ACTIONS]
    assert len(sent) == 3
    assert sent[1:] == [1, 1]


async def test_a22_what_rests_is_named_with_side_price_and_size(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, requote_on_fill=True)

    def lose() -> None:
        lose_key(world)
        world.buy("7.5")

    await run_and_lose(world, maker, lose)

    named = {left.describe().partition(" (level")[0] for left in maker.orders_left}
    resting = {
        f"oid {order.oid}: {'buy' if order.is_buy else 'sell'} {_plain(order.size)} at {_plain(order.price)}"
        for order in world.resting()
    }
    assert resting
    assert named == resting


async def test_an_order_that_was_filled_while_the_key_was_lost_is_not_named(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, requote_on_fill=True)

    def lose() -> None:
        lose_key(world)
        world.venue.lose_frames("userFills", "orderUpdates")
        world.buy("10")
        world.say("allMids", {})

    with trio.move_on_after(100):
        await run_and_lose(world, maker, lose)

    assert set(maker.orders_may_rest) == {f"oid {order.oid}" for order in world.resting()}


async def test_a22_a_key_that_is_lost_from_the_start_costs_three_requests(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)
    lose_key(world)

    (halt,) = await end_of(maker)

    assert "SIGNER_LOST" in str(halt)
    assert n_actions(world) == 3
    assert maker.orders_may_rest == ()


async def test_a_key_that_is_lost_before_orphans_are_cancelled_ends_the_start(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    first = make_maker(world, tmp_path, cancel_on_shutdown=False)
    async with world.running(first):
        await until_on_target(world, first)
    before, resting = n_actions(world), world.resting()
    lose_key(world)

    # Every order of the first life lies off the second one's ladder.
    second = remake_maker(world, tmp_path, n_orders=4)
    (halt,) = await end_of(second)

    assert "SIGNER_LOST" in str(halt)
    assert n_actions(world) - before == 3
    assert set(second.orders_may_rest) == {f"oid {order.oid}" for order in resting}


async def test_a22_a_shutdown_without_a_key_sends_three_requests_and_names_what_rests(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)
    before: list[int] = []

    def lose() -> None:
        before.append(n_actions(world))
        lose_key(world)

    began_s = trio.current_time()
    (halt,) = await run_and_lose(world, maker, lose, stop=lambda: True)

    assert "SIGNER_LOST" in str(halt)
    assert n_actions(world) - before[0] == 3
    assert len(maker.orders_may_rest) == len(world.resting()) == 40
    assert trio.current_time() - began_s < 15


async def test_a_maker_that_leaves_its_orders_names_them_where_the_key_is_lost(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, cancel_on_shutdown=False, requote_on_fill=True)

    def lose() -> None:
        lose_key(world)
        world.buy("5")

    await run_and_lose(world, maker, lose)

    assert set(maker.orders_may_rest) == {f"oid {order.oid}" for order in world.resting()}


async def test_a_success_in_between_clears_the_row(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, requote_on_fill=True)

    async with world.running(maker):
        await until_on_target(world, maker)
        for _ in range(4):
            for _ in range(2):
                world.venue.answer_next("bulk_orders", {"status": "err", "response": TEXTS[0]})
            world.buy("5")
            await trio.sleep(1)
            await until_on_target(world, maker)
            # A tick with nothing to send ends the pause.
            await trio.sleep(4)

    assert maker.orders_may_rest == ()


async def test_a_slow_maker_notices_as_soon_as_a_fast_one(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, interval_s=120)
    lose_key(world)
    began_s = trio.current_time()

    await end_of(maker)

    assert trio.current_time() - began_s < 10


async def test_one_error_says_what_happened_and_what_to_do(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)
    lose_key(world)

    with caplog.at_level(logging.ERROR):
        await end_of(maker)

    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert "mm-trio keys rotate" in line


async def test_an_hour_of_lives_without_a_key_costs_three_requests_each(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    lose_key(world)
    n_lives = 0
    while trio.current_time() < HOUR_S:
        await end_of(remake_maker(world, tmp_path))
        n_lives += 1
        await trio.sleep(60)

    assert n_lives > 50
    assert n_actions(world) == 3 * n_lives


async def test_the_next_life_with_a_new_key_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    first = make_maker(world, tmp_path, requote_on_fill=True)

    def lose() -> None:
        lose_key(world, n=3)
        world.buy("5")

    await run_and_lose(world, first, lose)
    world.venue._interferences.clear()
    second = remake_maker(world, tmp_path)
    async with world.running(second):
        await until_on_target(world, second)

    assert world.exchange.open_orders(MAKER) == ()


async def test_a_start_that_fails_while_its_key_is_lost_ends_by_the_key(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Orders of the last session rest, the venue's fills cannot be read, and no cancel is accepted."""
    world = make_world("signing")
    first = make_maker(world, tmp_path, cancel_on_shutdown=False)
    await run_and_lose(world, first, lambda: None, stop=lambda: True)
    for _ in range(200):
        world.venue.fail_next("user_fills_by_time", ConnectionError("reset"), applied=False)
    lose_key(world)

    with trio.fail_after(120):
        leaves = await end_of(make_maker(world, tmp_path))

    assert len(world.resting()) == 40
    assert [type(leaf) for leaf in leaves] == [ActionsRefused]
    assert str(leaves[0]).startswith("SIGNER_LOST: ")
