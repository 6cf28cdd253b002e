"""A maker of several grids with the task beside it that follows what its operator changes."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.changes.follow_changes import MakesTerms, follow_changes, refuse_earlier
from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.engine.account_maker import AccountMaker
from mm_trio.halts.applied_file import note_applied

__all__ = ["FollowingMaker"]

# Calls that write a file beside the journal.
NOT_BEGUN = ("orders of an earlier session: not checked",)
_WRITES = frozenset({"note_settings", "give_answer"})


class FollowingMaker:
    """Maker with its follower, in the order in which `run` starts both.

    `account` is what it is started with, `folder` where its journal is. `run_sync` makes calls that block; while
    `is_disk_full` returns true none of them writes.
    """

    def __init__(
        self,
        maker: AccountMaker,
        account: AccountSettings,
        *,
        folder: Path,
        make_terms: MakesTerms,
        run_sync: RunSync,
        is_disk_full: Callable[[], bool],
    ) -> None:
        self._maker = maker
        self._account = account
        self._folder = folder
        self._make_terms = make_terms
        self._inner = run_sync
        self._is_disk_full = is_disk_full
        self._has_begun = False

    def __repr__(self) -> str:
        return repr(self._maker)

    async def run(self) -> None:
        """Run the maker until it is cancelled or ends, and follow changes meanwhile."""
        run_sync: Any = self._run_sync
        await refuse_earlier(self._folder, self._account, run_sync=run_sync)
        await note_applied(self._folder, self._account, run_sync=run_sync)
        follow = partial(follow_changes, folder=self._folder, make_terms=self._make_terms, run_sync=run_sync)
        self._has_begun = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, self._maker, self._account)
            await self._maker.run()
            nursery.cancel_scope.cancel()

    async def _run_sync(self, fn: Callable[..., Any], /, *args: Any, abandon_on_cancel: bool = False) -> Any:
        if fn.__name__ in _WRITES and self._is_disk_full():
            raise OSError(errno.ENOSPC, "No space left on device")
        return await self._inner(fn, *args, abandon_on_cancel=abandon_on_cancel)

    @property
    def orders_may_rest(self) -> tuple[str, ...]:
        """Return the orders that may rest at the venue.

        Before it has begun the program knows of none, and tells the operator that earlier ones were not looked after.
        """
        return self._maker.orders_may_rest if self._has_begun else NOT_BEGUN

    def describe_memory(self) -> dict[str, int]:
        """Count what is kept in memory."""
        return self._maker.describe_memory()
