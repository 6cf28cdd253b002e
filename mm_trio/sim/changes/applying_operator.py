"""The operator who changes the configuration of a running maker, by the files that `mm-trio apply` uses.

He edits his file, asks the maker to follow it, and waits for its answer. What his file has is what the next process
begins with. Where the maker did not follow, he asks again, or puts back what the maker has noted as applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from mm_trio.account_config.changes import compare_accounts
from mm_trio.account_config.settings import AccountSettings
from mm_trio.changes.change_plan import VenueState, plan_grids
from mm_trio.changes.change_report import ChangeReport
from mm_trio.changes.ledgers import read_ledgers
from mm_trio.config.settings import MarketSettings
from mm_trio.halts.applied_file import WANTED_NAME, read_settings
from mm_trio.halts.change_request import ChangeAnswer, ask_for_change, read_answer
from mm_trio.model.errors import ConfigError, find_leaves
from mm_trio.model.market import Market, Token
from mm_trio.model.orders import Side
from mm_trio.model.replies import OpenOrder
from mm_trio.sandbox import Exchange, OrderRecord
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import ScenarioLadder
from mm_trio.sim.base.trace import Trace
from mm_trio.sim.changes.account_file import Ladders, read_ladders
from mm_trio.sim.changes.change_draw import ApplyPlan, draw_wanted
from mm_trio.sim.changes.change_watch import ChangeWatch
from mm_trio.sim.grids.grid import Grid

__all__ = ["ApplyingOperator"]

LOOK_S = 0.5
# So long the command waits for an answer.
ANSWERED_WITHIN_S = 300.0
# A change that was not followed is asked for again so often at most, after a pause.
MOST_TRIES, AGAIN_S, AGAIN_SHARE = 3, (3.0, 20.0), 0.5
# Time in which the book of a change has to be whole, to be judged by that.
SETTLED_WITHIN_S = 30.0


class ApplyingOperator:
    """Operator of one seed's configuration.

    `grids` are all that may be quoted, by coin. `make_account` writes a file of ladders. `left_alone` are coins that he
    does not change. `find_unsettled` describes what of the books is not as expected; `find_trouble` says whether
    something is wrong that no fault counter tells. `on_proposed` is told of each ladder that may hold from then on.
    """

    def __init__(
        self,
        plan: ApplyPlan,
        grids: Sequence[Grid],
        *,
        seed: int,
        address: str,
        folder: Path,
        exchange: Exchange,
        make_account: Callable[[Ladders], AccountSettings],
        left_alone: Sequence[str],
        judge: Judge,
        fault_counter: FaultCounter,
        trace: Trace,
        process: Callable[[], MakerProcess | None],
        find_trouble: Callable[[], bool],
        on_proposed: Callable[[Grid, ScenarioLadder], None],
    ) -> None:
        self.plan = plan
        self._grids = {grid.coin: grid for grid in grids}
        self._seed = seed
        self._address = address
        self._folder = folder
        self._exchange = exchange
        self._make_account = make_account
        self._left_alone = tuple(left_alone)
        self._judge = judge
        self._fault_counter = fault_counter
        self._trace = trace
        self._process = process
        self._find_trouble = find_trouble
        self._on_proposed = on_proposed
        self.find_unsettled: Callable[[], str | None] = lambda: "not looked at"
        # What his file has, what the present process began with or follows, and what surely ran.
        self._file = {coin: ladder for coin, grid in self._grids.items() if (ladder := grid.configured) is not None}
        self._running = dict(self._file)
        self._good = dict(self._file)
        self._n_drawn = 0
        self._asked: MakerProcess | None = None
        # Requests of all changes that were asked for, as they were printed.
        self.n_printed = 0
        # When he began to wait for an answer; None: he does not.
        self.waiting_since_s: float | None = None

    # --- Starts ---

    @property
    def is_to_blame(self) -> bool:
        """Check if a start may fail because of what he wrote last."""
        return self._file != self._good

    def before_start(self) -> AccountSettings:
        """Return what the next process is started with.

        Where the last start was refused because of a new file, the one before is put back.
        """
        last = self._process()
        if last is not None and last.has_begun:
            self._good = dict(self._running)
        elif last is not None and self.is_to_blame and _was_refused(last):
            self._judge.coverage["apply: start refused"] += 1
            self._trace.add("operator", "puts the file back")
            self._file = dict(self._good)
        self._running = dict(self._file)
        self._settle(self._running)
        return self._make_account(self._running)

    def reallocate(self) -> None:
        """Write what was changed between two processes into the file."""
        assert not self.is_to_blame
        self._file = {coin: ladder for coin, grid in self._grids.items() if (ladder := grid.configured) is not None}
        self._running, self._good = dict(self._file), dict(self._file)

    def _settle(self, ladders: Ladders) -> None:
        for coin, grid in self._grids.items():
            grid.settle(ladders.get(coin))

    # --- Changes ---

    async def apply_at_times(self) -> None:
        """Make each change of the plan at its time."""
        for at_s in self.plan.times_s:
            await trio.sleep_until(at_s)
            if self._fault_counter.is_on:
                await self._apply_until_followed()

    async def _apply_until_followed(self) -> None:
        """Ask for a change, and again where it was not followed."""
        rng = split(self._seed, f"apply again {self._n_drawn}")
        wanted = self._draw(may_exceed=True)
        for _ in range(MOST_TRIES):
            answer, _ = await self.apply(wanted)
            if answer is None or answer.error is None:
                return
            if rng.random() >= AGAIN_SHARE or not self._fault_counter.is_on:
                break
            await trio.sleep(rng.uniform(*AGAIN_S))
        self._put_back()

    def _put_back(self) -> None:
        """Take what the maker has noted for the file again, unless another one was started with the file."""
        if self._asked is self._process() and (applied := read_settings(self._folder)) is not None:
            self._file = read_ladders(applied)

    def _draw(self, *, may_exceed: bool) -> dict[str, ScenarioLadder]:
        rng = split(self._seed, f"apply {self._n_drawn}")
        self._n_drawn += 1
        return draw_wanted(rng, self._file, self._grids, left_alone=self._left_alone, may_exceed=may_exceed)

    async def apply_in_calm(self) -> bool:
        """Make a change while nothing is wrong; return whether every rule of a change was asked."""
        answer, was_judged = await self.apply(self._draw(may_exceed=False))
        if answer is None:
            return False
        self._judge.check("L10", answer.error is None, lambda: f"a change in calm was not followed: {answer.error}")
        return was_judged

    async def apply(self, wanted: Ladders) -> tuple[ChangeAnswer | None, bool]:
        """Plan a change, ask the maker to follow it, and wait for what it made of it.

        Return its answer, None where nothing was asked or answered, and whether every rule of a change was asked.
        """
        process, running = self._process(), read_settings(self._folder)
        if process is None or process.is_over or running is None:
            return None, False
        account = self._make_account(wanted)
        report = self._plan(running, account)
        if report is None:
            return None, False
        self._trace.add("operator", f"applies: {'; '.join(grid.to_text() for grid in report.grids)}")
        watch = self._watch(process, report)
        self.n_printed += report.n_requests
        self._file, self._asked = dict(wanted), process
        for coin, grid in self._grids.items():
            grid.propose(ladder := wanted.get(coin))
            if ladder is not None:
                self._on_proposed(grid, ladder)
        answer = await self._wait_for_answer(ask_for_change(self._folder, account), watch)
        return answer, await self._conclude(process, watch, answer, report)

    def _watch(self, process: MakerProcess, report: ChangeReport) -> ChangeWatch:
        return ChangeWatch(
            process,
            self._grids,
            {plan.change.coin: plan for plan in report.grids if plan.change.kind != "unchanged"},
            judge=self._judge,
            fault_counter=self._fault_counter,
            is_calm=process.is_quoting and self.find_unsettled() is None,
            find_trouble=self._find_trouble,
        )

    def _plan(self, running: AccountSettings, wanted: AccountSettings) -> ChangeReport | None:
        """Plan a change as `mm-trio apply` does; None where that hands nothing over."""
        change = compare_accounts(running, wanted)
        if change.refusals or change.is_empty:
            self._judge.coverage["apply: nothing to change"] += change.is_empty
            return None
        account = self._exchange.account(self._address)
        orders = tuple(self._list_orders())
        budget = max(0, account.request_cap - account.n_requests)
        state = VenueState(find_market=self._find_market, orders=orders, budget=budget)
        grids = plan_grids(change, state, read_ledgers(self._folder, coin=""))
        report = ChangeReport(folder=self._folder, change=change, grids=grids, budget=budget, is_live=True)
        if report.fault:
            self._judge.coverage["apply: no budget"] += 1
            return None
        return report

    def _list_orders(self) -> list[OpenOrder]:
        return [_read_order(order, self._grids) for order in self._exchange.open_orders(self._address)]

    def _find_market(self, market: MarketSettings) -> Market:
        pair = self._grids[market.coin].pair
        base, quote = (Token(token.index, token.name, token.sz_decimals) for token in (pair.base, pair.quote))
        return Market(pair.name, pair.asset, base, quote, {})

    async def _wait_for_answer(self, digest: str, watch: ChangeWatch) -> ChangeAnswer | None:
        self.waiting_since_s = trio.current_time()
        with trio.move_on_after(ANSWERED_WITHIN_S):
            while True:
                await trio.sleep(LOOK_S)
                watch.look()
                answer = read_answer(self._folder)
                if answer is not None and answer.digest in (digest, ""):
                    return answer
        (self._folder / WANTED_NAME).unlink(missing_ok=True)
        return None

    async def _conclude(
        self, process: MakerProcess, watch: ChangeWatch, answer: ChangeAnswer | None, report: ChangeReport
    ) -> bool:
        """Find what holds after an answer, and check what a change owes."""
        coverage, same = self._judge.coverage, process is self._process()
        self._trace.add("operator", f"is answered: {answer}")
        coverage["apply crossed by a crash"] += process.killed_at is not None
        self.waiting_since_s = None
        if same:
            # Another process was started with his file, which is what holds then.
            applied = read_settings(self._folder)
            assert applied is not None
            self._running = read_ladders(applied)
            self._settle(self._running)
        if answer is None:
            coverage["apply not answered"] += 1
            return False
        is_followed = answer.error is None
        coverage["apply followed" if is_followed else "apply refused"] += 1
        coverage["apply among faults"] += is_followed and not watch.is_calm
        if not is_followed:
            return False
        for grid in report.grids:
            coverage[f"apply: {grid.change.kind}"] += grid.change.kind != "unchanged"
        if same:
            self._good = dict(self._running)
            self._check_removed(report)
        was_judged = await self._end_watch(watch) if same else False
        coverage["apply judged"] += was_judged
        return was_judged

    def _check_removed(self, report: ChangeReport) -> None:
        """Check S35: nothing rests of a grid once the maker says that it was removed."""
        for plan in report.change.list_kind("removed"):
            rests = self._grids[plan.coin].view.book()
            self._judge.check("S35", not rests, lambda c=plan.coin, r=rests: f"{c} was removed, and open is {r}")  # type: ignore[misc]

    async def _end_watch(self, watch: ChangeWatch) -> bool:
        """Watch until the books are as expected, and judge the change."""
        until_s = trio.current_time() + SETTLED_WITHIN_S
        while (is_unsettled := self.find_unsettled() is not None) and watch.is_calm and trio.current_time() < until_s:
            watch.look()
            await trio.sleep(LOOK_S)
        return watch.end(is_settled=not is_unsettled)


def _was_refused(process: MakerProcess) -> bool:
    """Check if a start was refused because of its configuration."""
    leaves = [] if process.error is None else find_leaves(process.error)
    return any(isinstance(leaf, ConfigError) for leaf in leaves)


def _read_order(order: OrderRecord, grids: dict[str, Grid]) -> OpenOrder:
    grid = grids.get(order.coin)
    is_own = grid is not None and order.oid in grid.view.resting
    size = grid.view.remaining(order.oid) if grid is not None and is_own else order.size
    side: Side = "buy" if order.is_buy else "sell"
    return OpenOrder(order.coin, order.oid, side, order.price, size, order.original_size, order.cloid)
