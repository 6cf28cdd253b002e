"""What a maker tells its guard: a heartbeat, and signed cancels for what may rest.

The heartbeat is written by the event loop's own doing, so a loop that stalls writes none. It tells how long ago the
venue was heard; where that is long, a cheap question is asked first.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Never

import trio

from mm_trio.concurrency.blocking_calls import NoFreeThread, RunSync
from mm_trio.concurrency.common_beat import sleep_to_beat
from mm_trio.guard.cover import CancelCover
from mm_trio.guard.heartbeat import Heartbeat, Life, write_heartbeat
from mm_trio.guard.silence import OwnSilence
from mm_trio.model.errors import VenueError
from mm_trio.model.local_failures import describe_local_failure
from mm_trio.model.market import Market
from mm_trio.venue.http_session import VENUE_FAILURES
from mm_trio.venue.rest_client import VenueClient

__all__ = ["LifeSigns"]

_log = logging.getLogger(__name__)

BEAT_EVERY_S = REFRESH_EVERY_S = 1.0
# Without a guard, and where what rests did not change: only the nonces could need it.
IDLE_REFRESH_S = 10.0
ASK_AFTER_S = 5.0
# Of the silence after which the guard acts.
BEATS_A_SILENCE, QUESTIONS_A_SILENCE = 4, 3
WRITE_WITHIN_S = 2.0
# A few actions, once in eighteen hours.
BURN_WITHIN_S = 30.0
# JSON has no infinity.
LONGEST_S = 1e6


class LifeSigns:
    """Signs of life of one session, in the maker's state folder.

    `run_sync` makes blocking calls on threads of their own. `find_heard_s`: when the feeds were last heard.
    `silence` is told that this process runs. A sign that
    cannot be written is told once, and again when it can be: the guard takes it for silence.
    """

    def __init__(
        self,
        cover: CancelCover,
        *,
        run_sync: RunSync,
        client: VenueClient,
        find_heard_s: Callable[[], float],
        silence: OwnSilence | None = None,
    ) -> None:
        self._terms = cover.terms
        self._cover = cover
        self._run_sync = run_sync
        self._client = client
        self._find_heard_s = find_heard_s
        self._silence = silence
        self._fault: str | None = None
        self._n_beats = 0
        # Belongs to whoever has the lock.
        self._lock = threading.Lock()
        self._n_written = 0

    @property
    def has_guard(self) -> bool:
        """Check if a guard watches, by what was seen of it; one may, before the first looks."""
        return self._cover.presence.is_likely

    async def keep_forever(self, market: Market) -> Never:
        """Write heartbeats, and ask the venue where it was not heard for a while."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_forever, market)
            await self.beat_forever()

    async def keep_cover_forever(self, *, is_settled: Callable[[], bool]) -> Never:
        """Make the file of signed cancels smaller, and its nonces new, where that is due.

        Until the orders of an earlier session are settled, the file of that session stays.
        """
        has_settled, done_s = False, float("-inf")
        while True:
            if has_settled := has_settled or is_settled():
                is_idle = not self._cover.presence.is_likely and self._cover.is_near()
                if not is_idle or trio.current_time() >= done_s + IDLE_REFRESH_S:
                    await self._call(self._cover.refresh())
                    done_s = trio.current_time()
                if self._cover.must_burn:
                    await self._burn()
            await sleep_to_beat(REFRESH_EVERY_S)

    async def beat_forever(self) -> Never:
        """Write a heartbeat each second, or faster for a guard that acts soon."""
        while True:
            await self.tell(Life.RUNNING)
            await sleep_to_beat(min(BEAT_EVERY_S, self._terms.after_s / BEATS_A_SILENCE))

    async def tell(self, state: Life) -> None:
        """Write one heartbeat."""
        heard_s = max(self._client.heard_s, self._find_heard_s())
        if self._silence is not None:
            self._silence.on_alive(now_s=trio.current_time(), heard_s=heard_s)
        ago_s = min(trio.current_time() - heard_s, LONGEST_S)
        beat = Heartbeat(time.time_ns() // 1_000_000, os.getpid(), ago_s, state, self._cover.read_clock_ms())
        self._n_beats += 1
        fault = await self._call(partial(self._write, self._n_beats, beat))
        if fault is not None and self._fault is None:
            _log.error("guard not told: reason=%s; it takes that for silence, and cancels", fault)
        elif fault is None and self._fault is not None:
            _log.info("guard told again: folder=%s", self._terms.folder)
        self._fault = fault

    def _write(self, number: int, beat: Heartbeat) -> None:
        """Replace the heartbeat on a thread, unless a later one was quicker. Errors: OSError."""
        self._cover.presence.look()
        with self._lock:
            if number > self._n_written:
                write_heartbeat(self._terms.folder, beat)
                self._n_written = number

    async def end(self, state: Life) -> None:
        """Write the last heartbeat, and signed cancels for what still may rest."""
        with trio.move_on_after(WRITE_WITHIN_S, shield=True):
            await self._call(self._cover.refresh(is_last=True))
            await self.tell(state)

    async def _call(self, call: Callable[[], None]) -> str | None:
        """Make a blocking call; return why it failed, None where it did not."""
        try:
            with trio.move_on_after(WRITE_WITHIN_S):
                await self._run_sync(call, abandon_on_cancel=True)
                return None
        except Exception as error:  # noqa: BLE001 - the maker goes on without its guard
            return describe_local_failure(error) or f"{type(error).__name__}: {error}"
        return f"it took more than {WRITE_WITHIN_S:g} s"

    async def _ask_forever(self, market: Market) -> Never:
        pause_s = min(ASK_AFTER_S, self._terms.after_s / QUESTIONS_A_SILENCE)
        while True:
            silent_s = trio.current_time() - max(self._client.heard_s, self._find_heard_s())
            if silent_s >= pause_s:
                try:
                    await self._client.fetch_book(market)
                except VenueError as error:
                    _log.debug("venue not heard: error=%s", error)
                silent_s = 0.0
            await trio.sleep(max(pause_s / 2, pause_s - silent_s))

    async def _burn(self) -> None:
        """Use up the nonces of an older file of signed cancels, if there are any."""
        with trio.move_on_after(BURN_WITHIN_S):
            try:
                await self._run_sync(self._cover.burn, abandon_on_cancel=True)
            except (*VENUE_FAILURES, NoFreeThread, RuntimeError) as error:
                _log.info("older signed cancels not burnt: error=%s; they cancel nothing that is new", error)
