"""Run of a maker of one market on a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.programs.run_summary import RunSummary
from mm_trio.cli.run_programs.maker_run import Beside, MakerRun, OpenMaker
from mm_trio.cli.run_programs.open_maker import Start, Terms, open_maker, take_terms
from mm_trio.config.keys import Secret
from mm_trio.config.settings import Settings
from mm_trio.halts.requests import Asked
from mm_trio.state.stats import RunStats

__all__ = ["run_settings"]


async def run_settings(
    settings: Settings,
    key: Secret,
    *,
    environ: Mapping[str, str],
    duration_s: float | None,
    stop_scope: trio.CancelScope,
    take_over: bool = False,
    accepted_px: Decimal | None = None,
    prepare: Callable[[Start], Terms] = take_terms,
    beside: Sequence[Beside[OpenMaker]] = (),
    signalled: Callable[[], Iterable[Asked]] | None = None,
    on_refused: Callable[[Exception | None], Awaitable[None]] | None = None,
) -> RunSummary:
    """Run the maker until its duration ends, or `stop_scope` is cancelled.

    It shuts down by cancelling its open orders. `beside` are tasks beside it, `signalled` are the operator's signals.
    Further parameters are those of `open_maker`; `on_refused` and errors are as `MakerRun.run` has them.
    """
    opening = partial(
        open_maker,
        settings,
        key,
        environ=environ,
        take_over=take_over,
        accepted_px=accepted_px,
        prepare=prepare,
        signalled=signalled,
    )
    account = AccountSettings.of_one_market(settings)
    run = MakerRun(account=account, open_maker=opening, stop_scope=stop_scope, beside=beside)
    await run.run(duration_s=duration_s, on_refused=on_refused)
    if run.opened is None:
        return RunSummary(RunStats(), ())
    (face,) = run.opened.maker.faces.values()
    return RunSummary(face.stats, face.orders_may_rest, run.halted_because, face.orders_left)
