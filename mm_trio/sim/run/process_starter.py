"""Start maker processes on one account, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.config.settings import Settings
from mm_trio.engine.account_maker import AccountMaker, GridTerms
from mm_trio.engine.grid_face import GridFace
from mm_trio.halts.standing import State, refuse_halted
from mm_trio.journal.data_dir import ACCOUNT_NAME, find_state_folder, hold_state_folder
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.errors import JournalError
from mm_trio.sandbox import FaultKind, Nonces, fill_at_once
from mm_trio.sim.actors.maker_process import MakerProcess, Runs
from mm_trio.sim.base.crash_points import Crash, CrashSwitch
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.journal_loss import LossyFolder
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.machine_clock import MachineClock
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import Scenario, ScenarioLadder
from mm_trio.sim.changes.account_file import Ladders, make_account
from mm_trio.sim.changes.following_maker import FollowingMaker
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.network.request_transport import RequestTransport
from mm_trio.sim.network.venue import SimInfo, SimVenue
from mm_trio.sim.network.watched_journal import WatchedJournal, Written
from mm_trio.sim.network.watched_standing import WatchedStanding
from mm_trio.sim.oracle.halts import SHUTTING_DOWN, HaltRules, LeavesOfOne
from mm_trio.sim.oracle.operator_limits import Bounds
from mm_trio.sim.oracle.request_limits import SlidingSum
from mm_trio.sim.oracle.request_rules import STALE_S, UNSETTLED_S, RequestRules
from mm_trio.sim.run.maker_factory import MAKER, MakerSeams, find_limits, find_victim, make_maker, make_terms_of

__all__ = ["MAKER", "ProcessStarter", "compute_venue_ms"]

NETWORK = "simulated"
# For so long after a lock's end the maker may not know of it: it tries now and then, and a cancel may be on its way.
BELIEF_S = 5.0
# The venue's calendar at the start of a run.
EPOCH_MS = 1_790_000_000_000


def compute_venue_ms() -> int:
    """Return the time of the venue's calendar."""
    return EPOCH_MS + int(1000 * trio.current_time())


