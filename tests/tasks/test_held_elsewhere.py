"""Contract 2.9: what is free is what the venue says is free, less what our own orders hold of it."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest
import trio
from builders import MAKER, World, dec, until
from trio.testing import MockClock

from mm_trio.sandbox import HoldElsewhere, SetAccountMode
from mm_trio.sandbox.model.commands import AccountMode

USDC, HYPE = 0, 150


def hold(world: World, amount: str | int, token: int = USDC) -> None:
    world.gateway.apply(HoldElsewhere(MAKER, token, Decimal(amount)))


def bids_worth(world: World) -> Decimal:
    return sum((order.size * order.price for order in world.resting() if order.is_buy), Decimal(0))


@pytest.mark.parametrize("mode", ["unified", "portfolio"])
async def test_d11_margin_is_not_offered(autojump_clock: MockClock, mode: AccountMode) -> None:
    world = World(token="0", usdc="512.25")
    world.gateway.apply(SetAccountMode(MAKER, mode))
    hold(world, 420)
    maker = world.maker()

    async with world.running(maker):
        await trio.sleep(30)
        offered, rests, errors = maker.inventory.effective_usdc, bids_worth(world), maker.stats.errors

    assert (offered, errors) == (dec("92.25"), 0)
    assert 80 < rests <= dec("92.25")


async def test_d11_margin_that_is_freed_is_offered(autojump_clock: MockClock) -> None:
    world = World(token="0", usdc="500")
    hold(world, 400)
    maker = world.maker(reconcile_every=2)

    async with world.running(maker):
        await trio.sleep(10)
        before = bids_worth(world)
        hold(world, 0)
        await until(lambda: bids_worth(world) > 450, within_s=30)

    assert before <= 100


@pytest.mark.parametrize("token", [USDC, HYPE])
async def test_margin_taken_while_all_rests_holds_what_is_left_alone(autojump_clock: MockClock, token: int) -> None:
    """The venue lets margin take nothing that our orders hold, so no order of ours has to leave."""
    world = World()
    maker = world.maker(active_levels=3, reconcile_every=2)

    async with world.running(maker):
        await trio.sleep(10)
        before = world.book_of(maker)
        hold(world, 1, token)
        await trio.sleep(30)
        after, ledger = world.book_of(maker), (maker.inventory.effective_token, maker.inventory.effective_usdc)

    totals = world.totals()
    assert ledger == ((totals[0], totals[1] - 1) if token == USDC else (totals[0] - 1, totals[1]))
    assert before.keys() == after.keys() or token == HYPE


async def test_a_side_with_nothing_to_offer_is_told_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(usdc="100")
    hold(world, 95)
    maker = world.maker()

    async with world.running(maker):
        await trio.sleep(120)

    told = [message for message in caplog.messages if message.startswith("nothing to offer")]
    assert len(told) == 1
    assert "side=buy usable=5" in told[0]
    assert "held_elsewhere=95" in told[0]


async def test_the_summary_names_a_side_with_nothing_to_offer(autojump_clock: MockClock) -> None:
    world = World(usdc="100")
    hold(world, 95)
    maker = world.maker()

    async with world.running(maker):
        await trio.sleep(10)

    assert maker.stats.to_json()["nothing_to_offer"] == ["buy"]


async def test_d11_an_hour_of_margin_that_comes_and_goes_stays_whole_and_cheap(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    world = World(token="50", usdc="1000")
    world.gateway.apply(SetAccountMode(MAKER, "unified"))
    maker = world.maker(active_levels=3)
    world.guard(maker)

    async with world.running(maker):
        await trio.sleep(30)
        for i in range(600):
            hold(world, 100 + i % 7 * 100)
            if i % 60 == 0:
                world.buy("3")
                world.sell("3")
            await trio.sleep(6)
        hold(world, 100)
        await until(lambda: maker.inventory.account_usdc == world.totals()[1] - 100, within_s=150)
        await trio.sleep(10)
        n_orders, errors = len(world.resting()), maker.stats.errors

    asked = world.calls("spot_user_state")
    assert n_orders > 0
    assert errors == 0
    # One look a minute, and one more for what changed meanwhile.
    assert asked < 200
    assert maker.stats.items < 100
    assert len([message for message in caplog.messages if "balance changed without" in message]) < 100
