"""One life of the maker: the real thing on a simulated line, from its start to what it says when it leaves."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

import trio

from mm_trio.engine.ws_state import WsState
from mm_trio.model.errors import VenueError, find_leaves
from mm_trio.sim.base.crash_points import Crash, CrashSwitch, ProcessKilled
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.network.request_transport import RequestTransport
from mm_trio.sim.network.venue import SimInfo
from mm_trio.sim.network.watched_journal import WatchedJournal
from mm_trio.sim.oracle.request_rules import RequestRules
from mm_trio.sim.oracle.venue_view import OwnView

__all__ = ["MakerProcess"]

GRACE_S = 10.0  # what a maker may take to leave
SLACK_S = 0.6  # for the last write of its journal, and the call on its way


@dataclass(slots=True)
class MakerProcess:
    """A maker, its journal, its line and socket, and the rules of its requests. `n` counts lives from 1.

    `lock` is what it holds of its state folder; `killed_at` the stage where it was killed.
    """

    n: int
    maker: WsState
    info: SimInfo
    journal: WatchedJournal
    transport: RequestTransport
    requests: RequestRules
    crash: CrashSwitch
    lock: ExitStack
    began_s: float
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)
    error: Exception | None = None
    may_rest: tuple[str, ...] = ()
    killed_at: Crash | None = None
    was_posting: bool = False  # when it was asked to stop

    @property
    def is_over(self) -> bool:
        return self.ended.is_set()

    @property
    def is_quoting(self) -> bool:
        """Whether it started well and is not on its way out."""
        return not self.is_over and self.requests.stop_s is None and self.maker.stats.ticks > 0

    async def run(self) -> None:
        """Run the maker until it is asked to stop, or ends by itself."""
        with self.scope:
            try:
                await self.maker.run()
            except* Exception as errors:  # noqa: BLE001 - judged when it has ended
                self.error = errors
            except* ProcessKilled:
                pass
        if self.killed_at is None:
            self.may_rest = self.maker.orders_may_rest
            self._release()

    def _release(self) -> None:
        """What a process that ends no longer has."""
        self.info.ws_manager.stop()
        self.journal.close()
        self.lock.close()
        self.ended.set()

    def kill(self, crash: Crash) -> None:
        """It is gone at once. Nobody waits for its tasks."""
        self.may_rest = self.maker.orders_may_rest
        self.killed_at = crash
        self.journal.is_dead = True
        self._release()
        self.scope.cancel()

    def stop(self) -> None:
        """Ask it to leave, as a signal does."""
        if not self.is_over and self.requests.stop_s is None:
            self.was_posting = self.transport.n_posting > 0
            self.requests.stop_s = trio.current_time()
            self.scope.cancel()

    # --- its end, judged ------------------------------------------------------------------------

    def judge_end(self, judge: Judge, view: OwnView, *, disk_s: float) -> None:
        """S17, L5 and S14 of a maker that has ended."""
        now_s, stop_s = trio.current_time(), self.requests.stop_s
        judge.coverage["stop with a request under way"] += self.was_posting
        if self.error is not None:
            leaves = find_leaves(self.error)
            is_failed_start = self.maker.stats.ticks == 0 and all(isinstance(leaf, VenueError) for leaf in leaves)
            judge.check("S17", is_failed_start, lambda: f"it ended by {[repr(leaf)[:300] for leaf in leaves]}")
            judge.coverage["start failed"] += 1
        elif stop_s is None:
            judge.report("S17", "it ended by itself")
        else:
            most_s = GRACE_S + SLACK_S + 2 * disk_s
            judge.check("L5", now_s - stop_s <= most_s, lambda: f"leaving took {now_s - stop_s:.1f} s")
        if self.error is None or self.maker.stats.ticks:
            self._judge_rest(judge, view)

    def _judge_rest(self, judge: Judge, view: OwnView) -> None:
        """S14: what rests is named, or nothing does."""
        judge.coverage["left clean" if not self.may_rest else "left something"] += 1
        named = " ".join(self.may_rest)
        is_unsure = "not verified" in named
        for oid, record in view.resting.items():
            is_named = f"oid {oid}" in self.may_rest or f"cloid {record.cloid}" in self.may_rest
            is_named |= is_unsure and bool(named)
            text = f"oid {oid} is open, and the maker named {self.may_rest or 'nothing'}"
            judge.check("S14", is_named, lambda t=text: t)  # type: ignore[misc]
        judge.n_checks["S14"] += 1
