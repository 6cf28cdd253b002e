"""Run of a maker of one market or of several, from its start to its end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.programs.start_checks import tell_account_mode
from mm_trio.cli.shell.garbage import freeze_when_started
from mm_trio.config.settings import MarketSettings
from mm_trio.engine.grid_face import GridFace
from mm_trio.halts.standing import State
from mm_trio.model.errors import LedgerError, OrdersMayRest, find_leaves
from mm_trio.terminal_ui.streams import tell_end
from mm_trio.venue.sdk import make_plain_info
from mm_trio.views.maker import Maker

__all__ = ["Beside", "MakerRun", "OpenMaker", "describe_halt"]

_log = logging.getLogger(__name__)

# Nothing depends on the account's mode, so the first orders need not wait for it, nor for its request weight.
TELL_MODE_AFTER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMaker:
    """Maker whose ledger is held. `folder` is where that lies."""

    maker: Maker
    folder: Path


OpenedT = TypeVar("OpenedT", bound=OpenMaker)
# A task that runs beside a maker, and ends with it. It may cancel the scope, which stops the maker.
Beside: TypeAlias = Callable[[OpenedT, trio.CancelScope], Awaitable[None]]


def describe_halt(face: GridFace) -> str | None:
    """Explain why a grid ended, or was left out, alone; None where it did not."""
    if face.failure is not None:
        return str(face.failure)
    return face.standing.describe() if face.standing.state is State.HALTED else None


@dataclass(slots=True, kw_only=True)
class MakerRun(Generic[OpenedT]):
    """Run of the maker that `open_maker` opens, until `stop_scope` is cancelled or its time is over.

    `beside` are tasks beside it. `opened` None: it has not come so far. `failures` say why the ledger of all failed, or
    why the maker halted; they are kept here, because a session that is cancelled returns nothing.
    """

    account: AccountSettings
    open_maker: Callable[[], AbstractAsyncContextManager[OpenedT]]
    stop_scope: trio.CancelScope
    beside: Sequence[Beside[OpenedT]] = ()
    opened: OpenedT | None = None
    failures: list[LedgerError] = field(default_factory=list)

    async def run(
        self,
        *,
        duration_s: float | None,
        on_refused: Callable[[Exception | None], Awaitable[None]] | None = None,
    ) -> None:
        """Run a maker from its start to its shutdown.

        A ledger that can no longer be kept ends the run too, and `halted_because` says why. What halted and what may
        rest is told on stderr before the ledger is closed. `on_refused` is told why a start is refused before it knows
        of any order (None: it was stopped), and may raise what says more. Errors: ConfigError, VenueError; LedgerError
        where the maker could not start; OrdersMayRest in place of any of them where orders may rest.
        """
        try:
            with self.stop_scope:
                if duration_s is not None:
                    self.stop_scope.deadline = trio.current_time() + duration_s
                await self._run_session()
            if on_refused is not None and self.opened is None:
                await on_refused(None)
            self._refuse_failed_start()
        except Exception as error:
            if self._find_left_orders():
                raise OrdersMayRest from error
            if self.halted_because:
                # An error of the end must not hide why the ledger can no longer be trusted.
                raise ExceptionGroup("the end of a maker that had halted", [*self.failures, error]) from error
            if on_refused is not None and not self.knows_orders and not isinstance(error, OrdersMayRest):
                await on_refused(error)
            raise

    async def _run_session(self) -> None:
        async with self.open_maker() as opened:
            self.opened = opened
            for grid in self.account.grids:
                _log.info("settings: %s", grid.describe())
            try:
                async with trio.open_nursery() as nursery:
                    for task in self.beside:
                        nursery.start_soon(task, opened, self.stop_scope)
                    nursery.start_soon(tell_mode_later, self.account.grids[0].market)
                    nursery.start_soon(freeze_when_started, self._has_ticked)
                    await opened.maker.run()
                    nursery.cancel_scope.cancel()
            except* LedgerError as group:
                self.failures.extend(leaf for leaf in find_leaves(group) if isinstance(leaf, LedgerError))
            finally:
                self._tell_end(opened.maker)

    def _refuse_failed_start(self) -> None:
        """Raise why a maker that never quoted could not start, and tell what a stopped one left."""
        if self.failures and not self._has_ticked():
            raise self.failures[0]
        if self.opened is not None and not self.knows_orders:
            # It was stopped before it knew of any order; an error of such a start has an exit code of its own.
            left = self.opened.maker.describe_orders_left()
            tell_end(halted_because=(), orders_may_rest=left, remedy=self._find_remedy())

    def _tell_end(self, maker: Maker) -> None:
        """Tell why the maker halted, what may rest, and what to do."""
        halts: list[str] = []
        if self.account.lists_markets and self._has_ticked():
            halts = [f"{name}: {why}" for name, face in maker.faces.items() if (why := describe_halt(face)) is not None]
        standings = (maker.standing, *(face.standing for face in maker.faces.values()))
        tell_end(
            halted_because=[*self.halted_because, *halts],
            orders_may_rest=maker.describe_orders_left() if self._find_left_orders() else (),
            remedy=self._find_remedy(),
            stays_halted=any(each.state is State.HALTED for each in standings),
        )

    def _find_remedy(self) -> str:
        of = "" if self.account.lists_markets else f" of {self.account.grids[0].market.coin}"
        return (
            f"these orders{of} can trade while nobody looks after them: cancel them at the venue, or start the maker "
            "again with the same configuration, which takes them up or cancels them"
        )

    @property
    def knows_orders(self) -> bool:
        """Check if a session began: it looks after orders of earlier ones."""
        return any(face.market is not None for face in self._faces)

    @property
    def halted_because(self) -> tuple[str, ...]:
        """Return why the ledger failed or the maker halted; empty where it never quoted."""
        return tuple(sorted({str(failure) for failure in self.failures})) if self._has_ticked() else ()

    def _find_left_orders(self) -> tuple[str, ...]:
        """Name the orders that may rest after a session that had begun."""
        return self.opened.maker.orders_may_rest if self.opened is not None and self.knows_orders else ()

    def _has_ticked(self) -> bool:
        return any(face.stats.ticks > 0 for face in self._faces)

    @property
    def _faces(self) -> tuple[GridFace, ...]:
        return () if self.opened is None else tuple(self.opened.maker.faces.values())


async def tell_mode_later(market: MarketSettings) -> None:
    """Tell the mode of the account once the first orders are out."""
    await trio.sleep(TELL_MODE_AFTER_S)
    await tell_account_mode(make_plain_info(market.base_url), market.account)
