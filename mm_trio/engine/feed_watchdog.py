"""Detection of a dead, silent, late or unsubscribed feed.

A lost feed is reconnected here.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import suppress

import trio

from mm_trio.concurrency.common_beat import sleep_to_beat
from mm_trio.model.errors import VenueError
from mm_trio.venue import wire
from mm_trio.venue.feed_connection import Feed, Pulse
from mm_trio.venue.thread_bridge import Inbox

__all__ = ["FeedWatchdog"]

_log = logging.getLogger(__name__)

POLL_EVERY_S = 0.5
# Pauses between attempts to connect, doubled up to the longest: the venue takes 30 new connections a minute.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
# A connection that lasted this long was a good one: the pauses begin anew.
STEADY_S = 30.0
# The machine slept if the calendar advanced by this much more than the loop's clock.
SLEPT_S = 5.0
ACK_WITHIN_S = 10.0
# A start that has its answers does not wait longer for a connection made beside them.
OPEN_AHEAD_S = 2.0
PONG_WITHIN_S = 5.0
# The event loop stalled if the last poll is this old: 2 s, and the half second in which a poll is due.
STALL_S = 2.5


class _Connection:
    """Signs of life of one connection, from the moment that it was to be opened.

    It may be open, and silent, long before that is known. `began_s` is that moment, `lead_s` the calendar's lead over
    the loop's clock then, and `n_lost` the number of messages that the full inbox had dropped until then.
    """

    def __init__(self, number: int, *, began_s: float, lead_s: float, n_lost: int) -> None:
        self.number = number
        self.lead_s = lead_s
        self.n_lost = n_lost
        self.pulse = Pulse()
        self._framed_s = float("-inf")
        self.opened_s, self._received_s = trio.current_time(), began_s
        self._slept_s = 0.0
        # Delay of the last message with a time of its own.
        self.lag_s = 0.0
        # Time of the last ping, and the frames received until then.
        self.probed: tuple[float, int] | None = None

    @property
    def heard_s(self) -> float:
        """Time of the last message."""
        return max(self._received_s, self.pulse.heard_s)

    def find_framed_s(self, earlier_s: float | None) -> float | None:
        """Find the time of the last message; `earlier_s` is that of one on an earlier connection."""
        heard_s = max(self._framed_s, self.pulse.heard_s)
        return heard_s if heard_s > float("-inf") else earlier_s

    def on_message(self, lag_s: float | None) -> None:
        """Note a message, and the delay of its event if it has a time."""
        self._received_s = self._framed_s = trio.current_time()
        self.lag_s = self.lag_s if lag_s is None else lag_s

    def note_sleep(self, lead_s: float) -> float:
        """Return the longest sleep so far, by the calendar's lead.

        The calendar is in whole milliseconds. A sleep of just the limit would come and go with each look, so that one
        task stays paused by it and the one that ends pauses never sees it.
        """
        self._slept_s = max(self._slept_s, lead_s - self.lead_s)
        return self._slept_s

    def on_ping(self, n_frames: int) -> None:
        """Note a ping, sent after so many frames."""
        self.probed = (trio.current_time(), n_frames)


class FeedWatchdog:
    """Owner of the connection: opens, subscribes and watches it."""

    def __init__(
        self,
        feed: Feed,
        inbox: Inbox,
        *,
        stale_after_s: float | None,
        wall_ms: Callable[[], int],
        venue_ms: Callable[[], int],
        lag_limit_s: float | None = None,
        rng: random.Random,
    ) -> None:
        self._feed = feed
        self._inbox = inbox
        self._stale_after_s = stale_after_s
        self._lag_limit_s = lag_limit_s
        self._wall_ms = wall_ms
        self._venue_ms = venue_ms
        self._rng = rng
        self._connection = _Connection(0, began_s=trio.current_time(), lead_s=self._compute_lead_s(), n_lost=0)
        # Time of the last message on the connections before this one, None where none was received.
        self._framed_s: float | None = None
        self._n_attempts = 0
        self._n_connected = 0
        # Time of the last poll, None while nothing is watched.
        self._polled_s: float | None = None

    @property
    def heard_s(self) -> float:
        """Time of the last message of the heartbeat feed, on the present connection."""
        return self._connection.pulse.heard_s

    @property
    def framed_s(self) -> float | None:
        """Time of the last message of any feed, on whatever connection; None before the first."""
        return self._connection.find_framed_s(self._framed_s)

    def find_connected(self) -> tuple[int, float]:
        """Return the number of the last connection with all feeds, and the time of its last message.

        Number 0 before the first. While another one is being made, nothing is heard of this one any more.
        """
        is_present = self._n_connected == self._connection.number
        return self._n_connected, self.heard_s if is_present else float("-inf")

    def on_message(self, connection: int, event_ms: int | None = None) -> None:
        """Note a message, and the delay of its event.

        `event_ms` is the event's time on the venue's calendar. Messages of an earlier connection are ignored.
        """
        if connection == self._connection.number:
            self._connection.on_message(None if event_ms is None else (self._venue_ms() - event_ms) / 1000)

    def _compute_lead_s(self) -> float:
        """Compute the calendar's lead over the loop's clock.

        The loop's clock stands still while the machine sleeps.
        """
        return self._wall_ms() / 1000 - trio.current_time()

    def find_fault(self) -> str | None:
        """Return the fault of the feed, or None."""
        if not self._feed.is_alive():
            return "socket closed"
        connection, now_s = self._connection, trio.current_time()
        silent_s = now_s - connection.heard_s
        if self._stale_after_s is not None and silent_s >= self._stale_after_s:
            return f"no message received for {silent_s:.0f} s"
        if connection.probed is not None and self._has_no_pong(*connection.probed):
            return f"no answer to a ping within {PONG_WITHIN_S:g} s"
        if self._lag_limit_s is not None and connection.lag_s > self._lag_limit_s:
            return f"messages arrive {connection.lag_s:.0f} s late"
        if self._polled_s is not None and now_s - self._polled_s > STALL_S:
            return f"event loop stalled for {now_s - self._polled_s:.1f} s"
        slept_s = connection.note_sleep(self._compute_lead_s())
        if slept_s > SLEPT_S:
            return f"machine slept for {slept_s:.0f} s"
        if self._inbox.n_overflown > connection.n_lost:
            return "inbox full: messages were dropped"
        return None

    async def open_ahead(self) -> None:
        """Open a connection for `connect`, unless one is open or it takes long.

        Nothing is subscribed on it yet. One that fails is left to `connect`, which tells it.
        """
        if not self._feed.is_alive():
            with trio.move_on_after(OPEN_AHEAD_S), suppress(VenueError):
                await self._feed.reopen()

    async def connect(self, *, fresh: bool) -> None:
        """Subscribe every feed, on a new connection if needed.

        It is needed if `fresh` or if none is open. Errors: VenueError.
        """
        began_s, n_lost, lead_s = trio.current_time(), self._inbox.n_overflown, self._compute_lead_s()
        if fresh or not self._feed.is_alive():
            await self._feed.reopen()
        # Signs of an old connection, such as its heartbeat, must not count for this one.
        number, self._framed_s = self._connection.number + 1, self.framed_s
        self._connection = _Connection(number, began_s=began_s, lead_s=lead_s, n_lost=n_lost)
        for feed in wire.FEEDS:
            await self._feed.subscribe(feed, self._inbox.callback(feed, self._connection.number))
        await self._feed.subscribe(wire.HEARTBEAT_FEED, self._connection.pulse)
        await self._feed.wait_acknowledged(
            [feed for feed in wire.FEEDS if feed != wire.RETIRED_FEED], within_s=ACK_WITHIN_S
        )
        self._n_connected = self._connection.number

    async def wait_for_fault(self, find_other: Callable[[], str | None]) -> str:
        """Watch until the feed, or `find_other`, has a fault.

        Return that fault.
        """
        try:
            while (fault := self.find_fault() or find_other()) is None:
                self._polled_s = trio.current_time()
                await self._probe_if_silent()
                await sleep_to_beat(POLL_EVERY_S)
        finally:
            self._polled_s = None
        return fault

    def _has_no_pong(self, asked_s: float, n_frames: int) -> bool:
        return trio.current_time() >= asked_s + PONG_WITHIN_S and self._feed.count_frames() == n_frames

    async def _probe_if_silent(self) -> None:
        """Send a ping half way to the stale limit.

        A pong proves that the connection is open, but nothing about the feeds.
        """
        connection = self._connection
        if self._stale_after_s is None or trio.current_time() - connection.heard_s < self._stale_after_s / 2:
            return
        # One ping per silence is enough.
        if connection.probed is not None and connection.probed[0] >= connection.heard_s:
            return
        if (n_frames := self._feed.count_frames()) is None:
            return
        connection.on_ping(n_frames)
        # A ping that cannot be sent gets no pong, which is noticed anyway.
        with suppress(VenueError), trio.move_on_after(POLL_EVERY_S):
            await self._feed.ping()

    async def reconnect(self) -> None:
        """Connect until every feed is subscribed on an open connection.

        Pauses grow with every attempt, even after one that succeeded and did not last.
        """
        if trio.current_time() - self._connection.opened_s >= STEADY_S:
            self._n_attempts = 0
        while True:
            if self._n_attempts:
                await trio.sleep(self._compute_pause_s())
            self._n_attempts += 1
            try:
                await self.connect(fresh=True)
            except VenueError as error:
                _log.warning("reconnect failed: attempt=%d error=%s; trying again", self._n_attempts, error)
            else:
                if self._feed.is_alive():
                    return
                _log.warning("reconnect failed: attempt=%d error=%s; trying again", self._n_attempts, "closed at once")

    def _compute_pause_s(self) -> float:
        pause_s: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._n_attempts - 1, 10))
        return pause_s * self._rng.uniform(0.5, 1.0)
