"""Command `report`: what a maker earned and why, with pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mm_trio.cli.earnings_programs.history_options import add_period_options, add_place_options
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `report`."""
    add_place_options(parser)
    add_period_options(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page with pictures and tables")
    parser.add_argument("--csv", type=Path, metavar="DIR", help="write each table to a CSV file in this folder")
    add_json_option(parser)


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Make a report and return the exit code."""
    from mm_trio.cli.earnings_programs.history_place import find_history, read_period
    from mm_trio.cli.earnings_programs.report_program import Output, make_progress, write_report
    from mm_trio.cli.liquidity_programs.record_samples import read_changes

    set_up_logging(sys.stderr)
    period = read_period(arguments)
    folder = find_history(arguments, stop)
    output = Output(arguments.html, arguments.csv)
    on_progress = make_progress(sys.stderr)
    written = write_report(folder, period, output, sampler=read_changes, on_progress=on_progress)
    print_result(written, as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="report",
    help="show what a maker earned and why: one page with pictures, tables as CSV or JSON",
    description="Reads ledger and record of a maker, which may run meanwhile, and writes one HTML file that needs "
    "nothing beside it: profit and loss in its parts, price and boundary with the own fills, inventory, fills by level "
    "and hour, prices after fills, counterparties, depth, uptime, outages with their cause, requests. What was not "
    "recorded is told as such. No venue is asked, but with --config for the name of the folder. Pictures need the "
    "extra `report`: pip install mm-trio[report].",
    add_arguments=add_arguments,
    run=run,
)
