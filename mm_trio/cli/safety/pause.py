"""Command `pause`: let a maker place nothing, and leave what rests."""

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
    """Add the arguments of `pause`."""
    add_json_option(parser)
    add_config_options(parser, without_coin="default: each of them in turn")
    parser.add_argument(
        "--reason", default="`mm-trio pause`", metavar="TEXT", help="why; it is kept, and shown by `resume --show`"
    )


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Pause a maker and return the exit code."""
    from mm_trio.cli.halt_programs.pause_maker import pause_maker

    set_up_logging(sys.stderr)
    environ = arguments.environment.plain

    def pause(settings: Settings, is_last: bool) -> Outcome:
        work = partial(pause_maker, settings, environ=environ, reason=arguments.reason)
        pausing = stop.run(work, is_last=is_last)
        return Outcome.of(pausing, ExitCode.CLEAN if pausing.is_ok else ExitCode.CHECK_FAILED)

    return do_each(load_grids(arguments), pause, stop=stop, as_json=arguments.json)


COMMAND = Command(
    name="pause",
    help="let a maker place nothing new; what rests stays",
    description="Leaves the request PAUSE in the maker's state folder, and waits until a maker that runs has written "
    "down that it is paused: nothing new is placed from then on, and what rests stays. Where none runs, the next start "
    "follows the request before anything else. It lasts over restarts, until `mm-trio resume`. It needs no key. Exit "
    "code 1: a maker runs and did not follow.",
    add_arguments=add_arguments,
    run=run,
)
