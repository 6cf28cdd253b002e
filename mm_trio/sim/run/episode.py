"""One seed from its beginning to its end: faults, calm, a stop; and what became of it."""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import replace
from pathlib import Path

import trio

from mm_trio.journal.replay import replay as replay_entries
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import find_leaves
from mm_trio.sandbox import ExhaustBudget
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.base.crash_points import Crash
from mm_trio.sim.base.judge import Judge, Violation
from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.base.scenario import Scenario
from mm_trio.sim.base.seed_folder import open_seed_folder
from mm_trio.sim.base.seeded_schedule import run_virtual
from mm_trio.sim.base.trace import Trace
from mm_trio.sim.network.secret_canary import LogScanner
from mm_trio.sim.run.convergence import ConvergenceCheck
from mm_trio.sim.run.world import MAKER, World

__all__ = ["SeedReport", "simulate"]

POLL_S = 0.25
TICKS = 5
# What a maker may need besides its next reconciliation and five ticks: a silent socket is found after 20 to 30 s, an
# order in flight may still expire (10 s and 3 of patience), the last connection may have been tried just now.
CALM_S = 45.0
HOLD_S = 8.0  # so long it has to stay as it is
EXPIRY_S, RESOLVE_S = 10.0, 5.0
START_S = 10.0
TRIPS = 16  # of a start; more than a reconciliation just underway and the answer to a fill take together
AFTERMATH_S = 5.0
NEVER_S = 120.0
LATEST_ARRIVAL_S = 61.0


