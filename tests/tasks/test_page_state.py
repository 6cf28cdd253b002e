"""State of a maker as the page gets it: taken while somebody looks, and not more often than it is worth."""

from __future__ import annotations

import json

import pytest
import trio

pytest.importorskip("starlette", reason="the extra `page` is not installed")
pytest.importorskip("hypercorn", reason="the extra `page` is not installed")

from builders import World
from grids_kit import GridsWorld
from page_kit import IDENTITY

from mm_trio.views.account_status import StatusSource
from mm_trio.web.page.live_state import LEAST_PERIOD_S, PERIODS_A_COST, STILL_EVERY_S, LiveState


async def test_nothing_is_taken_while_nobody_looks(autojump_clock: trio.abc.Clock) -> None:
    world = World()
    async with world.running(world.maker()) as maker, trio.open_nursery() as nursery:
        live = LiveState(StatusSource(maker=maker, identity=IDENTITY), cpu_s=lambda: 0.0)
        nursery.start_soon(live.keep_forever)
        await trio.sleep(10)
        before = live.version
        with live.watched("@107"):
            await live.wait_for_news(0)
            during = live.read("@107")
            await trio.sleep(10)
        await trio.sleep(1)
        after = live.version
        await trio.sleep(10)

        assert (before, live.version, live.read("@107")) == (0, after, None)
        assert during is not None
        nursery.cancel_scope.cancel()


async def test_what_stands_still_is_told_once_a_second(autojump_clock: trio.abc.Clock) -> None:
    world = World()
    async with world.running(world.maker(interval_s=1000)) as maker, trio.open_nursery() as nursery:
        live = LiveState(StatusSource(maker=maker, identity=IDENTITY), cpu_s=lambda: 0.0)
        nursery.start_soon(live.keep_forever)
        with live.watched("@107"):
            version = await live.wait_for_news(0)
            await trio.sleep(20)

            assert (live.version - version) == pytest.approx(20 / STILL_EVERY_S, abs=2)
        nursery.cancel_scope.cancel()


async def test_a_change_is_told_within_a_quarter_of_a_second(autojump_clock: trio.abc.Clock) -> None:
    world = World()
    async with world.running(world.maker()) as maker, trio.open_nursery() as nursery:
        live = LiveState(StatusSource(maker=maker, identity=IDENTITY), cpu_s=lambda: 0.0)
        nursery.start_soon(live.keep_forever)
        with live.watched("@107"):
            await live.wait_for_news(0)
            await trio.sleep(1)
            world.buy("2")
            await trio.sleep(2 * LEAST_PERIOD_S)

            assert json.loads(live.read("@107") or b"")["grid"]["health"]["fills"] == 1
        nursery.cancel_scope.cancel()


async def test_the_longer_it_takes_the_more_seldom_it_is_taken(autojump_clock: trio.abc.Clock) -> None:
    """Each look at the clock of the processor finds 50 ms gone: two for the account, two for the grid."""
    world, looks = World(), [0.0]

    def spend() -> float:
        looks[0] += 0.05
        return looks[0]

    async with world.running(world.maker()) as maker, trio.open_nursery() as nursery:
        live = LiveState(StatusSource(maker=maker, identity=IDENTITY), cpu_s=spend)
        nursery.start_soon(live.keep_forever)
        with live.watched("@107"):
            version = await live.wait_for_news(0)
            await trio.sleep(20)

            assert live.version - version == pytest.approx(20 / (PERIODS_A_COST * 0.1), abs=1)
        nursery.cancel_scope.cancel()


async def test_each_grid_is_taken_for_those_who_look_at_it(autojump_clock: trio.abc.Clock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker), trio.open_nursery() as nursery:
        live = LiveState(StatusSource(maker=maker, identity=IDENTITY), cpu_s=lambda: 0.0)
        nursery.start_soon(live.keep_forever)
        with live.watched("@142"), live.watched("@151"):
            await trio.sleep(5)
            texts = {name: live.read(name) for name in live.names}
        nursery.cancel_scope.cancel()

    assert texts["@107"] is None
    shown = {name: json.loads(text) for name, text in texts.items() if text is not None}
    assert {name: each["grid"]["coin"] for name, each in shown.items()} == {"@142": "@142", "@151": "@151"}
    assert [row["name"] for row in shown["@142"]["rows"]] == ["@107", "@142", "@151"]


async def test_a_grid_that_is_gone_is_none(autojump_clock: trio.abc.Clock) -> None:
    world = World()
    async with world.running(world.maker()) as maker, trio.open_nursery() as nursery:
        live = LiveState(StatusSource(maker=maker, identity=IDENTITY), cpu_s=lambda: 0.0)
        nursery.start_soon(live.keep_forever)
        with live.watched("@1"):
            await live.wait_for_news(0)
            assert json.loads(live.read("@1") or b"")["grid"] is None
        nursery.cancel_scope.cancel()
