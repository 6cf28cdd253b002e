"""Schedule of ticks and reconciliations, and requests for earlier ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import trio

from mm_trio.model.orders import Intent
from mm_trio.sending.batch_emitter import EXPIRY_GRACE_S
from mm_trio.venue.ip_weight import MOST_AT_ONCE

__all__ = [
    "DoubtBackoff",
    "ReconcileSchedule",
    "TickSchedule",
    "WeightDemand",
    "WokenTick",
    "make_wall_clock",
    "read_machine_clock",
]

# Fills of one block come as a burst: ticks woken by them are at least this far apart. Their frames are all here within
# this; a longer pause saves no items, and a taker that comes in it finds a wrong price.
BURST_S = 0.005
# An action leaves within a few milliseconds of the fill that it answers, and an answer over loopback comes in as many.
LEAVES_WITHIN_S = 0.01
# One reconciliation has request weight 62 of the 1,200 that one IP has per minute. This gap allows 15 of them.
RECONCILE_GAP_S = 4.0

# Frames settle nearly every doubt before this time.
ASK_AFTER_DOUBT_S = 1.0
LONGEST_ASK_PAUSE_S = 8.0


class ReconcileSchedule:
    """Due times of an account's reconciliations, and the grids that wanted them.

    One is due every `every` ticks of each grid, of all `n_grids` together. Ticks woken by fills do not count, or a busy
    market would spend its request weight on reconciliations.
    """

    def __init__(self, every: int, *, n_grids: int = 1) -> None:
        self.backoff = DoubtBackoff()
        self.weight = WeightDemand()
        self._n_grids = n_grids
        self._every = every
        self._n_ticks = 0
        self._due_s = math.inf
        self._reconciled_s = -math.inf
        self._moved = trio.Event()
        self._wanting: set[object] = set()
        self._all_want = False

    def share_among(self, n_grids: int) -> None:
        """Count the ticks of so many grids from now on."""
        self._n_grids = n_grids

    def count_tick(self) -> None:
        """Count a tick that was due."""
        self._n_ticks += 1
        if self._n_ticks >= self._every * self._n_grids:
            self._n_ticks = 0
            self._all_want = True
            self._want(0)

    def want(self, after_s: float, who: object) -> None:
        """Make a reconciliation of a grid due in `after_s` at the latest.

        None is due within `RECONCILE_GAP_S` after the last one.
        """
        self._wanting.add(who)
        self._want(after_s)

    def _want(self, after_s: float) -> None:
        due_s = max(trio.current_time() + after_s, self._reconciled_s + RECONCILE_GAP_S)
        if due_s < self._due_s:
            self._due_s = due_s
            self._moved.set()

    def take_wanting(self) -> frozenset[object] | None:
        """Note that a reconciliation begins, and return who wanted it; None: all.

        It serves all requests made until now.
        """
        wanting = None if self._all_want else frozenset(self._wanting)
        self._wanting.clear()
        self._all_want = False
        self.on_reconcile()
        return wanting

    def on_reconcile(self, served: Iterable[object] | None = None) -> None:
        """Note that a reconciliation of some grids begins, or of all; the others go on waiting for theirs."""
        now_s = self._reconciled_s = trio.current_time()
        if served is None:
            self._wanting.clear()
        else:
            self._wanting.difference_update(served)
        others_wait = self._wanting or (self._all_want and self._n_grids > 1 and served is not None)
        self._due_s = max(self._due_s, now_s + RECONCILE_GAP_S) if others_wait else math.inf

    async def wait(self) -> None:
        """Wait until a reconciliation is due."""
        while trio.current_time() < self._due_s:
            self._moved = trio.Event()
            with trio.move_on_at(self._due_s):
                await self._moved.wait()


class TickSchedule:
    """Due times of a grid's ticks.

    A tick is due every `interval_s`, and can be woken. A late tick is not made up for, and none is skipped.
    """

    def __init__(self, interval_s: float, reconciling: ReconcileSchedule) -> None:
        self.interval_s = interval_s
        self.reconciling = reconciling
        # Time at which the last tick ended, also one that placed nothing; None before the first.
        self.ticked_s: float | None = None
        self._due_s = math.inf
        self._tick_wanted = trio.Event()
        self.woken = WokenTick()
        self._wanted_s = math.inf

    def start(self) -> None:
        """Make the first tick due now."""
        self._due_s = trio.current_time()

    def wake_tick(self) -> None:
        """Make the next tick due as soon as possible."""
        self._tick_wanted.set()
        self.woken.on_woken()

    def want_tick(self, after_s: float) -> None:
        """Make the next tick due in `after_s` at the latest."""
        self._wanted_s = min(self._wanted_s, trio.current_time() + after_s)

    def want_reconcile(self, after_s: float) -> None:
        """Make a reconciliation of this grid due in `after_s` at the latest."""
        self.reconciling.want(after_s, self)

    async def wait_for_tick(self) -> None:
        """Wait until the next tick is due.

        To be called at the end of a tick.
        """
        done_s = self.ticked_s = trio.current_time()
        self.woken.on_ended()
        # The finished tick was due, not woken.
        if done_s >= self._due_s:
            self.reconciling.count_tick()
            self._due_s = max(self._due_s + self.interval_s, done_s)
        with trio.move_on_at(min(self._due_s, self._wanted_s)):
            await self._tick_wanted.wait()
            if trio.current_time() < done_s + BURST_S:
                await trio.sleep_until(done_s + BURST_S)
        self._tick_wanted, self._wanted_s = trio.Event(), math.inf
        self.woken.on_begun()


class WokenTick:
    """Precedence of a tick that a fill woke over the other frames of its block.

    A block tells of a fill in several frames. While these are read, the thread that sends the answer to the first of
    them would have to wait for the interpreter again and again.
    """

    def __init__(self) -> None:
        self._ended = trio.Event()
        self._may_begin = self._is_woken = False

    def on_woken(self) -> None:
        """Note that a tick was woken; one that has begun by then is another one."""
        self._is_woken = self._may_begin

    def on_begun(self) -> None:
        """Note that a tick begins."""
        self._may_begin = self._is_woken = False

    def on_ended(self) -> None:
        """Note that a tick ended, and the next one may begin."""
        self._may_begin = True
        self._ended.set()
        self._ended = trio.Event()

    async def let_go_first(self) -> None:
        """Wait until a tick that was just woken has ended, but only a moment."""
        if self._is_woken:
            with trio.move_on_after(LEAVES_WITHIN_S):
                await self._ended.wait()


class WeightDemand:
    """Request weight that a reconciliation waits for before it begins.

    One that runs out of weight on its way has used it for nothing, and so would the next one: it waits for twice as
    much, up to all that a minute has. Grids that reconcile together run out together, which counts once.
    """

    def __init__(self) -> None:
        self._factor = 1
        self._has_doubled = False

    def compute(self, weight: int) -> int:
        """Compute how much to wait for, where `weight` suffices as a rule."""
        self._has_doubled = False
        return min(self._factor * weight, MOST_AT_ONCE)

    def on_ran_out(self) -> None:
        """Ask for more the next time."""
        if not self._has_doubled:
            self._factor = min(2 * self._factor, MOST_AT_ONCE)
            self._has_doubled = True

    def on_answered(self) -> None:
        """Ask for as much as a rule again."""
        self._factor = 1


class DoubtBackoff:
    """Pace of reconciliations while orders are in doubt.

    The pause doubles after each reconciliation that left doubts. `pause_s` is how long to wait for frames, which settle
    nearly every doubt, before the venue is asked.
    """

    def __init__(self) -> None:
        self.pause_s = ASK_AFTER_DOUBT_S

    def on_settled(self) -> None:
        """Begin with the shortest pause again."""
        self.pause_s = ASK_AFTER_DOUBT_S

    def on_doubts(self, intents: Iterable[Intent], *, now_s: float) -> float:
        """Return seconds until the next reconciliation.

        It comes sooner where an order in flight can be presumed dead then.
        """
        self.pause_s = min(2 * self.pause_s, LONGEST_ASK_PAUSE_S)
        waits_s = [intent.expires_s + EXPIRY_GRACE_S - now_s for intent in intents]
        return min(self.pause_s, min((wait_s for wait_s in waits_s if wait_s > 0), default=LONGEST_ASK_PAUSE_S))


def make_wall_clock() -> Callable[[], int]:
    """Make a clock of the venue's calendar in milliseconds.

    It is the present wall clock, carried on by the time elapsed since. Deadlines would leap with a wall clock that is
    set meanwhile. The loop's clock stands still while a laptop sleeps, the clock since boot does not; that one in turn
    stands still under a virtual clock.
    """
    wall_s, loop_s, boot_s = time.time(), trio.current_time(), _read_boot_clock()
    return lambda: int(1000 * (wall_s + max(trio.current_time() - loop_s, _read_boot_clock() - boot_s)))


def read_machine_clock() -> int:
    """Read the machine's clock as it is now, in milliseconds."""
    return int(1000 * time.time())


def _read_boot_clock() -> float:
    """Read seconds since some moment.

    They include the machine's sleep where the system has such a clock.
    """
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
