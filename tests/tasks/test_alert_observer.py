"""What is told of running makers: on a virtual clock, against the exchange core."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import trio
from builders import ALLOCATION, MAKER, World, dec, until
from grids_kit import COINS, GridsWorld
from trio.testing import MockClock

from mm_trio.alerts.message import Message, Severity
from mm_trio.alerts.observer import LOOK_EVERY_S, Observer
from mm_trio.alerts.rules import AlertTerms
from mm_trio.alerts.sender import Sender
from mm_trio.cli.alert_programs.guard_news import GuardLook, find_guard_news
from mm_trio.guard.watcher import NOT_POLLED
from mm_trio.halts.requests import Request, write_request
from mm_trio.halts.standing_file import StandingFile
from mm_trio.model.errors import LedgerError
from mm_trio.views.account_status import Identity, Mode, StatusSource
from mm_trio.views.maker import Maker


@dataclass
class Told:
    """What was told: time, key and severity."""

    messages: list[tuple[float, Message]] = field(default_factory=list)

    def put(self, message: Message) -> None:
        self.messages.append((trio.current_time(), message))

    @property
    def keys(self) -> list[tuple[str, Severity]]:
        return [(message.key, message.severity) for _, message in self.messages]


def observe(maker: Maker, *, mode: Mode = "one", floor: int = 0, **terms: Any) -> Observer:
    identity = Identity(version="0.1.0", network="sandbox", account=MAKER, mode=mode, pid=7)
    source = StatusSource(maker=maker, identity=identity, wall_ms=lambda: 1_790_000_000_000)
    return Observer(source, AlertTerms(**terms), remind_after_h=0, budget_floor=floor)


def start(nursery: trio.Nursery, observer: Observer) -> Told:
    told = Told()
    nursery.start_soon(observer.tell_forever, cast("Sender", told))
    return told


async def test_a_maker_that_quotes_is_no_news(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker, trio.open_nursery() as nursery:
        told = start(nursery, observe(maker))
        await trio.sleep(4_000)
        nursery.cancel_scope.cancel()

    assert told.keys == []


async def test_a_lost_feed_is_told_after_its_limit_and_when_it_is_over(autojump_clock: MockClock) -> None:
    world, is_lost = World(), False

    def reopen() -> None:
        if is_lost:
            raise TimeoutError("no answer in time")
        world.venue.reopen_feed()

    async with world.running(world.maker(reopen_feed=reopen)) as maker, trio.open_nursery() as nursery:
        told = start(nursery, observe(maker))
        await trio.sleep(10)
        is_lost, lost_s = True, trio.current_time()
        world.venue.drop_feed()
        await trio.sleep(90)
        at_s, first = told.messages[0]
        is_lost = False
        await trio.sleep(90)
        nursery.cancel_scope.cancel()

    assert first.key == "feed"
    # The last frame came a little before.
    assert 60 - LOOK_EVERY_S <= at_s - lost_s <= 60 + LOOK_EVERY_S
    assert told.keys == [("feed", Severity.CRITICAL), ("feed", Severity.CLEARED)]


async def test_a_side_without_orders_is_told(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(allocated_token=0, allocated_usdc=2_000)
    async with world.running(maker), trio.open_nursery() as nursery:
        told = start(nursery, observe(maker, one_sided_after_min=1))
        await trio.sleep(50)
        assert told.keys == []
        await trio.sleep(30)
        nursery.cancel_scope.cancel()

    ((_, message),) = told.messages
    assert message.key.startswith("one-sided:")
    assert "has no asks" in message.title


async def test_an_operator_who_pauses_hears_of_that_alone(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    async with world.running(world.maker(standing=StandingFile(tmp_path))) as maker, trio.open_nursery() as nursery:
        told = start(nursery, observe(maker, one_sided_after_min=1))
        await trio.sleep(10)
        write_request(tmp_path, Request.CANCEL_ONLY, "lunch")
        await trio.sleep(200)
        write_request(tmp_path, Request.RESUME, "back")
        await until(lambda: len(told.messages) == 2)
        nursery.cancel_scope.cancel()

    (_, stopped), (_, resumed) = told.messages
    assert (stopped.severity, resumed.severity) == (Severity.WARNING, Severity.CLEARED)
    assert "lunch" in stopped.text


async def test_a_loss_that_nothing_explains_is_told_once(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker(**ALLOCATION)) as maker, trio.open_nursery() as nursery:
        told = start(nursery, observe(maker))
        await trio.sleep(10)
        world.withdraw(MAKER, 0, "7")
        for _ in range(200):
            world.venue.garble_next("user_non_funding_ledger_updates", lambda rows: rows[:-1])
        await trio.sleep(2_000)
        nursery.cancel_scope.cancel()

    assert maker.inventory.unexplained == (dec(0), dec(-7))
    ((_, message),) = told.messages
    assert message.key.startswith("unexplained:")
    assert "-7 quote" in message.text


async def test_a_withdrawal_is_no_news(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker(**ALLOCATION)) as maker, trio.open_nursery() as nursery:
        told = start(nursery, observe(maker))
        await trio.sleep(10)
        world.withdraw(MAKER, 0, "7")
        await trio.sleep(2_000)
        nursery.cancel_scope.cancel()

    assert maker.inventory.unexplained == (dec(0), dec(0))
    assert told.keys == []


async def test_a_market_that_ends_alone_is_told_by_its_name(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker), trio.open_nursery() as nursery:
        told = start(nursery, observe(maker, mode="several"))
        await trio.sleep(10)
        face = maker.faces[COINS[0]]
        assert face._grid is not None
        face._grid.fail(LedgerError("fills contradict the venue"))
        await trio.sleep(20)
        nursery.cancel_scope.cancel()

    ((_, message),) = told.messages
    assert message.severity is Severity.CRITICAL
    assert COINS[0] in message.title
    assert "fills contradict the venue" in message.text


async def test_a_budget_at_its_floor_is_told(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker, trio.open_nursery() as nursery:
        told = start(nursery, observe(maker, floor=1_000_000))
        await trio.sleep(30)
        nursery.cancel_scope.cancel()

    assert told.keys == [("budget", Severity.CRITICAL)]


# --- The guard --------------------------------------------------------------------------------


QUIET = GuardLook(is_silent=False, words="silent_s=20", after_s=15.0, cancelled=0, verified=0, may_rest=())


def guard(**values: Any) -> list[tuple[str, Severity]]:
    look = replace(QUIET, **values)
    return [(found.key, found.severity) for found in find_guard_news(look)]


def test_a_guard_tells_silence_what_rests_and_the_proof() -> None:
    assert guard() == []
    assert guard(is_silent=True, may_rest=(NOT_POLLED,)) == [("silent", Severity.CRITICAL)]
    assert guard(is_silent=True, may_rest=("sell 5 at 20 (oid 7)",)) == [
        ("silent", Severity.CRITICAL),
        ("rests", Severity.CRITICAL),
    ]
    assert guard(is_silent=True, verified=1) == [("silent", Severity.CRITICAL), ("verified:1", Severity.INFO)]
