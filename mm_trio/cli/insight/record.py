"""Command `record`: record a market without a maker."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.networks import NETWORKS, check_api_url
from mm_trio.cli.shell.output import keep_log_as_asked, print_result
from mm_trio.cli.shell.parser import Command, add_duration_option, add_json_option, add_log_options, whole_number
from mm_trio.cli.shell.stop_signal import StopSignal

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `record`."""
    add_json_option(parser)
    parser.add_argument("--coin", required=True, metavar="C", help="spot pair to record, @N or BASE/QUOTE")
    parser.add_argument("--network", choices=NETWORKS, help="network to record (default: sandbox)")
    parser.add_argument("--api-url", metavar="U", help="address of a sandbox on this machine, in place of its default")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="folder of the record (default: markets/C in the state folder)"
    )
    parser.add_argument(
        "--keep-days", type=whole_number(1, 3650), default=90, metavar="N", help="days that are kept (default: 90)"
    )
    parser.add_argument(
        "--max-mb",
        type=whole_number(10, 1_000_000),
        default=2000,
        metavar="N",
        help="largest size of the file, in MB; the oldest goes first (default: 2000)",
    )
    add_duration_option(parser)
    add_log_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record a market and return the exit code."""
    with keep_log_as_asked(arguments, sys.stderr):
        return _record(arguments)


def _record(arguments: argparse.Namespace) -> int:
    from mm_trio.cli.record_programs.record_market import RecordRequest, record_market
    from mm_trio.config.values import loopback_url
    from mm_trio.recorder.kept_file import RecordBounds

    api_url = check_api_url(arguments)
    request = RecordRequest(
        coin=arguments.coin,
        network=arguments.network or "sandbox",
        api_url=None if api_url is None else loopback_url(api_url),
        folder=None if arguments.folder is None else arguments.folder.expanduser(),
        bounds=RecordBounds(keep_days=arguments.keep_days, max_mb=arguments.max_mb),
    )
    work = partial(record_market, request, environ=arguments.environment.plain, duration_s=arguments.duration)
    print_result(StopSignal().run(work), as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="record",
    help="record a market's prices and trades, without a maker",
    description="Best prices on change, at most one a second, and every trade with its buyer and seller go into a file "
    "of their own, without a key or an account. A lost connection is opened again, with growing pauses; what happens "
    "meanwhile is a hole that every figure knows of. Ctrl-C ends it with a summary. A maker records its own market by "
    "itself. Exit codes: 2 where the file cannot be used, 3 where the venue does not answer at the start.",
    add_arguments=add_arguments,
    run=run,
)
