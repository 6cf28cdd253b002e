"""Guard of one maker: it waits for its silence, cancels, proves it, and goes on watching."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Never

import trio

from mm_trio.guard.files import MakerFiles
from mm_trio.guard.heartbeat import Heartbeat
from mm_trio.guard.signed_file import SignedAction
from mm_trio.guard.silence import Silence, Watched
from mm_trio.guard.venue_session import Owned, VenueSession, call_in_thread
from mm_trio.model.replies import OpenOrder

__all__ = ["NOT_POLLED", "GuardReport", "Watcher", "describe_order"]

_log = logging.getLogger(__name__)

# Of the files: what was written within the last look is not in memory when the folder is deleted.
LOOK_EVERY_S = 0.25
ALIVE_EVERY_S = 1.0
# Of the files, too. With a look's pause less than what a look counts for at most (`silence.MOST_STEP_S`), so that the
# silence goes on while the disk hangs.
DISK_WITHIN_S = 1.0
# Between two attempts, doubled up to the longest: each poll has a request weight of 20.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
NOT_POLLED = "orders of a silent maker: not polled yet"


@dataclass(slots=True)
class GuardReport:
    """What a guard did until now."""

    fired: int = 0
    cancels_posted: int = 0
    cancelled: int = 0
    verified: int = 0
    may_rest: tuple[str, ...] = ()

    def on_silent(self) -> None:
        """Count a silence that is acted on; until it was polled, anything may rest."""
        self.fired += 1
        self.may_rest = (NOT_POLLED,)

    def on_posted(self, n_cancelled: int) -> None:
        """Count an action and the cancels that the venue confirmed."""
        self.cancels_posted += 1
        self.cancelled += n_cancelled

    def on_looked(self, may_rest: tuple[str, ...], *, is_proof: bool = False) -> None:
        """Note what rests, as far as is known."""
        self.may_rest = may_rest
        self.verified += is_proof


class _Disk:
    """Files of the maker, on a disk that may hang.

    Each call is waited for a moment. Reads have one thread and writes another, so that what hangs holds no more; while
    it does, no other call of its kind is made.
    """

    def __init__(self, files: MakerFiles) -> None:
        self._files = files
        self._reads, self._writes = trio.CapacityLimiter(1), trio.CapacityLimiter(1)
        self._hanging: set[str] = set()
        # Posted nonces that the maker was not told yet.
        self._unnoted: set[int] = set()

    async def read(self) -> Heartbeat | None:
        """Read what is new; None where there is no whole heartbeat, and where the disk hangs.

        Errors: ConfigError where others may change the folder.
        """
        beat: Heartbeat | None = (await self._call("read", self._reads, self._files.read))[1]
        return beat

    async def note_fired(self, nonces: set[int]) -> None:
        """Tell the maker which nonces are posted from now on."""
        self._unnoted |= nonces
        noted = frozenset(self._unnoted)
        if noted and (await self._call("written", self._writes, partial(self._files.note_fired, set(noted))))[0]:
            self._unnoted -= noted

    async def show_life(self, *, armed: bool) -> None:
        """Leave this guard's sign of life, and tell the maker what could not be told before."""
        await self._call("written", self._writes, partial(self._files.write_alive, armed=armed))
        await self.note_fired(set())

    async def _call(self, duty: str, thread: trio.CapacityLimiter, call: Callable[[], Any]) -> tuple[bool, Any]:
        """Make a blocking call; return whether it ended in time, and its result."""
        result = None
        with trio.move_on_after(DISK_WITHIN_S) as scope:
            result = await call_in_thread(call, abandon_on_cancel=True, limiter=thread)
        is_done = not scope.cancelled_caught
        if is_done:
            self._hanging.discard(duty)
        elif duty not in self._hanging:
            self._hanging.add(duty)
            told = (self._files.folder, duty, DISK_WITHIN_S)
            _log.warning("disk hangs: folder=%s; nothing was %s in %g s; the guard acts on what it knows", *told)
        return is_done, result


