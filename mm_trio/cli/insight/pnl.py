"""Command `pnl`: tell what a ladder earned, and why."""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal

from mm_trio.cli.earnings_programs.history_options import add_period_options, add_place_options
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option, exact_number, parse_price
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `pnl`."""
    add_json_option(parser)
    add_place_options(parser)
    add_period_options(parser)
    parser.add_argument("--by", choices=("day",), help="the same for each UTC day too")
    parser.add_argument(
        "--mark",
        type=parse_price,
        metavar="PX",
        help="value holdings at this price, not at the last one recorded; days that are over keep their own",
    )
    parser.add_argument(
        "--fee-share",
        type=_parse_share,
        metavar="F",
        help="estimate the income of the token's deployer, who gets this share of fees in it (0 to 1)",
    )


def _parse_share(text: str) -> Decimal:
    return exact_number("0", "1", "share of the fees")(text)


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Print the statement and return the exit code."""
    from mm_trio.cli.earnings_programs.pnl_program import make_statement

    set_up_logging(sys.stderr)
    print_result(make_statement(arguments, stop), as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="pnl",
    help="tell what a ladder earned, and why",
    description="Reads the ledger and the record of prices beside it; the maker may run or be gone. The gain is "
    "against having held, and is split to the last digit: realised, open and fees; edge and inventory; turns and "
    "ladder. Transfers and trades by hand are left out and listed. Where a price is missing, the figure is absent and "
    "the reason is told; amounts in base and quote are exact in any case. Exit code 2: there is no such ledger.",
    add_arguments=add_arguments,
    run=run,
)
