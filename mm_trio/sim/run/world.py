"""World of one seed: exchange, actors, maker and oracle."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Never

import trio

from mm_trio.model.errors import JournalError
from mm_trio.sandbox import (
    HALTED,
    POST_ONLY_PERIOD,
    Answered,
    BalancesChanged,
    Command,
    DelistPair,
    Deposit,
    Effect,
    Exchange,
    FaultKind,
    Feed,
    Fill,
    ItemError,
    NewOrder,
    OrderRecord,
    Pair,
    PlaceOrders,
)
from mm_trio.sim.actors.account_owner import AccountOwner
from mm_trio.sim.actors.disturbances import Disturbances
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.actors.operator import Operator
from mm_trio.sim.actors.other_traders import CRASHER, RIVAL, TAKER
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.machine_clock import MachineClock
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import Scenario
from mm_trio.sim.base.trace import Trace
from mm_trio.sim.changes.applying_operator import ApplyingOperator
from mm_trio.sim.changes.change_draw import ApplyPlan, draw_apply_plan
from mm_trio.sim.grids.account_rules import AccountRules
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.grids.grid_plan import draw_grids, fund_account
from mm_trio.sim.network.frame_delivery import FrameDelivery
from mm_trio.sim.network.venue import ObservedGateway, SimVenue
from mm_trio.sim.oracle.venue_view import OwnView, read_epoch
from mm_trio.sim.run.process_rules import ProcessRules
from mm_trio.sim.run.process_starter import MAKER, ProcessStarter, compute_venue_ms

__all__ = ["World"]

PLENTY = Decimal(10) ** 12
# The venue sends something this often even in a quiet market.
BEAT_S = 5.0
# Share of the questions for balances behind which the owner deposits something, where he deposits at all.
BEHIND_SHARE = 0.3
# Time in which the owner approves a new key.
NEW_KEY_S = (1.0, 30.0)
POLL_S = 0.25
CENT = Decimal("0.01")


class World:
    """State of one run, without its phases.

    It is made inside the run; `nursery` outlives everything in it.
    """

    def __init__(self, scenario: Scenario, *, folder: Path, nursery: trio.Nursery, judge: Judge, trace: Trace) -> None:
        self.scenario = scenario
        self.judge = judge
        self.trace = trace
        self.fault_counter = FaultCounter(scenario.rates)
        place = scenario.place
        self.exchange = Exchange(
            place.markets, maker_fee=scenario.maker_fee, taker_fee=place.taker_fee, limits=place.venue_limits
        )
        self.gateway = ObservedGateway(self.exchange, now_ms=self.now_ms)
        self.venue = SimVenue(self.gateway, now_s=trio.current_time)
        self.frames = FrameDelivery(
            self.fault_counter,
            latest_s=scenario.frame_s,
            fills_have_cloids=scenario.fills_have_cloids,
            rng=split(scenario.seed, "frames"),
            lies=split(scenario.seed, "frames that lie"),
            spoils=split(scenario.seed, "rows that cannot be read"),
        )
        self.venue.carry = self.frames.deliver
        self.frames.on_frame = self._on_frame
        self.venue.on_stale = lambda: self.fault_counter.count(FaultKind.READ_STALE)
        own = draw_grids(scenario)
        changes = draw_apply_plan(scenario, own)
        plans = own if changes is None else (*own, *changes.spare)
        self.all_grids = tuple(
            Grid(
                plan,
                markets=place.markets,
                exchange=self.exchange,
                address=MAKER,
                judge=judge if len(plans) == 1 else judge.of_grid(plan.coin),
                is_configured=plan in own,
            )
            for plan in plans
        )
        self.machine = MachineClock(compute_venue_ms, skew_ms=scenario.skew_ms)
        self._starter = ProcessStarter(
            scenario,
            self.venue,
            self.all_grids,
            judge=judge,
            fault_counter=self.fault_counter,
            folder=folder,
            nursery=nursery,
            machine=self.machine,
        )
        self.process_rules = ProcessRules(
            judge, count_places=self._count_places, hold=self._starter.hold_folder, has_absent=self._has_absent
        )
        self.account_rules = AccountRules(judge, self.all_grids, exchange=self.exchange, address=MAKER)
        self.processes: list[MakerProcess] = []
        self._nursery = nursery
        # Epochs of sessions that ended with no order left open.
        self._left_clean: set[str] = set()
        self.is_ending = False
        # Set once a limit of the operator has ended the maker: nobody starts it again.
        self.halted = trio.Event()
        self._is_reallocated = False
        # When an order of the maker last changed at the venue.
        self.last_change_s = 0.0
        self._fund_accounts(fund_account(plans, place.markets))
        self.owner = AccountOwner(self.gateway, self.all_grids, MAKER, self.fault_counter)
        self.disturbances = Disturbances(
            scenario,
            venue=self.venue,
            frames=self.frames,
            grids=self.all_grids,
            owner=self.owner,
            fault_counter=self.fault_counter,
            trace=trace,
            process=lambda: self.process,
            machine=self.machine,
            address=MAKER,
        )
        self.operator = self._make_operator(trace)
        self.changes = None if changes is None else self._make_changes(changes)
        self.gateway.observers.append(self._observe)
        self._behind = split(scenario.seed, "deposits behind a balance")
        if scenario.rates.get(FaultKind.DEPOSIT):
            self.venue.on_balances_read = self._deposit_behind_balance

    def _make_operator(self, trace: Trace) -> Operator | None:
        if (plan := self.scenario.halts) is None:
            return None
        operator = Operator(
            plan,
            [self._starter.victim_folder, *filter(None, [self._starter.account_folder])],
            fault_counter=self.fault_counter,
            trace=trace,
            process=lambda: self.process,
        )
        self._starter.has_narrow_limits = lambda: operator.has_narrow_limits
        if self.scenario.n_grids == 1:
            operator.may_resume.set()
        return operator

    def _make_changes(self, plan: ApplyPlan) -> ApplyingOperator:
        """Make the operator who changes the configuration; the grid that may halt is left alone."""
        return ApplyingOperator(
            plan,
            self.all_grids,
            seed=self.scenario.seed,
            address=MAKER,
            folder=self._starter.state_folder,
            exchange=self.exchange,
            make_account=self._starter.make_account,
            left_alone=() if self.scenario.halts is None else (self._starter.victim.coin,),
            judge=self.judge,
            fault_counter=self.fault_counter,
            trace=self.trace,
            process=lambda: self.process,
            find_trouble=self._starter.has_trouble,
            on_proposed=self._starter.on_proposed,
        )

    def _fund_accounts(self, amounts: dict[int, Decimal]) -> None:
        plenty = dict.fromkeys(amounts, PLENTY)
        for address, funds in (
            (MAKER, amounts),
            (TAKER, plenty),
            (RIVAL, plenty),
            *([(CRASHER, plenty)] if self.scenario.halts is not None else []),
        ):
            for token, amount in funds.items():
                if amount:
                    self.gateway.apply(Deposit(address, token, amount))

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Return the grids that are configured now."""
        return tuple(grid for grid in self.all_grids if grid.is_configured)

    def _has_absent(self) -> bool:
        """Check if a coin was quoted that is not configured any more."""
        return any(grid.was_configured and not grid.is_configured for grid in self.all_grids)

    def _count_places(self) -> int:
        """Count the orders that the ladders may have, also where another one may hold."""
        return 2 * sum(terms.ladder.n_orders for grid in self.all_grids for terms in grid.rules.terms)

    @property
    def pair(self) -> Pair:
        """Return the pair of the first grid."""
        return self.all_grids[0].pair

    @property
    def levels(self) -> tuple[Decimal, ...]:
        """Return the prices of the first grid's ladder."""
        return self.all_grids[0].levels

    @property
    def view(self) -> OwnView:
        """Return the orders and the ledger of the first grid."""
        return self.all_grids[0].view

    def now_ms(self) -> int:
        """Return the time of the venue's calendar."""
        return compute_venue_ms()

    @property
    def process(self) -> MakerProcess | None:
        """Return the current maker process, or the last one."""
        return self.processes[-1] if self.processes else None

    # --- Observing ---

    def _observe(self, now_ms: int, command: Command, effects: tuple[Effect, ...]) -> None:
        """Record and check each step of the venue."""
        self.trace.add("venue", (command, effects))
        changes = [grid.view.apply(effects) for grid in self.all_grids]
        for process in self.processes:
            if process.requests.underway is not None:
                process.requests.on_run(effects)
        self._count_switches(command, effects, n_ended=sum(map(len, changes)))
        has_moved = any(isinstance(effect, BalancesChanged) and effect.address == MAKER for effect in effects)
        for grid, of_grid in zip(self.all_grids, changes, strict=True):
            if of_grid or has_moved:
                grid.check(of_grid)
            for change in of_grid:
                self._note(grid, change)
        self.account_rules.on_effects(effects)

    def _count_switches(self, command: Command, effects: tuple[Effect, ...], *, n_ended: int) -> None:
        """Count the effects of delistings and upgrades.

        A delisting ends orders and refuses actions; an upgrade refuses actions.
        """
        if isinstance(command, DelistPair):
            self.fault_counter.count(FaultKind.DELISTED, n=n_ended)
        elif effects and isinstance(effects[0], Answered):
            errors = [status.text for status in effects[0].statuses if isinstance(status, ItemError)]
            self.fault_counter.count(FaultKind.DELISTED, n=sum(HALTED in text for text in errors))
            self.fault_counter.count(FaultKind.UPGRADE, n=sum(POST_ONLY_PERIOD in text for text in errors))

    def _note(self, grid: Grid, change: Fill | OrderRecord) -> None:
        if isinstance(change, OrderRecord):
            if change.status == "open":
                assert change.cloid is not None
                is_late = read_epoch(change.cloid) in self._left_clean
                self.judge.check(
                    "S14", not is_late, lambda: f"oid {change.oid} arrived after its maker had ended with no order open"
                )
            else:
                self.judge.coverage[f"status {change.status}"] += 1
        else:
            self._note_fill(grid, change)
        self.last_change_s = trio.current_time()

    def _note_fill(self, grid: Grid, fill: Fill) -> None:
        """Count the hard cases that a fill may show."""
        coverage, slots = self.judge.coverage, grid.view.slots
        coverage["own fill"] += 1
        coverage["own fill with a rebate"] += fill.fee < 0
        coverage["own fill with a gap"] += grid.ladder.gap_levels > 0
        if any(fill.cloid in process.requests.unanswered for process in self.processes[-1:]):
            coverage["fill before its order was answered"] += 1
        if not any(is_buy for is_buy, _ in slots):
            coverage["every bid gone"] += 1
        if all(is_buy for is_buy, _ in slots):
            coverage["every ask gone"] += 1
        coverage["fill at the lowest level"] += fill.price == grid.levels[0]
        coverage["fill at the highest level"] += fill.price == grid.levels[-1]

    def _on_frame(self, feed: Feed, frame: dict[str, Any]) -> None:
        process = self.process
        if (
            process is not None
            and feed is process.info.ws_manager
            and feed.is_alive()
            and not process.info.ws_manager.silent
        ):
            process.requests.cases.on_frame(frame, process.faces)

    # --- The maker ---

    def _deposit_behind_balance(self) -> None:
        """Deposit where the maker's next balance is far away, and take it out again later.

        Until it knows, the maker takes the account for smaller than it is.
        """
        if self.fault_counter.is_on and self._behind.random() < BEHIND_SHARE and self.owner.lend(self._behind):
            self.fault_counter.count(FaultKind.DEPOSIT)
            self.judge.coverage["deposit right after a balance was read"] += 1

    def _reallocate(self) -> None:
        """Change the allocations between two processes.

        Less is allocated only where nothing is open, or the open orders would already offer too much.
        """
        shares = self.scenario.reallocation
        has_allocation = self.all_grids[0].ladder.tokens is not None
        if shares is None or not has_allocation or self._is_reallocated or not self.processes:
            return
        if self.changes is not None and self.changes.is_to_blame:
            return
        changes = [
            tuple((amount * Decimal(str(share))).quantize(CENT) for amount, share in zip(ledger, shares, strict=True))
            for ledger in ((grid.view.tokens, grid.view.quote) for grid in self.grids)
        ]
        last = self.processes[-1]
        is_less = any(min(change) < 0 for change in changes)
        rests = any(grid.view.resting for grid in self.grids)
        if is_less and (last.error or last.may_rest or last.killed_at or rests):
            return
        if not self.account_rules.may_allocate(changes):
            return
        if self.changes is not None and not all(map(_can_be_written, self.grids, changes)):
            return
        self._is_reallocated = True
        for grid, (tokens, quote) in zip(self.grids, changes, strict=True):
            grid.reallocate(tokens, quote)
        if self.changes is not None:
            self.changes.reallocate()
        self.judge.coverage["allocation changed over a restart"] += 1

    async def run_processes(self) -> None:
        """Run one maker process after another until the end, or until a limit halts one."""
        rng, keys = split(self.scenario.seed, "pauses"), split(self.scenario.seed, "new keys")
        while not self.is_ending:
            self._reallocate()
            if self.operator is not None:
                self.operator.before_start()
            if self.changes is not None:
                self._starter.account = self.changes.before_start()
            if (process := self._start_process()) is None:
                continue
            self.processes.append(process)
            process.requests.repeated.is_lasting = lambda: self.disturbances.is_refusing
            self.trace.add("life", process.n)
            self._nursery.start_soon(process.run)
            await process.ended.wait()
            if process.killed_at is not None:
                self.trace.add("life", f"killed {process.killed_at.value}")
                self.judge.coverage[f"crash {process.killed_at.value}"] += 1
                self.judge.coverage["crash in a start"] += not process.has_begun
            else:
                is_refused = self._starter.lossy_folder.is_lossy and process.judge_refusal(self.judge)
                if is_refused:
                    self._starter.lossy_folder.mend()
                else:
                    scenario, missing = self.scenario, self.account_rules.find_missing()
                    has_no_cloid = (
                        not scenario.fills_have_cloids
                        or scenario.has_second_strategy
                        or FaultKind.MANUAL_ORDER in scenario.rates
                    )
                    forgets = FaultKind.STATUS_FORGOTTEN in scenario.rates and has_no_cloid
                    process.judge_end(
                        self.judge,
                        [grid.view for grid in self.all_grids],
                        disk_s=scenario.disk_s,
                        venue_forgets=forgets,
                        may_halt=scenario.place.limits is not None or scenario.halts is not None,
                        lacks_funds=bool(missing),
                    )
                    self._judge_halt(process)
                    if not process.has_begun and not (self.changes is not None and self.changes.is_to_blame):
                        # Its start told the owner what has to be deposited.
                        for token, amount in missing.items():
                            self.gateway.apply(Deposit(MAKER, token, amount))
                # A clean end also covers earlier processes: none of their orders is open or will arrive.
                if process.error is None and not process.may_rest:
                    self._left_clean |= {read_epoch(cloid) for cloid in self._starter.written.cloids}
            self.process_rules.check_texts(process)
            if process.has_halted and self.operator is None:
                self.halted.set()
                return
            if not self.is_ending:
                await trio.sleep(rng.choice((0.2, 1.0, 8.0)) if self.fault_counter.is_on else 1.0)
                await trio.sleep(self._starter.lossy_folder.find_pause(len(self.processes) + 1))
                await self._wait_for_key(process, keys)

    def _judge_halt(self, process: MakerProcess) -> None:
        """Check S26 and S27 for a maker that halted. A disk without room takes no halt."""
        rules, requests = self._starter.halt_rules, process.requests
        if rules is None or process.is_unwritten:
            return
        if self.scenario.n_grids == 1:
            if process.has_halted:
                rules.on_halted(had_begun=not process.was_halted, n_items=requests.n_items_sent)
            return
        self.judge.check(
            "S32",
            # A change may have left one grid alone, and its halt is the account's end.
            not process.has_halted or process.journal.is_broken or rules.is_all_halted or len(process.faces) == 1,
            lambda: f"all grids ended by {process.error!r}",
        )
        if process.find_halted():
            # What rests of a grid that is left out is cancelled all the same.
            n_items = requests.n_new_of[self._starter.victim.pair.asset]
            rules.on_halted(had_begun=not process.was_halted, n_items=n_items)

    async def _wait_for_key(self, process: MakerProcess, rng: Random) -> None:
        """Wait until the supervisor may start a maker that the venue knows.

        A new key is approved for one that expired. A start with an unknown key would be refused by its own checks.
        """
        while process.transport.lost_key is not None and self.fault_counter.is_on:
            if process.transport.lost_key is FaultKind.AGENT_EXPIRED:
                with trio.move_on_after(rng.uniform(*NEW_KEY_S)):
                    await self._wait_for_calm()
                return
            await trio.sleep(POLL_S)

    async def _wait_for_calm(self) -> None:
        while self.fault_counter.is_on:  # noqa: ASYNC110 - it is looked at seldom, and nobody sets an event
            await trio.sleep(POLL_S)

    def _start_process(self) -> MakerProcess | None:
        """Start the next process.

        None where its journal lacks its end and was refused; then the operator has put the whole one back.
        """
        try:
            return self._starter.start(len(self.processes) + 1)
        except JournalError:
            lossy = self._starter.lossy_folder
            if not lossy.is_lossy:
                raise
            self.judge.coverage["journal without its end refused"] += 1
            lossy.mend()
            return None

    def abandon(self) -> None:
        """Make anything a maker still does have no effect."""
        for process in self.processes:
            process.crash.is_dead = True

    @property
    def state_folder(self) -> Path:
        """Return the folder of the maker's journal."""
        return self._starter.state_folder

    # --- Everybody else ---

    async def beat_forever(self) -> Never:
        """Let the venue send something at intervals."""
        while True:
            await trio.sleep(BEAT_S)
            self.gateway.on_clock()

    def calm(self) -> None:
        """Stop all faults and all other actors.

        What was broken stays broken until the maker finds it.
        """
        self.trace.add("phase", "calm")
        self.fault_counter.is_on = False
        self.disturbances.end()
        self.owner.clean_up()

    def take_best(self, grid: Grid) -> bool:
        """Take a grid's best ask, otherwise its best bid.

        Returns whether an order was taken.
        """
        best = grid.find_best(is_buy=False) or grid.find_best(is_buy=True)
        if best is None:
            return False
        self._take(grid, best, grid.view.remaining(best.oid))
        return best.oid not in grid.view.resting

    def take_part(self, grid: Grid, share: Decimal, *, is_buy: bool) -> bool:
        """Take a share of a grid's best bid or ask.

        Returns whether it traded and still rests.
        """
        best = grid.find_best(is_buy=is_buy)
        if best is None:
            return False
        view, before = grid.view, grid.view.remaining(best.oid)
        self._take(grid, best, (before * share).quantize(Decimal(1).scaleb(-grid.pair.base.sz_decimals)))
        return best.oid in view.resting and view.remaining(best.oid) < before

    def _take(self, grid: Grid, order: OrderRecord, size: Decimal) -> None:
        taker = NewOrder(grid.pair.asset, not order.is_buy, order.price, size, "Ioc")
        self.gateway.apply(PlaceOrders(TAKER, (taker,)))


def _can_be_written(grid: Grid, change: tuple[Decimal, ...]) -> bool:
    """Check if a file may have an allocation: what was bought cannot be taken off it."""
    return all((amount or 0) + more >= 0 for amount, more in zip(grid.allocated, change, strict=True))
