"""One day of random takers: exact balances, one order for each level, no crossed quotes."""

from __future__ import annotations

import gc
import random
from decimal import Decimal
from types import FrameType, FunctionType, ModuleType

import pytest
import trio
from builders import ALLOCATION, TAKER, World, booked
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.engine import feed_watchdog as watchdog
from mm_trio.sandbox.traffic.takers import SeededTakers, TakerHabits, trade_forever
from mm_trio.state import manual_cancels, order_state
from mm_trio.state.seen_fills import SeenFills

DAY_S = 24 * 3600
HABITS = TakerHabits(mean_pause_s=25, swing=Decimal("0.03"), max_levels=13)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [20_260_101])
async def test_a_day_of_takers_is_booked_to_the_digit_and_never_doubles_a_level(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Ticks every six seconds, and the watchdog looks every two: faster, that would be most of what happens."""
    monkeypatch.setattr(watchdog, "POLL_EVERY_S", 2.0)
    world = World()
    maker = world.maker(active_levels=10, interval_s=6, reconcile_every=10, rng=random.Random(seed), **ALLOCATION)
    world.guard(maker)
    takers = SeededTakers(world.pair, rng=random.Random(seed), habits=HABITS)

    async with world.running(maker):
        with trio.move_on_after(DAY_S):
            await trade_forever(world.gateway, takers, address=TAKER, coin=world.coin)
        await trio.sleep(10)
        book = world.book_of(maker)
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        resting = {order.oid for order in world.resting()}

    fills = world.fills()
    sweeps: dict[int, int] = {}
    for fill in fills:
        sweeps[fill.time_ms] = sweeps.get(fill.time_ms, 0) + 1
    assert len(sweeps) > 2500
    assert max(sweeps.values()) >= 10
    assert maker.stats.fills == len(fills)
    assert booked(maker) == world.ledger(100, 5000)
    assert (maker.inventory.account_token, maker.inventory.account_usdc) == world.totals()
    assert tracked == resting
    assert len(book) in (19, 20)
    assert maker.stats.errors == 0
    assert world.resting() == []


def count_kept(maker: WsState) -> int:
    """Objects that the maker keeps alive; the venue's and the test's own are not its."""
    seen: set[int] = set()
    todo: list[object] = [maker]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType | FrameType):
            continue
        if type(thing).__module__.startswith(("mm_trio.sandbox", "builders", "troubled_venue", "trio.")):
            continue
        seen.add(id(thing))
        todo.extend(gc.get_referents(thing))
    return len(seen)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_day_of_heavy_trading_leaves_tasks_and_memory_as_they_were(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered is bounded: with low bounds they are reached in an hour, and nothing grows after that."""
    monkeypatch.setattr(watchdog, "POLL_EVERY_S", 2.0)
    monkeypatch.setattr(order_state, "LEFT_REMEMBERED", 100)
    monkeypatch.setattr(manual_cancels, "ENDS_REMEMBERED", 100)
    world = World()
    maker = world.maker(
        active_levels=10,
        window_slack=2,
        interval_s=6,
        reconcile_every=10,
        requote_on_fill=True,
        rng=random.Random(1),
        **ALLOCATION,
    )
    maker.order_state._seen = SeenFills(100)
    takers = SeededTakers(world.pair, rng=random.Random(1), habits=HABITS)
    samples: list[tuple[int, int]] = []

    async def sample() -> None:
        for _ in range(24):
            await trio.sleep(3600)
            samples.append((trio.lowlevel.current_statistics().tasks_living, count_kept(maker)))

    async with world.running(maker):
        with trio.move_on_after(DAY_S + 60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sample)
                await trade_forever(world.gateway, takers, address=TAKER, coin=world.coin)

    assert maker.stats.fills > 2500
    tasks, kept = zip(*samples, strict=True)
    assert len(set(tasks)) == 1
    assert max(kept[12:]) <= max(kept[1:12]) * 1.1
