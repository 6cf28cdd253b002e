"""Command `sim`: the maker on a virtual clock."""

from __future__ import annotations

import argparse
import json
import sys

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict
from mm_trio.terminal_ui.streams import print_out, tell

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sim`."""
    add_json_option(parser)
    parser.add_argument("--seed", default="1..10", metavar="N|A..B", help="one seed or a range (default: 1..10)")
    parser.add_argument(
        "--hours", type=float, metavar="H", help="simulated hours of each seed (default: 7 to 15 minutes)"
    )
    parser.add_argument(
        "--faults", default="all", metavar="F", help="all, none, or names separated by commas (default: all)"
    )
    parser.add_argument(
        "--grids", default="1", metavar="N|A..B", help="grids of the account, at most 8; each seed draws (default: 1)"
    )
    parser.add_argument(
        "--ledger",
        choices=("ahead", "beside"),
        default="ahead",
        help="whether orders wait for their entries in the journal, or may leave beside them (default: ahead)",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="number of processes (default: one per core)")
    parser.add_argument("--minutes", type=float, metavar="M", help="run seeds from the first upwards for M minutes")
    parser.add_argument("--all-seen", action="store_true", help="exit 1 also if a hard case was never reached")


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Run the seeds and return the exit code."""
    from mm_trio.cli.programs.run_sim import find_missed_cases, make_campaign, make_interruption, run_sim

    campaign = make_campaign(
        seeds=arguments.seed,
        faults=arguments.faults,
        hours=arguments.hours,
        minutes=arguments.minutes,
        grids=arguments.grids,
        ledger=arguments.ledger,
    )
    summary = run_sim(campaign, jobs=arguments.jobs, is_stopped=stop.is_received)
    stop.ignore_signals()
    if summary.is_interrupted and sys.stderr.isatty():
        # The cursor stays on the line of the progress bar until the bar is full.
        tell("")
    (tell if arguments.json else print_out)(summary.to_text())
    if summary.is_interrupted:
        raise make_interruption(summary)
    missed = find_missed_cases(summary) if arguments.all_seen else []
    for name in missed:
        tell(f"coverage: hard case never reached: {name}")
    if arguments.json:
        print_out(json.dumps(summary.to_json()))
    return ExitCode.CHECK_FAILED if summary.failed or missed else ExitCode.CLEAN


COMMAND = Command(
    name="sim",
    help="run the maker on a virtual clock, with faults, judged by an oracle",
    description="Runs the maker against an exchange in the same process, under virtual time: first with faults, then "
    "without them until its order book has to be right, then a shutdown. A seed gives the same run on every machine. "
    "Exit code 1: a rule was broken.",
    add_arguments=add_arguments,
    run=run,
)
