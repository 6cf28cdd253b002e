"""One grid of a session: what one coin wants, knows and sends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import trio

from mm_trio.concurrency.fair_lock import UncontendedLock
from mm_trio.concurrency.together import call_together, settle
from mm_trio.grids.account import Account
from mm_trio.grids.events import SessionEvents, log_allocation_changed, log_start
from mm_trio.grids.reconciler import Reconciler
from mm_trio.grids.schedule import TickSchedule
from mm_trio.grids.shutdown import UNCLEAN, LeftOrder, cancel_and_verify
from mm_trio.grids.startup import check_order_size, resume_state, seed_state
from mm_trio.grids.stops import Stops
from mm_trio.halts.standing import State
from mm_trio.journal.replay import Recovered
from mm_trio.limits.terms import RiskLimits
from mm_trio.migration.moving_ladder import MovingLadder
from mm_trio.model.errors import LedgerError
from mm_trio.model.journal_entries import Allocated, Began, Entry, Numbered, Released, Requested
from mm_trio.model.market import Balances, Book
from mm_trio.model.orders import DesiredOrder, OrderDiff, Phase, TrackedOrder
from mm_trio.model.replies import OpenOrder
from mm_trio.model.settings import MakerSettings
from mm_trio.quoting.grid_quoter import GridQuoter
from mm_trio.quoting.opening import read_opening
from mm_trio.quoting.placing_gate import GridGate
from mm_trio.quoting.plan import TickPlan
from mm_trio.recorder.record_keeping import RecordKeeping
from mm_trio.sending.batch_emitter import BatchEmitter
from mm_trio.sending.unclean_end import outlast
from mm_trio.state.inventory import BalanceCheck
from mm_trio.state.maker_state import MakerState
from mm_trio.witness.market_check import describe_market
from mm_trio.witness.opening_check import Opening

__all__ = ["Grid", "GridParts", "describe_quoting"]

_log = logging.getLogger(__name__)

# A start that takes longer than this looks at the book again before it judges its price.
BOOK_IS_NEW_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GridParts:
    """What a grid is made of.

    `stops` are its own limits and standing. `recovered` None: there is no durable ledger. Its orders carry `epoch`.
    `facts` of the venue are for the journal. `check_opening` raises where the ladder must not open at a price; `record`
    None: nothing is recorded.
    """

    quoter: GridQuoter
    events: SessionEvents
    schedule: TickSchedule
    gate: GridGate
    stops: Stops
    emitter: BatchEmitter
    reconciler: Reconciler
    recovered: Recovered | None
    epoch: int
    facts: Mapping[str, str] = field(default_factory=dict)
    check_opening: Callable[[Opening], None] | None = None
    record: RecordKeeping | None = None


class Grid:
    """Grid of one coin, complete when made.

    `turn`: its ticks and reconciliations take turns. `left_behind` names the orders that could not be proven cancelled,
    None until it has shut down. `failure` is why it ended while its account goes on; `scope` ends its tasks.
    """

    def __init__(self, settings: MakerSettings, account: Account, parts: GridParts) -> None:
        self.settings = settings
        self.account = account
        self.parts = parts
        self.turn = UncontendedLock()
        self.scope = trio.CancelScope()
        self.left_behind: tuple[LeftOrder, ...] | None = None
        self.failure: LedgerError | None = None
        self.is_retired = False
        # Set once a grid that ended alone has shut down.
        self.ended = trio.Event()
        self.must_settle_balances = False
        # Orders of an earlier session may still arrive.
        self._awaits_arrivals = False
        self.orphans: tuple[OpenOrder, ...] = ()
        # Change of the ladder that is under way.
        self.moving: MovingLadder | None = None
        # Limits of the last change: that of a side counts once its ladder has moved.
        self._limits_wanted: RiskLimits | None = None
        self._opening_plan: TickPlan | None = None

    def __repr__(self) -> str:
        return f"<Grid {self.coin}: {self.parts.gate.reason or 'quoting'}>"

    @property
    def coin(self) -> str:
        """Return the venue's name of the pair."""
        return self.state.market.coin

    @property
    def quoter(self) -> GridQuoter:
        """Return planner and statistics."""
        return self.parts.quoter

    @property
    def state(self) -> MakerState:
        """Return what is known of orders and funds."""
        return self.parts.quoter.state

    @property
    def events(self) -> SessionEvents:
        """Return the listener to the state."""
        return self.parts.events

    @property
    def schedule(self) -> TickSchedule:
        """Return when its ticks are due."""
        return self.parts.schedule

    @property
    def gate(self) -> GridGate:
        """Return the gate in front of its orders."""
        return self.parts.gate

    @property
    def stops(self) -> Stops:
        """Return its limits and its standing."""
        return self.parts.stops

    @property
    def emitter(self) -> BatchEmitter:
        """Return the sender of its orders."""
        return self.parts.emitter

    @property
    def is_one_of_many(self) -> bool:
        """Check if its account may have other grids."""
        return self.account.stops is not self.stops

    @property
    def begins_anew(self) -> bool:
        """Check if no earlier session of this grid left orders."""
        return self.parts.recovered is None or self.parts.recovered.is_new

    @property
    def width(self) -> int:
        """Return how many orders it may have open at most, while its ladder moves as many as rested before too."""
        quoting, n_levels = self.settings.quoting, self.state.grid.n_orders
        window = n_levels if quoting.active_levels is None else quoting.active_levels + quoting.window_slack
        own = min(n_levels, 2 * window)
        return own if self.moving is None else max(own, self.moving.n_before)

    # --- Start --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read fills, orders, balances and budget, and plan once.

        No feed is subscribed before. Errors: ConfigError, VenueError, LedgerError.
        """
        state, recovered, asked_s = self.state, self.parts.recovered, trio.current_time()
        state.record(Began(self.parts.epoch, describe_quoting(self.settings, state, self.parts.facts)))
        if recovered is None or recovered.is_new:
            state.record(Allocated(*state.inventory.allocation))
            look = self.account.answers.look()
            seed = partial(seed_state, look, state, take_over=self.settings.take_over)
            self.orphans, give_book = await call_together(seed, self._look_at_book)
        else:
            self._allot()
            await self._outlast_reserved(recovered)
            look = self.account.answers.look()
            resume = partial(
                resume_state,
                look,
                state,
                newest_fill_ms=recovered.newest_fill_ms,
                take_over=self.settings.take_over,
                wall_ms=self.account.wall_ms,
            )
            (self.orphans, check), give_book = await call_together(resume, self._look_at_book)
            self.events.on_balances(check)
            for epoch in recovered.reserved:
                state.record(Released(epoch))
        if self.parts.check_opening is not None:
            if trio.current_time() - asked_s > BOOK_IS_NEW_S:
                give_book = await self._look_at_book()
            # Before anything is written or sent.
            self.parts.check_opening(self._read_opening(give_book()))
            # The price was judged by the balances of the venue, so they have to be the ledger's before it quotes.
            self.must_settle_balances = self.events.balance_change is not None
        self._opening_plan = self.quoter.start()

    async def _outlast_reserved(self, recovered: Recovered) -> None:
        """Wait until no order of a session that ended uncleanly can arrive. Errors: VenueError."""
        if recovered.reserved:
            self._awaits_arrivals = True
            until_ms = await outlast(
                recovered.reserved.values(), client=self.account.client, state=self.state, emitter=self.emitter
            )
            self.parts.reconciler.name_until(until_ms)
            self._awaits_arrivals = False

    def log_start(self) -> None:
        """Log what the grid starts from."""
        assert self._opening_plan is not None
        log_start(self.state, self._opening_plan, n_orphans=len(self.orphans))

    def _allot(self) -> None:
        """Adjust an earlier session's ledger to a changed allocation."""
        inventory, allotted = self.state.inventory, self.settings.allocation
        if inventory.allocation != allotted:
            log_allocation_changed(inventory, allotted)
            inventory.on_allocated(Allocated(*allotted))

    async def _look_at_book(self) -> Callable[[], Book]:
        """Look at the book beside the other questions of a start, where the opening is checked."""
        if self.parts.check_opening is None:
            return _find_no_book
        return await settle(partial(self.account.client.fetch_book, self.state.market))

    def _read_opening(self, book: Book) -> Opening:
        """Read what is known of the price that the ladder opens with.

        A transfer while no session ran changes what may be offered, and so the price. The ledger believes it later,
        once the feed is heard: a balance alone could have a fill that the history lacks.
        """
        settings, change, recovered = self.settings, self.events.balance_change, self.parts.recovered
        inventory = self.state.inventory
        state, plan = self.quoter.suppose(inventory if change is None else inventory.suppose(change))
        # The limits know a price before the first order, not only from the first look on.
        self.stops.limits.on_book(book)
        last = None if recovered is None else recovered.last_quoted
        earlier = None if last is None else last.compare(state.grid, settings.parameters, settings.allocation)
        return read_opening(state, plan, book, orphans=self.orphans, earlier=earlier)

    # --- While it runs ------------------------------------------------------------------------

    def note_balances(self, check: BalanceCheck) -> None:
        """Tell what waits for balances that they were read."""
        self.events.on_balances(check)
        self.emitter.filter.on_balances(check)

    def fail(self, error: LedgerError) -> None:
        """End this grid, while its account goes on."""
        if self.failure is None:
            self.failure = error
            _log.error("grid ended: coin=%s reason=%s; the account's other grids go on", self.coin, error)
        self.scope.cancel()

    def retire(self) -> None:
        """End this grid because the operator has no more use for it."""
        self.is_retired = True
        self.scope.cancel()

    async def change(self, settings: MakerSettings, limits: RiskLimits, *, balances: Balances | None = None) -> None:
        """Quote by other settings from the next tick on.

        What rests of the old ladder is replaced order by order. `balances` are those by which the account covers
        another allocation. Errors: ConfigError for settings that cannot be quoted, and then nothing is changed.
        """
        state, coin = self.state, self.coin
        ladder = settings.make_grid(state.market.base.sz_decimals, ladder=state.grid.ladder)
        check_order_size(ladder, settings.quoting.order_size, settings.quoting.min_notional)
        async with self.turn:
            before, self.settings = self.settings, settings
            limits_before, self._limits_wanted = self.stops.limits.limits, limits
            self.stops.limits.change(limits)
            state.ownership.change(keep_foreign=settings.keeps_foreign)
            state.manual_cancels.change(pause_s=settings.hand_cancel_pause_s)
            self.events.follow(settings)
            if settings.allocation != before.allocation:
                state.inventory.on_allocated(Allocated(*settings.allocation))
                if balances is not None:
                    self.account.answers.on_allocated(state.market, balances, before.allocation)
            if (ladder.levels, settings.quoting) != (state.grid.levels, before.quoting):
                resting = _list_resting(state)
                state.inventory.change_order_size(settings.quoting.order_size)
                state.change_ladder(ladder)
                quoter = GridQuoter(state, settings.quoting, stats=self.quoter.stats)
                self.parts = replace(self.parts, quoter=quoter)
                self.moving = MovingLadder(resting)
            if self.moving is not None:
                self.stops.limits.change(limits.while_moving_from(limits_before))
            state.record(Began(self.parts.epoch, describe_quoting(settings, state, self.parts.facts)))
        _log.warning("grid changed: coin=%s; %s", coin, "its ladder moves" if self.moving else "the ladder stays")
        self.schedule.wake_tick()
        self.schedule.want_reconcile(0)

    def plan_move(self, desired: Iterable[DesiredOrder]) -> OrderDiff | None:
        """Return what the next tick of a change sends; None where nothing is under change."""
        if self.moving is None:
            return None
        ledger = self.state.inventory
        funds = ledger.effective_token, ledger.effective_usdc
        diff = self.moving.plan(_list_resting(self.state), desired, funds=funds)
        if diff is None and not self.state.order_state.has_doubts:
            _log.info("ladder moved: coin=%s items=%d", self.coin, self.moving.n_items)
            self.moving = None
            assert self._limits_wanted is not None
            self.stops.limits.change(self._limits_wanted)
        return diff

    # --- End ----------------------------------------------------------------------------------

    @property
    def must_cancel(self) -> bool:
        """Check if its orders are cancelled at the end.

        A halt cancels whatever is configured. With a lost key nothing can be cancelled, and whoever reads the end has
        to know what rests.
        """
        has_halted = self.stops.standing.state is State.HALTED or self.account.stops.standing.state is State.HALTED
        is_lost = self.account.gateway.signer.is_lost
        return self.settings.cancel_on_shutdown or has_halted or is_lost or self.failure is not None or self.is_retired

    async def shut_down(self, *, until_s: float, is_shielded: bool = True) -> None:
        """Cancel its orders and verify that, where that is wanted.

        Without a shield a cancellation cuts it off, and whoever cancels has to shut down anew.
        """
        if not self.must_cancel:
            return
        self.gate.shut_down()
        self.left_behind = await cancel_and_verify(
            self.account.gateway,
            self.account.answers,
            self.state,
            self.emitter,
            self.parts.reconciler,
            until_s=until_s,
            is_shielded=is_shielded,
        )
        if self._awaits_arrivals:
            self.left_behind += (UNCLEAN,)

    async def shut_down_alone(self, within_s: float) -> None:
        """Cancel and verify the orders of a grid that ends while others go on.

        The end of the session cuts this off, and does it for all grids.
        """
        async with self.turn:
            await self.shut_down(until_s=trio.current_time() + within_s, is_shielded=False)
        self.ended.set()

    def summarise(self, *, is_over: bool = False) -> tuple[Entry, ...] | None:
        """Return the entries of a checkpoint that recreate this grid.

        None before it has planned: it would lose from where an earlier session quoted. One that failed or is over never
        plans.
        """
        has_planned = self.quoter.boundary_level is not None
        if not has_planned and self.failure is None and not is_over:
            return None
        state, epoch, recovered = self.state, self.parts.epoch, self.parts.recovered
        return (
            *(Began(earlier, {}) for earlier in sorted(state.ownership.epochs)),
            *(() if has_planned or recovered is None else recovered.summarise_last_quoted()),
            Began(epoch, describe_quoting(self.settings, state, self.parts.facts)),
            *(Numbered(earlier, number) for earlier, number in state.order_state.sent_numbers),
            *self.quoter.summarise(),
            *self.stops.limits.summarise(),
            Requested(self.account.gateway.last_nonce, "earlier", 0, "", 0),
        )


def _list_resting(state: MakerState) -> list[TrackedOrder]:
    """List the orders that certainly rest."""
    return [order for order in state.order_state.get_current_orders() if order.status is Phase.RESTING]


def _find_no_book() -> Book:
    raise LookupError("no book was asked for, because the opening is not checked")


def describe_quoting(settings: MakerSettings, state: MakerState, facts: Mapping[str, str]) -> dict[str, str]:
    """Describe ladder, window and market, and what the venue told of them, for the journal."""
    return {
        **facts,
        **settings.parameters,
        **settings.window_parameters,
        "ladder": state.grid.ladder,
        **describe_market(state.market),
    }
