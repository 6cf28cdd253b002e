"""A running maker looks daily when its key ends, through the gate of the request weight, and warns of that."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from builders import MAKER, World, run_inline
from trio.testing import MockClock

from mm_trio.cli.programs import start_checks
from mm_trio.cli.programs.start_checks import look_at_key
from mm_trio.engine.session import Session
from mm_trio.engine.tasks import watch_key_forever
from mm_trio.model.replies import ListedAgent
from mm_trio.sandbox.model.agents import Agents
from mm_trio.witness.key_life import KeyLife

DAY_S, DAY_MS = 86_400.0, 86_400_000
KEY = "0x" + 20 * "5c"


def make_world(*, days: float) -> World:
    """An exchange at which the maker's key ends after so many days."""
    world = World()
    world.gateway.agents = Agents()
    approve(world, days=days)
    return world


def approve(world: World, *, days: float, address: str = KEY) -> None:
    assert world.gateway.agents is not None
    until_ms = world.now_ms() + round(days * DAY_MS)
    refusal = world.gateway.agents.approve(
        MAKER, address, f"bot valid_until {until_ms}", now_ms=world.now_ms(), is_account=lambda _: False
    )
    assert refusal == ""


def look(world: World) -> KeyLife:
    """The look of a start."""
    life = KeyLife(KEY, owner=MAKER)
    rows = world.info.extra_agents(MAKER)
    life.on_listed([ListedAgent(r["name"], r["address"], r["validUntil"]) for r in rows], now_ms=world.now_ms())
    return life


@asynccontextmanager
async def watching(world: World, life: KeyLife) -> AsyncIterator[Session]:
    """A session that has ended, and of whose tasks this one goes on: the others would make days long."""
    maker = world.maker(key_life=life)
    async with world.running(maker):
        pass
    assert maker._session is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_key_forever, maker._session, life)
        yield maker._session
        nursery.cancel_scope.cancel()


def read_days(caplog: pytest.LogCaptureFixture) -> list[str]:
    return re.findall(r"key ends soon: address=0x\w{40} name=bot days_left=(\S+);", caplog.text)


async def test_a_running_maker_warns_when_a_warning_is_due(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(days=3 + 20 / DAY_S)
    maker = world.maker(key_life=look(world))

    async with world.running(maker):
        await trio.sleep(15)
        assert read_days(caplog) == []
        await trio.sleep(15)

    assert read_days(caplog) == ["3.0"]
    assert "then every action is refused; run `mm-trio keys rotate`, then start the maker anew" in caplog.text


async def test_a_month_has_each_warning_once_and_then_the_end(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(days=20)

    async with watching(world, look(world)):
        await trio.sleep(30 * DAY_S)

    assert read_days(caplog) == ["14.0", "7.0", "3.0", "1.0"]
    assert caplog.text.count("key not listed any more: address=") == 1
    assert world.calls("extra_agents") < 45


async def test_a_key_that_was_replaced_is_told_at_the_next_look(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(days=100)

    async with watching(world, look(world)):
        approve(world, days=100, address="0x" + 20 * "6d")
        await trio.sleep(DAY_S + 1)

    assert f"key not listed any more: address={KEY} name=bot; it was removed or replaced, or has ended" in caplog.text


async def test_a_look_that_failed_is_told_and_made_again_in_an_hour(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(days=7.5)

    async with watching(world, look(world)) as session:
        # The minute in which the warning is due has no request weight left.
        await trio.sleep(DAY_S / 2 - 10)
        session.account.client.weight.on_request(1_200, now_s=trio.current_time())
        await trio.sleep(3_600)
        assert "end of the key not looked up: error=extra_agents: the request weight of this minute" in caplog.text
        assert read_days(caplog) == []
        await trio.sleep(60)

    assert read_days(caplog) == ["7.0"]


async def test_the_daily_look_is_counted_against_the_request_weight(autojump_clock: MockClock) -> None:
    world = make_world(days=100)

    async with watching(world, look(world)) as session:
        await trio.sleep(DAY_S + 1)

        assert session.account.client.weight.used(trio.current_time()) == 20


# --- the start ------------------------------------------------------------------------------------


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio.to_thread, "run_sync", run_inline)


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize(
    ("days", "told"),
    [
        (100, f"key ends: address={KEY} days_left=100"),
        (5, f"key ends soon: address={KEY} name=bot days_left=5.0; then every action is refused"),
    ],
)
async def test_a_start_tells_when_the_key_ends(
    days: float, told: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="mm_trio")
    world = make_world(days=days)
    monkeypatch.setattr(start_checks, "read_machine_clock", world.now_ms)

    life = await look_at_key(world.info, KEY, owner=MAKER)

    assert told in caplog.text
    assert life.agent is not None


@pytest.mark.usefixtures("inline")
async def test_a_start_with_an_agent_without_a_name_says_that_no_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mm_trio")

    await look_at_key(make_world(days=5).info, "0x" + 20 * "6d", owner=MAKER)

    assert "end of the key not told: address=0x6d6d" in caplog.text


@pytest.mark.usefixtures("inline")
async def test_a_start_whose_look_fails_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    world = make_world(days=5)
    world.venue.answer_next("extra_agents", None)

    life = await look_at_key(world.info, KEY, owner=MAKER)

    assert "end of the key not looked up: error=" in caplog.text
    assert life.agent is None
