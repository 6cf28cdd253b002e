"""The world of one seed: the exchange, everybody in it, the maker's lives, and the oracle that looks on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Never

import trio

from mm_trio.engine.ws_state import WsState
from mm_trio.journal.data_dir import find_state_folder, hold_state_folder
from mm_trio.sandbox import (
    DEFAULT_MARKETS,
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
    Nonces,
    OrderRecord,
    PlaceOrders,
)
from mm_trio.sim.actors.account_owner import AccountOwner
from mm_trio.sim.actors.disturbances import Disturbances
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.actors.other_traders import RIVAL, TAKER
from mm_trio.sim.base.crash_points import CrashSwitch
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import Scenario
from mm_trio.sim.base.trace import Trace
from mm_trio.sim.network.frame_delivery import FrameDelivery
from mm_trio.sim.network.request_transport import RequestTransport
from mm_trio.sim.network.secret_canary import CanaryExchange
from mm_trio.sim.network.venue import ObservedGateway, SimInfo, SimVenue
from mm_trio.sim.network.watched_journal import WatchedJournal, Written
from mm_trio.sim.oracle.book_rules import BookRules
from mm_trio.sim.oracle.expected_book import compute_levels
from mm_trio.sim.oracle.request_rules import STALE_S, UNSETTLED_S, RequestRules, SlidingSum
from mm_trio.sim.oracle.venue_view import OwnView, read_epoch
from mm_trio.sim.run.process_rules import ProcessRules

__all__ = ["COIN", "MAKER", "World"]

MAKER = "0x" + "a1" * 20
COIN = "@107"
NETWORK = "simulated"
EPOCH_MS = 1_790_000_000_000  # where the venue's calendar stands when a run begins
PLENTY = Decimal(10) ** 12
BEAT_S = 5.0  # the venue speaks so often in a quiet market too


class World:
    """Everything of one run but its phases. Made inside the run; `nursery` outlives all that is in it."""

    def __init__(self, scenario: Scenario, *, folder: Path, nursery: trio.Nursery, judge: Judge, trace: Trace) -> None:
        self.scenario = scenario
        self.judge = judge
        self.trace = trace
        self.fault_counter = FaultCounter(scenario.rates)
        self.pair = DEFAULT_MARKETS.pair(COIN)
        self.levels = compute_levels(scenario.ladder, sz_decimals=self.pair.base.sz_decimals)
        self.exchange = Exchange(DEFAULT_MARKETS)
        self.gateway = ObservedGateway(self.exchange, now_ms=self.now_ms)
        self.venue = SimVenue(self.gateway, now_s=trio.current_time)
        self.frames = FrameDelivery(
            self.fault_counter,
            latest_s=scenario.frame_s,
            fills_have_cloids=scenario.fills_have_cloids,
            rng=split(scenario.seed, "frames"),
        )
        self.venue.carry = self.frames.deliver
        self.frames.on_frame = self._on_frame
        self.venue.on_stale = lambda: self.fault_counter.count(FaultKind.READ_STALE)
        ladder = scenario.ladder
        self.view = OwnView(MAKER, COIN, self.pair.base.name, ladder.tokens or Decimal(0), ladder.quote or Decimal(0))
        self._book_rules = BookRules(judge, self.view, ladder=ladder, levels=self.levels, pair=self.pair)
        self.process_rules = ProcessRules(judge, n_levels=ladder.n_orders, hold=self._hold_folder)
        self.processes: list[MakerProcess] = []
        self._nursery = nursery
        self._environ = {"XDG_STATE_HOME": str(folder)}
        self._nonces = Nonces()  # of the maker's key, at the venue
        self._written = Written()
        self._used_cloids: dict[str, str] = {}
        self._ends = SlidingSum(UNSETTLED_S)  # orders that were asked to end
        self._left_clean: set[str] = set()  # epochs of lives that said nothing rests
        self._process_rng = split(scenario.seed, "lives")
        self.is_ending = False
        self.last_change_s = 0.0  # when something of the maker's last changed at the venue
        self._fund_accounts()
        self.owner = AccountOwner(self.gateway, self.pair, MAKER, self.levels, self.fault_counter)
        self.disturbances = Disturbances(
            scenario,
            venue=self.venue,
            pair=self.pair,
            levels=self.levels,
            owner=self.owner,
            fault_counter=self.fault_counter,
            trace=trace,
            process=lambda: self.process,
        )
        self.gateway.observers.append(self._observe)

    def _fund_accounts(self) -> None:
        scenario, pair = self.scenario, self.pair
        for address, tokens, quote in (
            (MAKER, scenario.account_tokens, scenario.account_quote),
            (TAKER, PLENTY, PLENTY),
            (RIVAL, PLENTY, PLENTY),
        ):
            for token, amount in ((pair.base.index, tokens), (pair.quote.index, quote)):
                if amount:
                    self.gateway.apply(Deposit(address, token, amount))

    def now_ms(self) -> int:
        """The venue's calendar."""
        return EPOCH_MS + int(1000 * trio.current_time())

    @property
    def process(self) -> MakerProcess | None:
        """The maker's present life, or its last."""
        return self.processes[-1] if self.processes else None

    # --- looking on -----------------------------------------------------------------------------

    def _observe(self, now_ms: int, command: Command, effects: tuple[Effect, ...]) -> None:
        """After every step of the venue."""
        self.trace.add("venue", (command, effects))
        changes = self.view.apply(effects)
        for process in self.processes:
            if process.requests.underway is not None:
                process.requests.on_run(effects)
        self._count_switches(command, effects, changes)
        if changes or any(isinstance(effect, BalancesChanged) and effect.address == MAKER for effect in effects):
            self._book_rules.on_changes(changes, self.exchange.account(MAKER))
        for change in changes:
            self._note(change)

    def _count_switches(self, command: Command, effects: tuple[Effect, ...], changes: Sequence[object]) -> None:
        """A delisting strikes by the orders it ends and the actions it refuses, an upgrade by those it refuses."""
        if isinstance(command, DelistPair):
            self.fault_counter.count(FaultKind.DELISTED, n=len(changes))
        elif effects and isinstance(effects[0], Answered):
            errors = [status.text for status in effects[0].statuses if isinstance(status, ItemError)]
            self.fault_counter.count(FaultKind.DELISTED, n=sum(HALTED in text for text in errors))
            self.fault_counter.count(FaultKind.UPGRADE, n=sum(POST_ONLY_PERIOD in text for text in errors))

    def _note(self, change: Fill | OrderRecord) -> None:
        if isinstance(change, OrderRecord):
            if change.status == "open":
                assert change.cloid is not None
                is_late = read_epoch(change.cloid) in self._left_clean
                self.judge.check("S14", not is_late, lambda: f"oid {change.oid} came after its maker had left clean")
            else:
                self.judge.coverage[f"status {change.status}"] += 1
        else:
            self._note_fill(change)
        self.last_change_s = trio.current_time()

    def _note_fill(self, fill: Fill) -> None:
        """Count the situations that a good run meets sometimes."""
        seen, slots = self.judge.coverage, self.view.slots
        seen["own fill"] += 1
        if any(fill.cloid in process.requests.unanswered for process in self.processes[-1:]):
            seen["fill before its order was answered"] += 1
        if not any(is_buy for is_buy, _ in slots):
            seen["every bid gone"] += 1
        if all(is_buy for is_buy, _ in slots):
            seen["every ask gone"] += 1
        seen["fill at the lowest level"] += fill.price == self.levels[0]
        seen["fill at the highest level"] += fill.price == self.levels[-1]

    def _on_frame(self, feed: Feed, frame: dict[str, Any]) -> None:
        process = self.process
        if (
            process is not None
            and feed is process.info.ws_manager
            and feed.is_alive()
            and not process.info.ws_manager.silent
        ):
            process.requests.cases.on_frame(frame, process.maker)

    # --- the maker ------------------------------------------------------------------------------

    async def run_processes(self) -> None:
        """One life after the other, until the end of the run is near."""
        rng = split(self.scenario.seed, "pauses")
        while not self.is_ending:
            process = self._start_process()
            self._nursery.start_soon(process.run)
            await process.ended.wait()
            if process.killed_at is not None:
                self.trace.add("life", f"killed {process.killed_at.value}")
                self.judge.coverage[f"crash {process.killed_at.value}"] += 1
                self.judge.coverage["crash in a start"] += process.maker.stats.ticks == 0
            else:
                process.judge_end(self.judge, self.view, disk_s=self.scenario.disk_s)
                if process.error is None and not process.may_rest:  # of earlier lives, too, nothing rests or will
                    self._left_clean |= {read_epoch(cloid) for cloid in self._written.cloids}
            self.process_rules.check_texts(process)
            if not self.is_ending:
                await trio.sleep(rng.choice((0.2, 1.0, 8.0)) if self.fault_counter.is_on else 1.0)

    def abandon(self) -> None:
        """The run is over: whatever a maker still does comes to nothing."""
        for process in self.processes:
            process.crash.is_dead = True

    def _start_process(self) -> MakerProcess:
        scenario, n = self.scenario, len(self.processes) + 1
        lock = ExitStack()
        journal, info = WatchedJournal(lock.enter_context(self._hold_folder()), self._written), SimInfo(self.venue)
        requests = RequestRules(
            self.judge,
            self.exchange,
            address=MAKER,
            keep_foreign=scenario.keep_foreign,
            written=self._written,
            socket=lambda: info.ws_manager,
            used_cloids=self._used_cloids,
            now_s=trio.current_time,
            ends=self._ends,
        )
        journal.on_entry = requests.cases.on_entry
        crash = CrashSwitch(lambda where: process.kill(where))
        chance = split(scenario.seed, f"line {n}")
        transport = RequestTransport(
            scenario, self.fault_counter, requests, rng=chance, nursery=self._nursery, crash=crash
        )
        maker = self._make_maker(info, transport, journal)
        process = MakerProcess(n, maker, info, journal, transport, requests, crash, lock, trio.current_time())
        self.processes.append(process)
        self.trace.add("life", n)
        return process

    @property
    def state_folder(self) -> Path:
        """Where the maker's journal is."""
        return find_state_folder(self._environ, network=NETWORK, account=MAKER, coin=COIN)

    def _hold_folder(self) -> AbstractContextManager[Path]:
        """The maker's own way to be the only one of its account and coin, and of its key."""
        return hold_state_folder(self._environ, network=NETWORK, account=MAKER, coin=COIN, signer=MAKER)

    def _make_maker(self, info: SimInfo, transport: RequestTransport, journal: WatchedJournal) -> WsState:
        scenario, ladder = self.scenario, self.scenario.ladder
        return WsState(
            coin=COIN,
            start_px=ladder.start_px,
            n_orders=ladder.n_orders,
            order_sz=ladder.order_size,
            tick_size=ladder.step,
            min_notional=ladder.min_notional,
            active_levels=ladder.active_levels,
            window_slack=ladder.window_slack,
            allocated_token=ladder.tokens,
            allocated_usdc=ladder.quote,
            foreign_orders="keep" if scenario.keep_foreign else "cancel",
            feed_stale_after_s=STALE_S,
            info=info,
            exchange=CanaryExchange(self.venue, MAKER, nonces=lambda signer: self._nonces),
            address=MAKER,
            run_sync=transport,
            reopen_feed=info.reopen_feed,
            journal=journal,
            rng=Random(self._process_rng.getrandbits(64)),
            wall_ms=lambda: self.now_ms() + scenario.skew_ms,
            **scenario.tuning,
        )

    # --- everybody else ---------------------------------------------------------------------------

    async def beat_forever(self) -> Never:
        """The venue says something now and then."""
        while True:
            await trio.sleep(BEAT_S)
            self.gateway.on_clock()

    def calm(self) -> None:
        """From here on no fault, no taker, nobody else: what was broken stays broken until it is found."""
        self.trace.add("phase", "calm")
        self.fault_counter.is_on = False
        self.disturbances.end()
        self.owner.clean_up()

    def take_best(self) -> bool:
        """A taker takes the maker's best ask, or its best bid where it has no ask; whether there was one."""
        resting = self.view.resting.values()
        asks, bids = [o for o in resting if not o.is_buy], [o for o in resting if o.is_buy]
        if not resting:
            return False
        best = min(asks, key=lambda order: order.price) if asks else max(bids, key=lambda order: order.price)
        size = self.view.remaining(best.oid)
        order = NewOrder(self.pair.asset, not best.is_buy, best.price, size, "Ioc")
        self.gateway.apply(PlaceOrders(TAKER, (order,)))
        return best.oid not in self.view.resting
