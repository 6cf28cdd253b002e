"""Session of an account, from one start to one shutdown.

`Account` has what an account has once, `Grid` what each of its coins has. The tasks that drive them are in `tasks` and
`grids.turns`. They run in the one nursery that `Session.run` opens; each grid has a scope of its own in it, so that one
may end while the others go on.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from mm_trio.concurrency.common_beat import begin_beat
from mm_trio.concurrency.lock_state import START_PATIENCE_S
from mm_trio.concurrency.log_subject import speaking_of
from mm_trio.concurrency.together import call_together
from mm_trio.engine import tasks
from mm_trio.engine.feed_router import FeedRouter
from mm_trio.engine.feed_watchdog import FeedWatchdog
from mm_trio.grids.account import Account
from mm_trio.grids.grid import Grid
from mm_trio.grids.operator_requests import heed_forever, heed_while
from mm_trio.grids.shutdown import UNCLEAN, LeftOrder
from mm_trio.grids.turns import settle_beginning, tick_forever
from mm_trio.guard.heartbeat import Life
from mm_trio.guard.life_signs import LifeSigns
from mm_trio.journal.writer import COMMIT_WITHIN_S
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.errors import (
    ConfigError,
    HaltedAll,
    JournalBusy,
    LedgerError,
    VenueError,
    find_leaves,
    is_of_account,
)
from mm_trio.model.market import Market
from mm_trio.model.settings import MakerSettings
from mm_trio.sending.absent_coins import AbsentCoins
from mm_trio.venue.thread_bridge import Inbox

if TYPE_CHECKING:
    from mm_trio.engine.grid_assembly import GridTerms, Knowledge

__all__ = ["Feeds", "JoinsGrids", "Session"]

_log = logging.getLogger(__name__)

# Time for cancelling open orders while shutting down. A stop takes ten seconds in all: the last one is for the entries
# that are left, and for the process to end.
GRACE_S = 9.0
# Patience with a journal that is locked at the end. What it does not take is known to the venue.
LAST_WRITE_S = 2.0
# Pauses before the orders of a grid that ended alone are cancelled again. Each try has its items and request weight.
RETRY_END_S, LONGEST_RETRY_END_S = 15.0, 240.0


@dataclass(frozen=True, slots=True)
class Feeds:
    """Connection of an account to the feeds, and what comes in by it."""

    inbox: Inbox
    watchdog: FeedWatchdog


class JoinsGrids(Protocol):
    """Maker of grids beside those that an account has."""

    def join(self, terms: GridTerms, blank: Knowledge, market: Market) -> Grid: ...
    def leave(self, grid: Grid) -> None: ...


class Session:
    """Session of an account and its grids, complete when made.

    `run` may be called once. `joiner` None: the only grid stays the only one. `on_left` is told of each grid that is
    taken out and rests nothing.
    """

    def __init__(
        self,
        account: Account,
        feeds: Feeds,
        grids: Sequence[Grid],
        *,
        stop_wanted: trio.Event,
        absent: AbsentCoins,
        joiner: JoinsGrids | None = None,
        on_left: Callable[[Grid], None] | None = None,
    ) -> None:
        self.account = account
        self.feeds = feeds
        self.grids = tuple(grids)
        self.router = FeedRouter(grids, share=account.answers.share, wall_ms=account.wall_ms)
        self._joiner = joiner
        self._on_left = on_left
        self._absent = absent
        # Set where the owner cancelled so many orders by hand that it is a request to stop everything.
        self._stop_wanted = stop_wanted
        self._nursery: trio.Nursery | None = None
        # Whether a task looks at prices, which limits need.
        self._watches_mark = False
        self._runs_grids = False

    @property
    def is_alone(self) -> bool:
        """Check if there is but one grid, and never another: its end is the end of the session."""
        return self._joiner is None

    @property
    def has_started(self) -> bool:
        """Check if all grids have their tasks, so that grids may come, go and change."""
        return self._runs_grids

    @property
    def alive(self) -> tuple[Grid, ...]:
        """Return the grids that have not ended."""
        return tuple(grid for grid in self.grids if grid.failure is None and not grid.is_retired)

    async def run(self) -> None:
        """Start, quote until cancelled, and shut down without open orders.

        Errors: those of the start (ConfigError, VenueError, LedgerError). An error of our own ends all tasks and
        is raised in a group, after our orders were cancelled.
        """
        begin_beat()
        try:
            with self.account.client.waiting_while_busy():
                await heed_while(self.account.stops, self._start)
        except BaseException:
            # What refused this start is found by the next one too, until it is mended.
            await self._write_wanted(asks_for_halt=False)
            # Orders of an earlier session may rest, and no task would look after them.
            if earlier := [grid for grid in self.grids if not grid.begins_anew]:
                await self._shut_down(earlier)
                await self._write_remains()
            self._halt_at_the_end()
            raise
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self.account.writer.keep_forever)
                nursery.start_soon(self._announce_shutdown, nursery.cancel_scope)
                if self.account.stops.keeper.hears:
                    nursery.start_soon(heed_forever, self.account.stops)
                nursery.start_soon(tasks.apply_forever, self)
                if self.account.signs is not None:
                    nursery.start_soon(tasks.keep_signs_forever, self, self.account.signs)
                    nursery.start_soon(tasks.keep_cover_forever, self, self.account.signs)
                is_connected = await tasks.connect(self)
                for grid in self.grids:
                    nursery.start_soon(partial(self._run_grid, grid, is_connected=is_connected))
                self._runs_grids = True
                if self._absent.may_rest:
                    nursery.start_soon(self._absent.clear_in_time)
                nursery.start_soon(tasks.reconcile_forever, self)
                nursery.start_soon(tasks.watch_forever, self)
                nursery.start_soon(tasks.guard_journal_forever, self)
                nursery.start_soon(tasks.compare_forever, self)
                self.watch_mark_if_needed()
                if self.account.key_life is not None:
                    nursery.start_soon(tasks.watch_key_forever, self, self.account.key_life)
                if self.account.dead_man is not None:
                    nursery.start_soon(tasks.keep_dead_man_forever, self.account.dead_man)
        finally:
            self.feeds.inbox.close()
            await self._write_wanted()
            # Of a grid that ended before, orders may rest that could not be cancelled then.
            await self._shut_down([grid for grid in self.grids if grid.left_behind != ()])
            await self._write_remains()
            await self._write_rest()
            for grid in self.grids:
                if grid.parts.record is not None:
                    await grid.parts.record.end()
            self._halt_at_the_end()

    # --- Start --------------------------------------------------------------------------------

    async def _start(self) -> None:
        """Let each grid read what it needs, with a connection opened beside that, and make durable what it recorded."""
        # Before the grids look at what is free.
        await self._absent.clear()
        await call_together(self._start_grids, self.feeds.watchdog.open_ahead)
        self.account.answers.forget()
        self.account.writer.reserve()
        await self._write_opening()
        await self.account.writer.mark_end()
        for grid in self.alive:
            grid.log_start()

    async def _start_grids(self) -> None:
        if self.is_alone:
            await self.grids[0].start()
        else:
            # What earlier sessions missed is booked before a new grid is told what is left of a token that they share.
            for begins_anew in (False, True):
                # At once, so that they share what the venue answers.
                some = [grid for grid in self.grids if grid.begins_anew is begins_anew]
                await call_together(*[partial(self._start_grid, grid) for grid in some])

    async def _start_grid(self, grid: Grid) -> None:
        try:
            with speaking_of(grid.coin):
                await grid.start()
        except LedgerError as error:
            if is_of_account(error):
                raise
            # Its orders are cancelled as soon as the feeds are heard.
            grid.fail(error)

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

    # --- Grids --------------------------------------------------------------------------------

    async def _run_grid(self, grid: Grid, *, is_connected: bool) -> None:
        """Quote one grid, until the session ends or this grid has to.

        Errors: what concerns the whole account; all where there is but one grid.
        """
        try:
            with grid.scope, speaking_of(grid.coin):
                async with trio.open_nursery() as nursery:
                    if not self.is_alone and grid.stops.keeper.hears:
                        nursery.start_soon(heed_forever, grid.stops)
                    if grid.parts.record is not None:
                        nursery.start_soon(tasks.record_forever, grid, grid.parts.record)
                    if is_connected:
                        await settle_beginning(grid)
                    # Without a connection the watchdog makes one, and settles everything before the account quotes.
                    grid.gate.start_quoting()
                    await tick_forever(grid)
        except* LedgerError as group:
            if self.is_alone or any(map(is_of_account, find_leaves(group))):
                raise
            grid.fail(next(leaf for leaf in find_leaves(group) if isinstance(leaf, LedgerError)))
        if grid.failure is not None:
            await self._end_grid(grid)
        elif grid.is_retired:
            await self._end_retired(grid)

    async def add_grid(self, terms: GridTerms, blank: Knowledge) -> Grid:
        """Quote another grid from here on, once it has read what it needs.

        Errors: ConfigError, VenueError, LedgerError of its start, and then nothing is changed.
        """
        assert self._joiner is not None
        assert self._nursery is not None
        (market,) = await self.account.client.fetch_markets([terms.settings.coin])
        if market.coin in {grid.coin for grid in self.grids}:
            raise ConfigError(f"{terms.settings.coin} is quoted already, as {market.coin}; change that grid instead")
        grid = self._joiner.join(terms, blank, market)
        self.grids = (*self.grids, grid)
        self.router.join(grid)
        try:
            await grid.start()
            await self.account.writer.flush()
        except BaseException:
            self._forget(grid)
            raise
        grid.log_start()
        self.account.reconciling.share_among(len(self.alive))
        self._nursery.start_soon(partial(self._run_grid, grid, is_connected=True))
        self.watch_mark_if_needed()
        return grid

    async def remove_grid(self, coin: str) -> tuple[LeftOrder, ...]:
        """End a grid: its orders are cancelled, and that is verified.

        Return what may rest then; it is cancelled again until nothing does. Errors: ConfigError for the last grid.
        """
        grid = self._find_alive(coin)
        if len(self.alive) == 1:
            raise ConfigError(f"{coin} is the last grid; end the maker instead")
        grid.retire()
        await grid.ended.wait()
        return grid.left_behind or ()

    def _find_alive(self, coin: str) -> Grid:
        """Find a grid that has not ended. Errors: ConfigError."""
        grid = next((grid for grid in self.alive if grid.coin == coin), None)
        if grid is None:
            raise ConfigError(f"{coin} has ended already; orders of it that may rest are cancelled again and again")
        return grid

    def _forget(self, grid: Grid) -> None:
        assert self._joiner is not None
        self.grids = tuple(each for each in self.grids if each is not grid)
        self.router.leave(grid.coin)
        self._joiner.leave(grid)
        if self._on_left is not None:
            self._on_left(grid)
        self.account.reconciling.share_among(max(1, len(self.alive)))

    async def change_grid(self, coin: str, settings: MakerSettings, limits: RiskLimits) -> None:
        """Let a grid go on by other settings. Errors: ConfigError, and then nothing is changed."""
        grid, balances = self._find_alive(coin), None
        if settings.allocation != grid.settings.allocation:
            look = self.account.answers.look()
            balances = await look.fetch_balances(grid.state.market)
            self.account.answers.check_change(grid.state.market, balances, settings.allocation)
        await grid.change(settings, limits, balances=balances)
        self.watch_mark_if_needed()

    def watch_mark_if_needed(self) -> None:
        """Look at prices from here on, where a limit needs them and nobody does so far."""
        needs_mark = any(stops.limits.needs_mark for stops in (self.account.stops, *(g.stops for g in self.grids)))
        if self._nursery is not None and needs_mark and not self._watches_mark:
            self._watches_mark = True
            self._nursery.start_soon(tasks.watch_mark_forever, self)

    async def _shut_down_grid(self, grid: Grid) -> None:
        with speaking_of(grid.coin):
            await grid.shut_down(until_s=self.account.gateway.done_by_s)

    async def _end_grid(self, grid: Grid) -> None:
        """Cancel what rests of a grid that ended alone, and write that down.

        It goes on until nothing rests: nobody else would look after these orders while the other grids quote.
        """
        self.account.reconciling.share_among(max(1, len(self.alive)))
        try:
            raise grid.failure or AssertionError("a grid ended without a reason")
        except LedgerError:
            await grid.stops.write_wanted()
        pause_s = RETRY_END_S
        while True:
            await grid.shut_down_alone(GRACE_S)
            await grid.stops.write_remains(grid.left_behind)
            if not self.alive:
                raise HaltedAll(f"every grid of the account has ended, the last one was {grid.coin}: {grid.failure}")
            # What may still arrive of an earlier session is known at its next start.
            if all(left is UNCLEAN for left in grid.left_behind or ()):
                return
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RETRY_END_S)

    async def _end_retired(self, grid: Grid) -> None:
        """Cancel what rests of a grid that was removed, until nothing does: nobody else looks after it."""
        pause_s = RETRY_END_S
        while True:
            await grid.shut_down_alone(GRACE_S)
            if not grid.left_behind:
                self._forget(grid)
                return
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RETRY_END_S)

    # --- End ----------------------------------------------------------------------------------

    async def _announce_shutdown(self, nursery_scope: trio.CancelScope) -> None:
        """Close gate and gateway once the session ends.

        It ends the session itself where the owner requested that. A request may be on its way at that moment.
        """
        try:
            await self._stop_wanted.wait()
            nursery_scope.cancel()
            await trio.sleep_forever()
        finally:
            self._close_gate()

    def _close_gate(self) -> None:
        self.account.gate.shut_down()
        self.account.gateway.on_shutdown(GRACE_S)

    async def _shut_down(self, grids: Sequence[Grid]) -> None:
        """Cancel open orders of grids and verify it, if configured."""
        account = self.account
        if wanted := [grid for grid in grids if grid.must_cancel]:
            self._close_gate()
            account.client.on_shutdown()
            async with _beating(account.signs):
                if len(wanted) == 1 and not self._absent.describe_left():
                    await wanted[0].shut_down(until_s=account.gateway.done_by_s)
                else:
                    async with trio.open_nursery() as nursery:
                        nursery.cancel_scope.shield = True
                        nursery.start_soon(self._clear_absent)
                        for grid in wanted:
                            nursery.start_soon(self._shut_down_grid, grid)
        await self._tell_guards(grids)

    async def _clear_absent(self) -> None:
        """Cancel what may rest of coins that are not quoted."""
        if self._absent.describe_left():
            with trio.move_on_at(self.account.gateway.done_by_s), suppress(VenueError):
                await self._absent.clear()

    def describe_absent(self) -> tuple[str, ...]:
        """Name what may rest of coins that are not quoted."""
        return self._absent.describe_left()

    async def _tell_guards(self, grids: Sequence[Grid]) -> None:
        """Tell guard and venue that nothing is to be cancelled, where that is so of these grids.

        They go on waiting for a maker that left orders against its will.
        """
        account, error = self.account, sys.exception()
        is_stopped = error is None or all(isinstance(leaf, trio.Cancelled) for leaf in find_leaves(error))
        left = [grid.left_behind for grid in grids]
        leaves = None in left and is_stopped and not any(left)
        if self._absent.describe_left() or (not leaves and any(each != () for each in left)):
            return
        with trio.CancelScope(shield=True):
            if account.dead_man is not None:
                await account.dead_man.disarm()
            if account.signs is not None:
                await account.signs.end(Life.LEFT if leaves else Life.STOPPED)

    async def _write_wanted(self, *, asks_for_halt: bool = True) -> None:
        """Write down what stops account and grids from now on, before orders are cancelled."""
        await self.account.stops.write_wanted(asks_for_halt=asks_for_halt and not self.account.gateway.signer.is_lost)
        for grid in self.grids:
            if grid.stops is not self.account.stops and grid.failure is None:
                await grid.stops.write_wanted(asks_for_halt=False)

    async def _write_remains(self) -> None:
        """Add what may rest to halts that are on disk."""
        left = [each for grid in self.grids for each in grid.left_behind or ()]
        is_known = any(grid.left_behind is not None for grid in self.grids)
        await self.account.stops.write_remains(tuple(left) if is_known else None)
        for grid in self.grids:
            if grid.stops is not self.account.stops:
                await grid.stops.write_remains(grid.left_behind)

    async def _write_rest(self) -> None:
        """Write what is left within the time of a shutdown, and mark the end."""
        writer = self.account.writer
        left_s = min(self.account.gateway.done_by_s - trio.current_time(), LAST_WRITE_S)
        try:
            with suppress(LedgerError), trio.CancelScope(shield=True):
                writer.release()
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

    def _halt_at_the_end(self) -> None:
        """Tell that the shutdown itself found the key lost, or a halt that no task had told.

        An error of our own says more, a venue that did not answer says less. Errors: ActionsRefused, Halted.
        """
        error = sys.exception()
        leaves = () if error is None else find_leaves(error)
        if not all(isinstance(leaf, trio.Cancelled | VenueError) for leaf in leaves):
            return
        if self.account.gateway.signer.is_lost:
            self.account.halt_if_refused()
        self.account.stops.raise_if_halted()

    def note_error(self) -> None:
        """Count an error that concerns no grid in particular."""
        self.grids[0].quoter.stats.on_error()

    def wake_ticks(self) -> None:
        """Make the next tick of each grid due now."""
        for grid in self.alive:
            grid.schedule.wake_tick()

    def describe_memory(self) -> dict[str, int]:
        """Count the items kept in memory, by name."""
        counts: dict[str, int] = {}
        for grid in self.grids:
            for name, n in {
                **grid.state.order_state.describe_memory(),
                "fills to be listed": grid.state.history.n_unlisted,
                "fills to be shown": len(grid.events.recent_fills),
            }.items():
                counts[name] = counts.get(name, 0) + n
        return {
            **counts,
            "requests whose weight counts": len(self.account.client.weight),
            "entries to be written": self.account.writer.n_unwritten,
            "tasks": 0 if self._nursery is None else len(self._nursery.child_tasks),
        }


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
