"""Command `orders`: list what may rest by the ledger."""

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
    from mm_trio.cli.earnings_programs.history_place import find_history
    from mm_trio.cli.earnings_programs.orders_program import list_orders

    set_up_logging(sys.stderr)
    print_result(list_orders(find_history(arguments, stop)), as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="orders",
    help="list our orders that may rest, the boundary, and what is withheld",
    description="Lists every order of ours that may rest now, as the ledger knows it: resting, in flight (sent, and "
    "its deadline is not over) or in doubt. It tells the boundary, what of the amounts offered is in no order, and "
    "why. The venue is not asked, nothing is changed, and a maker may run meanwhile; what it learnt in the last moment "
    "may not be written yet.",
    add_arguments=add_arguments,
    run=run,
)
