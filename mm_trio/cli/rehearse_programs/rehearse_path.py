"""One path of a rehearsal: the real maker in a market that follows it, until the end or a limit."""

from __future__ import annotations

import logging
import traceback
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import trio

from mm_trio.cli.programs.start_checks import check_opening, make_opening_rules
from mm_trio.cli.rehearse_programs.figures import PathFigures, Trip
from mm_trio.cli.rehearse_programs.meter import Meter
from mm_trio.cli.rehearse_programs.preparation import Rehearsal
from mm_trio.cli.rehearse_programs.price_paths import find_highest, find_points
from mm_trio.cli.rehearse_programs.venue_facts import REQUESTS, make_markets
from mm_trio.halts.standing import Standing
from mm_trio.halts.standing_file import VolatileStanding
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.errors import ConfigError, find_leaves
from mm_trio.sandbox import CancelByOid, FaultKind, Limits
from mm_trio.sim.actors.moving_market import MovingMarket, PricePath
from mm_trio.sim.base.judge import Judge, Violation
from mm_trio.sim.base.place import Place
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import BY_THE_CLOCK, Scenario, ScenarioLadder
from mm_trio.sim.base.seeded_schedule import run_virtual
from mm_trio.sim.base.trace import Trace
from mm_trio.sim.run.convergence import ConvergenceCheck
from mm_trio.sim.run.process_starter import MAKER
from mm_trio.sim.run.seed_folder import open_seed_folder
from mm_trio.sim.run.world import World

__all__ = ["FAULTS_BY_DEFAULT", "rehearse_path"]

# What happens to every maker without anybody's doing. What owners, keys, this machine and the listing do has to be
# asked for by name, and a frame that lies plausibly is none of these.
FAULTS_BY_DEFAULT = frozenset(FaultKind) - {
    *(FaultKind.BUDGET_EXHAUSTED, FaultKind.AGENT_REVOKED, FaultKind.AGENT_EXPIRED, FaultKind.MANUAL_ORDER),
    *(FaultKind.MANUAL_CANCEL, FaultKind.DEPOSIT, FaultKind.WITHDRAWAL, FaultKind.DELISTED, FaultKind.HELD_ELSEWHERE),
    *(FaultKind.REFUSED_FOR_GOOD, FaultKind.CLOCK_DRIFT, FaultKind.FRAME_LIES),
}
# In strikes per second, and as the share of requests or frames.
STRIKES_PER_S, STRUCK_SHARE = 1 / 300, 0.02
# On average between two takers who come by chance, and their size as a share of an order.
TAKER_PAUSE_S = 10.0
TAKER_SHARE = "0.5"
# The ledger is exact within so long after the last fault, and the next reconciliation.
SETTLES_WITHIN_S, SETTLE_TICKS, POLL_S = 60.0, 5, 0.5
# A stop takes ten seconds and more where the last answers are late.
ENDS_WITHIN_S = 60.0
ITEMS_AT_ONCE = 100
# What a seed draws and a rehearsal leaves alone: nobody stops or kills the maker, and its machine is a good one.
_UNDRAWN: dict[str, Any] = {
    "there_s": 0.05,
    "back_s": 0.05,
    "frame_s": 0.1,
    "disk_s": 0.01,
    "replica_lag_s": 1.0,
    "skew_ms": 0,
    "has_takers": False,
    "has_rivals": False,
    "has_second_strategy": False,
    "taker_pause_s": 1.0,
    "trend_s": 1.0,
    "stops_s": (),
    "crashes": (),
    "restarts_in_calm": False,
    "crashes_in_calm": False,
    "hangs_at_stop": False,
    "has_no_budget_at_stop": False,
    "is_log_scanned": False,
    "fills_have_cloids": True,
    "checkpoint_every": 2_000,
    "reallocation": None,
    "journal_loss": None,
}
# Sent to an order that does not exist, an item costs a request and changes nothing.
NO_OID = 1


def rehearse_path(rehearsal: Rehearsal, path: str) -> PathFigures:
    """Rehearse a path to its end, to a limit, or to a broken rule.

    Errors: ConfigError where the maker refuses to start.
    """
    log = logging.getLogger("mm_trio")
    level = log.level
    # Faults by the hundred would write a line each, under a wrong date.
    log.setLevel(logging.CRITICAL)
    try:
        with open_seed_folder() as folder:
            return run_virtual(_Path(rehearsal, path, folder).run, seed=rehearsal.options.seed)
    finally:
        log.setLevel(level)


