"""Connection to a market that nobody trades in: opened, watched, and opened again when it is lost."""

from __future__ import annotations

import logging
import random
from typing import Never

import trio

from mm_trio.model.errors import VenueError
from mm_trio.recorder.record_keeping import Connected
from mm_trio.venue.feed_connection import FeedConnection, Pulse
from mm_trio.venue.wire import HEARTBEAT_FEED

__all__ = ["MarketConnection"]

_log = logging.getLogger(__name__)

POLL_EVERY_S = 0.5
# The venue speaks every few seconds, in a quiet market too.
STALE_AFTER_S = 30.0
# Pauses between attempts to connect, doubled up to the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
# A connection that lasted this long was a good one: the pauses begin anew.
STEADY_S = 60.0


class MarketConnection:
    """Owner of a connection with one heartbeat. `n_lost` counts the connections that ended."""

    def __init__(self, feed: FeedConnection, rng: random.Random) -> None:
        self._feed = feed
        self._rng = rng
        self._number = 0
        self._pulse = Pulse()
        self._n_failed = 0
        self.n_lost = 0

    def find_connected(self) -> Connected:
        """Return the present connection, for a recorder."""
        return Connected(self._number, self._pulse.heard_s)

    async def keep_forever(self) -> Never:
        """Keep a connection open, whatever happens to it."""
        while True:
            try:
                await self._open()
            except VenueError as error:
                self._n_failed += 1
                pause_s = self._compute_pause_s()
                _log.warning("venue not reached: error=%s retry_s=%.1f", error, pause_s)
                await trio.sleep(pause_s)
                continue
            opened_s = trio.current_time()
            reason = await self._watch(opened_s)
            self.n_lost += 1
            if trio.current_time() - opened_s >= STEADY_S:
                self._n_failed = 0
            self._n_failed += 1
            pause_s = self._compute_pause_s()
            _log.warning("connection lost: reason=%s retry_s=%.1f; what happens meanwhile is a hole", reason, pause_s)
            await trio.sleep(pause_s)

    async def _open(self) -> None:
        """Open a fresh connection. Errors: VenueError."""
        await self._feed.reopen()
        # Together: a sign of life of this connection says nothing about the one before.
        self._pulse, self._number = Pulse(), self._number + 1
        await self._feed.subscribe(HEARTBEAT_FEED, self._pulse)
        _log.info("connected: connection=%d", self._number)

    async def _watch(self, opened_s: float) -> str:
        """Return why the connection is lost, once it is."""
        while self._feed.is_alive():
            silent_s = trio.current_time() - max(opened_s, self._pulse.heard_s)
            if silent_s >= STALE_AFTER_S:
                return f"no message received for {silent_s:.0f} s"
            await trio.sleep(POLL_EVERY_S)
        return "socket closed"

    def _compute_pause_s(self) -> float:
        pause_s: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._n_failed - 1, 10))
        return pause_s * self._rng.uniform(0.5, 1.0)
