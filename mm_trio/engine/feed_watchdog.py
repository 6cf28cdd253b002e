"""Is the feed alive? A dead socket, a silent one, a late one, one that did not take our subscriptions: all are lost."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import suppress

import trio

from mm_trio.model.errors import VenueError
from mm_trio.venue import wire
from mm_trio.venue.feed_connection import FeedConnection
from mm_trio.venue.thread_bridge import Inbox

__all__ = ["FeedWatchdog"]

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
# Pauses between attempts to connect, doubled up to the last: the venue takes 30 new connections a minute.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
STEADY_S = 30.0  # a connection that lasted this long was a good one
SLEPT_S = 5.0  # the calendar went on by so much more than our clock: the machine slept
ACK_WITHIN_S = 10.0
PONG_WITHIN_S = 5.0
STALL_S = 2.5  # a look that is so late found the loop standing still (2 s, and the half second it was due in)


class _Pulse:
    """The heartbeat's callback: notes when it came. It says no more than that, so the loop does not wake up for it."""

    def __init__(self) -> None:
        self._clock = trio.lowlevel.current_clock()  # the loop's; any thread may read it
        self.heard_s = self._clock.current_time()

    def __call__(self, _body: object) -> None:
        self.heard_s = self._clock.current_time()


class FeedWatchdog:
    """Owns the connection: opens it, subscribes every feed, and knows when something was last heard."""

    def __init__(
        self,
        feed: FeedConnection,
        inbox: Inbox,
        *,
        stale_after_s: float | None,
        wall_ms: Callable[[], int],
        lag_limit_s: float | None = None,
        rng: random.Random,
    ) -> None:
        self._feed = feed
        self._inbox = inbox
        self._stale_after_s = stale_after_s
        self._lag_limit_s = lag_limit_s
        self._wall_ms = wall_ms
        self._lag_s = 0.0  # of the last message that said when it was true
        self._asleep_s = self._compute_asleep_s()
        self._rng = rng
        self._connection = 0
        self._told_s = self._connected_s = trio.current_time()
        self._pulse = _Pulse()
        self._n_attempts = 0
        self._looked_s: float | None = None  # while it watches: every half second, or the loop stands still
        self._probed: tuple[float, int] | None = None  # when, and how many frames had come on the wire until then
        self._n_lost = 0  # messages the inbox had no room for, as far as we reacted to it

    def on_message(self, connection: int, told_ms: int | None = None) -> None:
        """A message came, of what happened at `told_ms` of the venue's calendar; one of an earlier connection says
        nothing of this one.
        """
        if connection == self._connection:
            self._told_s = trio.current_time()
            if told_ms is not None:
                self._lag_s = (self._wall_ms() - told_ms) / 1000

    def _get_heard_s(self) -> float:
        """When something last came on this connection."""
        return max(self._told_s, self._pulse.heard_s)

    def _compute_asleep_s(self) -> float:
        """How far the calendar is ahead of the loop's clock, which stands still while the machine sleeps."""
        return self._wall_ms() / 1000 - trio.current_time()

    def find_fault(self) -> str | None:
        """What is wrong with the feed, None if nothing is known to be."""
        if not self._feed.is_alive():
            return "socket closed"
        silent_s = trio.current_time() - self._get_heard_s()
        if self._stale_after_s is not None and silent_s >= self._stale_after_s:
            return f"nothing heard for {silent_s:.0f} s"
        if self._probed is not None and self._has_no_pong(*self._probed):
            return f"no answer to a ping in {PONG_WITHIN_S:g} s"
        if self._lag_limit_s is not None and self._lag_s > self._lag_limit_s:
            return f"messages come {self._lag_s:.0f} s late"
        if self._looked_s is not None and trio.current_time() - self._looked_s > STALL_S:
            return f"the loop stood still for {trio.current_time() - self._looked_s:.1f} s"
        slept_s = self._compute_asleep_s() - self._asleep_s
        if slept_s > SLEPT_S:
            return f"the machine slept for {slept_s:.0f} s"
        if self._inbox.n_overflown > self._n_lost:
            return "more messages than could be kept"
        return None

    async def connect(self, *, fresh: bool) -> None:
        """Subscribe every feed, on a new connection if `fresh` or if there is none. Errors: VenueError."""
        self._n_lost = self._inbox.n_overflown
        self._lag_s, self._asleep_s = 0.0, self._compute_asleep_s()
        self._probed = None
        if fresh or not self._feed.is_alive():
            await self._feed.reopen()
        self._connection += 1
        self._told_s = self._connected_s = trio.current_time()
        self._pulse = _Pulse()  # an old connection's says nothing of this one
        for feed in wire.FEEDS:
            await self._feed.subscribe(feed, self._inbox.callback(feed, self._connection))
        await self._feed.subscribe(wire.HEARTBEAT_FEED, self._pulse)
        await self._feed.wait_acknowledged(
            [feed for feed in wire.FEEDS if feed != wire.RETIRED_FEED], within_s=ACK_WITHIN_S
        )

    async def wait_for_fault(self) -> str:
        """Watch until something is wrong with the feed; gives what."""
        due_s = trio.current_time()
        try:
            while (fault := self.find_fault()) is None:
                self._looked_s = trio.current_time()
                await self._probe_if_silent()
                # not a pause: looks and ticks that began together stay in step, and the loop wakes once for both
                due_s = max(due_s + LOOK_EVERY_S, trio.current_time())
                await trio.sleep_until(due_s)
        finally:
            self._looked_s = None
        return fault

    def _has_no_pong(self, asked_s: float, n_frames: int) -> bool:
        return trio.current_time() >= asked_s + PONG_WITHIN_S and self._feed.count_frames() == n_frames

    async def _probe_if_silent(self) -> None:
        """Half way to stale, see whether there still is a connection: a pong proves that, and nothing of the feeds."""
        heard_s = self._get_heard_s()
        if self._stale_after_s is None or trio.current_time() - heard_s < self._stale_after_s / 2:
            return
        if self._probed is not None and self._probed[0] >= heard_s:  # asked since
            return
        if (n_frames := self._feed.count_frames()) is None:
            return
        self._probed = (trio.current_time(), n_frames)
        with suppress(VenueError), trio.move_on_after(LOOK_EVERY_S):  # a ping that cannot be sent gets no pong
            await self._feed.ping()

    async def reconnect(self) -> None:
        """Try until every feed is subscribed on a new, living connection.

        Pauses grow with every attempt, also with one that succeeded and did not last.
        """
        if trio.current_time() - self._connected_s >= STEADY_S:
            self._n_attempts = 0
        while True:
            if self._n_attempts:
                await trio.sleep(self._compute_pause_s())
            self._n_attempts += 1
            try:
                await self.connect(fresh=True)
            except VenueError as error:
                _log.warning("feed: attempt %d failed: %s", self._n_attempts, error)
            else:
                if self._feed.is_alive():
                    return
                _log.warning("feed: attempt %d: connected and closed at once", self._n_attempts)

    def _compute_pause_s(self) -> float:
        pause_s: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._n_attempts - 1, 10))
        return pause_s * self._rng.uniform(0.5, 1.0)
