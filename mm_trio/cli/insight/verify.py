"""Command `verify`: check a certificate of liquidity."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `verify`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the certificate")
    parser.add_argument(
        "--fills",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="rows of the venue's public trades, or of userFills (JSON): every fill must be there",
    )
    parser.add_argument("--account", metavar="ADDRESS", help="account that the certificate must be about")
    parser.add_argument("--agent", metavar="ADDRESS", help="address that must have signed")
    add_json_option(parser)


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Verify a certificate and return the exit code."""
    from mm_trio.cli.liquidity_programs.verify_certificate import verify_certificate

    set_up_logging(sys.stderr)
    verdict = verify_certificate(
        arguments.file, fills=arguments.fills, account=arguments.account, agent=arguments.agent
    )
    print_result(verdict, as_json=arguments.json)
    return ExitCode.CLEAN if verdict.is_ok else ExitCode.CHECK_FAILED


COMMAND = Command(
    name="verify",
    help="check a certificate of liquidity, with nothing but its file",
    description="Checks form, hash chain and signature, computes every figure again from the samples, and judges the "
    "clauses again. With --fills it finds every fill among the venue's rows too. Exit code 1: something does not fit, "
    "and it is named. Whether the clauses are met has no influence on the exit code.",
    add_arguments=add_arguments,
    run=run,
)
