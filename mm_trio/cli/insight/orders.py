"""Command `orders`: list what may rest, by the maker that runs or by the ledger."""

from __future__ import annotations

import argparse
import sys

from mm_trio.cli.earnings_programs.history_options import add_place_options
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `orders`."""
    add_place_options(parser)
    add_json_option(parser)


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """List orders and return the exit code."""
    from mm_trio.cli.earnings_programs.history_place import check_history, find_folder, is_shared
    from mm_trio.cli.earnings_programs.orders_program import list_orders, list_running
    from mm_trio.cli.earnings_programs.running_maker import ask_orders

    set_up_logging(sys.stderr)
    folder, coin = find_folder(arguments, stop)
    running = ask_orders(folder, coin, stop)
    if running is not None and is_shared(folder):
        found = list_running(folder, running)
    else:
        found = list_orders(check_history(arguments, folder), running)
    print_result(found, as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="orders",
    help="list our orders that may rest, the boundary, and what is withheld",
    description="Lists every order of ours that may rest now, as the maker that runs says itself over its control "
    "socket, else as the ledger knows it: resting, in flight (sent, and its deadline is not over) or in doubt. It "
    "tells the boundary, what of the amounts offered is in no order, and why. The venue is not asked, and nothing is "
    "changed.",
    add_arguments=add_arguments,
    run=run,
)
