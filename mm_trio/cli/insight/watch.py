"""Command `watch`: attach to a maker that runs."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import add_config_options, choose_grids, load_account
from mm_trio.cli.shell.output import set_up_logging, wants_screen
from mm_trio.cli.shell.parser import Command, add_duration_option
from mm_trio.cli.shell.stop_signal import StopSignal

if TYPE_CHECKING:
    from mm_trio.cli.control_programs.watch_maker import Shown

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `watch`."""
    parser.add_argument("--plain", action="store_true", help="print a line per change, also on a terminal")
    parser.add_argument("--json", action="store_true", help="print a JSON object per change")
    add_duration_option(parser)
    add_config_options(parser, without_coin="default: all of them")


def run(arguments: argparse.Namespace) -> int:
    """Watch a maker until a key, a signal or the end of the time, and return the exit code."""
    from mm_trio.cli.control_programs.watch_maker import watch_maker

    set_up_logging(sys.stderr)
    account = load_account(arguments)
    choose_grids(account, arguments.coin, source=str(arguments.config))
    shown: Shown = "screen" if wants_screen(arguments) else "json" if arguments.json else "lines"
    work = partial(
        watch_maker,
        account,
        arguments.coin if account.lists_markets else None,
        environ=arguments.environment.plain,
        shown=shown,
        duration_s=arguments.duration,
    )
    StopSignal().run(work)
    return ExitCode.CLEAN


COMMAND = Command(
    name="watch",
    help="attach to a maker that runs: its screen, and keys to pause, resume and cancel all",
    description="Shows the screen of the maker that runs with FILE, from another process, over its control socket; "
    "with --plain, or without a terminal, a line per change, with --json a JSON object. Quitting leaves the maker as "
    "it is. When the maker ends or does not answer it says so, waits, and goes on once a maker runs again. It needs "
    "no key.",
    add_arguments=add_arguments,
    run=run,
)
