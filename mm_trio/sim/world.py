"""The world of one seed: the exchange, everybody in it, the maker's lives, and the oracle that looks on."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Never

import trio

from mm_trio.sandbox.exchange import Exchange
from mm_trio.sandbox.fault_kinds import FaultKind
from mm_trio.sandbox.markets import DEFAULT_MARKETS
from mm_trio.sandbox.messages import (
    BalancesChanged,
    Command,
    Deposit,
    Effect,
    Fill,
    NewOrder,
    OrderRecord,
    PlaceOrders,
)
from mm_trio.sim.book_rules import BookRules
from mm_trio.sim.chance import split
from mm_trio.sim.frames import FrameLine
from mm_trio.sim.hands import Hands
from mm_trio.sim.ledger_file import WatchedJournal
from mm_trio.sim.life import Life
from mm_trio.sim.line import Line
from mm_trio.sim.market import RIVAL, TAKER, rival_forever, take_forever
from mm_trio.sim.request_rules import STALE_S, RequestRules
from mm_trio.sim.rules import Judge
from mm_trio.sim.seen import OwnView, is_own, read_epoch
from mm_trio.sim.swarm import Swarm
from mm_trio.sim.tally import FaultTally
from mm_trio.sim.target import Place, compute_levels, find_divergence
from mm_trio.sim.trace import Trace
from mm_trio.sim.venue import ObservedFront, SimInfo, SimVenue
from mm_trio.ws_state import WsState

__all__ = ["COIN", "MAKER", "World"]

MAKER = "0x" + "a1" * 20
COIN = "@107"
EPOCH_MS = 1_790_000_000_000  # where the venue's calendar stands when a run begins
PLENTY = Decimal(10) ** 12
LOOKS_S = 1.0  # in which the maker notices that a message came late
BEAT_S = 5.0  # the venue speaks so often in a quiet market too

SOCKET_FAULTS = (FaultKind.SOCKET_CLOSED, FaultKind.SOCKET_DROPPED, FaultKind.SOCKET_SILENT, FaultKind.PONG_ONLY)
OWNER_FAULTS = (
    FaultKind.MANUAL_ORDER,
    FaultKind.MANUAL_CANCEL,
    FaultKind.DEPOSIT,
    FaultKind.WITHDRAWAL,
    FaultKind.BUDGET_EXHAUSTED,
)
REPLICAS = (
    "open_orders",
    "spot_user_state",
    "user_fills_by_time",
    "query_order_by_oid",
    "query_order_by_cloid",
    "user_rate_limit",
)
REVOKED_S = (3.0, 30.0)


class World:
    """Everything of one run but its phases. Made inside the run; `nursery` outlives all that is in it."""

    def __init__(self, swarm: Swarm, *, folder: Path, nursery: trio.Nursery, judge: Judge, trace: Trace) -> None:
        self.swarm = swarm
        self.judge = judge
        self.trace = trace
        self.tally = FaultTally(swarm.rates)
        self.pair = DEFAULT_MARKETS.pair(COIN)
        self.levels = compute_levels(swarm.ladder, sz_decimals=self.pair.base.sz_decimals)
        self.lot = Decimal(1).scaleb(-self.pair.base.sz_decimals)
        self.exchange = Exchange(DEFAULT_MARKETS)
        self.front = ObservedFront(self.exchange, now_ms=self.now_ms)
        self.venue = SimVenue(self.front, now_s=trio.current_time)
        self.frames = FrameLine(
            self.tally,
            latest_s=swarm.frame_s,
            tells_cloids=swarm.tells_cloids,
            rng=split(swarm.seed, "frames"),
        )
        self.venue.carry = self.frames.deliver
        self.venue.on_stale = lambda: self.tally.count(FaultKind.READ_STALE)
        ladder = swarm.ladder
        self.view = OwnView(MAKER, COIN, self.pair.base.name, ladder.tokens or Decimal(0), ladder.quote or Decimal(0))
        self._book_rules = BookRules(judge, self.view, ladder=ladder, levels=self.levels, pair=self.pair)
        self.lives: list[Life] = []
        self._nursery = nursery
        self._folder = folder
        self._used_cloids: dict[str, str] = {}
        self._left_clean: set[str] = set()  # epochs of lives that said nothing rests
        self._chance_of_lives = split(swarm.seed, "lives")
        self.others = trio.CancelScope()  # everybody but venue and maker
        self.is_ending = False
        self.last_change_s = 0.0  # when something of the maker's last changed at the venue
        for address, tokens, quote in (
            (MAKER, swarm.account_tokens, swarm.account_quote),
            (TAKER, PLENTY, PLENTY),
            (RIVAL, PLENTY, PLENTY),
        ):
            for token, amount in ((self.pair.base.index, tokens), (self.pair.quote.index, quote)):
                if amount:
                    self.front.apply(Deposit(address, token, amount))
        self.hands = Hands(self.front, self.pair, MAKER, self.levels, self.tally)
        self.front.observers.append(self._observe)

    def now_ms(self) -> int:
        """The venue's calendar."""
        return EPOCH_MS + int(1000 * trio.current_time())

    @property
    def life(self) -> Life | None:
        """The maker's present life, or its last."""
        return self.lives[-1] if self.lives else None

    # --- looking on -----------------------------------------------------------------------------

    def _observe(self, now_ms: int, command: Command, effects: tuple[Effect, ...]) -> None:
        """After every step of the venue."""
        self.trace.add("venue", (command, effects))
        changes = self.view.apply(effects)
        for life in self.lives:
            if life.requests.underway is not None:
                life.requests.on_run(effects)
        if changes or any(isinstance(effect, BalancesChanged) and effect.address == MAKER for effect in effects):
            self._book_rules.on_changes(changes, self.exchange.account(MAKER))
        for change in changes:
            self._note(change)

    def _note(self, change: Fill | OrderRecord) -> None:
        if isinstance(change, OrderRecord):
            if change.status == "open":
                assert change.cloid is not None
                is_late = read_epoch(change.cloid) in self._left_clean
                self.judge.check("S14", not is_late, lambda: f"oid {change.oid} came after its maker had left clean")
            else:
                self.judge.seen[f"status {change.status}"] += 1
        else:
            self._note_fill(change)
        self.last_change_s = trio.current_time()

    def _note_fill(self, fill: Fill) -> None:
        """Count the situations that a good run meets sometimes."""
        seen, places = self.judge.seen, self.view.places
        seen["own fill"] += 1
        if any(fill.cloid in life.requests.unanswered for life in self.lives[-1:]):
            seen["fill before its order was answered"] += 1
        if not any(is_buy for is_buy, _ in places):
            seen["every bid gone"] += 1
        if all(is_buy for is_buy, _ in places):
            seen["every ask gone"] += 1
        if fill.price in (self.levels[0], self.levels[-1]):
            seen["fill at an end of the ladder"] += 1

    def check_view(self) -> None:
        """The oracle's view is the venue's truth, or the oracle is wrong."""
        truth = {o.oid: o.size for o in self.exchange.open_orders(MAKER) if o.coin == COIN and is_own(o.cloid)}
        self.judge.check("SIM", truth == self.view.book(), lambda: f"the oracle sees {self.view.book()}, not {truth}")

    # --- the maker ------------------------------------------------------------------------------

    async def live_forever(self) -> None:
        """One life after the other, until the end of the run is near."""
        rng = split(self.swarm.seed, "pauses")
        while not self.is_ending:
            life = self._begin_life()
            await life.live()
            life.judge_end(self.judge, self.view, disk_s=self.swarm.disk_s)
            if life.error is None and not life.left:
                self._left_clean |= life.requests.epochs
            if not self.is_ending:
                await trio.sleep(rng.choice((0.2, 1.0, 8.0)) if self.tally.is_on else 1.0)

    def _begin_life(self) -> Life:
        swarm, n = self.swarm, len(self.lives) + 1
        journal, info = WatchedJournal(self._folder), SimInfo(self.venue)
        requests = RequestRules(
            self.judge,
            self.exchange,
            address=MAKER,
            keep_foreign=swarm.keep_foreign,
            journal=journal,
            socket=lambda: info.ws_manager,
            used_cloids=self._used_cloids,
            now_s=trio.current_time,
        )
        line = Line(swarm, self.tally, requests, rng=split(swarm.seed, f"line {n}"), nursery=self._nursery)
        maker = self._make_maker(info, line, journal)
        life = Life(n, maker, info, journal, line, requests, trio.current_time())
        self.lives.append(life)
        self.trace.add("life", n)
        return life

    def _make_maker(self, info: SimInfo, line: Line, journal: WatchedJournal) -> WsState:
        swarm, ladder = self.swarm, self.swarm.ladder
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
            foreign_orders="keep" if swarm.keep_foreign else "cancel",
            feed_stale_after_s=STALE_S,
            info=info,
            exchange=self.venue.signing_exchange(MAKER),
            address=MAKER,
            run_sync=line,
            reopen_feed=info.reopen_feed,
            journal=journal,
            rng=Random(self._chance_of_lives.getrandbits(64)),
            wall_ms=lambda: self.now_ms() + swarm.skew_ms,
            **swarm.tuning,
        )

    # --- everybody else ---------------------------------------------------------------------------

    async def beat_forever(self) -> Never:
        """The venue says something now and then."""
        while True:
            await trio.sleep(BEAT_S)
            self.front.beat()

    async def disturb_forever(self) -> None:
        """Takers, rivals, the account's other hands and the network, until `others` is cancelled."""
        swarm, seed = self.swarm, self.swarm.seed
        with self.others:
            async with trio.open_nursery() as nursery:
                takers = split(seed, "takers")
                pauses = {"pause_s": swarm.taker_pause_s, "trend_s": swarm.trend_s}
                nursery.start_soon(partial(take_forever, self.front, self.pair, takers, **pauses))
                if swarm.has_rivals:
                    nursery.start_soon(rival_forever, self.front, self.pair, split(seed, "rival"), self.levels)
                if swarm.has_second_strategy:
                    nursery.start_soon(self.hands.second_strategy_forever, split(seed, "second strategy"))
                for kind in OWNER_FAULTS:
                    if swarm.rates.get(kind):
                        nursery.start_soon(self.hands.own_forever, split(seed, kind.value), kind)
                for kind in SOCKET_FAULTS:
                    if swarm.rates.get(kind):
                        nursery.start_soon(self._break_sockets_forever, kind)
                if swarm.rates.get(FaultKind.READ_STALE):
                    nursery.start_soon(self._lag_forever)
                if swarm.rates.get(FaultKind.AGENT_REVOKED):
                    nursery.start_soon(self._revoke_forever)
                nursery.start_soon(self._stop_now_and_then)

    async def _break_sockets_forever(self, kind: FaultKind) -> Never:
        rng = split(self.swarm.seed, kind.value)
        while True:
            await trio.sleep(rng.expovariate(self.swarm.rates[kind]))
            life = self.life
            if life is None or life.is_over:
                continue
            socket = life.info.ws_manager
            if not socket.is_alive() or socket.silent or socket.pong_only:
                continue
            self.tally.count(kind)
            self.trace.add("network", kind.value)
            if kind is FaultKind.SOCKET_SILENT:
                socket.silent = True
            elif kind is FaultKind.PONG_ONLY:
                socket.pong_only = True
            else:
                socket.stop()

    async def _lag_forever(self) -> Never:
        rng = split(self.swarm.seed, "replicas")
        while True:
            await trio.sleep(rng.expovariate(self.swarm.rates[FaultKind.READ_STALE]))
            self.venue.freeze(*rng.sample(REPLICAS, rng.randint(1, len(REPLICAS))))
            try:
                await trio.sleep(rng.uniform(0.1, self.swarm.replica_lag_s))
            finally:
                self.venue.thaw()

    async def _revoke_forever(self) -> Never:
        rng = split(self.swarm.seed, "agent")
        while True:
            await trio.sleep(rng.expovariate(self.swarm.rates[FaultKind.AGENT_REVOKED]))
            life = self.life
            if life is not None:
                life.line.is_revoked = True
                self.trace.add("venue", "agent revoked")
                try:
                    await trio.sleep(rng.uniform(*REVOKED_S))
                finally:
                    life.line.is_revoked = False

    async def _stop_now_and_then(self) -> None:
        for at_s in self.swarm.stops_s:
            await trio.sleep_until(at_s)
            if self.life is not None:
                self.trace.add("life", "asked to stop")
                self.life.stop()

    async def calm(self) -> None:
        """From here on no fault, no taker, nobody else: what was broken stays broken until it is found."""
        self.trace.add("phase", "calm")
        self.tally.is_on = False
        self.others.cancel()
        await self.hands.clear_away()

    def take_best(self) -> bool:
        """A taker takes the maker's best ask, or its best bid where it has no ask; whether there was one."""
        resting = self.view.resting.values()
        asks, bids = [o for o in resting if not o.is_buy], [o for o in resting if o.is_buy]
        if not resting:
            return False
        best = min(asks, key=lambda order: order.price) if asks else max(bids, key=lambda order: order.price)
        size = self.view.remaining(best.oid)
        order = NewOrder(self.pair.asset, not best.is_buy, best.price, size, "Ioc")
        self.front.apply(PlaceOrders(TAKER, (order,)))
        return best.oid not in self.view.resting

    # --- is all as it should be? ------------------------------------------------------------------

    def find_unsettled(self) -> str | None:
        """What is not yet as it has to be once all is calm; None: the maker quotes the due book and knows it does."""
        life = self.life
        if life is None or not life.is_quoting:
            return "no maker is quoting"
        maker, socket = life.maker, life.info.ws_manager
        if socket.silent or socket.pong_only or not socket.is_alive():
            return "its socket is broken still"
        if trio.current_time() <= self.frames.late_until_s + LOOKS_S:
            return "a late frame is on its way still"
        if maker.paused_because is not None:
            return f"paused: {maker.paused_because}"
        if doubts := maker.order_state.get_doubts():
            return f"in doubt: {doubts[:3]}"
        tracked = {order.oid: order.size for order in maker.order_state.get_current_orders()}
        if tracked != self.view.book():
            return f"believed to rest: {tracked}, rests: {self.view.book()}"
        return self.find_ledger_error(maker) or self.find_book_error()

    def find_ledger_error(self, maker: WsState) -> str | None:
        """S5: the ledger is what the venue's record of the maker's own fills makes of the allocation."""
        believed, due = (maker.inventory.virtual_token, maker.inventory.virtual_usdc), self.due_ledger()
        return None if believed == due else f"the ledger says {believed}, due is {due}"

    def due_ledger(self) -> tuple[Decimal | None, Decimal | None]:
        """The allocation moved by the venue's record of the maker's own fills."""
        ladder = self.swarm.ladder
        return (
            None if ladder.tokens is None else self.view.tokens,
            None if ladder.quote is None else self.view.quote,
        )

    def find_book_error(self) -> str | None:
        """L1: the book is the HIP-2 book of the smaller of ledger and wallet."""
        wallet = self.exchange.account(MAKER)
        tokens, quote = self.due_ledger()
        held = wallet.total(self.pair.base.index), wallet.total(self.pair.quote.index)
        book: dict[Place, Decimal] = {}
        for oid, size in self.view.book().items():
            record = self.view.resting[oid]
            book["buy" if record.is_buy else "sell", self.levels.index(record.price)] = size
        tokens = held[0] if tokens is None else min(tokens, held[0])
        quote = held[1] if quote is None else min(quote, held[1])
        wrong = find_divergence(
            book, ladder=self.swarm.ladder, levels=self.levels, lot=self.lot, tokens=tokens, quote=quote
        )
        rests = ", ".join(f"{side} {level}: {size}" for (side, level), size in sorted(book.items()))
        return None if wrong is None else f"{wrong}; of {tokens} and {quote} rests {rests or 'nothing'}"