class _WatchedStanding(VolatileStanding):
    """Standing that tells when nothing may be placed any more."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = trio.Event()

    def tighten(self, wanted: Standing) -> Standing:
        found = super().tighten(wanted)
        if not found.state.may_place:
            self.stopped.set()
        return found


class _Path:
    """A path under way."""

    def __init__(self, rehearsal: Rehearsal, path: str, folder: Path) -> None:
        self._rehearsal = rehearsal
        self._path = path
        self._folder = folder
        self._duration_s = 3600 * rehearsal.options.hours
        self._sim_s = 0.0

    async def run(self) -> PathFigures:
        """Run the path and return its figures."""
        scope, trace = trio.CancelScope(), Trace(trio.current_time)
        world: World | None = None
        meter: Meter | None = None

        def end(violation: Violation) -> None:
            scope.cancel()
            if world is not None:
                world.abandon()

        judge = Judge(trio.current_time, on_first=end)
        standing = _WatchedStanding()
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    scenario = self._make_scenario(standing)
                    world = World(scenario, folder=self._folder, nursery=nursery, judge=judge, trace=trace)
                    self._spend_requests(world)
                    offered = self._rehearsal.offered
                    meter = Meter(world, token=offered.token, quote=offered.quote)
                    await self._play(world, meter, standing, nursery)
                    world.abandon()
                    nursery.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - Told with the path that it ended
            if not judge.violations:
                judge.report("SIM", "".join(traceback.format_exception(find_leaves(error)[0])[-4:]).strip())
        assert world is not None
        assert meter is not None
        _raise_refusal(world)
        return self._make_figures(world, meter, judge)

    async def _play(self, world: World, meter: Meter, standing: _WatchedStanding, nursery: trio.Nursery) -> None:
        market = self._make_market(world)
        market.open()
        nursery.start_soon(world.frames.carry_forever)
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(world.run_processes)
        nursery.start_soon(world.disturbances.disturb_forever)
        nursery.start_soon(market.move_forever)
        nursery.start_soon(market.take_forever)
        nursery.start_soon(meter.poll_forever)
        with trio.move_on_after(self._duration_s):
            await standing.stopped.wait()
        self._sim_s = trio.current_time()
        meter.stop()
        world.calm()
        if not standing.stopped.is_set():
            await self._settle(world)
        await _stop(world)

    async def _settle(self, world: World) -> None:
        """Check S5: the ledger is exact soon after the last fault."""
        check, parameters = ConvergenceCheck(world), self._rehearsal.parameters
        most_s = SETTLES_WITHIN_S + parameters["interval_s"] * (SETTLE_TICKS + parameters["reconcile_every"])
        wrong: str | None = "no maker is quoting"
        with trio.move_on_after(most_s):
            while wrong is not None:
                await trio.sleep(POLL_S)
                process = world.process
                if process is not None and process.is_quoting:
                    wrong = check.find_ledger_error(process.maker)
        world.judge.check("S5", wrong is None, lambda: f"{most_s:.0f} s after the last fault: {wrong}")

    # --- Made -----------------------------------------------------------------------------------

    def _make_scenario(self, standing: _WatchedStanding) -> Scenario:
        rehearsal = self._rehearsal
        return Scenario(
            seed=rehearsal.options.seed,
            safety_s=self._duration_s,
            rates=_find_rates(rehearsal.options.faults),
            ladder=self._make_ladder(),
            account_tokens=rehearsal.account.token,
            account_quote=rehearsal.account.quote,
            keep_foreign=rehearsal.parameters["foreign_orders"] == "keep",
            tuning=self._make_tuning(standing),
            maker_fee=f"{rehearsal.facts.fees.maker:f}",
            place=self._make_place(),
            **_UNDRAWN,
        )

    def _make_ladder(self) -> ScenarioLadder:
        parameters, allocation = self._rehearsal.parameters, self._rehearsal.allocation
        return ScenarioLadder(
            start_px=parameters["start_px"],
            n_orders=parameters["n_orders"],
            step=parameters["tick_size"],
            order_size=parameters["order_sz"],
            tokens=None if allocation is None else allocation.token,
            quote=None if allocation is None else allocation.quote,
            active_levels=parameters["active_levels"],
            window_slack=parameters["window_slack"],
            gap_levels=parameters["gap_levels"],
            min_notional=parameters["min_notional"],
        )

    def _make_place(self) -> Place:
        facts = self._rehearsal.facts
        return Place(
            markets=make_markets(facts, opening_px=self._rehearsal.start_px),
            coin=facts.market.coin,
            taker_fee=f"{facts.fees.taker:f}",
            venue_limits=Limits.of_accounts(),
            limits=self._limits,
        )

    def _make_tuning(self, standing: _WatchedStanding) -> dict[str, Any]:
        """Make the arguments of the maker that no scenario draws."""
        parameters, settings = self._rehearsal.parameters, self._rehearsal.settings
        rules = make_opening_rules(settings, self._rehearsal.options.accepted_px)
        return {
            "interval_s": parameters["interval_s"],
            "dead_zone_bps": parameters["dead_zone_bps"],
            "price_tolerance_bps": parameters["price_tolerance_bps"],
            "size_tolerance_pct": parameters["size_tolerance_pct"],
            "reconcile_every": parameters["reconcile_every"],
            "requote_on_fill": parameters["requote_on_fill"],
            "feed_stale_after_s": parameters["feed_stale_after_s"],
            "feed_lag_limit_s": parameters["feed_lag_limit_s"],
            "hand_cancel_pause_s": parameters["hand_cancel_pause_s"],
            "check_opening": partial(check_opening, rules=rules),
            "standing": standing,
        }

    @property
    def _limits(self) -> RiskLimits:
        limits = self._rehearsal.settings.limits
        return NO_LIMITS if limits is None else limits.to_risk_limits()

    def _spend_requests(self, world: World) -> None:
        """Begin with the requests that the account has left."""
        left = self._rehearsal.facts.requests_left
        spent = 0 if left is None else max(0, REQUESTS - left)
        for n in range(0, spent, ITEMS_AT_ONCE):
            items = ((world.pair.asset, NO_OID),) * min(ITEMS_AT_ONCE, spent - n)
            world.exchange.apply(world.now_ms(), CancelByOid(MAKER, items))

    def _make_market(self, world: World) -> MovingMarket:
        rehearsal, seed = self._rehearsal, self._rehearsal.options.seed
        prices = {"start_px": rehearsal.start_px, "top_px": rehearsal.grid.levels[-1]}
        return MovingMarket(
            world.gateway,
            world.pair,
            path=PricePath(
                find_points(self._path, **prices),
                highest=find_highest(self._path, **prices),
                start=rehearsal.start_px,
                duration_s=self._duration_s,
                rng=split(seed, f"price {self._path}"),
            ),
            book=rehearsal.book,
            taker_size=rehearsal.parameters["order_sz"] * Decimal(TAKER_SHARE),
            pause_s=TAKER_PAUSE_S,
            rng=split(seed, f"takers {self._path}"),
        )

    def _make_figures(self, world: World, meter: Meter, judge: Judge) -> PathFigures:
        trips = _find_trips(world)
        reached = {trip.name: trip.number for trip in trips}
        peaks = meter.find_peaks(self._limits)
        return PathFigures(
            path=self._path,
            sim_s=self._sim_s or trio.current_time(),
            trading=meter.trading,
            income=meter.compute_income(),
            token=meter.money.token,
            quote=meter.money.quote,
            requests=meter.describe_requests(),
            quoting=meter.describe_quoting(),
            peaks=tuple(peak.reach(reached[peak.name]) if peak.name in reached else peak for peak in peaks),
            trips=trips,
            violations=tuple(str(violation) for violation in judge.violations[:1]),
            faults=sum(world.fault_counter.struck.values()),
        )


def _find_rates(faults: tuple[FaultKind, ...] | None) -> dict[FaultKind, float]:
    kinds = FAULTS_BY_DEFAULT if faults is None else frozenset(faults)
    # In the order of their definition: which fault strikes is drawn by it.
    return {kind: STRIKES_PER_S if kind in BY_THE_CLOCK else STRUCK_SHARE for kind in FaultKind if kind in kinds}


def _find_trips(world: World) -> tuple[Trip, ...]:
    """Find the limits that the maker met, the first breach of each."""
    trips: dict[str, Trip] = {}
    for process in world.processes:
        for tripped in process.maker.limits_tripped:
            breach = tripped.breach
            trip = Trip(
                breach.name,
                Decimal(breach.number),
                Decimal(breach.limit),
                breach.unit,
                tripped.found_s,
                breach.reaction.name.lower(),
            )
            trips.setdefault(breach.name, trip)
    return tuple(trips.values())


async def _stop(world: World) -> None:
    """Stop the maker, and check that it ends."""
    world.is_ending = True
    process = world.process
    assert process is not None
    process.stop()
    with trio.move_on_after(ENDS_WITHIN_S) as patience:
        await process.ended.wait()
    world.judge.check(
        "L5", not patience.cancelled_caught, lambda: f"the maker has not ended {ENDS_WITHIN_S:.0f} s after the stop"
    )


def _raise_refusal(world: World) -> None:
    """Raise the error of a maker that refused its configuration."""
    for process in world.processes:
        leaves = [] if process.error is None else find_leaves(process.error)
        if process.maker.stats.ticks == 0 and (refused := [leaf for leaf in leaves if isinstance(leaf, ConfigError)]):
            raise refused[0]
