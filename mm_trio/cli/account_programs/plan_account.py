"""Plans of several markets, shown and not sent."""

from __future__ import annotations

import logging

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.account_programs.account_summary import AccountSummary, sum_stats
from mm_trio.cli.programs.plan_only import LOOK_EVERY_S, plan_forever
from mm_trio.cli.programs.run_summary import RunSummary
from mm_trio.concurrency.log_subject import speaking_of
from mm_trio.config.settings import Settings

__all__ = ["plan_account"]

_log = logging.getLogger(__name__)

# One plan costs 84 of the 1,200 of request weight a minute, and as much again at the start.
AT_ONCE = 4
NEXT_AFTER_S = 10.0


async def plan_account(
    account: AccountSettings, *, stop_scope: trio.CancelScope, duration_s: float | None
) -> AccountSummary:
    """Log what each grid would send whenever that changed; send nothing."""
    summaries: dict[str, RunSummary] = {}
    own_scopes, stopped = [trio.CancelScope() for _ in account.grids], trio.Event()

    async def plan(number: int, grid: Settings) -> None:
        with trio.move_on_after(max(0, number + 1 - AT_ONCE) * NEXT_AFTER_S):
            await stopped.wait()
        every_s = max(LOOK_EVERY_S, len(account.grids) * NEXT_AFTER_S)
        with speaking_of(grid.market.coin):
            summaries[grid.market.coin] = await plan_forever(
                grid, stop_scope=own_scopes[number], duration_s=None, every_s=every_s
            )

    async def pass_on_stop() -> None:
        with stop_scope:
            await trio.sleep_forever()
        stopped.set()
        for scope in own_scopes:
            scope.cancel()

    if duration_s is not None:
        stop_scope.deadline = trio.current_time() + duration_s
    if account.account.network == "mainnet":
        _log.warning("no live run of several markets yet: `run --live` takes a file with one [market]")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pass_on_stop)
        for number, grid in enumerate(account.grids):
            nursery.start_soon(plan, number, grid)
    stats = {coin: summary.stats for coin, summary in summaries.items()}
    return AccountSummary(
        stats=sum_stats(list(stats.values())), grids={coin: each.to_json() for coin, each in stats.items()}
    )