class ProcessStarter:
    """Starter of maker processes that share a state folder and a key.

    `written` is the content of their journal.
    """

    def __init__(
        self,
        scenario: Scenario,
        venue: SimVenue,
        grids: Sequence[Grid],
        *,
        judge: Judge,
        fault_counter: FaultCounter,
        folder: Path,
        nursery: trio.Nursery,
        machine: MachineClock,
    ) -> None:
        self._scenario = scenario
        self._plan = scenario.halts
        # Those that are configured first are the seed's own; a change may add the others.
        self._grids = tuple(grids)
        # The grid that a plan of halts is about.
        self.victim = find_victim(scenario, [grid for grid in grids if grid.is_configured])
        # By asset, what the oracle knows of the operator's limits.
        self._bounds: dict[int, Bounds | None] = {}
        # What the next process is started with, where somebody changes that.
        self.account: AccountSettings | None = None
        self._venue = venue
        self._judge = judge
        self._fault_counter = fault_counter
        self._nursery = nursery
        self._machine = machine
        self._environ = {"XDG_STATE_HOME": str(folder)}
        # Nonces of the maker's key, at the venue.
        self._nonces = Nonces()
        self.written = Written()
        self._used_cloids: dict[str, str] = {}
        # Orders that the maker asked to end.
        self._ends = SlidingSum(UNSETTLED_S)
        # Recorded seeds depend on the labels of random streams, so they keep their old words.
        self._rng = split(scenario.seed, "lives")
        self._at_once = split(scenario.seed, "filled at once")
        self.lossy_folder = LossyFolder(self.state_folder, aside=folder / "aside", loss=scenario.journal_loss)
        self.halt_rules = (
            None
            if self._plan is None
            else HaltRules(judge, self._plan, folder=self.victim_folder, of_account=self.account_folder)
        )
        # The operator takes narrow limits back once one was broken.
        self.has_narrow_limits: Callable[[], bool] = lambda: False

    def start(self, n: int) -> MakerProcess:
        """Make the maker process number `n`, ready to run.

        Errors: JournalError for a journal that lacks its end.
        """
        scenario, lock = self._scenario, ExitStack()
        self.lossy_folder.on_start(n)
        folder = lock.enter_context(self.hold_folder())
        try:
            journal = WatchedJournal(
                folder, self.written, is_locked=self._is_journal_locked, is_full=self._is_disk_full
            )
        except JournalError:
            lock.close()
            raise
        info = SimInfo(self._venue)
        requests = RequestRules(
            self._judge,
            self._venue.gateway.exchange,
            address=MAKER,
            keep_foreign=scenario.keep_foreign,
            written=self.written,
            socket=lambda: info.ws_manager,
            used_cloids=self._used_cloids,
            now_s=trio.current_time,
            ends=self._ends,
            machine=self._machine,
            bounds=self._bounds,
        )
        if journal.n_archived:
            self._judge.coverage["restart that archived entries"] += 1
        journal.on_entry = requests.cases.on_entry
        journal.on_checkpoint_read = lambda: self._judge.coverage.update(["restart from a checkpoint"])
        crash = CrashSwitch(lambda where: process.kill(where))
        rng = split(scenario.seed, f"line {n}")
        transport = RequestTransport(
            scenario, self._fault_counter, requests, rng=rng, nursery=self._nursery, crash=crash
        )
        requests.count_posting = lambda: transport.n_posting
        transport.on_ran, transport.now_ms = self._fill_at_once, compute_venue_ms
        standing, of_account = self._open_standing(self.victim_folder), self._open_standing(self.account_folder)
        grids = [grid for grid in self._grids if grid.is_configured]
        limits = [self.find_limits(grid.coin, grid.ladder) for grid in grids]
        self._bounds |= {grid.pair.asset: self._find_bounds(grid, grid.ladder) for grid in grids}
        seams = MakerSeams(
            info, self._venue, self._nonces, transport, journal, self._rng, self._machine.read_ms, of_account
        )
        standings = [standing if grid is self.victim else None for grid in grids]
        maker, faces = make_maker(scenario, grids, seams, limits=limits, standings=standings)
        if self.account is not None:
            maker = self._follow(maker, self.account, transport, standing)
        requests.filled_answers.believes_open = partial(_is_tracked, faces)
        # A grid that ends alone cancels, whether its account is paused or not.
        requests.is_tracked = partial(self._goes_on_with, faces)
        requests.must_rest_nothing = lambda: (
            self._is_journal_locked(late_s=BELIEF_S) or self._is_cancel_only() or _is_shutting_down(faces)
        )
        requests.is_journal_broken = lambda: journal.is_broken
        requests.stale_s = scenario.tuning.get("feed_stale_after_s", STALE_S)
        process = MakerProcess(n, maker, faces, info, journal, transport, requests, crash, lock, trio.current_time())
        if standing is not None:
            process.standings = (standing,) if of_account is None else (standing, of_account)
            self._watch_halts(process, limits[grids.index(self.victim)])
        return process

    def _follow(
        self, maker: Runs, account: AccountSettings, transport: RequestTransport, standing: WatchedStanding | None
    ) -> FollowingMaker:
        """Let a maker follow what its operator changes."""
        assert isinstance(maker, AccountMaker)

        async def make_terms(settings: Settings) -> GridTerms:
            of_grid = standing if settings.market.coin == self.victim.coin else None
            if of_grid is not None:
                refuse_halted(of_grid.standing)
            limits = None if settings.limits is None else settings.limits.to_risk_limits()
            return make_terms_of(settings, limits=limits, standing=of_grid)

        return FollowingMaker(
            maker,
            account,
            folder=self.state_folder,
            make_terms=make_terms,
            run_sync=transport,
            is_disk_full=self._is_disk_full,
        )

    def _find_bounds(self, grid: Grid, ladder: ScenarioLadder) -> Bounds | None:
        return find_limits(self._scenario, ladder, sz_decimals=grid.pair.base.sz_decimals)[1]

    def on_proposed(self, grid: Grid, ladder: ScenarioLadder) -> None:
        """Let the orders of a grid be within the bounds of either ladder."""
        asset, bounds = grid.pair.asset, self._find_bounds(grid, ladder)
        held = self._bounds.get(asset)
        self._bounds[asset] = None if bounds is None else bounds if held is None else held | bounds

    def make_account(self, ladders: Ladders) -> AccountSettings:
        """Make the file of an operator who wants these ladders."""
        return make_account(
            self._scenario,
            ladders,
            address=MAKER,
            find_limits=self.find_limits,
            stale_s=self._scenario.tuning.get("feed_stale_after_s", STALE_S),
        )

    def _goes_on_with(self, faces: Mapping[str, GridFace], oid: int) -> bool:
        """Return whether a grid tracks an order that has not ended alone, and is not taken out."""
        leaving = {grid.coin for grid in self._grids if grid.may_be_removed}
        some = {coin: face for coin, face in faces.items() if face.failure is None and coin not in leaving}
        return _is_tracked(some, oid)

    def _open_standing(self, folder: Path | None) -> WatchedStanding | None:
        return None if self._plan is None or folder is None else WatchedStanding(folder, is_full=self._has_no_room)

    def _watch_halts(self, process: MakerProcess, limits: RiskLimits | None) -> None:
        """Let the rules of halts see what leaves a process, and arm the kill of the plan."""
        assert self._plan is not None
        assert self.halt_rules is not None
        requests = process.requests
        if not self._is_alone:
            process.find_halted = self.find_halted
        process.was_halted = any(each.standing.state is State.HALTED for each in process.standings)
        requests.halts = LeavesOfOne(
            self.halt_rules,
            process.faces[self.victim.coin],
            limits,
            lambda: requests.stop_s is not None or requests.lost_key.lost_s is not None,
            self.victim.pair.asset,
        )
        if self._plan.crash is not None and not self._has_crashed_at_standing:
            process.crash.arm(self._plan.crash)

    @property
    def _has_crashed_at_standing(self) -> bool:
        return any(self._judge.coverage[f"crash {crash.value}"] for crash in (Crash.STANDING_LOST, Crash.STANDING_KEPT))

    def find_halted(self) -> frozenset[str]:
        """Find the coins whose grid is halted, as it is on disk."""
        if self.halt_rules is None or self.halt_rules.read().state is not State.HALTED:
            return frozenset()
        return frozenset(g.coin for g in self._grids if g is self.victim or self.halt_rules.is_all_halted)

    def has_trouble(self) -> bool:
        """Check if something is wrong with the maker's own disk."""
        return self._is_journal_locked(late_s=BELIEF_S) or self._is_disk_full()

    def _is_disk_full(self) -> bool:
        return self._plan is not None and self._plan.is_disk_full(trio.current_time())

    def _has_no_room(self) -> bool:
        return self._plan is not None and not self._plan.has_room and self._is_disk_full()

    def _is_cancel_only(self) -> bool:
        return self.halt_rules is not None and self.halt_rules.read().state is State.CANCEL_ONLY

    def find_limits(self, coin: str, ladder: ScenarioLadder) -> RiskLimits | None:
        """Find a grid's limits, narrow ones as long as none was broken."""
        grid = next(grid for grid in self._grids if grid.coin == coin)
        limits, _ = find_limits(self._scenario, ladder, sz_decimals=grid.pair.base.sz_decimals)
        if self._plan is None or grid is not self.victim or not self.has_narrow_limits():
            return limits
        narrow: dict[str, Any] = dict(self._plan.limits)
        return replace(limits or RiskLimits(), **narrow)

    def _is_journal_locked(self, *, late_s: float = 0.0) -> bool:
        now_s = trio.current_time()
        return any(from_s <= now_s < until_s + late_s for from_s, until_s in self._scenario.journal_locks)

    def _fill_at_once(self, answer: Any) -> None:
        """Let an order trade before its answer leaves the venue."""
        kind = FaultKind.FILLED_AT_ONCE
        if self._fault_counter.rate(kind) and self._fault_counter.pick(self._at_once, (kind,)):
            self._fault_counter.count(kind, n=int(fill_at_once(self._venue.gateway, answer, self._at_once)))

    @property
    def state_folder(self) -> Path:
        """Return the folder of the maker's journal: of its only coin, or of its account."""
        return find_state_folder(self._environ, network=NETWORK, account=MAKER, coin=self._name_folder())

    @property
    def account_folder(self) -> Path | None:
        """Return the folder of what several grids share; None where there is but one."""
        return None if self._is_alone else self.state_folder

    @property
    def _is_alone(self) -> bool:
        return self._scenario.n_grids == 1

    def _name_folder(self) -> str:
        return self._grids[0].coin if self._is_alone else ACCOUNT_NAME

    @property
    def victim_folder(self) -> Path:
        """Return the folder of the standing that a plan of halts is about."""
        return find_state_folder(self._environ, network=NETWORK, account=MAKER, coin=self.victim.coin)

    @contextmanager
    def hold_folder(self) -> Iterator[Path]:
        """Lock the state folder as the maker does, and those of several grids with it.

        The locks allow one maker for an account and coin, and one for a key.
        """
        with ExitStack() as held:
            for grid in () if self._is_alone else self._grids:
                held.enter_context(self._hold(grid.coin, signer=None))
            yield held.enter_context(self._hold(self._name_folder(), signer=MAKER))

    def _hold(self, coin: str, *, signer: str | None) -> AbstractContextManager[Path]:
        return hold_state_folder(self._environ, network=NETWORK, account=MAKER, coin=coin, signer=signer)


def _is_tracked(faces: Mapping[str, GridFace], oid: int) -> bool:
    """Return whether a grid tracks an order."""
    return any(face.order_state.find(oid) is not None for face in faces.values())


def _is_shutting_down(faces: Mapping[str, GridFace]) -> bool:
    return any(face.paused_because == SHUTTING_DOWN for face in faces.values())
