"""Command `resume`: let a maker go on that a limit or its operator stopped."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import Outcome, add_config_options, choose_grids, do_each, load_account
from mm_trio.cli.shell.output import set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

if TYPE_CHECKING:
    from mm_trio.config.settings import Settings

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `resume`."""
    add_json_option(parser)
    add_config_options(parser, without_coin="default: each of them in turn")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="only show why the maker stopped; change nothing")
    what.add_argument(
        "--first-run-seen",
        action="store_true",
        help="say that the fills of the first live run were looked at: the next `run --live` quotes the whole plan",
    )


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Resume a maker and return the exit code."""
    from mm_trio.cli.halt_programs.resume_maker import resume_maker

    set_up_logging(sys.stderr)
    environ = arguments.environment.plain

    def confirm(settings: Settings, is_last: bool) -> Outcome:
        from mm_trio.cli.live_programs.first_run_seen import confirm_first_run

        confirmed = stop.run(partial(confirm_first_run, settings, environ=environ), is_last=is_last)
        return Outcome.of(confirmed, ExitCode.CLEAN)

    def resume(settings: Settings, is_last: bool) -> Outcome:
        work = partial(resume_maker, settings, environ=environ, only_show=arguments.show)
        resumption = stop.run(work, is_last=is_last)
        return Outcome.of(resumption, ExitCode.CLEAN if resumption.is_ok else ExitCode.CHECK_FAILED)

    def resume_account(settings: Settings) -> Outcome:
        work = partial(resume_maker, settings, environ=environ, only_show=arguments.show, of_account=True)
        resumption = stop.run(work, is_last=False)
        return Outcome.of(resumption, ExitCode.CLEAN if resumption.is_ok else ExitCode.CHECK_FAILED)

    account = load_account(arguments)
    grids = choose_grids(account, arguments.coin, source=str(arguments.config))
    if arguments.first_run_seen:
        return do_each(grids, confirm, stop=stop, as_json=arguments.json)
    # What stopped the account comes first, because it stops every market.
    for_all = partial(resume_account, grids[0]) if account.lists_markets and arguments.coin is None else None
    return do_each(grids, resume, stop=stop, as_json=arguments.json, for_all=for_all)


COMMAND = Command(
    name="resume",
    help="let a maker go on that a limit or its operator stopped",
    description="A maker that a limit halted, or that was told to place nothing, stays so over restarts. This shows "
    "why, and what it will do, and then makes it active again: one that runs places orders at once, else the next "
    "`run` does. Requests that wait in its state folder are removed. It sends nothing, and changes neither limits nor "
    "ledger. Exit code 1: a maker runs and did not follow, or is ending.",
    add_arguments=add_arguments,
    run=run,
)
