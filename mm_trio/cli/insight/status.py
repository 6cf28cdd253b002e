"""Command `status`: what a maker does, or what is on disk of one that does not run."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import add_config_options, choose_grids, load_account
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `status`."""
    add_json_option(parser)
    add_config_options(parser, without_coin="default: all of them")


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Show the status of a maker and return the exit code."""
    from mm_trio.cli.control_programs.show_status import show_status

    set_up_logging(sys.stderr)
    account = load_account(arguments)
    choose_grids(account, arguments.coin, source=str(arguments.config))
    coin = arguments.coin if account.lists_markets else None
    report = stop.run(partial(show_status, account, coin, environ=arguments.environment.plain))
    print_result(report, as_json=arguments.json)
    return ExitCode.CLEAN if report.is_ok else ExitCode.CHECK_FAILED


COMMAND = Command(
    name="status",
    help="show what a maker does: state, boundary, orders, funds, budget, limits",
    description="Asks the maker that runs with FILE, over its control socket: each market's state and why, boundary, "
    "spread, orders, funds, the request budget, the age of the last tick, frame and commit, and limits that are near. "
    "Where none runs it says so, and tells what its ledger and its standing say; that is no failure. It needs no key. "
    "Exit code 1: a maker runs and does not answer.",
    add_arguments=add_arguments,
    run=run,
)
