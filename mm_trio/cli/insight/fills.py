"""Command `fills`: list our fills from the ledger, and from the maker that runs."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from mm_trio.cli.earnings_programs.history_options import add_period_options, add_place_options
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option, whole_number
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fills`."""
    add_place_options(parser)
    add_period_options(parser)
    parser.add_argument(
        "--limit",
        type=whole_number(0, 10_000_000),
        default=100,
        metavar="N",
        help="show the last N fills, 0: all (default: 100); the sums are of all",
    )
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="write all fills of the period to a table for spreadsheets and taxes",
    )
    add_json_option(parser)


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """List fills and return the exit code."""
    from mm_trio.cli.earnings_programs.fills_program import list_fills, list_running
    from mm_trio.cli.earnings_programs.history_place import check_history, find_folder, is_shared, read_period
    from mm_trio.cli.earnings_programs.running_maker import ask_fills

    set_up_logging(sys.stderr)
    period = read_period(arguments)
    folder, coin = find_folder(arguments, stop)
    running = ask_fills(folder, coin, stop)
    if running is not None and arguments.csv is None and is_shared(folder):
        found = list_running(folder, period, limit=arguments.limit, running=running)
    else:
        found = list_fills(check_history(arguments, folder), period, limit=arguments.limit, running=running)
    if arguments.csv is not None:
        from mm_trio.cli.earnings_programs.fills_table import write_table

        found = replace(found, written=write_table(folder, period, arguments.csv))
    print_result(found, as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="fills",
    help="list our fills: side, level, price, size, fee, taker, edge",
    description="Lists the fills in the ledger by the venue's time, and exact sums over the period; where a maker "
    "runs, also those that it has not written yet. Who took them, and the market's mid before and after, come from the "
    "record beside the ledger where a maker wrote one. A fill's edge is what its price was better than the mid just "
    "before. Nothing is changed.",
    add_arguments=add_arguments,
    run=run,
)
