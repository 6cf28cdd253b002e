"""Command `ledger`: audit or rebuild a maker's journal."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

__all__ = ["COMMAND", "add_arguments", "add_rebuild_arguments", "audit", "rebuild"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of both verbs."""
    add_json_option(parser)
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="configuration file (TOML) of the maker"
    )


def add_rebuild_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `rebuild`."""
    add_arguments(parser)
    parser.add_argument(
        "--even-if-sound",
        action="store_true",
        help="rebuild a ledger in which nothing is damaged or missing",
    )


@gives_verdict
def audit(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Audit a ledger and return the exit code."""
    from mm_trio.cli.ledger_programs.audit_ledger import audit_ledger
    from mm_trio.config.loading import load_settings

    set_up_logging(sys.stderr)
    settings = load_settings(arguments.config, environ=arguments.environment.plain)
    report = stop.run(partial(audit_ledger, settings, environ=arguments.environment.plain))
    print_result(report, as_json=arguments.json)
    return ExitCode.CLEAN if report.is_ok else ExitCode.CHECK_FAILED


@gives_verdict
def rebuild(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Rebuild a ledger and return the exit code."""
    from mm_trio.cli.ledger_programs.rebuild_ledger import rebuild_ledger
    from mm_trio.config.loading import load_settings

    set_up_logging(sys.stderr)
    settings = load_settings(arguments.config, environ=arguments.environment.plain)
    environ = arguments.environment.plain
    work = partial(rebuild_ledger, settings, environ=environ, even_if_sound=arguments.even_if_sound)
    rebuilt = stop.run(work)
    print_result(rebuilt, as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="ledger",
    help="audit or rebuild the journal of a maker",
    description="The journal of a maker holds every order before it was sent, and every answer, fill, fee and "
    "transfer.",
    verbs=(
        Command(
            name="audit",
            help="explain every difference to the venue's balances",
            description="Reads the whole journal, checks that no entry was changed or lost, sums it up and compares it "
            "with the venue's balances and fills. It changes and sends nothing, and may run beside the maker. Exit "
            "code 1: a difference is not explained, entries are missing at the end, or fills are not booked yet.",
            add_arguments=add_arguments,
            run=audit,
        ),
        Command(
            name="rebuild",
            help="rebuild a journal that is damaged or lacks entries",
            description="Starts a new journal from every entry of the old one that can be read, and from what the "
            "venue knows of the others; the old file is set aside, not deleted. The next start of the maker books what "
            "traded since. It refuses while the maker runs, and where the journal is sound.",
            add_arguments=add_rebuild_arguments,
            run=rebuild,
        ),
    ),
)
