"""Faults C1 to C3 and C11 of the socket.

Nothing is quoted without a live feed, and missed events are found.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
from builders import MAKER, World, booked, until
from line_kit import (
    EXACT,
    Line,
    check_gate,
    check_ownership,
    describe,
    is_settled,
    own_ledger,
    settle,
    trade,
    trade_forever,
)
from trio.testing import MockClock

from mm_trio.sandbox.inprocess.socket import Feed


class Reopener:
    """Gives a fresh connection after so many failures, and remembers when it was asked to."""

    def __init__(self, world: World, n_failures: int = 0, *, lives: bool = True) -> None:
        self._world, self._n_failures, self._lives = world, n_failures, lives
        self.tried_s: list[float] = []

    def reopen_feed(self) -> None:
        self.tried_s.append(trio.current_time())
        if len(self.tried_s) <= self._n_failures:
            raise ConnectionError("no route")
        self._world.venue.reopen_feed()
        if not self._lives:
            self._world.venue.drop_feed()

    def most_in_a_minute(self) -> int:
        return max(sum(first <= s < first + 60 for s in self.tried_s) for first in self.tried_s)


# --- C1 to C3: the connection -----------------------------------------------------------------


@pytest.mark.parametrize("n_failures", [0, 1, 5])
async def test_c1_after_a_closed_socket_nothing_is_sent_unreconciled(
    autojump_clock: MockClock, n_failures: int
) -> None:
    """The socket comes back. Both sides trade in the gap and an order is cancelled manually; REST answers all along."""
    world = World(signing=True)
    line, reopener = Line(), Reopener(world, n_failures)
    maker = world.maker(run_sync=line, reopen_feed=reopener.reopen_feed, reconcile_every=1, **EXACT)
    world.guard(maker)

    async with world.running(maker):
        world.venue.drop_feed()
        since = len(line.events)
        world.buy("12")
        world.sell("3.3")
        world.cancel(world.resting()[-1].oid)
        await until(lambda: maker.stats.reconnects == 1)
        back_s = trio.current_time()
        await settle(world, maker)
        took_s = trio.current_time() - back_s

    check_gate(line, since=since)
    check_ownership(world, line)
    assert took_s <= 10  # L4
    assert maker.stats.fills == len(world.fills())


async def test_c1_sockets_that_close_at_once_are_not_asked_for_more_than_30_times_a_minute(
    autojump_clock: MockClock,
) -> None:
    world = World(signing=True)
    line, reopener = Line(), Reopener(world, lives=False)
    maker = world.maker(run_sync=line, reopen_feed=reopener.reopen_feed, **EXACT)

    async with world.running(maker):
        world.venue.drop_feed()
        since = len(line.events)
        for _ in range(60):
            trade(world, random.Random(5))
            await trio.sleep(5)

    assert reopener.most_in_a_minute() <= 30
    assert line.new_risk(since) == []


@pytest.mark.slow
async def test_c1_what_is_on_its_way_when_the_socket_closes_is_not_doubled(autojump_clock: MockClock) -> None:
    """Requests take half a second each way, and the socket closes at every tenth of it."""
    for tenth in range(10):
        world, line = World(signing=True), Line(there_s=0.5, back_s=0.5)
        maker = world.maker(run_sync=line, requote_on_fill=True, **EXACT)
        world.guard(maker)
        async with world.running(maker):
            world.buy("7")
            await trio.sleep(tenth / 10)
            world.venue.drop_feed()
            world.sell("4")
            await settle(world, maker)


async def test_c2_a_half_open_socket_is_replaced_after_30_seconds(
    autojump_clock: MockClock,
) -> None:
    """Nothing is quoted from then on until everything is reconciled over the new socket."""
    world = World(signing=True)
    line, reopener = Line(), Reopener(world, 2)
    maker = world.maker(
        run_sync=line, reopen_feed=reopener.reopen_feed, interval_s=0.1, reconcile_every=10_000, **EXACT
    )
    world.guard(maker)

    async with world.running(maker):
        await trio.sleep(10)
        world.venue.silence()
        silent_s = trio.current_time()
        await trio.sleep(24)  # the last message may have come 5 s before
        world.buy("12")
        await until(lambda: reopener.tried_s)  # two attempts fail
        noticed_after_s = reopener.tried_s[0] - silent_s
        since = len(line.events)
        await settle(world, maker)

    assert 25 <= noticed_after_s <= 31
    check_gate(line, since=since)


async def test_c2_fills_that_the_user_channels_no_longer_tell_are_found_by_looking(autojump_clock: MockClock) -> None:
    """Only the mids go on: the transport lives. Until the next reconciliation the ladder is as it was."""
    world = World(signing=True)
    line = Line()
    maker = world.maker(run_sync=line, **EXACT)
    world.guard(maker)

    async with world.running(maker):
        world.venue.lose_frames("orderUpdates", "userFills")
        world.buy("12")
        world.sell("3")
        await settle(world, maker, within_s=65)
        world.buy("6")
        world.venue.stop_losing_frames()
        await settle(world, maker, within_s=65)

    check_ownership(world, line)


class TellingFeed(Feed):
    """A socket that knows which feeds were acknowledged, as the real one does."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._acknowledged: set[str] = set()

    @property
    def acknowledged(self) -> set[str]:
        return self._acknowledged

    def dispatch(self, frame: dict[str, Any]) -> None:
        if frame["channel"] == "subscriptionResponse" and self.is_alive():
            self._acknowledged.add(frame["data"]["subscription"]["type"])
        super().dispatch(frame)


