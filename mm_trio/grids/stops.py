"""Limits and standing of a grid, or of the account, and what follows from them.

What stops a maker is written down before anything else follows from it, its orders' cancels included.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import replace

import trio

from mm_trio.grids.operator_requests import StandingKeeper
from mm_trio.grids.shutdown import LeftOrder
from mm_trio.halts.standing import Standing, State
from mm_trio.model.errors import Halted, HaltedAll, find_halting_error, find_leaves
from mm_trio.sending.limit_guard import LimitGuard

__all__ = ["Stops"]

_log = logging.getLogger(__name__)


class Stops:
    """Limits of a grid or an account, and the standing that an operator or a limit asked for.

    `count_fills` tells how many fills there were since the start, `wake` wakes the ticks that follow a standing,
    `wall_ms` is the venue's time. `of_all`: they are of an account with several grids.
    """

    def __init__(
        self,
        limits: LimitGuard,
        keeper: StandingKeeper,
        *,
        count_fills: Callable[[], int],
        wake: Callable[[], None],
        wall_ms: Callable[[], int],
        of_all: bool = False,
    ) -> None:
        self.limits = limits
        self.keeper = keeper
        self.wake = wake
        self.wall_ms = wall_ms
        self._count_fills = count_fills
        self._halted = HaltedAll if of_all else Halted

    @property
    def standing(self) -> Standing:
        """Return the standing that is on disk."""
        return self.limits.standing

    async def apply(self) -> None:
        """Write down what a limit asks for, and end whoever asks if that is a halt.

        A standing that cannot be written holds all the same, for this process. Errors: Halted.
        """
        self.limits.on_fills(self._count_fills())
        if (wanted := self.limits.find_wanted()) is None:
            return
        await self._write(wanted)
        _log.error("placing stopped: standing=%s", self.standing.describe())
        self.raise_if_halted()

    def raise_if_halted(self) -> None:
        """Raise what a halt is told by. Errors: Halted."""
        if self.standing.state is State.HALTED:
            raise self._halted(self.standing.describe())

    async def write_wanted(self, *, asks_for_halt: bool = True) -> None:
        """Write down what stops the maker from now on, before its orders are cancelled.

        That is the error of the ledger that is on its way, unless its cause lies elsewhere (`asks_for_halt`); a signal
        that nobody heard yet; or what a limit asked for just now.
        """
        error, now_ms = sys.exception(), self.wall_ms()
        if (asked := self.keeper.take_signalled()) is not None:
            self.limits.want(asked.to_standing(since_ms=now_ms))
        why = find_halting_error(find_leaves(error)) if error is not None and asks_for_halt else None
        if why is not None:
            self.limits.want(Standing(state=State.HALTED, since_ms=now_ms, why=str(why)))
        if (wanted := self.limits.wanted) is not None:
            await self._write(wanted)

    async def write_remains(self, left: tuple[LeftOrder, ...] | None) -> None:
        """Add what may rest to a halt that is on disk."""
        if self.standing.state is State.HALTED and left is not None:
            with trio.CancelScope(shield=True):
                await self.keeper.tighten(replace(self.standing, rests=tuple(each.describe() for each in left)))

    async def _write(self, wanted: Standing) -> None:
        # What is wanted is written down whatever ends this task meanwhile.
        with trio.CancelScope(shield=True):
            self.limits.on_written(await self.keeper.tighten(wanted))