def simulate(scenario: Scenario) -> SeedReport:
    """Run one seed's world to its end, or to the first violation."""
    began_s = time.process_time()
    log = logging.getLogger("mm_trio")
    level, propagates = log.level, log.propagate
    log_scanner = LogScanner() if scenario.is_log_scanned else None
    try:
        if log_scanner is None:
            log.setLevel(logging.CRITICAL)  # faults by the thousand, and a line for each
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
    """The phases of a run, and what they find."""

    def __init__(self, scenario: Scenario, folder: Path, log_scanner: LogScanner | None) -> None:
        self._scenario = scenario
        self._folder = folder
        self._log_scanner = log_scanner
        self._converged_s: float | None = None
        self._reaction_s: float | None = None

    async def run(self) -> SeedReport:
        scope = trio.CancelScope()
        trace = Trace(trio.current_time)
        world: World | None = None

        def end(violation: Violation) -> None:
            scope.cancel()
            if world is not None:
                world.abandon()

        judge = Judge(trio.current_time, on_first=end)
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    world = World(self._scenario, folder=self._folder, nursery=nursery, judge=judge, trace=trace)
                    self._convergence = ConvergenceCheck(world)
                    await self._run_phases(world, nursery)
                    world.abandon()
                    nursery.cancel_scope.cancel()
            if world is not None and not judge.violations:
                world.process_rules.check_files(self._folder)
                self._check_log(world)
                self._check_journal(world)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its seed
            if not judge.violations:
                told = traceback.format_exception(find_leaves(error)[0])
                judge.report("SIM", "".join(told[-4:]).strip())
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
        nursery.start_soon(world.disturbances.disturb_forever)
        await trio.sleep(self._scenario.safety_s)
        world.calm()
        self._converged_s = await self._converge(world)
        await self._stay_settled(world)
        await self._measure_reaction(world)
        if self._scenario.restarts_in_calm:
            await self._restart(world)
        self._convergence.check_view()
        await self._stop(world)

    # --- calm -----------------------------------------------------------------------------------

    async def _converge(self, world: World) -> float:
        """L1 and L3: the due book, and nothing unknown, within a time that the maker's own periods set.

        Gives how long that took, in seconds.
        """
        tuning, began_s = self._scenario.tuning, trio.current_time()
        interval_s: float = tuning["interval_s"]
        most_s = CALM_S + interval_s * (TICKS + tuning["reconcile_every"])
        steady_s = 2 * interval_s + 2 * (
            self._scenario.there_s + self._scenario.back_s
        )  # a tick under way may still send
        settled_s: float | None = None
        while settled_s is None or trio.current_time() < settled_s + steady_s:
            now_s, wrong = trio.current_time(), self._convergence.find_unsettled()
            if wrong is None:
                settled_s = now_s if settled_s is None else settled_s
            else:
                settled_s = None
                if now_s - began_s > most_s:
                    self._report_unsettled(world, f"{most_s:.0f} s of calm, and still {wrong}")
            self._check_unknowns(world, since_s=began_s)
            await trio.sleep(POLL_S)
        world.judge.n_checks["L1"] += 1
        world.judge.n_checks["L3"] += 1  # what is unknown is unsettled
        return settled_s - began_s

    def _report_unsettled(self, world: World, text: str) -> None:
        """S5 where the ledger is what is wrong, else L1."""
        process = world.process
        is_ledger = (
            process is not None
            and process.is_quoting
            and self._convergence.find_ledger_error(process.maker) is not None
        )
        world.judge.report("S5" if is_ledger else "L1", text)

    def _check_unknowns(self, world: World, *, since_s: float) -> None:
        """L3: what was sent is known in time, from when the venue answers again."""
        process, now_s = world.process, trio.current_time()
        patience_s = RESOLVE_S + 4 * (self._scenario.there_s + self._scenario.back_s)
        if process is None or process.is_over or now_s < since_s + EXPIRY_S + patience_s + CALM_S / 2:
            return
        for intent in process.maker.order_state.get_intents():
            is_in_time = now_s <= max(intent.expires_s, since_s + CALM_S / 2) + patience_s
            world.judge.check("L3", is_in_time, lambda i=intent: f"unknown since {i.sent_s:.1f} s: {i}")  # type: ignore[misc]

    async def _stay_settled(self, world: World) -> None:
        """S5, S21: it stays as it is."""
        until_s = trio.current_time() + HOLD_S
        while trio.current_time() < until_s:
            await trio.sleep(POLL_S)
            wrong = self._convergence.find_unsettled()
            world.judge.check("S21", wrong is None, lambda w=wrong: f"it was settled, and then: {w}")  # type: ignore[misc]

    async def _measure_reaction(self, world: World) -> None:
        """L2: the best ask is bought, or the best bid sold to, and the book is put right in the trips that it takes."""
        traded_s = trio.current_time()
        if not world.take_best():
            return
        await self._converge(world)
        scenario = self._scenario
        trips_s = TRIPS * (scenario.there_s + scenario.back_s + scenario.disk_s)
        most_s = scenario.frame_s + trips_s + scenario.tuning["interval_s"]
        took_s = max(world.last_change_s - traded_s, 0.0)
        world.judge.check("L2", took_s <= most_s, lambda: f"the answer to a fill took {took_s:.2f} s of {most_s:.2f} s")
        if scenario.tuning["requote_on_fill"]:
            self._reaction_s = took_s

    async def _restart(self, world: World) -> None:
        """L4: stopped and started again, it quotes again soon, from where it was."""
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
        most_s = START_S + TRIPS * (scenario.there_s + scenario.back_s + scenario.disk_s)
        is_soon = quoted_s is None or quoted_s - process.began_s <= most_s
        world.judge.check(
            "L4", is_soon, lambda: f"its first order left {(quoted_s or 0) - process.began_s:.1f} s later"
        )

    # --- the end --------------------------------------------------------------------------------

    async def _stop(self, world: World) -> None:
        """S14, L5: asked to leave, it leaves nothing behind. What is still on its way is waited for."""
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
            rests = world.view.book()
            world.judge.check(
                "L6", not process.may_rest and not rests, lambda: f"it left {process.may_rest}, and {rests} rests"
            )
        if not process.transport.hangs:  # else what rests was named, or its end was judged wrong
            world.judge.check("S14", not process.may_rest, lambda: f"a stop in calm left {process.may_rest}")
            world.judge.check("S14", not world.view.resting, lambda: f"rests after the stop: {world.view.book()}")
        self._convergence.check_view()

    async def _wait_for_end(self, world: World, process: MakerProcess) -> None:
        """L5 of a maker that does not leave at all; how long the others took is judged where they end."""
        with trio.move_on_after(NEVER_S) as patience:
            await process.ended.wait()
        world.judge.check("L5", not patience.cancelled_caught, lambda: f"it has not left after {NEVER_S:.0f} s")

    async def _spend_budget(self, world: World) -> None:
        """The request budget is gone, and the maker hears of it, by a trade that it cannot answer any more."""
        world.take_best()
        world.gateway.apply(ExhaustBudget(MAKER))  # after the trade, which earns some
        scenario = self._scenario
        await trio.sleep(scenario.tuning["interval_s"] + TRIPS * (scenario.there_s + scenario.back_s + scenario.disk_s))
        world.judge.coverage["stop without budget"] += 1

    def _check_log(self, world: World) -> None:
        """S18: what was logged has no secret in it."""
        if (log_scanner := self._log_scanner) is not None:
            world.judge.check("S18", log_scanner.found is None, lambda: f"the log says {log_scanner.found}")

    def _check_journal(self, world: World) -> None:
        """S5: the journal, read from its file and replayed from its beginning, gives the ledger."""
        journal = Journal.open_to_read(world.state_folder)
        try:
            entries = [row.entry for row in journal.read(since_checkpoint=False)]
        finally:
            journal.close()
        found = replay_entries(
            entries, order_size=self._scenario.ladder.order_size, now_s=trio.current_time(), wall_ms=world.now_ms()
        )
        told, due = (found.inventory.virtual_token, found.inventory.virtual_usdc), self._convergence.expected_ledger()
        world.judge.check("S5", told == due, lambda: f"the journal says {told}, due is {due}")
        assert world.process is not None
        live = world.process.maker.inventory
        told_account, lived = (
            (found.inventory.account_token, found.inventory.account_usdc),
            (
                live.account_token,
                live.account_usdc,
            ),
        )
        world.judge.check("S5", told_account == lived, lambda: f"the journal's account {told_account}, it was {lived}")