@pytest.mark.parametrize("lost", [(), ("subscriptionResponse",)])
async def test_c3_nothing_new_leaves_before_every_subscription_is_acknowledged(
    autojump_clock: MockClock, lost: tuple[str, ...]
) -> None:
    """The acknowledgements are held for a while, or lost with their connection, while fills come in."""
    world = World(signing=True)
    line, tried_s = Line(), list[float]()

    def reopen_feed() -> None:
        tried_s.append(trio.current_time())
        world.info.ws_manager.stop()
        world.info.ws_manager = TellingFeed(world.gateway, world.venue.deliver)

    maker = world.maker(run_sync=line, reopen_feed=reopen_feed, **EXACT)
    world.guard(maker)
    async with world.running(maker):
        world.venue.lose_frames(*lost) if lost else world.venue.hold_frames("subscriptionResponse")
        world.venue.drop_feed()
        since = len(line.events)
        world.buy("12")
        await trio.sleep(8 if not lost else 45)
        held_back = line.new_risk(since)
        world.venue.stop_losing_frames()
        world.venue.release_frames()
        await settle(world, maker)

    assert held_back == []
    check_gate(line, since=since)
    assert len(tried_s) == 1 if not lost else 3 <= len(tried_s) <= 6


# --- C11: late frames ---------------------------------------------------------------------------


async def test_c11_frames_that_come_minutes_late_stop_the_quoting_until_all_is_read_anew(
    autojump_clock: MockClock,
) -> None:
    """The mids go on all the while, so nothing is silent."""
    world = World(signing=True)
    line = Line()
    maker = world.maker(run_sync=line, feed_lag_limit_s=10, interval_s=0.1, reconcile_every=10_000, **EXACT)
    world.guard(maker)

    async with world.running(maker):
        await trio.sleep(5)
        world.venue.hold_frames("orderUpdates", "userFills")
        world.buy("12")
        await trio.sleep(120)
        since = len(line.events)
        world.venue.release_frames()
        await settle(world, maker)
        reconnects = maker.stats.reconnects

    check_gate(line, since=since)
    assert reconnects == 1


async def test_c11_a_venue_that_stays_late_on_every_connection_loses_and_doubles_nothing(
    autojump_clock: MockClock,
) -> None:
    """Every frame of the user comes 60 s late, on every connection, while takers trade."""
    world, rng = World(signing=True), random.Random(11)
    line, deliver, late = Line(), world.venue.deliver, [False]

    async with trio.open_nursery() as nursery:

        async def deliver_later(feed: Feed, frame: dict[str, Any]) -> None:
            await trio.sleep(60)
            deliver(feed, frame)

        def deliver_late(feed: Feed, frame: dict[str, Any]) -> None:
            if late[0] and frame["channel"] in ("orderUpdates", "userFills"):
                nursery.start_soon(deliver_later, feed, frame)
            else:
                deliver(feed, frame)

        def reopen_feed() -> None:
            world.info.ws_manager.stop()
            world.info.ws_manager = Feed(world.gateway, deliver_late)

        world.info.ws_manager = Feed(world.gateway, deliver_late)
        maker = world.maker(run_sync=line, reopen_feed=reopen_feed, feed_lag_limit_s=10, requote_on_fill=True, **EXACT)
        world.guard(maker)
        async with world.running(maker), trio.open_nursery() as trading:
            late[0] = True
            trading.start_soon(trade_forever, world, rng)
            await trio.sleep(600)
            trading.cancel_scope.cancel()
            late[0] = False
            await settle(world, maker, within_s=90)
        nursery.cancel_scope.cancel()

    check_ownership(world, line)
    assert booked(maker) == own_ledger(world)


async def test_c11_a_late_frame_of_an_earlier_connection_does_not_stop_this_one(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    tell: list[Callable[[Any], None]] = []
    subscribe = world.info.subscribe

    def listen(subscription: dict[str, Any], callback: Callable[[Any], None]) -> int:
        if subscription["type"] == "userFills":
            tell.append(callback)
        return subscribe(subscription, callback)

    world.info.subscribe = listen  # type: ignore[method-assign]
    maker = world.maker(run_sync=Line(), feed_lag_limit_s=10, **EXACT)
    async with world.running(maker):
        world.buy("5")
        fills = world.info.user_fills(MAKER)
        await trio.sleep(60)
        world.venue.drop_feed()
        await until(lambda: maker.stats.reconnects == 1)
        await trio.sleep(5)
        tell[0]({"channel": "userFills", "data": {"user": MAKER, "fills": fills}})
        await trio.sleep(20)
        reconnects = maker.stats.reconnects
        assert is_settled(world, maker), describe(world, maker)

    assert reconnects == 1
