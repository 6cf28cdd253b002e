"""Command `explain`: tell why a level had the order that it had."""

from __future__ import annotations

import argparse
import sys

from mm_trio.cli.earnings_programs.history_options import add_place_options
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option, whole_number
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    parser.add_argument("level", metavar="LEVEL", help="level (0 is the lowest), or a price with a decimal point")
    add_place_options(parser)
    parser.add_argument(
        "--at",
        dest="at_ms",
        type=_parse_time_ms,
        metavar="TIME",
        help="UTC date or time (2026-11-30T12:00) or millisecond of the epoch (default: the last entry of the ledger)",
    )
    parser.add_argument(
        "--events",
        type=whole_number(1, 60),
        default=20,
        metavar="N",
        help="show the last N events of the level (default: 20); --json has the last 60",
    )
    add_json_option(parser)


def _parse_time_ms(text: str) -> int:
    # Imported late, because `--help` need not pay for it.
    from mm_trio.cli.earnings_programs.history_place import parse_time_ms

    return parse_time_ms(text)


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Explain a level and return the exit code."""
    from mm_trio.cli.earnings_programs.explain_program import Story
    from mm_trio.cli.earnings_programs.history_place import find_history
    from mm_trio.cli.earnings_programs.progress import show_progress
    from mm_trio.history.explanation import explain_level

    set_up_logging(sys.stderr)
    folder = find_history(arguments, stop)
    with show_progress("entries read") as tell_progress:
        found = explain_level(folder, arguments.level, at_ms=arguments.at_ms, tell_progress=tell_progress)
    print_result(Story(found, arguments.events), as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="explain",
    help="explain a level: inputs, decision, request, answer",
    description="Tells the story of one level of the ladder at one time: what was offered and how it was cut, which "
    "order was due there and why, what was sent for it, and what the venue answered; the market's best prices and the "
    "state of the maker then come from the record, where there is one. Reads only, also while a maker runs.",
    add_arguments=add_arguments,
    run=run,
)
