"""Run one seed through its phases: faults, calm, stop."""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import trio

from mm_trio.model.errors import find_leaves
from mm_trio.sandbox import ExhaustBudget
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.base.crash_points import Crash
from mm_trio.sim.base.judge import Judge, Violation
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.base.scenario import Scenario
from mm_trio.sim.base.seeded_schedule import run_virtual
from mm_trio.sim.base.trace import Trace
from mm_trio.sim.network.secret_canary import LogScanner
from mm_trio.sim.run.convergence import ConvergenceCheck
from mm_trio.sim.run.fair_shares import starve
from mm_trio.sim.run.journal_check import check_journal
from mm_trio.sim.run.process_starter import MAKER
from mm_trio.sim.run.seed_folder import check_disk, open_seed_folder
from mm_trio.sim.run.world import World

__all__ = ["SeedReport", "simulate"]

POLL_S = 0.25
TICKS = 5
# Time that a maker may need besides its next reconciliation and five ticks: a silent socket is found after 20 to 30 s,
# an order in flight may still expire (10 s and 3 s of patience), and the last connection may have been tried just now.
CALM_S = 45.0
# The same where the venue refused something alike for long: the maker tries it again after up to five minutes.
WHOLE_S = 600.0
# Time for which the book must stay settled.
HOLD_S = 8.0
EXPIRY_S, RESOLVE_S = 10.0, 5.0
START_S = 10.0
# A start after an unclean end waits until no order can arrive any more, where orders leave beside their entries.
UNCLEAN_S = 15.0
# Round trips of a start. A reconciliation in progress and the answer to a fill together take fewer.
TRIPS = 16
# Above this a reconciliation waits for request weight: what a minute has, less what is kept and what it needs.
SCARCE_WEIGHT = 800
# Longest pause between two looks at what a grid that ended alone may have left, and such a look.
ENDED_LOOK_S = 250.0
# Items that answer the fill of one order: it changes side, and each end of the window and the remainder may follow.
MOST_ITEMS = 8
# The same on average, over a seed without faults.
ITEMS_A_FILL = 3
# Parts taken of the best bid and then of the best ask: what the bid bought is more than what the ask sells.
BID_PART, ASK_PART = Decimal("0.5"), Decimal("0.25")
AFTERMATH_S = 5.0
NEVER_S = 120.0
# Share of the seeds with several grids that also try them without request budget.
SCARCE_SHARE = 0.5
LATEST_ARRIVAL_S = 61.0
# In calm a change is answered within the time of a start, the follower's patience with ladders that move, and a margin.
ANSWERED_S = 130.0


def simulate(scenario: Scenario) -> SeedReport:
    """Run a seed's scenario to its end or first violation."""
    began_s = time.process_time()
    log = logging.getLogger("mm_trio")
    level, propagates = log.level, log.propagate
    log_scanner = LogScanner() if scenario.is_log_scanned else None
    try:
        if log_scanner is None:
            # Faults by the thousand would write a line each.
            log.setLevel(logging.CRITICAL)
        else:
            log.setLevel(logging.DEBUG)
            log.addHandler(log_scanner)
            log.propagate = False
        with open_seed_folder() as folder:
            report = run_virtual(_Episode(scenario, folder, log_scanner).run, seed=scenario.seed)
    finally:
        log.setLevel(level)
        log.propagate = propagates
        if log_scanner is not None:
            log.removeHandler(log_scanner)
    return replace(report, core_s=time.process_time() - began_s)


