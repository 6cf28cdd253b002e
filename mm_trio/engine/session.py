"""Session of a maker, from one start to one shutdown.

`Account` has the objects that an account has once, however many coins it quotes; `GridQuoter` has those of one coin.
The tasks that drive them are in `tasks`. They run in the one nursery that `Session.run` opens.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import trio

from mm_trio.concurrency.fair_lock import UncontendedLock
from mm_trio.concurrency.lock_state import START_PATIENCE_S
from mm_trio.engine import tasks
from mm_trio.engine.feed_watchdog import FeedWatchdog
from mm_trio.engine.operator_requests import StandingKeeper, heed_forever, heed_while
from mm_trio.grids.events import SessionEvents, log_allocation_changed, log_start
from mm_trio.grids.reconciler import Reconciler
from mm_trio.grids.schedule import TickSchedule
from mm_trio.grids.shutdown import LeftOrder, cancel_and_verify
from mm_trio.grids.startup import resume_state, seed_state
from mm_trio.guard.dead_man import DeadMan
from mm_trio.guard.heartbeat import Life
from mm_trio.guard.life_signs import LifeSigns
from mm_trio.halts.standing import Standing, State
from mm_trio.journal.replay import Recovered
from mm_trio.journal.writer import COMMIT_WITHIN_S, JournalWriter
from mm_trio.model.errors import (
    ActionsRefused,
    Halted,
    JournalBusy,
    LedgerError,
    VenueError,
    find_halting_error,
    find_leaves,
)
from mm_trio.model.journal_entries import Allocated, Began
from mm_trio.model.replies import OpenOrder
from mm_trio.model.settings import MakerSettings
from mm_trio.quoting.grid_quoter import GridQuoter
from mm_trio.quoting.opening import read_opening
from mm_trio.quoting.placing_gate import PlacingGate
from mm_trio.recorder.record_keeping import RecordKeeping
from mm_trio.sending.action_lane import ActionLane
from mm_trio.sending.batch_emitter import BatchEmitter
from mm_trio.sending.limit_guard import LimitGuard
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.state.maker_state import MakerState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.thread_bridge import Inbox
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.market_check import describe_market
from mm_trio.witness.opening_check import Opening

__all__ = ["Account", "Session", "describe_quoting"]

_log = logging.getLogger(__name__)

# Time for cancelling open orders while shutting down. A stop takes ten seconds in all: the last one is for the entries
# that are left, and for the process to end.
GRACE_S = 9.0
# Patience with a journal that is locked at the end. What it does not take is known to the venue.
LAST_WRITE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Connection, gateway, journal, budget and gate of one account.

    The gate is passed before every place. `wall_ms` is our estimate of the venue's time. `standing` keeps what an
    operator or a limit asked for. `key_life` None: nobody watches over the end of the key. `signs` and `dead_man` None:
    no guard, or not the venue, cancels when this process is dead. `record` None: nothing is recorded. `facts` of the
    venue are for the journal.
    """

    client: VenueClient
    inbox: Inbox
    watchdog: FeedWatchdog
    writer: JournalWriter
    gate: PlacingGate
    gateway: OrderGateway
    budget: RateLimitBudget
    wall_ms: Callable[[], int]
    limits: LimitGuard
    standing: StandingKeeper
    key_life: KeyLife | None = None
    signs: LifeSigns | None = None
    dead_man: DeadMan | None = None
    record: RecordKeeping | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


