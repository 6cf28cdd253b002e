"""Run of a maker of several markets on a network."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.changes.follow_changes import follow_changes
from mm_trio.cli.account_programs.account_summary import AccountSummary, describe_halt, summarize
from mm_trio.cli.account_programs.open_account import OpenAccount, Signalled, open_account
from mm_trio.cli.programs.run_maker import tell_mode_later
from mm_trio.cli.shell.garbage import freeze_when_started
from mm_trio.config.keys import Secret
from mm_trio.engine.account_maker import AccountMaker
from mm_trio.halts.standing import State
from mm_trio.model.errors import LedgerError, OrdersMayRest, find_leaves
from mm_trio.state.stats import RunStats
from mm_trio.terminal_ui.streams import tell_end

if TYPE_CHECKING:
    from mm_trio.terminal_ui.live_view import AccountScreen

__all__ = ["run_account"]

_log = logging.getLogger(__name__)


async def run_account(
    account: AccountSettings,
    key: Secret,
    *,
    environ: Mapping[str, str],
    duration_s: float | None,
    stop_scope: trio.CancelScope,
    take_over: bool = False,
    screen: AccountScreen | None = None,
    signalled: Signalled | None = None,
    on_refused: Callable[[Exception | None], Awaitable[None]] | None = None,
) -> AccountSummary:
    """Run the maker of all grids until its duration ends.

    All is as in `run_settings`, for the account: a grid that halts or fails ends alone, and the summary names it.
    Errors: ConfigError, VenueError; LedgerError where the maker could not start; OrdersMayRest in place of any of them
    where orders may rest.
    """
    maker = partial(open_account, account, key, environ=environ, take_over=take_over, signalled=signalled)
    run = _Run(account=account, open_maker=maker, screen=screen, stop_scope=stop_scope)
    try:
        with stop_scope:
            if duration_s is not None:
                stop_scope.deadline = trio.current_time() + duration_s
            await run.run_session()
        if on_refused is not None and run.maker is None:
            await on_refused(None)
        return run.summarize()
    except Exception as error:
        if run.find_left_orders():
            raise OrdersMayRest from error
        if run.halted_because():
            # An error of the end must not hide why the ledger can no longer be trusted.
            raise ExceptionGroup("the end of a maker that had halted", [*run.failures, error]) from error
        if on_refused is not None and not run.knows_orders and not isinstance(error, OrdersMayRest):
            await on_refused(error)
        raise


@dataclass(slots=True, kw_only=True)
class _Run:
    """Run under way.

    `failures` say why the ledger of all failed, or why the account halted. Both are kept here, because a session that
    is cancelled returns nothing.
    """

    account: AccountSettings
    open_maker: Callable[[], AbstractAsyncContextManager[OpenAccount]]
    screen: AccountScreen | None
    stop_scope: trio.CancelScope
    maker: AccountMaker | None = None
    failures: list[LedgerError] = field(default_factory=list)

    async def run_session(self) -> None:
        """Run a maker from its start to its shutdown."""
        async with self.open_maker() as opened:
            self.maker = maker = opened.maker
            follow = partial(follow_changes, folder=opened.folder, make_terms=opened.make_terms)
            for grid in self.account.grids:
                _log.info("%s", grid.describe())
            try:
                async with trio.open_nursery() as nursery:
                    if self.screen is not None:
                        nursery.start_soon(self.screen, maker, self.stop_scope)
                    nursery.start_soon(tell_mode_later, self.account.grids[0].market)
                    nursery.start_soon(follow, maker, self.account)
                    nursery.start_soon(freeze_when_started, self._has_ticked)
                    await maker.run()
                    nursery.cancel_scope.cancel()
            except* LedgerError as group:
                self.failures.extend(leaf for leaf in find_leaves(group) if isinstance(leaf, LedgerError))
            finally:
                self._tell_end()

    def summarize(self) -> AccountSummary:
        """Return the summary of the run.

        Errors: the LedgerError of a maker that could not start.
        """
        if self.failures and not self._has_ticked():
            raise self.failures[0]
        if self.maker is None:
            return AccountSummary(stats=RunStats(), grids={})
        if not self.knows_orders:
            # It was stopped before it knew of any order; an error of such a start has an exit code of its own.
            tell_end(halted_because=(), orders_may_rest=self.maker.orders_may_rest, remedy=self._find_remedy())
        return summarize(self.maker, halted_because=self.halted_because())

    def _tell_end(self) -> None:
        """Tell why account or grids halted, what may rest, and what to do."""
        faces = {} if self.maker is None else self.maker.faces
        halts = [f"{name}: {why}" for name, face in faces.items() if (why := describe_halt(face)) is not None]
        orders = [f"{name}: {left}" for name, face in faces.items() for left in face.describe_orders_left()]
        standings = [face.standing for face in faces.values()]
        tell_end(
            halted_because=[*self.halted_because(), *halts] if self._has_ticked() else [],
            orders_may_rest=orders if self.knows_orders else [],
            remedy=self._find_remedy(),
            stays_halted=self.maker is not None
            and any(each.state is State.HALTED for each in (self.maker.standing, *standings)),
        )

    def _find_remedy(self) -> str:
        return (
            "these orders can trade while nobody looks after them: cancel them at the venue, or start the maker again "
            "with the same configuration, which takes them up or cancels them"
        )

    @property
    def knows_orders(self) -> bool:
        """Check if a session began: it looks after orders of earlier ones."""
        return self.maker is not None and any(face.market is not None for face in self.maker.faces.values())

    def find_left_orders(self) -> tuple[str, ...]:
        """Name the orders that may rest after a session that had begun."""
        return self.maker.orders_may_rest if self.maker is not None and self.knows_orders else ()

    def halted_because(self) -> tuple[str, ...]:
        """Return why the account halted; empty where it never quoted."""
        return tuple(sorted({str(failure) for failure in self.failures})) if self._has_ticked() else ()

    def _has_ticked(self) -> bool:
        return self.maker is not None and any(face.stats.ticks > 0 for face in self.maker.faces.values())
