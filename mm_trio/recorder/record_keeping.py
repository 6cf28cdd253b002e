"""Tasks that feed a recorder: looks, subscriptions and writes, beside whatever else the loop does.

They never end by an error: what goes wrong costs observations alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Never

import trio

from mm_trio.concurrency.blocking_calls import NoFreeThread, RunSync
from mm_trio.concurrency.common_beat import sleep_to_beat
from mm_trio.messages.market_messages import MARKET_FEEDS
from mm_trio.model.errors import VenueError
from mm_trio.model.observations import OwnBook
from mm_trio.recorder.recorder import Look, Recorder
from mm_trio.venue.feed_connection import Feed

__all__ = ["Connected", "RecordKeeping"]

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
WRITE_EVERY_S = 1.0
# A connection is a new one at most every half second.
SUBSCRIBE_POLL_S = 0.5
SUBSCRIBE_AGAIN_S = 5.0
# A disk that takes longer hangs. The write goes on, and no other is made meanwhile.
WRITE_WITHIN_S = 10.0
# The end of a session waits so long for the last write.
END_WITHIN_S = 1.0


class Connected(NamedTuple):
    """Connection whose other feeds are subscribed, and the loop's time of its last sign of life.

    Number 0: there was none yet.
    """

    number: int
    heard_s: float


class RecordKeeping:
    """Tasks of one recorder on the connection of others.

    `find_connected` is asked before each look; `look_at_own` returns our book for a time, None where nothing of ours is
    recorded; `wall_ms` is our estimate of the venue's time.
    """

    def __init__(
        self,
        recorder: Recorder,
        feed: Feed,
        *,
        find_connected: Callable[[], Connected],
        wall_ms: Callable[[], int],
        run_sync: RunSync,
    ) -> None:
        self.recorder = recorder
        self._feed = feed
        self._find_connected = find_connected
        self._wall_ms = wall_ms
        self._run_sync = run_sync
        self._look_at_own: Callable[[int], OwnBook | None] = lambda _now_ms: None
        self._n_subscribed = 0
        self._is_hanging = False

    async def keep_forever(self, look_at_own: Callable[[int], OwnBook | None] | None = None) -> Never:
        """Record until cancelled, whatever happens."""
        self._look_at_own = look_at_own or self._look_at_own
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look_forever)
                nursery.start_soon(self._subscribe_forever)
                nursery.start_soon(self._write_forever)
        except Exception:  # noqa: BLE001 - whatever is wrong with the record, a maker goes on without it
            _log.warning("record stopped for this session: an error of the recorder; the maker goes on", exc_info=True)
        await trio.sleep_forever()
        raise AssertionError("unreachable")

    async def end(self) -> None:
        """Write the rest, so that a fault of the record is told before the end of the session is."""
        with suppress(NoFreeThread, RuntimeError), trio.move_on_after(END_WITHIN_S, shield=True):
            await self._run_sync(self.recorder.close, abandon_on_cancel=True)

    # --- Looks --------------------------------------------------------------------------------

    async def _look_forever(self) -> Never:
        while True:
            self._look()
            await sleep_to_beat(LOOK_EVERY_S)

    def _look(self) -> None:
        now_ms, (number, heard_s) = self._wall_ms(), self._find_connected()
        silent_s = trio.current_time() - heard_s
        heard_ms = None if silent_s == float("inf") else now_ms - round(silent_s * 1000)
        self.recorder.take_look(Look(now_ms, number, heard_ms, self._look_at_own(now_ms)))

    # --- Subscriptions ------------------------------------------------------------------------

    async def _subscribe_forever(self) -> Never:
        """Subscribe the market's feeds on each new connection, after its other feeds."""
        while True:
            number = self._find_connected().number
            again_s = 0.0
            if number != self._n_subscribed:
                # The first frame may come at once, and a connection is known by a look.
                self._look()
                try:
                    for feed in MARKET_FEEDS:
                        await self._feed.subscribe_market(feed, self.recorder.coin, self._make_callback(feed, number))
                    self._n_subscribed = number
                except VenueError as error:
                    _log.info("market not recorded: error=%s retry_s=%g", error, SUBSCRIBE_AGAIN_S)
                    again_s = SUBSCRIBE_AGAIN_S
            await trio.sleep(again_s)
            await sleep_to_beat(SUBSCRIBE_POLL_S)

    def _make_callback(self, feed: str, number: int) -> Callable[[Any], None]:
        return partial(self.recorder.take_frame, feed, number)

    # --- Writes -------------------------------------------------------------------------------

    async def _write_forever(self) -> Never:
        while True:
            await sleep_to_beat(WRITE_EVERY_S)
            await self._write()

    async def _write(self) -> None:
        """Write once; a disk that hangs is told once, and waited for without end."""
        try:
            with trio.move_on_after(WRITE_WITHIN_S) as patience:
                await self._run_sync(self.recorder.write, abandon_on_cancel=True)
        except (NoFreeThread, RuntimeError) as error:
            # No thread was free, or none can be started. What waits is in memory, and is written a second later.
            _log.debug("record not written: error=%s", error)
            return
        if patience.cancelled_caught and not self._is_hanging:
            _log.warning(
                "record stopped: reason=%s; the maker goes on, and figures of this time will be missing; check "
                "the disk",
                f"a write takes longer than {WRITE_WITHIN_S:g} s",
            )
        self._is_hanging = patience.cancelled_caught
