"""Command `resume`: let a maker go on that a limit or its operator stopped."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import Outcome, add_config_options, do_each, load_grids
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

    do = confirm if arguments.first_run_seen else resume
    return do_each(load_grids(arguments), do, stop=stop, as_json=arguments.json)


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