class Session:
    """Session of a maker, complete when made.

    `run` may be called once. `left_behind` names the orders that could not be proven cancelled, None until the shutdown
    is over.
    """

    def __init__(
        self,
        settings: MakerSettings,
        *,
        account: Account,
        quoter: GridQuoter,
        events: SessionEvents,
        schedule: TickSchedule,
        recovered: Recovered | None,
        epoch: int,
        check_opening: Callable[[Opening], None] | None = None,
    ) -> None:
        self.settings = settings
        self.account = account
        self.quoter = quoter
        self.events = events
        self.schedule = schedule
        # Ticks and reconciliations take turns.
        self.turn = UncontendedLock()
        self.left_behind: tuple[LeftOrder, ...] | None = None
        self._has_halted = False
        self._recovered = recovered
        self._epoch = epoch
        self._check_opening = check_opening
        self.must_settle_balances = False
        self._nursery: trio.Nursery | None = None
        desk = OrderDesk(
            account.gateway,
            ActionLane(account.gateway),
            coin=quoter.state.market.coin,
            record=account.writer.record,
            limits=account.limits,
        )
        self.emitter = BatchEmitter(desk, account.client, quoter.state, epoch=epoch, stats=quoter.stats)
        self.reconciler = Reconciler(account.client, quoter.state, self.emitter)

    async def run(self) -> None:
        """Start, quote until cancelled, and shut down without open orders.

        Errors: those of the start (ConfigError, VenueError, LedgerError). An error of our own ends all tasks and
        is raised in a group, after our orders were cancelled.
        """
        try:
            with self.account.client.waiting_while_busy():
                orphans = await heed_while(self, self._start)
        except BaseException:
            # What refused this start is found by the next one too, until it is mended.
            await self._write_wanted(None)
            # Orders of an earlier session may rest, and no task would look after them.
            if self._recovered is not None and not self._recovered.is_new:
                await self._shut_down()
                await self._write_remains()
            self._halt_at_the_end()
            raise
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self.account.writer.keep_forever)
                nursery.start_soon(self._announce_shutdown, nursery.cancel_scope)
                if self.account.standing.hears:
                    nursery.start_soon(heed_forever, self)
                nursery.start_soon(tasks.apply_forever, self)
                if self.account.record is not None:
                    nursery.start_soon(tasks.record_forever, self, self.account.record)
                if self.account.signs is not None:
                    nursery.start_soon(tasks.keep_signs_forever, self, self.account.signs)
                    nursery.start_soon(tasks.keep_cover_forever, self, self.account.signs)
                await tasks.begin_quoting(self, orphans)
                nursery.start_soon(tasks.tick_forever, self)
                nursery.start_soon(tasks.reconcile_forever, self)
                nursery.start_soon(tasks.watch_forever, self)
                nursery.start_soon(tasks.guard_journal_forever, self)
                nursery.start_soon(tasks.compare_forever, self)
                if self.account.limits.needs_mark:
                    nursery.start_soon(tasks.watch_mark_forever, self)
                if self.account.key_life is not None:
                    nursery.start_soon(tasks.watch_key_forever, self, self.account.key_life)
                if self.account.dead_man is not None:
                    nursery.start_soon(tasks.keep_dead_man_forever, self.account.dead_man)
        finally:
            self.account.inbox.close()
            await self._write_wanted(sys.exception())
            await self._shut_down()
            await self._write_remains()
            await self._write_rest()
            if self.account.record is not None:
                await self.account.record.end()
            self._halt_at_the_end()

    def halt_if_refused(self) -> None:
        """End a session whose actions are refused for ever.

        Errors: ActionsRefused.
        """
        if (why := self.account.client.clock.find_halt()) is not None:
            raise ActionsRefused(why)
        if (why := self.account.gateway.signer.find_halt()) is not None:
            self._has_halted = True
            _log.error("%s", why)
            raise ActionsRefused(why)

    async def apply_limits(self) -> None:
        """Write down what a limit asks for, and end the session if that is a halt.

        A standing that cannot be written holds all the same, for this process. Errors: Halted.
        """
        limits = self.account.limits
        limits.on_fills(self.quoter.stats.fills)
        if (wanted := limits.find_wanted()) is None:
            return
        # What is wanted is written down whatever ends this task meanwhile.
        with trio.CancelScope(shield=True):
            limits.on_written(await self.account.standing.tighten(wanted))
        _log.error("%s", limits.standing.describe())
        if limits.standing.state is State.HALTED:
            raise Halted(limits.standing.describe())

    async def _write_wanted(self, error: BaseException | None) -> None:
        """Write down what stops the maker from now on, before its orders are cancelled.

        That is an error of the ledger, a signal that nobody heard yet, or what a limit asked for just now.
        """
        limits, keeper = self.account.limits, self.account.standing
        now_ms = self.account.wall_ms()
        if (asked := keeper.take_signalled()) is not None:
            limits.want(asked.to_standing(since_ms=now_ms))
        why = None if error is None or self.account.gateway.signer.is_lost else find_halting_error(find_leaves(error))
        if why is not None:
            limits.want(Standing(state=State.HALTED, since_ms=now_ms, why=str(why)))
        if (wanted := limits.wanted) is not None:
            with trio.CancelScope(shield=True):
                limits.on_written(await keeper.tighten(wanted))

    async def _write_remains(self) -> None:
        """Add what may rest to a halt that is on disk."""
        standing = self.account.limits.standing
        if standing.state is State.HALTED and self.left_behind is not None:
            with trio.CancelScope(shield=True):
                rests = tuple(left.describe() for left in self.left_behind)
                await self.account.standing.tighten(replace(standing, rests=rests))

    def _halt_at_the_end(self) -> None:
        """Tell that the shutdown itself found the key lost, or a halt that no task had told.

        An error of our own says more, a venue that did not answer says less. Errors: ActionsRefused, Halted.
        """
        error = sys.exception()
        leaves = () if error is None else find_leaves(error)
        is_stopped = all(isinstance(leaf, trio.Cancelled | VenueError) for leaf in leaves)
        if not is_stopped or self._has_halted:
            return
        if self.account.gateway.signer.is_lost:
            self.halt_if_refused()
        if self.account.limits.standing.state is State.HALTED:
            raise Halted(self.account.limits.standing.describe())

    def describe_memory(self) -> dict[str, int]:
        """Count the items kept in memory, by name."""
        return {
            **self.quoter.state.order_state.describe_memory(),
            "fills to be listed": self.quoter.state.history.n_unlisted,
            "fills to be shown": len(self.events.recent_fills),
            "requests whose weight counts": len(self.account.client.weight),
            "entries to be written": self.account.writer.n_unwritten,
            "tasks": 0 if self._nursery is None else len(self._nursery.child_tasks),
        }

    async def _start(self) -> tuple[OpenOrder, ...]:
        """Read fills, orders, balances and budget; return the orphans.

        No feed is subscribed before.
        """
        state, client, writer = self.quoter.state, self.account.client, self.account.writer
        writer.record(Began(self._epoch, describe_quoting(self.settings, state, self.account.facts)))
        if self._recovered is None or self._recovered.is_new:
            writer.record(Allocated(*state.inventory.allocation))
            orphans = await seed_state(client, state, take_over=self.settings.take_over)
        else:
            self._allot()
            orphans, check = await resume_state(
                client,
                state,
                newest_fill_ms=self._recovered.newest_fill_ms,
                take_over=self.settings.take_over,
                wall_ms=self.account.wall_ms,
            )
            self.events.on_balances(check)
        if self._check_opening is not None:
            # Before anything is written or sent.
            self._check_opening(await self._read_opening(orphans))
            # The price was judged by the balances of the venue, so they have to be the ledger's before it quotes.
            self.must_settle_balances = self.events.balance_change is not None
        plan = self.quoter.start()
        await self._write_opening()
        await writer.mark_end()
        log_start(state, plan, n_orphans=len(orphans))
        return orphans

    async def _read_opening(self, orphans: tuple[OpenOrder, ...]) -> Opening:
        """Read what is known of the price that the ladder opens with.

        A transfer while no session ran changes what may be offered, and so the price. The ledger believes it later,
        once the feed is heard: a balance alone could have a fill that the history lacks.
        """
        settings, change = self.settings, self.events.balance_change
        inventory = self.quoter.state.inventory
        state, plan = self.quoter.suppose(inventory if change is None else inventory.suppose(change))
        book = await self.account.client.fetch_book(state.market)
        # The limits know a price before the first order, not only from the first look on.
        self.account.limits.on_book(book)
        last = None if self._recovered is None else self._recovered.last_quoted
        earlier = None if last is None else last.compare(state.grid, settings.parameters, settings.allocation)
        return read_opening(state, plan, book, orphans=orphans, earlier=earlier)

    async def _write_opening(self) -> None:
        """Make durable what the start recorded.

        A journal that is locked is waited for. Errors: JournalError; JournalBusy where that takes too long.
        """
        writer = self.account.writer
        try:
            await writer.flush()
        except JournalBusy as error:
            _log.warning("start delayed: reason=%s; trying for %g s", error, START_PATIENCE_S)
            await writer.flush_within(START_PATIENCE_S)

    async def _write_rest(self) -> None:
        """Write what is left within the time of a shutdown, and mark the end."""
        writer = self.account.writer
        left_s = min(self.account.gateway.done_by_s - trio.current_time(), LAST_WRITE_S)
        try:
            with suppress(LedgerError), trio.CancelScope(shield=True):
                await writer.flush_within(left_s)
                with trio.move_on_after(COMMIT_WITHIN_S):
                    await writer.mark_end()
        finally:
            if writer.lock.reason is not None:
                _log.error(
                    "entries not written: entries=%d reason=%s; no order was sent without its entry, the next start "
                    "reads the rest from the venue",
                    writer.n_unwritten,
                    writer.lock.reason,
                )

    def _allot(self) -> None:
        """Adjust an earlier session's ledger to a changed allocation."""
        inventory, allotted = self.quoter.state.inventory, self.settings.allocation
        if inventory.allocation != allotted:
            log_allocation_changed(inventory, allotted)
            inventory.on_allocated(Allocated(*allotted))

    async def _announce_shutdown(self, nursery_scope: trio.CancelScope) -> None:
        """Close gate and gateway once the session ends.

        It ends the session itself where the owner requested that. A request may be on its way at that moment.
        """
        try:
            await self.events.stop_wanted.wait()
            nursery_scope.cancel()
            await trio.sleep_forever()
        finally:
            self._close_gate()

    def _close_gate(self) -> None:
        self.account.gate.shut_down()
        self.account.gateway.on_shutdown(GRACE_S)

    async def _shut_down(self) -> None:
        """Cancel open orders and verify it, if configured.

        A halt cancels whatever is configured. With a lost key nothing can be cancelled, and whoever reads the end has
        to know what rests.
        """
        account = self.account
        has_halted = account.limits.standing.state is State.HALTED
        if self.settings.cancel_on_shutdown or has_halted or account.gateway.signer.is_lost:
            self._close_gate()
            async with _beating(account.signs):
                self.left_behind = await cancel_and_verify(
                    account.gateway, account.client, self.quoter.state, self.emitter, self.reconciler
                )
        await self._tell_guards()

    async def _tell_guards(self) -> None:
        """Tell guard and venue that nothing is to be cancelled, where that is so.

        They go on waiting for a maker that left orders against its will.
        """
        account, error = self.account, sys.exception()
        is_stopped = error is None or all(isinstance(leaf, trio.Cancelled) for leaf in find_leaves(error))
        leaves = self.left_behind is None and is_stopped
        if self.left_behind != () and not leaves:
            return
        with trio.CancelScope(shield=True):
            if account.dead_man is not None:
                await account.dead_man.disarm()
            if account.signs is not None:
                await account.signs.end(Life.LEFT if leaves else Life.STOPPED)


@asynccontextmanager
async def _beating(signs: LifeSigns | None) -> AsyncIterator[None]:
    """Let the heartbeat go on while a session that was cancelled shuts down."""
    if signs is None:
        yield
        return
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.shield = True
        nursery.start_soon(signs.beat_forever)
        yield
        nursery.cancel_scope.cancel()


def describe_quoting(settings: MakerSettings, state: MakerState, facts: Mapping[str, str]) -> dict[str, str]:
    """Describe ladder, window and market, and what the venue told of them, for the journal."""
    return {
        **facts,
        **settings.parameters,
        **settings.window_parameters,
        "ladder": state.grid.ladder,
        **describe_market(state.market),
    }
