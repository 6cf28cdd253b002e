"""A day of random takers: exact to the last digit, and at no moment two orders on a level or a crossed quote."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
import trio
from builders import ALLOCATION, TAKER, World, booked
from trio.testing import MockClock

from mm_trio import watchdog
from mm_trio.sandbox.takers import SeededTakers, TakerHabits, trade_forever

DAY_S = 24 * 3600
HABITS = TakerHabits(mean_pause_s=25, swing=Decimal("0.03"), max_levels=13)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [20_260_101])
async def test_a_day_of_takers_is_booked_to_the_digit_and_never_doubles_a_level(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Ticks every six seconds, and the watchdog looks every five: faster, that would be most of what happens."""
    monkeypatch.setattr(watchdog, "LOOK_EVERY_S", 5.0)
    world = World()
    maker = world.maker(active_levels=10, interval_s=6, reconcile_every=10, rng=random.Random(seed), **ALLOCATION)
    world.guard(maker)
    takers = SeededTakers(world.pair, rng=random.Random(seed), habits=HABITS)

    async with world.running(maker):
        with trio.move_on_after(DAY_S):
            await trade_forever(world.front, takers, address=TAKER, coin=world.coin)
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
