"""The orchestrator: one nursery for tick, reconciliation, watchdog and inbox; it owns the state.

Who runs what: the apply task changes state by what the feeds tell, one message after the other. The tick
sends. A reconciliation asks, settles and cancels orphans; it and the tick take turns. The watchdog alone opens
sockets. The keeper writes down what was recorded. All of them live and die with the nursery in `WsState.run`.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Literal, Never

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.concurrency.fair_lock import UncontendedLock
from mm_trio.engine.batch_emitter import EXPIRY_GRACE_S, BatchEmitter
from mm_trio.engine.feed_reader import FeedReader
from mm_trio.engine.feed_watchdog import FeedWatchdog
from mm_trio.engine.log_lines import log_allocation_changed, log_balances_adopted, log_fill, log_start, log_tick
from mm_trio.engine.reconciler import Reconciler
from mm_trio.engine.schedule import TickSchedule, make_wall_clock
from mm_trio.engine.shutdown import cancel_and_verify, name_remaining
from mm_trio.engine.startup import check_order_size, resume_state, seed_state
from mm_trio.journal.recovery import LedgerFile, recover
from mm_trio.journal.replay import Recovered
from mm_trio.journal.writer import JournalWriter
from mm_trio.model.cloid import MAX_LEVELS
from mm_trio.model.errors import ConfigError, LedgerError, VenueError
from mm_trio.model.journal_entries import Allocated, Began, Entry, Quoted, Requested
from mm_trio.model.market import Market
from mm_trio.model.numbers import Number, to_decimal
from mm_trio.model.orders import FillResult, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import OpenOrder
from mm_trio.quoting.incremental_planner import IncrementalPlanner
from mm_trio.quoting.plan import QuoteSettings, TickPlan
from mm_trio.state.inventory import BALANCE_CONFIRM_S, BalanceCheck, BalanceVerdict, Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import discard_socket, quiet_sdk_logging, replace_socket
from mm_trio.venue.thread_bridge import Inbox

__all__ = ["WsState"]

_log = logging.getLogger(__name__)

GRACE_S = 10.0  # for cancelling what rests, on the way out
ASK_AFTER_DOUBT_S = 1.0  # frames settle nearly every doubt before that
LONGEST_ASK_PAUSE_S = 8.0
# Of the 1,200 that the venue grants a minute. A reconciliation is 82, and more with doubts. Regular ones leave enough
# for some after lost feeds and for the way out; those leave a little.
REGULAR_WEIGHT, URGENT_WEIGHT = 400, 130
RETRY_RECONCILE_S = 3.0
HAND_CANCELS_WITHIN_S = 60.0
RECENT_FILLS = 50  # for who watches


class WsState:
    """A HIP-2 market maker for one spot pair: `await WsState(...).run()` is its whole life.

    `coin` is the pair (`@107`, `PURR/USDC`, `HYPE/USDC`); prices in quote per base, `order_sz` and
    `allocated_token` in base, `allocated_usdc` and `min_notional` in quote, every `_s` in seconds.
    `info` and `exchange` are objects of the official SDK or of its shape, `address` the account that trades.
    `run_sync(fn, *args, **options)` is how a blocking call is made; nothing else starts a thread.
    `reopen_feed` is a blocking callable that gives `info` a fresh, connected socket. `journal` is an open
    `Journal`: the ledger and every intent are durable in it, and a restart goes on from there; without one they
    live in memory. `take_over`: go on with orders of another instance's that rest, instead of refusing.
    `feed_lag_limit_s`: how late messages may come. An order that its owner cancelled by hand is placed again after
    `hand_cancel_pause_s`; so many within a minute as `hand_cancels_to_stop` end the maker. After `run` ended,
    `orders_may_rest` names what could not be proven cancelled.
    Errors: ConfigError (a ValueError) for values that cannot be quoted, here or at the start of `run`.
    Source: the market maker's specification, requirements of the orchestrator.
    """

    def __init__(
        self,
        *,
        coin: str,
        start_px: Number,
        n_orders: int,
        order_sz: Number,
        info: Any,
        exchange: Any,
        address: str,
        interval_s: float = 3.0,
        dead_zone_bps: Number = 5,
        price_tolerance_bps: Number = 1,
        size_tolerance_pct: Number = 1,
        reconcile_every: int = 20,
        tick_size: Number = "0.003",
        min_notional: Number = 10,
        active_levels: int | None = None,
        window_slack: int = 0,
        allocated_token: Number | None = None,
        allocated_usdc: Number | None = None,
        cancel_on_shutdown: bool = True,
        foreign_orders: Literal["cancel", "keep"] = "cancel",
        requote_on_fill: bool = False,
        feed_stale_after_s: float | None = 30.0,
        run_sync: RunSync = trio.to_thread.run_sync,
        reopen_feed: Callable[[], object] | None = None,
        journal: LedgerFile | None = None,
        take_over: bool = False,
        feed_lag_limit_s: float | None = None,
        hand_cancel_pause_s: float = 0.0,
        hand_cancels_to_stop: int | None = None,
        rng: random.Random | None = None,
        wall_ms: Callable[[], int] | None = None,
    ) -> None:
        if not interval_s > 0 or reconcile_every < 1:
            raise ConfigError(
                f"interval_s must be above 0 and reconcile_every 1 or more, got {interval_s} and {reconcile_every}"
            )
        if n_orders > MAX_LEVELS:
            raise ConfigError(f"n_orders must be {MAX_LEVELS} or less, got {n_orders}")
        if feed_stale_after_s is not None and not feed_stale_after_s > 0:
            raise ConfigError(f"feed_stale_after_s must be above 0 (or None: off), got {feed_stale_after_s}")
        if foreign_orders not in ("cancel", "keep"):
            raise ConfigError(f"foreign_orders must be 'cancel' or 'keep', got {foreign_orders!r}")
        self.coin = coin
        self.settings = QuoteSettings(
            order_size=to_decimal(order_sz, name="order_sz"),
            min_notional=to_decimal(min_notional, name="min_notional"),
            active_levels=active_levels,
            window_slack=window_slack,
            dead_zone_bps=to_decimal(dead_zone_bps, name="dead_zone_bps"),
            price_tolerance_bps=to_decimal(price_tolerance_bps, name="price_tolerance_bps"),
            size_tolerance_pct=to_decimal(size_tolerance_pct, name="size_tolerance_pct"),
        )
        # whether the ladder can be at all; at the start it is made again with the market's decimals
        self.grid = PricingGrid(start_px, n_orders, tick_size=tick_size)
        self.order_state = OrderState()
        self.inventory = Inventory(order_sz, allocated_token, allocated_usdc)
        self.rate_limit = RateLimitBudget()
        self.stats = RunStats()
        self.market: Market | None = None
        self.asset_id: int | None = None
        self.recent_fills: deque[tuple[float, FillResult]] = deque(maxlen=RECENT_FILLS)
        self.boundary_level: int | None = None
        self._make_grid = partial(PricingGrid, start_px, n_orders, tick_size=tick_size)
        self._schedule = TickSchedule(interval_s, reconcile_every)
        self._keep_foreign = foreign_orders == "keep"
        self._cancel_on_shutdown = cancel_on_shutdown
        self._requote_on_fill = requote_on_fill
        self._client = VenueClient(info, address=address, run_sync=run_sync, whole_fills=journal is not None)
        self._exchange = exchange
        self._run_sync = run_sync
        self._reopen_feed = reopen_feed or partial(replace_socket, info)
        self._feed_stale_after_s = feed_stale_after_s
        self._feed_lag_limit_s = feed_lag_limit_s
        self._journal = journal
        self._take_over = take_over
        self._hand_cancel_pause_s = hand_cancel_pause_s
        self._hand_cancels: deque[float] | None = deque(maxlen=hand_cancels_to_stop) if hand_cancels_to_stop else None
        self._rng = rng or random.Random()
        self._wall_ms = wall_ms
        self._epoch = self._rng.getrandbits(32)
        self._allocation = self.inventory.allocation
        self._parameters = {
            "coin": coin,
            "start_px": str(self.grid.levels[0]),
            "n_orders": str(n_orders),
            "tick_size": str(tick_size),
            "order_sz": str(self.settings.order_size),
        }
        self._last_boundary: int | None = None  # of an earlier life, until orders of ours rest again
        self._planner = IncrementalPlanner(self.grid, self.inventory, self.order_state, self.settings)
        self._turn = UncontendedLock()  # the tick and a reconciliation take turns
        self._nursery: trio.Nursery | None = None
        self._paused: str | None = "starting"  # why nothing new is placed, None while quoting
        self._doubt_pause_s = ASK_AFTER_DOUBT_S
        self._left_behind: tuple[str, ...] | None = None  # what the way out found, once it is done

    # --- the life of a maker ------------------------------------------------------------------

    async def run(self) -> None:
        """Start, quote until cancelled, and leave with nothing resting.

        Errors: the start's are raised as they are (ConfigError, VenueError); a failed request later is not
        raised; what is wrong with us ends all tasks and comes out in a group, after our orders are cancelled.
        """
        quiet_sdk_logging()
        wall_ms = self._wall_ms or make_wall_clock()
        if self._journal is not None and not self._journal.is_new:
            self._left_behind = ("orders of an earlier life: not looked at yet",)
        try:
            with self._client.waiting_while_busy():
                market = await self._client.fetch_market(self.coin)
            recovered = await self._recover(wall_ms)
            state = self._make_state(market, recovered)
            keeper = JournalWriter(
                self._journal,
                run_sync=self._run_sync,
                wall_ms=wall_ms,
                summarise=lambda: self._summarise(state, gateway),
                n_since_checkpoint=0 if recovered is None else recovered.n_since_checkpoint,
            )
            gateway = OrderGateway(self._exchange, run_sync=self._run_sync, ledger=keeper, wall_ms=wall_ms)
            gateway.coin = market.coin
            if recovered is not None:
                gateway.on_nonce_used(recovered.last_nonce)
            self._left_behind = None
            try:
                with self._client.waiting_while_busy():
                    orphans = await self._seed(state, keeper, recovered)
            except BaseException:
                if recovered is not None and not recovered.is_new:  # what rests of it would rest unattended
                    await self._leave(state, gateway)
                raise
            await self._quote(state, keeper, gateway, wall_ms, orphans)
        finally:
            discard_socket(self._client.info)  # its threads are not daemons where the SDK made them

    @property
    def orders_may_rest(self) -> tuple[str, ...]:
        """Orders of ours that may rest at the venue; after `run`, those it could not prove to be gone."""
        return name_remaining(self.order_state) if self._left_behind is None else self._left_behind

    @property
    def paused_because(self) -> str | None:
        """Why nothing new is placed, None while quoting."""
        return self._paused

    async def _quote(
        self,
        state: MakerState,
        keeper: JournalWriter,
        gateway: OrderGateway,
        wall_ms: Callable[[], int],
        orphans: tuple[OpenOrder, ...],
    ) -> None:
        """The nursery: everything between the start and the way out."""
        inbox = Inbox()
        watch = FeedWatchdog(
            self._client,
            inbox,
            reopen=self._reopen_feed,
            stale_after_s=self._feed_stale_after_s,
            lag_limit_s=self._feed_lag_limit_s,
            wall_ms=wall_ms,
            rng=self._rng,
        )
        emitter = BatchEmitter(
            gateway,
            self._client,
            state,
            epoch=self._epoch,
            stats=self.stats,
            on_booked=self._on_booked,
            may_place=lambda: self._paused is None and watch.find_fault() is None and keeper.fault is None,
        )
        reconciler = Reconciler(self._client, state, emitter, on_booked=self._on_booked)
        gateway.may_send = emitter.may_place
        gateway.may_still_send = lambda: self._paused is None and self._client.feed_is_alive()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(keeper.keep_forever)
                nursery.start_soon(self._hurry_on_leaving, gateway)
                nursery.start_soon(self._apply_forever, inbox, state, watch)
                await self._begin(watch, reconciler, orphans)
                nursery.start_soon(self._tick_forever, state, emitter, watch)
                nursery.start_soon(self._reconcile_forever, reconciler)
                nursery.start_soon(self._watch_forever, watch, reconciler)
        finally:
            inbox.close()
            if self._cancel_on_shutdown:
                self._left_behind = await cancel_and_verify(
                    gateway, self._client, state, emitter, reconciler, grace_s=GRACE_S
                )
            with suppress(LedgerError), trio.CancelScope(shield=True):
                await keeper.flush()

    async def _leave(self, state: MakerState, gateway: OrderGateway) -> None:
        """Cancel what rests, where quoting never began."""
        if self._cancel_on_shutdown:
            emitter = BatchEmitter(gateway, self._client, state, epoch=self._epoch, stats=self.stats)
            reconciler = Reconciler(self._client, state, emitter, on_booked=self._on_booked)
            self._left_behind = await cancel_and_verify(
                gateway, self._client, state, emitter, reconciler, grace_s=GRACE_S
            )

    def _summarise(self, state: MakerState, gateway: OrderGateway) -> tuple[Entry, ...]:
        """What a checkpoint says: all that the next life goes on with."""
        return (
            *(Began(epoch, {}) for epoch in sorted(state.epochs)),
            Began(self._epoch, self._parameters),
            *state.summarise(),
            *(() if self.boundary_level is None else (Quoted(self.boundary_level),)),
            Requested(gateway.last_nonce, "earlier", 0, "", 0),
        )

    async def _hurry_on_leaving(self, gateway: OrderGateway) -> Never:
        """Wait for the nursery's end, and tell the lane at once: a request may be on its way just then."""
        try:
            await trio.sleep_forever()
        finally:
            gateway.on_leaving(GRACE_S)

    # --- the ledger and the start ---------------------------------------------------------------

    async def _recover(self, wall_ms: Callable[[], int]) -> Recovered | None:
        """What the journal says of earlier lives; None where there is no journal."""
        if self._journal is None:
            return None
        return await recover(
            self._journal, order_size=self.settings.order_size, run_sync=self._run_sync, wall_ms=wall_ms()
        )

    def _make_state(self, market: Market, recovered: Recovered | None) -> MakerState:
        self.market, self.coin, self.asset_id = market, market.coin, market.asset_id
        self.grid = self._make_grid(sz_decimals=market.base.sz_decimals)
        check_order_size(self.grid, self.settings.order_size, self.settings.min_notional)
        earlier = set() if recovered is None else recovered.epochs
        while self._epoch in earlier:
            self._epoch = self._rng.getrandbits(32)
        if recovered is not None and not recovered.is_new:
            self.order_state, self.inventory = recovered.order_state, recovered.inventory
            if recovered.parameters == self._parameters:
                self._last_boundary = recovered.boundary_level
        self._planner = IncrementalPlanner(self.grid, self.inventory, self.order_state, self.settings)
        return MakerState(
            market,
            self.grid,
            self.order_state,
            self.inventory,
            self.rate_limit,
            self._keep_foreign,
            looked_up_ms=0 if recovered is None else recovered.looked_up_ms,
            epochs={*earlier, self._epoch},
            knows_all_lives=recovered is not None,
            hand_cancel_pause_s=self._hand_cancel_pause_s,
            on_cancelled_by_hand=self._on_cancelled_by_hand,
        )

    async def _seed(
        self, state: MakerState, keeper: JournalWriter, recovered: Recovered | None
    ) -> tuple[OpenOrder, ...]:
        """Read fills, orders, balances and budget, all before anything is subscribed; gives the orphans."""
        state.inventory.expects_transfers = recovered is not None
        state.record = state.order_state.record = state.inventory.record = keeper.record
        keeper.record(Began(self._epoch, self._parameters))
        if recovered is None or recovered.is_new:
            keeper.record(Allocated(*self.inventory.allocation))
            orphans = await seed_state(self._client, state, take_over=self._take_over)
        else:
            if state.inventory.allocation != self._allocation:
                log_allocation_changed(state.inventory, self._allocation)
                state.inventory.on_allocated(Allocated(*self._allocation))
            orphans, booked, check = await resume_state(
                self._client, state, newest_fill_ms=recovered.newest_fill_ms, take_over=self._take_over
            )
            self._on_booked(booked)
            self._on_balances(check)
        await keeper.flush()
        self.boundary_level = self._plan().boundary_level
        log_start(state, boundary_level=self.boundary_level, n_orphans=len(orphans))
        return orphans

    def _plan(self) -> TickPlan:
        plan = self._planner.plan(last_boundary=self._last_boundary)
        if self.order_state.orders:  # from here on the orders tell which side rests
            self._last_boundary = None
        return plan

    async def _begin(self, watch: FeedWatchdog, reconciler: Reconciler, orphans: tuple[OpenOrder, ...]) -> None:
        """Subscribe every feed and deal with orphans; a feed that fails is the watchdog's from here on."""
        try:
            await watch.connect(fresh=False)
        except VenueError as error:
            self._paused = str(error)
            _log.warning("feed: %s", error)
            return
        cleared = await reconciler.cancel_orphans(orphans)
        if self.order_state.get_doubts():  # of an earlier life: what became of them is asked before anything new
            cleared = await self._reconcile(reconciler) and cleared
        while not cleared:  # they are dealt with before the first quotes
            await trio.sleep(RETRY_RECONCILE_S)
            cleared = await self._reconcile(reconciler)
        self._paused = None

    # --- the inbox ----------------------------------------------------------------------------

    async def _apply_forever(self, inbox: Inbox, state: MakerState, watch: FeedWatchdog) -> Never:
        reader = FeedReader(
            state,
            self.stats,
            on_booked=self._on_booked,
            on_balances=self._on_balances,
            on_trouble=self._on_trouble,
        )
        while True:
            message = await inbox.receive()
            told_ms = reader.apply(message.feed, message.body, now_s=trio.current_time())
            watch.on_message(message.connection, told_ms)

    def _on_booked(self, fills: Iterable[FillResult]) -> None:
        for fill in fills:
            self.stats.on_fill(fill)
            self.recent_fills.append((trio.current_time(), fill))
            log_fill(fill, self.inventory)
            if fill.fee_token not in (None, "base", "quote"):
                self.stats.errors += 1
                _log.error("fill tid=%d has a fee in %s, which is no token of ours", fill.tid, fill.fee_token)
            if self._requote_on_fill:
                self._schedule.wake_tick()

    def _on_balances(self, check: BalanceCheck) -> None:
        if check.verdict is BalanceVerdict.ASK_AGAIN:
            self._schedule.want_reconcile(BALANCE_CONFIRM_S)
        elif check.verdict is BalanceVerdict.ADOPTED:
            log_balances_adopted(check, self.inventory)

    def _on_trouble(self, reason: str) -> None:
        _log.info("reconciliation wanted: %s", reason)
        self._schedule.want_reconcile(0)

    def _on_cancelled_by_hand(self, order: TrackedOrder) -> None:
        _log.warning(
            "oid=%d side=%s level=%d was cancelled by hand; placed again in %g s",
            order.oid,
            order.side,
            order.level_index,
            self._hand_cancel_pause_s,
        )
        recent, now_s = self._hand_cancels, trio.current_time()
        if recent is None or self._nursery is None:
            return
        recent.append(now_s)
        if len(recent) == recent.maxlen and recent[0] >= now_s - HAND_CANCELS_WITHIN_S:
            _log.warning("%d orders were cancelled by hand: that is a wish to stop, leaving", len(recent))
            self._nursery.cancel_scope.cancel()

    # --- the tick -----------------------------------------------------------------------------

    async def _tick_forever(self, state: MakerState, emitter: BatchEmitter, watch: FeedWatchdog) -> Never:
        self._schedule.start()
        while True:
            started_s = trio.current_time()
            await self.tick(state, emitter, watch)
            took_s = trio.current_time() - started_s
            if took_s > self._schedule.interval_s:
                _log.warning("tick took %.2f s, more than the interval of %g s", took_s, self._schedule.interval_s)
            await self._schedule.wait_for_tick()

    async def tick(self, state: MakerState, emitter: BatchEmitter, watch: FeedWatchdog) -> None:
        """Quote once: what should rest, less what rests, sent. Nothing while the feed is known dead."""
        async with self._turn:
            if self._paused is not None or watch.find_fault() is not None:
                return
            plan = self._plan()
            if plan.boundary_level != self.boundary_level or self.stats.ticks == 0:
                state.record(Quoted(plan.boundary_level))
            self.boundary_level = plan.boundary_level
            result = await emitter.emit(plan.diff, self.rate_limit)
            self.stats.on_tick(trio.current_time(), budget_left=self.rate_limit.remaining())
            log_tick(self.stats.ticks, plan, result, self.rate_limit)
            if result.contradicted:
                self._on_trouble("the venue says a balance is too small that the ledger has")
            state.note_doubts(trio.current_time())
            if self.order_state.get_doubts() or result.n_held_back:
                self._schedule.want_reconcile(self._doubt_pause_s)

    # --- reconciliation -----------------------------------------------------------------------

    async def _reconcile_forever(self, reconciler: Reconciler) -> Never:
        while True:
            await self._schedule.wait_for_reconcile()
            await self._wait_for_weight(REGULAR_WEIGHT)
            await self._reconcile(reconciler)

    async def _wait_for_weight(self, weight: int) -> None:
        """Return when the venue takes questions of so much weight from this address; ticks go on meanwhile."""
        wait_s = self._client.weight.compute_wait_s(weight, now_s=trio.current_time())
        if wait_s > 0:
            _log.info("a reconciliation waits %.1f s: the requests of this minute are used up", wait_s)
            await trio.sleep(wait_s)

    async def _reconcile(self, reconciler: Reconciler) -> bool:
        """Reconcile once, between two ticks; whether the venue answered everything and no orphan is left."""
        async with self._turn:
            self._schedule.on_reconcile()
            try:
                check, no_orphan_left = await reconciler.reconcile()
            except VenueError as error:
                self.stats.errors += 1
                _log.warning("reconciliation failed, again in %g s: %s", RETRY_RECONCILE_S, error)
                self._schedule.want_reconcile(RETRY_RECONCILE_S)
                return False
            self.stats.reconciliations += 1
            self._on_balances(check)
            if self.order_state.get_doubts():
                self._doubt_pause_s = min(2 * self._doubt_pause_s, LONGEST_ASK_PAUSE_S)
                self._schedule.want_reconcile(min(self._doubt_pause_s, self._compute_wait_for_expiry_s()))
            else:
                self._doubt_pause_s = ASK_AFTER_DOUBT_S
            if not no_orphan_left:
                self._schedule.want_reconcile(RETRY_RECONCILE_S)
            return no_orphan_left

    def _compute_wait_for_expiry_s(self) -> float:
        """Seconds until the first order in flight can be given up, if the venue knows nothing of it."""
        now_s = trio.current_time()
        waits_s = [i.expires_s + EXPIRY_GRACE_S - now_s for i in self.order_state.get_intents()]
        return min((wait_s for wait_s in waits_s if wait_s > 0), default=LONGEST_ASK_PAUSE_S)

    # --- the watchdog -------------------------------------------------------------------------

    async def _watch_forever(self, watch: FeedWatchdog, reconciler: Reconciler) -> Never:
        while True:
            fault = self._paused
            if fault is None:
                fault = self._paused = await watch.wait_for_fault()
                if watch.find_fault() is None:  # the feed is well, it was us who stood still
                    _log.warning("%s; nothing new is placed until everything is read anew", fault)
                    await self._read_anew(watch, reconciler)
                    continue
            _log.warning("feed lost: %s; nothing new is placed until it is back and reconciled", fault)
            await watch.reconnect()
            self.stats.reconnects += 1
            await self._read_anew(watch, reconciler)

    async def _read_anew(self, watch: FeedWatchdog, reconciler: Reconciler) -> None:
        """Reconcile until that succeeds, and quote again; leaves it paused where the feed is lost meanwhile."""
        while watch.find_fault() is None:
            await self._wait_for_weight(URGENT_WEIGHT)
            if await self._reconcile(reconciler):
                self._paused = None
                _log.info("feed is back, reconciled")
                self._schedule.wake_tick()
                return
            await trio.sleep(RETRY_RECONCILE_S)
