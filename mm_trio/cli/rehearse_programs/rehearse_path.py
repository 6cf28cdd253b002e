"""One path of a rehearsal: the real maker in a market that follows it, until the end or a limit."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Never

import trio

from mm_trio.cli.rehearse_programs.figures import PathFigures, Trip
from mm_trio.cli.rehearse_programs.meter import Meter
from mm_trio.cli.rehearse_programs.preparation import Rehearsal
from mm_trio.cli.rehearse_programs.rehearsed_world import make_market, make_scenario, spend_requests
from mm_trio.halts.standing import Standing
from mm_trio.halts.standing_file import VolatileStanding
from mm_trio.model.errors import ConfigError, Interrupted, find_leaves
from mm_trio.sim.base.judge import Judge, Violation
from mm_trio.sim.base.seeded_schedule import run_virtual
from mm_trio.sim.base.trace import Trace
from mm_trio.sim.run.convergence import ConvergenceCheck
from mm_trio.sim.run.seed_folder import open_seed_folder
from mm_trio.sim.run.world import World

__all__ = ["rehearse_path"]

# The ledger is exact within so long after the last fault, and the next reconciliation.
SETTLES_WITHIN_S, SETTLE_TICKS, POLL_S = 60.0, 5, 0.5
# A stop takes ten seconds and more where the last answers are late.
ENDS_WITHIN_S = 60.0
# Of the virtual clock.
WATCH_EVERY_S = 30.0


def rehearse_path(rehearsal: Rehearsal, path: str, *, is_stopped: Callable[[], bool] = lambda: False) -> PathFigures:
    """Rehearse a path to its end, to a limit, or to a broken rule.

    Errors: ConfigError where the maker refuses to start; Interrupted once `is_stopped()`.
    """
    log = logging.getLogger("mm_trio")
    level = log.level
    # Faults by the hundred would write a line each, under a wrong date.
    log.setLevel(logging.CRITICAL)
    try:
        with open_seed_folder() as folder:
            return run_virtual(_Path(rehearsal, path, folder, is_stopped).run, seed=rehearsal.options.seed)
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

    def __init__(self, rehearsal: Rehearsal, path: str, folder: Path, is_stopped: Callable[[], bool]) -> None:
        self._rehearsal = rehearsal
        self._is_stopped = is_stopped
        self._path = path
        self._folder = folder
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
        scenario = make_scenario(self._rehearsal, standing)
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    world = World(scenario, folder=self._folder, nursery=nursery, judge=judge, trace=trace)
                    spend_requests(self._rehearsal, world)
                    offered = self._rehearsal.offered
                    meter = Meter(world, token=offered.token, quote=offered.quote)
                    await self._play(world, meter, standing, nursery)
                    world.abandon()
                    nursery.cancel_scope.cancel()
        except Exception as error:
            if world is None or meter is None:
                raise
            if not judge.violations:
                judge.report("SIM", "".join(traceback.format_exception(find_leaves(error)[0])[-4:]).strip())
        assert world is not None
        assert meter is not None
        _raise_refusal(world)
        return self._make_figures(world, meter, judge)

    async def _watch_stop(self) -> Never:
        """End the path where the signal that stops it was taken for an error of its own. Errors: Interrupted."""
        while not self._is_stopped():  # noqa: ASYNC110 - a handler of signals sets no event
            await trio.sleep(WATCH_EVERY_S)
        raise Interrupted

    async def _play(self, world: World, meter: Meter, standing: _WatchedStanding, nursery: trio.Nursery) -> None:
        market = make_market(self._rehearsal, self._path, world)
        market.open()
        nursery.start_soon(self._watch_stop)
        nursery.start_soon(world.frames.carry_forever)
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(world.run_processes)
        nursery.start_soon(world.disturbances.disturb_forever)
        nursery.start_soon(market.move_forever)
        nursery.start_soon(market.take_forever)
        nursery.start_soon(meter.poll_forever)
        with trio.move_on_after(self._rehearsal.duration_s):
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
                    wrong = check.find_ledger_error(process)
        world.judge.check("S5", wrong is None, lambda: f"{most_s:.0f} s after the last fault: {wrong}")

    def _make_figures(self, world: World, meter: Meter, judge: Judge) -> PathFigures:
        trips = _find_trips(world)
        reached = {trip.name: trip.number for trip in trips}
        peaks = meter.find_peaks(self._rehearsal.limits)
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
