"""Command `pause`: let a maker place nothing, and leave what rests."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `pause`."""
    add_json_option(parser)
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="configuration file (TOML) of the maker"
    )
    parser.add_argument(
        "--reason", default="`mm-trio pause`", metavar="TEXT", help="why; it is kept, and shown by `resume --show`"
    )


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Pause a maker and return the exit code."""
    from mm_trio.cli.halt_programs.pause_maker import pause_maker
    from mm_trio.config.loading import load_settings

    set_up_logging(sys.stderr)
    environ = arguments.environment.plain
    settings = load_settings(arguments.config, environ=environ)
    pausing = stop.run(partial(pause_maker, settings, environ=environ, reason=arguments.reason))
    print_result(pausing, as_json=arguments.json)
    return ExitCode.CLEAN if pausing.is_ok else ExitCode.CHECK_FAILED


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
