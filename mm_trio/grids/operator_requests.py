"""Requests of the operator to a running maker, and the file that keeps what holds.

A request closes the gate at once. Everything else that follows from it waits until it is written down, and its file is
removed after that. The one request that widens anything is removed first, so that it can never count twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Never, TypeVar

import trio

from mm_trio.concurrency.blocking_calls import NoFreeThread, RunSync
from mm_trio.concurrency.common_beat import sleep_to_beat
from mm_trio.halts.requests import Asked, Request, find_strictest
from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import KeepsStanding
from mm_trio.journal.writer import COMMIT_WITHIN_S
from mm_trio.model.errors import find_leaves

if TYPE_CHECKING:
    from mm_trio.grids.stops import Stops

__all__ = ["StandingKeeper", "heed_forever", "heed_while"]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

# A request is followed within a second: a look, what it takes, and the write.
LOOK_EVERY_S = 0.5
LOOK_WITHIN_S = 0.4
# A halt has to cancel next, and a request that stays does no harm.
REMOVE_WITHIN_S = 1.0


class StandingKeeper:
    """Standing and requests of one maker, read and written off the loop, each within a time.

    `kept` is where they last. A disk that hangs or refuses holds nothing up.
    """

    def __init__(self, kept: KeepsStanding, *, write_sync: RunSync, look_sync: RunSync) -> None:
        self._kept = kept
        self._write_sync = write_sync
        self._look_sync = look_sync
        self._is_unread_told = False

    @property
    def hears(self) -> bool:
        """Check if there is a way by which an operator can ask."""
        return self._kept.requests is not None

    def is_on_disk(self, standing: Standing) -> bool:
        """Check that what is written down is as strict as this."""
        return self._kept.standing.state.strictness >= standing.state.strictness

    async def tighten(self, wanted: Standing) -> Standing:
        """Write down a stricter standing and return what holds.

        One that cannot be written holds all the same, for this process.
        """
        try:
            with trio.move_on_after(COMMIT_WITHIN_S):
                return await self._write_sync(self._kept.tighten, wanted, abandon_on_cancel=True)
            _log.error("standing not written: within_s=%g standing=%s", COMMIT_WITHIN_S, wanted.describe())
        except (OSError, NoFreeThread) as error:
            _log.error("standing not written: error=%s standing=%s", error, wanted.describe())
        return wanted

    async def resume(self) -> Standing | None:
        """Write down that the maker may place again; None where that cannot be written."""
        # A thread that is left behind must not resume the maker behind the operator's back.
        is_late = threading.Event()
        try:
            with trio.move_on_after(COMMIT_WITHIN_S):
                return await self._write_sync(self._kept.resume, is_late.is_set, abandon_on_cancel=True)
            is_late.set()
            _log.error("not resumed: the standing was not written in %g s", COMMIT_WITHIN_S)
        except (OSError, NoFreeThread) as error:
            _log.error("not resumed: the standing was not written: %s", error)
        return None

    def take_signalled(self) -> Asked | None:
        """Return the strictest request that came by a signal and was not heard yet."""
        requests = self._kept.requests
        return None if requests is None else find_strictest(requests.take_signalled())

    async def find_requests(self) -> tuple[Asked, ...]:
        """Return the requests that are there. A signal does not wait for the disk."""
        requests = self._kept.requests
        if requests is None:
            return ()
        if signalled := requests.take_signalled():
            return signalled
        failure = f"no answer of the disk in {LOOK_WITHIN_S:g} s"
        try:
            with trio.move_on_after(LOOK_WITHIN_S):
                files = await self._look_sync(requests.read_files, abandon_on_cancel=True)
                self._is_unread_told = False
                return files
        except (OSError, NoFreeThread) as error:
            failure = str(error)
        if not self._is_unread_told:
            _log.warning("requests of the operator not read: reason=%s; signals are heard all the same", failure)
        self._is_unread_told = True
        return ()

    async def remove(self, request: Request) -> bool:
        """Remove a request's file; return whether it is gone."""
        requests = self._kept.requests
        if requests is None:
            return True
        failure = f"no answer of the disk in {REMOVE_WITHIN_S:g} s"
        try:
            with trio.move_on_after(REMOVE_WITHIN_S):
                await self._look_sync(requests.remove, request, abandon_on_cancel=True)
                return True
        except (OSError, NoFreeThread) as error:
            failure = str(error)
        _log.warning("request not removed: file=%s reason=%s; remove it by hand", request, failure)
        return False


async def heed_forever(stops: Stops) -> Never:
    """Look for requests of the operator twice a second, and follow them."""
    while True:
        await heed(stops)
        await sleep_to_beat(LOOK_EVERY_S)


async def heed_while(stops: Stops, work: Callable[[], Awaitable[_T]]) -> _T:
    """Do a session's work while requests are heeded, the first look before it begins.

    Errors: those of the work as they are; Halted where that is asked for.
    """
    if not stops.keeper.hears:
        return await work()
    await heed(stops)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heed_forever, stops)
            result = await work()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        leaves = find_leaves(group)
        # The work alone fails, or the operator ends it: what that cancelled says nothing.
        causes = [leaf for leaf in leaves if not isinstance(leaf, trio.Cancelled)]
        if len(causes) == 1 and len(leaves) == 1:
            raise causes[0] from causes[0].__cause__
        raise
    return result


async def heed(stops: Stops) -> None:
    """Follow the strictest request that is there, if there is one. Errors: Halted."""
    found = await stops.keeper.find_requests()
    asked = find_strictest(found)
    if asked is None:
        return
    if asked.request is Request.RESUME:
        await _resume(stops, asked)
        return
    await _tighten(stops, asked, found)


async def _tighten(stops: Stops, asked: Asked, found: tuple[Asked, ...]) -> None:
    """Write a stricter standing down, follow it, and remove what asked for it. Errors: Halted."""
    keeper = stops.keeper
    wanted = asked.to_standing(since_ms=stops.wall_ms())
    stops.limits.want(wanted)
    # A signal is heard once, so that no end of a start or a session may cut this off.
    with trio.CancelScope(shield=True):
        try:
            await stops.apply()
        finally:
            # What is not on disk has to be found again by the next start. A resumption is withdrawn in any case, also
            # one that was not looked for because a signal came.
            followed = {other.request for other in found} if keeper.is_on_disk(wanted) else set()
            for request in sorted(followed | {Request.RESUME}):
                await keeper.remove(request)
    if stops.standing.state is State.CANCEL_ONLY:
        stops.wake()
    if any(other.request is Request.RESUME for other in found):
        _log.warning("not resumed: the operator asked for %s at the same time", asked.request)


async def _resume(stops: Stops, asked: Asked) -> None:
    """Let the maker place again, unless it is halted."""
    keeper, before = stops.keeper, stops.standing
    if not await keeper.remove(asked.request):
        return
    if before.state in (State.ACTIVE, State.HALTED):
        _log.warning("not resumed: it is %s", before.describe())
        return
    resumed = await keeper.resume()
    if resumed is not None and resumed.state is State.ACTIVE:
        stops.limits.on_resumed(resumed)
        _log.warning("resumed: %s; it was %s", asked.describe(), before.describe())
        stops.wake()
