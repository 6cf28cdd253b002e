"""Run of a maker of several markets on a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.changes.follow_changes import follow_changes
from mm_trio.cli.account_programs.account_summary import AccountSummary, summarize
from mm_trio.cli.account_programs.open_account import OpenAccount, Signalled, open_account
from mm_trio.cli.run_programs.maker_run import Beside, MakerRun
from mm_trio.config.keys import Secret
from mm_trio.state.stats import RunStats

__all__ = ["run_account"]


async def run_account(
    account: AccountSettings,
    key: Secret,
    *,
    environ: Mapping[str, str],
    duration_s: float | None,
    stop_scope: trio.CancelScope,
    take_over: bool = False,
    beside: Sequence[Beside[OpenAccount]] = (),
    signalled: Signalled | None = None,
    on_refused: Callable[[Exception | None], Awaitable[None]] | None = None,
) -> AccountSummary:
    """Run the maker of all grids until its duration ends.

    All is as in `run_settings`, for the account: a grid that halts or fails ends alone, and the summary names it.
    """
    opening = partial(open_account, account, key, environ=environ, take_over=take_over, signalled=signalled)

    async def follow(opened: OpenAccount, _: trio.CancelScope) -> None:
        await follow_changes(opened.maker, account, folder=opened.folder, make_terms=opened.make_terms)

    run = MakerRun(account=account, open_maker=opening, stop_scope=stop_scope, beside=(follow, *beside))
    await run.run(duration_s=duration_s, on_refused=on_refused)
    if run.opened is None:
        return AccountSummary(stats=RunStats(), grids={})
    return summarize(run.opened.maker, halted_because=run.halted_because)
