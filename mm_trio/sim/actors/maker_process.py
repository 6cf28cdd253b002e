"""One maker process from start to end.

It is the real maker on a simulated request transport.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

import trio

from mm_trio.engine.grid_face import GridFace
from mm_trio.model.errors import (
    ActionsRefused,
    ConfigError,
    Halted,
    JournalBusy,
    JournalError,
    LedgerCut,
    LedgerError,
    VenueError,
    find_leaves,
)
from mm_trio.sim.base.crash_points import Crash, CrashSwitch, ProcessKilled
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.network.request_transport import RequestTransport
from mm_trio.sim.network.venue import SimInfo
from mm_trio.sim.network.watched_journal import WatchedJournal
from mm_trio.sim.network.watched_standing import WatchedStanding
from mm_trio.sim.oracle.request_rules import RequestRules
from mm_trio.sim.oracle.venue_view import OwnView

__all__ = ["MakerProcess", "Runs"]

# Limit for a shutdown.
GRACE_S = 10.0
# For the last journal write and the call in progress.
SLACK_S = 0.6
LOST = "SIGNER_LOST"


class Runs(Protocol):
    """What a process runs: a maker of one grid or of several."""

    @property
    def orders_may_rest(self) -> tuple[str, ...]:
        """Return the orders that may rest at the venue."""

    async def run(self) -> None:
        """Run until cancelled, or until it ends by itself."""

    def describe_memory(self) -> dict[str, int]:
        """Count what is kept in memory."""


@dataclass(slots=True)
class MakerProcess:
    """Maker with its journal, request transport, socket and request rules.

    `faces` are what each of its grids shows, by coin. `n` counts the processes of a run from 1. `lock` is its hold on
    the state folder.
    `may_rest` lists the orders that the maker names at its end as possibly still open.
    `killed_at` is the stage at which it was killed.
    """

    n: int
    runner: Runs
    faces: Mapping[str, GridFace]
    info: SimInfo
    journal: WatchedJournal
    transport: RequestTransport
    requests: RequestRules
    crash: CrashSwitch
    lock: ExitStack
    began_s: float
    # Standings on disk, of the grid that may halt and of the account that has it.
    standings: tuple[WatchedStanding, ...] = ()
    # Whether it was halted before it began.
    was_halted: bool = False
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)
    error: Exception | None = None
    may_rest: tuple[str, ...] = ()
    killed_at: Crash | None = None
    # Whether an action was in progress when it was asked to stop.
    was_posting: bool = False
    # Finds the coins of grids that are halted while the others go on.
    find_halted: Callable[[], frozenset[str]] = frozenset

    @property
    def maker(self) -> GridFace:
        """Return what the first grid shows."""
        return next(iter(self.faces.values()))

    @property
    def has_begun(self) -> bool:
        """Return whether one of its grids has quoted."""
        return any(face.stats.ticks > 0 for face in self.faces.values())

    @property
    def is_over(self) -> bool:
        """Return whether the process has ended."""
        return self.ended.is_set()

    @property
    def is_quoting(self) -> bool:
        """Return whether it has started and is not shutting down."""
        is_running = not self.is_over and self.requests.stop_s is None
        halted = self.find_halted()
        return is_running and all(face.stats.ticks > 0 for coin, face in self.faces.items() if coin not in halted)

    async def run(self) -> None:
        """Run the maker until it is stopped or ends."""
        with self.scope:
            try:
                await self.runner.run()
            except* Exception as errors:  # noqa: BLE001 - Judged when the process has ended
                self.error = errors
            except* ProcessKilled:
                pass
        if self.killed_at is None:
            self.may_rest = self.runner.orders_may_rest
            self._release()

    def _release(self) -> None:
        """Release the socket, the journal and the lock."""
        self.info.ws_manager.stop()
        self.journal.close()
        self.lock.close()
        self.ended.set()

    def kill(self, crash: Crash) -> None:
        """End at once, without waiting for any task."""
        self.may_rest = self.runner.orders_may_rest
        self.killed_at = crash
        self.journal.is_dead = True
        for standing in self.standings:
            standing.is_dead = True
        self._release()
        self.scope.cancel()

    @property
    def has_lost_key(self) -> bool:
        """Return whether it ended because the venue does not know its key."""
        leaves = [] if self.error is None else find_leaves(self.error)
        return bool(leaves) and all(isinstance(leaf, ActionsRefused) and LOST in str(leaf) for leaf in leaves)

    @property
    def has_halted(self) -> bool:
        """Return whether it ended by a limit, by its operator's request, or because the disk is full."""
        leaves = [] if self.error is None else find_leaves(self.error)
        causes = (Halted, JournalError) if self.journal.is_broken else (Halted,)
        return bool(leaves) and all(isinstance(leaf, causes) for leaf in leaves)

    @property
    def is_unwritten(self) -> bool:
        """Return whether it ended without its halt on disk, because that had no room or it had not begun."""
        is_begun = self.was_halted or self.has_begun
        return not is_begun or any(standing.n_refused > 0 for standing in self.standings)

    def stop(self) -> None:
        """Ask the maker to shut down, as a signal does."""
        if not self.is_over and self.requests.stop_s is None:
            self.was_posting = self.transport.n_posting > 0
            self.requests.stop_s = trio.current_time()
            self.scope.cancel()

    # --- Judging its end ---

    def judge_end(
        self,
        judge: Judge,
        views: Sequence[OwnView],
        *,
        disk_s: float,
        venue_forgets: bool = False,
        may_halt: bool = False,
        lacks_funds: bool = False,
    ) -> None:
        """Check S17, L5 and S14 after the maker's end.

        `venue_forgets`: the venue may not tell whose a fill is. Then a start may refuse to go on. `may_halt`: it has
        limits that may end it.
        """
        now_s, stop_s = trio.current_time(), self.requests.stop_s
        judge.coverage["stop with a request under way"] += self.was_posting
        judge.coverage["journal locked"] += self.journal.n_refused > 0
        self._judge_lost_key(judge, most_s=GRACE_S + SLACK_S + 2 * disk_s)
        if self.has_lost_key:
            judge.coverage["key lost"] += 1
        elif may_halt and self.has_halted:
            judge.coverage["halted by a limit"] += 1
        elif self.error is not None:
            leaves = find_leaves(self.error)
            # A start waits for the venue and for a locked journal, but not for ever.
            causes = (VenueError, JournalBusy, *([LedgerCut] if venue_forgets else []))
            causes += (ConfigError,) if lacks_funds else ()
            is_outside = all(isinstance(leaf, causes) for leaf in leaves)
            is_failed_start = not self.has_begun and is_outside
            judge.check("S17", is_failed_start, lambda: f"the maker ended with {[repr(leaf)[:300] for leaf in leaves]}")
            judge.coverage["start failed"] += 1
        elif stop_s is None:
            judge.report("S17", "the maker ended by itself")
        else:
            most_s = GRACE_S + SLACK_S + 2 * disk_s
            judge.check("L5", now_s - stop_s <= most_s, lambda: f"shutdown took {now_s - stop_s:.1f} of {most_s:.1f} s")
        if self.error is None or self.has_begun or self.has_lost_key:
            self._judge_rest(judge, views)

    def _judge_lost_key(self, judge: Judge, *, most_s: float) -> None:
        """Check S24: a maker ends by a lost key in time, and by nothing less."""
        lost = self.requests.lost_key
        if self.has_lost_key:
            judge.check("S24", lost.may_be_lost, lambda: "the maker gave up a key that was not refused often enough")
        if lost.lost_s is not None:
            took_s = trio.current_time() - lost.lost_s
            # A halt says more, where the key was lost while it cancelled.
            has_ended = self.has_lost_key or self.has_halted
            judge.check("S24", has_ended, lambda: f"with a lost key the maker ended by {self.error!r}"[:400])
            judge.check("S24", took_s <= most_s, lambda: f"the end by a lost key took {took_s:.1f} of {most_s:.1f} s")

    def judge_refusal(self, judge: Judge) -> bool:
        """Check S5 for a maker that refused a journal without its end.

        Returns whether it did. Refusing is right; placing something before is not.
        """
        leaves = [] if self.error is None else find_leaves(self.error)
        # A journal that lost everything is a first start beside orders or fills of another ledger.
        is_refused = bool(leaves) and all(isinstance(leaf, LedgerError | ConfigError) for leaf in leaves)
        is_refused = is_refused and not self.has_lost_key
        if is_refused:
            judge.coverage["journal without its end refused"] += 1
            first_s = self.requests.first_risk_s
            judge.check(
                "S5", first_s is None, lambda: f"orders were placed at {first_s} s on a journal without its end"
            )
        return is_refused

    def _judge_rest(self, judge: Judge, views: Sequence[OwnView]) -> None:
        """Check S14: every order still open is named."""
        judge.coverage["left clean" if not self.may_rest else "left something"] += 1
        named = " ".join(self.may_rest)
        # A maker of several grids names the coin first.
        names = {name.rpartition(": ")[2] for name in self.may_rest}
        is_unsure = "not verified" in named or "not checked" in named
        for oid, record in ((oid, record) for view in views for oid, record in view.resting.items()):
            is_named = bool(names & {f"oid {oid}", f"cloid {record.cloid}"})
            is_named |= is_unsure and bool(named)
            text = f"oid {oid} is open, and the maker named {self.may_rest or 'nothing'}"
            judge.check("S14", is_named, lambda t=text: t)  # type: ignore[misc]
        judge.n_checks["S14"] += 1
