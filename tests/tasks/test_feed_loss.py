"""Loss of the feed: it dies, falls silent or cannot be reopened.

Nothing is quoted without a live feed, and no fill is lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, Spy, World, booked, run_inline, until
from trio.testing import MockClock

from mm_trio.venue.thread_bridge import BACKLOG_MESSAGES

NEW_RISK = {"bulk_orders", "bulk_modify_orders_new"}


def methods(world: World, since: int) -> list[str]:
    return [method for method, _ in world.venue.calls[since:]]


class Reopener:
    """Gives a fresh connection after so many failures."""

    def __init__(self, world: World, n_failures: int) -> None:
        self._world = world
        self._n_failures = n_failures
        self.tried_s: list[float] = []

    def __call__(self) -> None:
        self.tried_s.append(trio.current_time())
        if len(self.tried_s) <= self._n_failures:
            raise ConnectionError("no route")
        self._world.venue.reopen_feed()


async def test_nothing_is_placed_from_the_loss_until_it_is_reconciled(autojump_clock: MockClock) -> None:
    """The venue answers REST all along, and reconciliations come every other tick."""
    world = World()
    reopen = Reopener(world, 4)
    maker = world.maker(reopen_feed=reopen, reconcile_every=2, **ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        since = len(world.venue.calls)
        world.venue.drop_feed()
        world.buy("7")
        await until(lambda: ("buy", 20) in world.book_of(maker))
        asked = methods(world, since)

    assert asked.index("open_orders") < asked.index("subscribe")  # while it was lost, too
    reconciled = asked.index("user_rate_limit", asked.index("subscribe"))
    assert not NEW_RISK & set(asked[:reconciled])
    assert booked(maker) == world.ledger(100, 5000)


async def test_what_happened_in_the_gap_is_booked_once_and_quoting_goes_on(autojump_clock: MockClock) -> None:
    """Fills on both sides, a whole sweep, and an order cancelled by hand, all unheard."""
    world = World()
    maker = world.maker(**ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        world.buy("2")
        await until(lambda: maker.stats.fills == 1)
        world.venue.drop_feed()
        world.buy("11.5")
        world.sell("6")
        world.cancel(world.resting()[-1].oid)
        await until(lambda: len(world.resting()) == 40)
        n_fills = maker.stats.fills
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        resting = {order.oid for order in world.resting()}

    assert n_fills == len(world.fills()) == 6
    assert tracked == resting
    assert booked(maker) == world.ledger(100, 5000)


async def test_no_tick_quotes_between_the_death_of_a_socket_and_the_look_of_the_watchdog(
    autojump_clock: MockClock,
) -> None:
    world = World()
    reopen = Reopener(world, 10_000)
    maker = world.maker(interval_s=0.05, reopen_feed=reopen)

    async with world.running(maker):
        world.buy("5")
        world.venue.drop_feed()
        since = len(world.venue.calls)
        await trio.sleep(30)
        asked = methods(world, since)

    assert not NEW_RISK & set(asked)


async def test_attempts_to_reconnect_are_spaced_with_growing_pauses(autojump_clock: MockClock) -> None:
    world = World()
    reopen = Reopener(world, 12)
    maker = world.maker(reopen_feed=reopen)

    async with world.running(maker):
        world.venue.drop_feed()
        await until(lambda: maker.stats.reconnects == 1, within_s=400)
        tried_s = reopen.tried_s

    pauses_s = [b - a for a, b in pairwise(tried_s)]
    assert len(tried_s) == 13
    assert 0.25 <= pauses_s[0] <= 0.5
    assert all(2.5 <= pause_s <= 5 for pause_s in pauses_s[-5:])
    assert max(sum(first <= t < first + 60 for t in tried_s) for first in tried_s) < 30


@pytest.mark.parametrize("nth", range(4))
async def test_a_subscription_that_fails_makes_another_connection(autojump_clock: MockClock, nth: int) -> None:
    world = World()
    asked: list[str] = []

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        if fn.__name__ == "subscribe":
            asked.append(args[0]["type"])
            if len(asked) == 5 + nth:  # the first connection took four
                raise ConnectionError("cut")
        return await run_inline(fn, *args)

    maker = world.maker(run_sync=run_sync, **ALLOCATION)
    async with world.running(maker):
        world.venue.drop_feed()
        world.buy("5")
        await until(lambda: ("buy", 20) in world.book_of(maker))

    assert asked[-4:] == asked[:4]
    assert maker.stats.reconnects == 1
    assert booked(maker) == world.ledger(100, 5000)


@pytest.mark.parametrize("method", ["open_orders", "user_fills_by_time", "spot_user_state", "user_rate_limit"])
async def test_nothing_is_placed_until_a_reconciliation_has_gone_through(
    autojump_clock: MockClock, method: str
) -> None:
    world = World()
    maker = world.maker(**ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        for _ in range(3):
            world.venue.fail_next(method, ConnectionError("no route"), applied=False)
        since = len(world.venue.calls)
        world.venue.drop_feed()
        world.buy("5")
        await until(lambda: maker.stats.errors == 3)
        failing = methods(world, since)
        await until(lambda: ("buy", 20) in world.book_of(maker))

    assert not NEW_RISK & set(failing)
    assert booked(maker) == world.ledger(100, 5000)


async def test_a_feed_dead_at_the_start_is_opened_before_the_first_quote(autojump_clock: MockClock) -> None:
    world = World()
    world.venue.drop_feed()
    maker = world.maker()

    async with world.running(maker):
        alive = world.info.ws_manager.is_alive()
        n_resting = len(world.resting())

    assert alive
    assert n_resting == 40


async def test_a_feed_that_fails_at_the_start_is_opened_again(
    autojump_clock: MockClock,
) -> None:
    """Orphans are cancelled only once it is open."""
    world = World()
    world.order("buy", "19", "3", tif="Alo", address=MAKER)
    world.venue.drop_feed()
    maker = world.maker(reopen_feed=Reopener(world, 3))

    async with world.running(maker):
        book = world.book_of(maker)

    assert len(book) == 40
    assert methods(world, 0).index("bulk_cancel") < methods(world, 0).index("bulk_orders")


async def test_a_half_open_feed_is_noticed_by_its_silence_and_reopened(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(**ALLOCATION)

    async with world.running(maker):
        await trio.sleep(20)
        world.venue.silence()
        silent_s = trio.current_time()
        world.buy("5")
        await until(lambda: maker.stats.reconnects == 1)
        noticed_after_s = trio.current_time() - silent_s
        await until(lambda: ("buy", 20) in world.book_of(maker))

    assert 25 <= noticed_after_s <= 31
    assert booked(maker) == world.ledger(100, 5000)


async def test_any_message_of_any_feed_ends_the_silence(autojump_clock: MockClock) -> None:
    """A market in which nothing happens: only the mids come, every five seconds."""
    world = World()
    maker = world.maker(feed_stale_after_s=6)

    async with world.running(maker):
        await trio.sleep(300)
        reconnects = maker.stats.reconnects

    assert reconnects == 0


async def test_the_look_for_silence_can_be_turned_off(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(feed_stale_after_s=None)

    async with world.running(maker):
        world.venue.silence()
        await trio.sleep(300)
        reconnects = maker.stats.reconnects

    assert reconnects == 0


async def test_a_message_of_an_earlier_connection_does_not_end_the_silence_of_this_one(
    autojump_clock: MockClock, spy: Spy
) -> None:
    """Every new connection is silent from its start; the first one goes on talking."""
    world = World()
    subscribed = spy(world.info, "subscribe")

    def reopen() -> None:
        world.venue.reopen_feed()
        world.info.ws_manager.silent = True

    maker = world.maker(reopen_feed=reopen, feed_stale_after_s=10)
    async with world.running(maker):
        tell_mids = next(call.args[1] for call in subscribed if call.args[0]["type"] == "allMids")
        world.venue.drop_feed()
        for _ in range(60):
            await trio.sleep(1)
            tell_mids({"channel": "allMids", "data": {"mids": {}}})
        reconnects = maker.stats.reconnects

    assert reconnects >= 5


async def test_silence_counts_from_before_a_slow_opening(autojump_clock: MockClock) -> None:
    """The socket may have been open, and silent, for all the time that its opening took to be known."""
    world = World()
    opened_s: list[float] = []

    def reopen() -> None:
        world.venue.reopen_feed()
        opened_s.append(trio.current_time())

    async def run_slowly(fn: Callable[..., Any], *args: Any, **_options: Any) -> Any:
        answer = fn(*args)
        if fn is reopen:
            await trio.sleep(4)
            world.venue.silence()
        return answer

    maker = world.maker(reopen_feed=reopen, feed_stale_after_s=10, run_sync=run_slowly)
    async with world.running(maker):
        world.venue.drop_feed()
        await until(lambda: maker.stats.reconnects == 1)
        await until(lambda: "no message" in (maker.paused_because or ""))
        noticed_s = trio.current_time()

    assert 10 <= noticed_s - opened_s[0] <= 11


async def test_a_feed_that_is_cut_again_and_again_loses_nothing(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(requote_on_fill=True, **ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        for i in range(40):
            (world.buy if i % 3 else world.sell)("3.7")
            if i % 4 == 0:
                world.venue.drop_feed()
            await trio.sleep(0.7 * (i % 5))
        await until(lambda: maker.stats.fills == len(world.fills()))
        await until(lambda: len(world.resting()) == 40)
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        resting = {order.oid for order in world.resting()}

    assert maker.stats.reconnects >= 5
    assert tracked == resting
    assert booked(maker) == world.ledger(100, 5000)


async def test_more_messages_than_can_be_kept_make_the_feed_be_read_anew(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(**ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        for _ in range(BACKLOG_MESSAGES + 1):
            world.say("orderUpdates", [])
        world.buy("5")  # no room for the frames of this one
        await until(lambda: ("buy", 20) in world.book_of(maker))
        reconnects = maker.stats.reconnects

    assert reconnects == 1
    assert maker.stats.fills == 1
    assert booked(maker) == world.ledger(100, 5000)


async def test_the_heartbeat_keeps_a_quiet_feed_and_wakes_nobody(autojump_clock: MockClock) -> None:
    """It says nothing but that it came: not even a flood of it takes a place from what does say something."""
    world = World()
    maker = world.maker(feed_stale_after_s=10, reconcile_every=1000, **ALLOCATION)
    world.guard(maker)

    async with world.running(maker):
        for _ in range(60):
            await trio.sleep(1)
            world.say("allMids", {"mids": {}})
        for _ in range(BACKLOG_MESSAGES + 1):
            world.say("allMids", {"mids": {}})
        world.buy("5")
        await until(lambda: ("buy", 20) in world.book_of(maker))

    assert maker.stats.reconnects == 0
    assert maker.stats.fills == 1