class Watcher:
    """Guard of one maker.

    `coins` are those of its configuration; the maker may have others by now. `report` is what the guard did. It acts
    again where orders of a silent maker turn up later, and after a new heartbeat.
    """

    def __init__(self, files: MakerFiles, venue: VenueSession, *, coins: Iterable[str], after_s: float) -> None:
        self._files = files
        self._coins = frozenset(coins)
        self._disk = _Disk(files)
        self._venue = venue
        self._silence = Silence(after_s)
        self._told: Watched | None = None
        # Set when what is thought of the maker changes.
        self._changed = trio.Event()
        # Nonces that the venue has used, so that posting them again changes nothing.
        self._answered: set[int] = set()
        # The lowest nonce of the reserve in use, and which of its volleys comes next.
        self._reserve, self._n_volley = 0, 0
        self._n_named = 0
        self._looked_s = float("-inf")
        self.report = GuardReport()

    @property
    def silence(self) -> Silence:
        """Return what is known of the maker's silence."""
        return self._silence

    @property
    def looked_s_ago(self) -> float:
        """Return how long ago the last look ended, whatever it found; inf before the first."""
        return trio.current_time() - self._looked_s

    def describe(self) -> str:
        """Describe in a line what is thought of the maker, and what was done."""
        report = self.report
        rests = f"; may still rest: {', '.join(report.may_rest)}" if report.may_rest else ""
        state = "not looked yet" if self._told is None else f"maker {self._told.name.lower()}"
        return f"{state}; acted {report.fired} times, {report.cancelled} orders cancelled{rests}"

    async def watch(self) -> None:
        """Look for ever, and act where the maker is silent.

        Errors: ConfigError where others may change the state folder.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_forever)
            nursery.start_soon(self._show_life_forever)
            while True:
                if self._silence.state is Watched.SILENT:
                    await self._act()
                await self._changed.wait()

    async def _look_forever(self) -> Never:
        while True:
            beat = await self._disk.read()
            cancels = self._files.cancels
            made_ms = cancels.made_ms if cancels is not None and cancels.names else None
            self._silence.on_look(beat, now_s=trio.current_time(), made_ms=made_ms)
            self._looked_s = trio.current_time()
            self._tell_state()
            await trio.sleep(LOOK_EVERY_S)

    async def _show_life_forever(self) -> Never:
        while True:
            armed = self._files.cancels is not None and self._silence.state in (Watched.ALIVE, Watched.SILENT)
            await self._disk.show_life(armed=armed)
            await trio.sleep(ALIVE_EVERY_S)

    def _tell_state(self) -> None:
        state = self._silence.state
        if state is self._told:
            return
        self._told = state
        self._changed.set()
        self._changed = trio.Event()
        if state is Watched.ABSENT:
            _log.info("guard waiting: folder=%s; no maker has left a heartbeat there yet", self._files.folder)
        elif state is Watched.ALIVE:
            n_orders = 0 if self._files.cancels is None else len(self._files.cancels.names)
            _log.info("guard armed: %s orders=%d", self._silence.describe(), n_orders)
            if self._silence.is_unheard:
                _log.warning(
                    "heartbeat of an ended maker, and newer signed cancels: another maker runs whose heartbeat is not "
                    "written; each new file of cancels counts as its sign of life"
                )
        elif state is Watched.ENDED and (beat := self._silence.heartbeat) is not None:
            _log.info("guard disarmed: the maker ended: pid=%d state=%s", beat.pid, beat.state)

    async def _act(self) -> None:
        """Cancel until nothing rests, or the maker is heard of again."""
        self.report.on_silent()
        self._n_named = 0
        _log.error("maker silent: %s orders=%d; cancelling what it left", self._silence.describe(), len(self._names))
        pause_s, is_proven = FIRST_PAUSE_S, False
        while self._silence.state is Watched.SILENT:
            if not is_proven:
                await self._post_volley()
            # After the proof one poll each time is enough: what arrives late is acted on.
            rests = await (self._venue.poll_once if is_proven else self._venue.find_resting)(self._owned)
            if rests is not None:
                self._note_resting(rests, was_proven=is_proven)
                pause_s = FIRST_PAUSE_S if is_proven and rests else pause_s
                is_proven = not rests
            with trio.move_on_after(pause_s):
                await self._changed.wait()
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self.report.on_looked(())
        _log.warning("maker heard of again: %s; watching", self._silence.describe())

    @property
    def _names(self) -> frozenset[str | int]:
        """Cloids and oids that the signed cancels name."""
        cancels = self._files.cancels
        return frozenset() if cancels is None else cancels.names

    @property
    def _owned(self) -> Owned:
        cancels = self._files.cancels
        return Owned(frozenset(cancels.coins if cancels is not None else ()) or self._coins, self._names)

    def _find_volley(self) -> Sequence[SignedAction] | None:
        """Find what of the present volley has no answer; None where there is no further volley."""
        cancels = self._files.cancels
        if cancels is None:
            return None
        if cancels.first != self._reserve:
            self._reserve, self._n_volley = cancels.first, 0
        if self._n_volley >= len(cancels.volleys):
            return None
        return [action for action in cancels.volleys[self._n_volley] if action.nonce not in self._answered]

    async def _post_volley(self) -> None:
        """Post what of the present volley is not answered yet."""
        volley = self._find_volley()
        if not volley:
            return
        # A maker that was not told yet signs with used nonces; orders that rest are worse.
        await self._disk.note_fired({action.nonce for action in volley})
        for action in volley:
            posted = await self._venue.post(action)
            self.report.on_posted(posted.n_cancelled)
            if posted.is_answered:
                self._answered.add(action.nonce)
            told = (len(action.names), posted.n_cancelled, posted.reason or "none")
            _log.warning("cancels posted: orders=%d cancelled=%d reason=%s", *told)

    def _note_resting(self, rests: Sequence[OpenOrder], *, was_proven: bool) -> None:
        """Tell what rests, and take the next volley where the present one did not cancel it."""
        self.report.on_looked(tuple(map(self._describe, rests)), is_proof=not rests and not was_proven)
        if not rests:
            if not was_proven:
                _log.warning("verified: two polls found no order of the maker; watching on")
            return
        _log.error("orders still rest: orders=%d: %s", len(rests), ", ".join(self.report.may_rest))
        unnamed = [row for row in rests if row.cloid not in self._names and row.oid not in self._names]
        if unnamed and len(unnamed) != self._n_named:
            listed = ", ".join(map(self._describe, unnamed))
            _log.error("orders that no signed cancel names: orders=%d: %s; cancel them manually", len(unnamed), listed)
        self._n_named = len(unnamed)
        volley = self._find_volley()
        if volley is None:
            _log.error("no signed cancels are left: run `mm-trio cancel-all`, or cancel in the venue's web page")
        elif not volley and len(unnamed) < len(rests):
            self._n_volley += 1

    def _describe(self, row: OpenOrder) -> str:
        """Describe an order, with its coin where the maker may have several."""
        cancels = self._files.cancels
        has_several = len(self._coins) > 1 or (cancels is not None and bool(cancels.coins))
        return f"{row.coin} {describe_order(row)}" if has_several else describe_order(row)


def describe_order(row: OpenOrder) -> str:
    """Describe an order that rests, for the operator."""
    return f"{row.side} {_plain(row.size)} at {_plain(row.price)} (oid {row.oid})"


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
