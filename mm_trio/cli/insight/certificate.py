"""Command `certificate`: figures of liquidity for a period, signed."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from mm_trio.cli.earnings_programs.history_options import add_period_options, add_place_options
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.passphrase import ask_passphrase
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "run"]

# Written out, because `--help` need not pay for their numbers.
PRESET_NAMES = (
    "spark",
    "monday-trade",
    "audit-5k",
    "audit-50k",
    "first-tier",
    "vega",
    "quote-asset",
    "quote-asset-hype",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `certificate`."""
    add_place_options(parser)
    add_period_options(parser)
    terms = parser.add_mutually_exclusive_group()
    terms.add_argument(
        "--preset", choices=PRESET_NAMES, default="audit-5k", help="clauses in use elsewhere (default: audit-5k)"
    )
    terms.add_argument("--clauses", type=Path, metavar="FILE", help="own clauses (TOML)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the signed certificate to a new file")
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help="key that signs (default: where `run` finds its key)"
    )
    parser.add_argument("--partial", action="store_true", help="allow a period that is not over; it ends now")
    add_json_option(parser)


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Make a certificate and return the exit code."""
    from mm_trio.cli.liquidity_programs.make_certificate import make_certificate
    from mm_trio.cli.liquidity_programs.subjects import find_subject
    from mm_trio.cli.liquidity_programs.terms_files import choose_terms
    from mm_trio.config.keys import load_key

    set_up_logging(sys.stderr)
    chosen = choose_terms(arguments.preset, arguments.clauses)
    subject = find_subject(arguments, stop)
    key = None
    if arguments.out is not None:
        asker = ask_passphrase if sys.stdin.isatty() else None
        key = load_key(arguments.environment.secrets, key_file=arguments.key_file, passphrase=asker)
    make = partial(make_certificate, subject, chosen, is_partial=arguments.partial)
    print_result(make(key=key, out=arguments.out), as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="certificate",
    help="certify liquidity for a period, signed, so that anyone can check it",
    description="Computes from the record and the ledger of a maker, sample by sample of one second: time on each side "
    "and on both, spread, depth, share of volume, time to quote again, cost of taking, outages and their cause, and "
    "judges clauses. With --out it writes them with the samples to a file that `mm-trio verify` checks without "
    "anything else, signed by the agent key. The maker may run meanwhile. Exit code 0 also where clauses are not met.",
    add_arguments=add_arguments,
    run=run,
)
