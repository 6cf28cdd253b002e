"""Number of requests, and of items that the venue charges, for scripted takers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import trio
from builders import MAKER, World
from trio.testing import MockClock

from mm_trio.sending.batch_emitter import BatchEmitter

WINDOW: dict[str, Any] = {"n_orders": 120, "active_levels": 20, "window_slack": 5}
N_FILLS = 60
# A window that follows each fill exactly costs a place where it was filled, a cancel at one far end and a place at the
# other; orders that move and far ends that may lag have to do with six tenths of that.
EXACT_ITEMS_PER_FILL, SHARE = 3, 0.6
KINDS = ("bulk_orders", "bulk_modify_orders_new", "bulk_cancel", "bulk_cancel_by_cloid")


def open_world() -> World:
    """Without fees, so that every order stays whole."""
    return World(token=5 * 60, usdc=20_000, maker_fee="0", taker_fee="0")


def n_items(world: World) -> int:
    """As the venue charged them."""
    return world.exchange.account(MAKER).n_requests


def listen_to_emits(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Counter[str]]:
    """For each emit that sends something from now on: how many actions of which kind."""
    heard: list[Counter[str]] = []
    emit = BatchEmitter.emit

    async def listen(*args: Any, **options: Any) -> Any:
        n_before = len(world.venue.calls)
        result = await emit(*args, **options)
        if kinds := Counter(name for name, _ in world.venue.calls[n_before:] if name in KINDS):
            heard.append(kinds)
        return result

    monkeypatch.setattr(BatchEmitter, "emit", listen)
    return heard


# takers that buy or sell, and the items that following them took when this was written
FLOWS = {
    "alternating": ("bs" * (N_FILLS // 2), 60),
    "two steps forth and one back": ("bbs" * (N_FILLS // 3), 76),
    "up and down again": (("b" * 15 + "s" * 15) * (N_FILLS // 30), 85),
}


@pytest.mark.parametrize("flow", FLOWS)
async def test_following_sixty_fills_costs_few_items(autojump_clock: MockClock, flow: str) -> None:
    takers, most_items = FLOWS[flow]
    world = open_world()
    maker = world.maker(**WINDOW)

    async with world.running(maker):
        before = n_items(world)
        for taker in takers:
            (world.buy if taker == "b" else world.sell)("5")
            await trio.sleep(3.5)
        items = n_items(world) - before
        fills = len(world.fills())

    assert fills == N_FILLS
    assert N_FILLS <= items <= most_items
    assert most_items <= SHARE * EXACT_ITEMS_PER_FILL * N_FILLS


async def test_idle_ticks_send_nothing_and_ask_nothing(autojump_clock: MockClock) -> None:
    world = open_world()
    maker = world.maker(**WINDOW, reconcile_every=10_000)

    async with world.running(maker):
        await trio.sleep(10)
        n_calls, n_ticks, items = len(world.venue.calls), maker.stats.ticks, n_items(world)
        await trio.sleep(60)
        more_calls, more_ticks = world.venue.calls[n_calls:], maker.stats.ticks - n_ticks

        assert n_items(world) == items
    assert more_ticks >= 19
    assert more_calls == []


async def test_a_swept_side_is_requoted_with_one_action_of_a_kind_in_a_tick(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_world()
    actions = listen_to_emits(world, monkeypatch)
    maker = world.maker(**WINDOW)

    async with world.running(maker):
        world.buy("50")
        await trio.sleep(10)
        world.sell("75")
        await trio.sleep(10)
        seen, book = tuple(actions), world.book_of(maker)

    assert len(seen) == 3  # the first ladder, and each sweep at once
    assert {n for kinds in seen for n in kinds.values()} == {1}
    assert seen[1].keys() == {"bulk_orders", "bulk_modify_orders_new"}
    assert {side for side, _ in book} == {"buy", "sell"}