class _Episode:
    """Phases of a run, with the results of each."""

    def __init__(self, scenario: Scenario, folder: Path, log_scanner: LogScanner | None) -> None:
        self._scenario = scenario
        self._folder = folder
        self._log_scanner = log_scanner
        self._converged_s: float | None = None
        self._reaction_s: float | None = None
        # When request weight was last too scarce for a reconciliation.
        self._scarce_s = 0.0

    async def run(self) -> SeedReport:
        """Run all phases and report the result."""
        scope = trio.CancelScope()
        trace = Trace(trio.current_time)
        world: World | None = None

        def end(violation: Violation) -> None:
            """Stop the run at its first violation."""
            scope.cancel()
            if world is not None:
                world.abandon()

        judge = Judge(trio.current_time, on_first=end)
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    world = World(self._scenario, folder=self._folder, nursery=nursery, judge=judge, trace=trace)
                    self._convergence = ConvergenceCheck(world)
                    if world.changes is not None:
                        world.changes.find_unsettled = self._convergence.find_unsettled
                    await self._run_phases(world, nursery)
                    world.abandon()
                    nursery.cancel_scope.cancel()
            if world is not None and not judge.violations:
                world.process_rules.check_files(self._folder)
                self._check_log(world)
                self._check_waste(world)
                check_journal(world)
        except Exception as error:  # noqa: BLE001 - Any error is reported with its seed
            if not judge.violations:
                lines = traceback.format_exception(find_leaves(error)[0])
                judge.report("SIM", "".join(lines[-4:]).strip())
        if judge.violations:
            check_disk(self._folder)
        return self._make_report(world, judge, trace)

    def _make_report(self, world: World | None, judge: Judge, trace: Trace) -> SeedReport:
        struck = {} if world is None else world.fault_counter.struck
        return SeedReport(
            seed=self._scenario.seed,
            sim_s=trio.current_time(),
            core_s=0.0,
            struck={kind.value: n for kind, n in sorted(struck.items(), key=lambda item: item[0].value)},
            violations=tuple(judge.violations[:1]),
            last_steps=tuple(trace.format_last_steps()) if judge.violations else (),
            converged_s=self._converged_s,
            reaction_s=self._reaction_s,
            digest=trace.digest,
            n_steps=trace.n_steps,
            n_processes=len(world.processes) if world is not None else 0,
            n_checks=dict(judge.n_checks),
            coverage=dict(judge.coverage),
        )

    async def _run_phases(self, world: World, nursery: trio.Nursery) -> None:
        nursery.start_soon(world.frames.carry_forever)
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(world.run_processes)
        nursery.start_soon(self._convergence.poll_forever)
        nursery.start_soon(self._convergence.poll_empty_levels_forever)
        nursery.start_soon(world.disturbances.disturb_forever)
        if world.operator is not None:
            nursery.start_soon(world.operator.ask_at_times)
            nursery.start_soon(world.operator.resume_in_calm_forever)
        if world.changes is not None:
            nursery.start_soon(world.changes.apply_at_times)
        await trio.sleep(self._scenario.safety_s)
        world.calm()
        await self._wait_for_answer(world)
        # The grid that is tried in calm.
        self._check = split(self._scenario.seed, "grid that is tried").choice(self._convergence.grids)
        await self._look_beside_a_halt(world)
        self._converged_s = await self._converge(world)
        await self._wait_for_pauses(world)
        self._convergence.is_settled = True
        await self._stay_settled(world)
        await self._measure_reaction(world)
        await self._check_left_bid(world)
        await self._check_fairness(world)
        await self._apply_in_calm(world)
        if self._scenario.restarts_in_calm:
            await self._restart(world)
        self._convergence.check_view()
        await self._stop(world)

    async def _wait_for_answer(self, world: World) -> None:
        """Check L10: a change that was asked for among faults is answered in time."""
        changes = world.changes
        if changes is None:
            return
        until_s = trio.current_time() + ANSWERED_S
        while changes.waiting_since_s is not None:
            is_halted = world.operator is not None and world.operator.is_halted
            if trio.current_time() > until_s and not is_halted:
                world.judge.report("L10", f"a change is not answered after {ANSWERED_S:g} s of calm")
            if is_halted:
                break
            await trio.sleep(POLL_S)

    async def _apply_in_calm(self, world: World) -> None:
        """Check L10 and S33 to S35: a change is followed as it was printed."""
        changes = world.changes
        if changes is None or not changes.plan.in_calm:
            return
        if await changes.apply_in_calm():
            world.judge.coverage["apply judged in calm"] += 1
        await self._converge(world)
        if not self._check.grid.is_configured:
            self._check = self._convergence.grids[0]

    async def _look_beside_a_halt(self, world: World) -> None:
        """Check S32 with several grids: where one is halted, the others quote as if it was not."""
        operator = world.operator
        if operator is None or operator.may_resume.is_set():
            return
        if operator.is_halted:
            await self._converge(world)
            world.judge.n_checks["S32"] += 1
            world.judge.coverage["quoting beside a halted grid"] += 1
        operator.may_resume.set()

    async def _converge(self, world: World) -> float:
        """Check L1 and L3: the book settles in time.

        The limit depends on the maker's own periods. Returns how long it took, in seconds.
        """
        tuning, began_s = self._scenario.tuning, trio.current_time()
        interval_s: float = tuning["interval_s"]
        most_s = CALM_S + interval_s * (TICKS + tuning["reconcile_every"])
        if tuning.get("ledger") == "beside" and self._scenario.crashes:
            most_s += UNCLEAN_S
        # A tick in progress may still send.
        steady_s = 2 * interval_s + 2 * (self._scenario.there_s + self._scenario.back_s)
        settled_s: float | None = None
        while settled_s is None or trio.current_time() < settled_s + steady_s:
            now_s, wrong = trio.current_time(), self._convergence.find_unsettled()
            if wrong is None:
                settled_s = now_s if settled_s is None else settled_s
            else:
                settled_s = None
                if _is_pausing(world):
                    most_s = max(most_s, min(now_s - began_s + CALM_S, WHOLE_S))
                if now_s - began_s > most_s:
                    self._report_unsettled(world, f"not settled after {most_s:.0f} s of calm: {wrong}")
            self._check_unknowns(world, since_s=began_s)
            await trio.sleep(POLL_S)
        world.judge.n_checks["L1"] += 1
        # An unknown outcome counts as unsettled.
        world.judge.n_checks["L3"] += 1
        return settled_s - began_s

    async def _wait_for_pauses(self, world: World) -> None:
        """Wait until no level waits because of earlier refusals."""
        until_s = trio.current_time() + WHOLE_S
        while _is_pausing(world):
            if trio.current_time() > until_s:
                self._report_unsettled(world, f"refusals still pause after {WHOLE_S:.0f} s of calm")
            await trio.sleep(POLL_S)

    def _report_unsettled(self, world: World, text: str) -> None:
        """Report S5 if the ledger is wrong, otherwise L1."""
        process = world.process
        is_ledger = (
            process is not None and process.is_quoting and self._convergence.find_ledger_error(process) is not None
        )
        world.judge.report("S5" if is_ledger else "L1", text)

    def _check_unknowns(self, world: World, *, since_s: float) -> None:
        """Check L3: every outcome becomes known in time.

        The time counts from when the venue answers again. A grid that ended alone is looked after more and more seldom.
        """
        process, now_s = world.process, trio.current_time()
        patience_s = RESOLVE_S + 4 * (self._scenario.there_s + self._scenario.back_s)
        if process is None or process.is_over or now_s < since_s + EXPIRY_S + patience_s + CALM_S / 2:
            return
        if self._scenario.n_grids > 1 and process.requests.used_weight > SCARCE_WEIGHT:
            # Several grids that were in doubt at once may have to wait until they can ask again.
            self._scarce_s = now_s
        configured = {grid.coin for grid in world.grids}
        for coin, face in process.faces.items():
            is_quoted = face.failure is None and coin in configured
            most_s = patience_s if is_quoted else patience_s + ENDED_LOOK_S
            for intent in face.order_state.get_intents():
                is_in_time = now_s <= max(intent.expires_s, since_s + CALM_S / 2, self._scarce_s) + most_s
                world.judge.check("L3", is_in_time, lambda i=intent: f"outcome unknown since {i.sent_s:.1f} s: {i}")  # type: ignore[misc]

    async def _stay_settled(self, world: World) -> None:
        """Check S5, S21 and S22: the book stays settled, and nothing is sent."""
        until_s = trio.current_time() + HOLD_S
        assert world.process is not None
        requests, n_before = world.process.requests, world.process.requests.n_items_sent
        while trio.current_time() < until_s:
            await trio.sleep(POLL_S)
            wrong = self._convergence.find_unsettled()
            world.judge.check("S21", wrong is None, lambda w=wrong: f"the book was settled, and then: {w}")  # type: ignore[misc]
        n_sent = requests.n_items_sent - n_before
        world.judge.check("S22", not n_sent, lambda: f"{n_sent} items were sent while the book was as expected")

    async def _measure_reaction(self, world: World) -> None:
        """Check L2: a fill is answered within its round trips.

        A taker takes the best ask, or the best bid where there is no ask.
        """
        traded_s = trio.current_time()
        assert world.process is not None
        requests, n_before = world.process.requests, world.process.requests.n_items_sent
        if not world.take_best(self._check.grid):
            return
        await self._converge(world)
        n_sent = requests.n_items_sent - n_before
        world.judge.check(
            "S22", n_sent <= MOST_ITEMS, lambda: f"{n_sent} items were sent to answer one fill, at most {MOST_ITEMS}"
        )
        scenario = self._scenario
        trips_s = TRIPS * (scenario.there_s + scenario.back_s + scenario.disk_s)
        most_s = scenario.frame_s + trips_s + scenario.tuning["interval_s"]
        took_s = max(world.last_change_s - traded_s, 0.0)
        world.judge.check("L2", took_s <= most_s, lambda: f"the answer to a fill took {took_s:.2f} of {most_s:.2f} s")
        if scenario.tuning["requote_on_fill"]:
            self._reaction_s = took_s

    async def _check_left_bid(self, world: World) -> None:
        """Check S22: a bid that bought in part is left as it is.

        Then part of an ask is sold, so that the remainder moves while its level stays.
        """
        grid, process = self._check.grid, world.process
        assert process is not None
        if not world.take_part(grid, BID_PART, is_buy=True):
            return
        await self._converge(world)
        before = self._check.find_left_bid(process)
        if before is None or not world.take_part(grid, ASK_PART, is_buy=False):
            return
        await self._converge(world)
        after = self._check.find_left_bid(process)
        if after is not None and after[0] == before[0]:
            world.judge.coverage["bid left while the remainder moved"] += 1
            world.judge.check(
                "S22", after == before, lambda: f"the bid {before} was replaced while the remainder moved: {after}"
            )

    async def _check_fairness(self, world: World) -> None:
        """Check L9 with several grids: each is served although there is hardly any budget."""
        if self._scenario.n_grids == 1 or split(self._scenario.seed, "scarcity").random() >= SCARCE_SHARE:
            return
        await starve(world, self._convergence)
        await self._converge(world)

    async def _restart(self, world: World) -> None:
        """Check L4: after a restart the maker soon quotes again."""
        before = world.process
        assert before is not None
        if self._scenario.crashes_in_calm:
            before.crash.trigger(Crash.ANYTIME)
        else:
            before.stop()
        await self._wait_for_end(world, before)
        await self._converge(world)
        process, scenario = world.process, self._scenario
        assert process is not None
        quoted_s = process.requests.first_risk_s
        is_late = self._scenario.crashes_in_calm and scenario.tuning.get("ledger") == "beside"
        most_s = START_S + UNCLEAN_S * is_late + TRIPS * (scenario.there_s + scenario.back_s + scenario.disk_s)
        is_soon = quoted_s is None or quoted_s - process.began_s <= most_s
        world.judge.check(
            "L4",
            is_soon,
            lambda: f"the first order after a restart was sent after {(quoted_s or 0) - process.began_s:.1f} s",
        )

    async def _stop(self, world: World) -> None:
        """Check S14, L5, L6: a shutdown leaves no orders open.

        Requests that are still travelling are waited for.
        """
        world.is_ending = True
        process = world.process
        assert process is not None
        world.trace.add("phase", "stop")
        has_no_budget = self._scenario.has_no_budget_at_stop and not self._scenario.hangs_at_stop
        if has_no_budget:
            await self._spend_budget(world)
        process.transport.hangs = self._scenario.hangs_at_stop
        process.stop()
        await self._wait_for_end(world, process)
        is_late = any(past.transport.n_underway for past in world.processes)
        await trio.sleep(LATEST_ARRIVAL_S if is_late else AFTERMATH_S)
        if has_no_budget:
            rests = [grid.view.book() for grid in world.all_grids if grid.view.resting]
            world.judge.check(
                "L6",
                not process.may_rest and not rests,
                lambda: f"the maker named {process.may_rest}, and open is {rests}",
            )
        # Without answers, orders may stay open; `judge_end` has checked that they are named.
        if not process.transport.hangs:
            world.judge.check(
                "S14", not process.may_rest, lambda: f"after a stop in calm the maker named {process.may_rest}"
            )
            rests = [grid.view.book() for grid in world.all_grids if grid.view.resting]
            world.judge.check("S14", not rests, lambda: f"open after the stop: {rests}")
        self._convergence.check_view()

    async def _wait_for_end(self, world: World, process: MakerProcess) -> None:
        """Check L5 for a maker that does not end.

        How long the others took is checked where they end.
        """
        with trio.move_on_after(NEVER_S) as patience:
            await process.ended.wait()
        world.judge.check(
            "L5", not patience.cancelled_caught, lambda: f"the maker has not ended {NEVER_S:.0f} s after the stop"
        )

    async def _spend_budget(self, world: World) -> None:
        """Trade, then leave the maker no budget to answer."""
        world.take_best(self._check.grid)
        # The trade earns some budget, so this comes after it.
        world.gateway.apply(ExhaustBudget(MAKER))
        scenario = self._scenario
        await trio.sleep(scenario.tuning["interval_s"] + TRIPS * (scenario.there_s + scenario.back_s + scenario.disk_s))
        world.judge.coverage["stop without budget"] += 1

    def _check_waste(self, world: World) -> None:
        """Check S22 for a seed without faults: what is sent answers something."""
        if self._scenario.rates:
            return
        n_sent = sum(process.requests.n_items_sent for process in world.processes)
        # Each process places its ladder and cancels it.
        n_levels = sum(grid.ladder.n_orders for grid in world.all_grids)
        n_fills = sum(grid.view.n_fills for grid in world.all_grids)
        n_printed = 0 if world.changes is None else world.changes.n_printed
        most = n_printed + 2 * n_levels * len(world.processes) + ITEMS_A_FILL * n_fills + MOST_ITEMS
        world.judge.check(
            "S22", n_sent <= most, lambda: f"{n_sent} items were sent for {n_fills} fills, at most {most} are allowed"
        )

    def _check_log(self, world: World) -> None:
        """Check S18: the log holds no secret."""
        if (log_scanner := self._log_scanner) is not None:
            world.judge.check("S18", log_scanner.found is None, lambda: f"a secret is in the log: {log_scanner.found}")


def _is_pausing(world: World) -> bool:
    """Return whether the maker waits because of earlier refusals."""
    return world.process is not None and any(face.refusals for face in world.process.faces.values())
