"""Command `ledger`: audit, copy, restore or rebuild a maker's journal."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import add_config_options, choose_grids, load_account, load_grid
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option, parse_seconds, whole_number
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict
from mm_trio.model.errors import ConfigError

if TYPE_CHECKING:
    from mm_trio.account_config.settings import AccountSettings

__all__ = [
    "COMMAND",
    "add_arguments",
    "add_backup_arguments",
    "add_rebuild_arguments",
    "add_restore_arguments",
    "audit",
    "backup",
    "rebuild",
    "restore",
]

# Repeated here, because `--help` does not pay for the import of what copies; a test compares them.
DEFAULT_KEEP, MOST_KEPT = 24, 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `audit`."""
    add_json_option(parser)
    add_config_options(parser, without_coin="needed where there are several")


def _add_ledger_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of verbs that work on a whole ledger."""
    add_json_option(parser)
    add_config_options(parser, without_coin="left out: listed markets have one ledger")


def add_rebuild_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `rebuild`."""
    _add_ledger_arguments(parser)
    parser.add_argument(
        "--even-if-sound",
        action="store_true",
        help="rebuild a ledger in which nothing is damaged or missing",
    )


def add_backup_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `backup`."""
    _add_ledger_arguments(parser)
    parser.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the copies, outside of the state folder; several makers may share it",
    )
    parser.add_argument(
        "--every", type=parse_seconds, metavar="S", help="copy again every S seconds until stopped (default: once)"
    )
    parser.add_argument(
        "--keep",
        type=whole_number(1, MOST_KEPT),
        default=DEFAULT_KEEP,
        metavar="N",
        help=f"keep the newest N copies of this ledger and remove older ones (default: {DEFAULT_KEEP})",
    )


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `restore`."""
    _add_ledger_arguments(parser)
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        required=True,
        metavar="DIR",
        help="the DIR of `backup --to`, which means its newest copy of this ledger, or one copy in it",
    )
    parser.add_argument(
        "--even-if-older",
        action="store_true",
        help="restore the copy although the present ledger can be read as far as the copy reaches, or further",
    )


@gives_verdict
def audit(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Audit a ledger and return the exit code."""
    from mm_trio.cli.ledger_programs.audit_ledger import audit_ledger

    set_up_logging(sys.stderr)
    settings = load_grid(arguments)
    report = stop.run(partial(audit_ledger, settings, environ=arguments.environment.plain))
    print_result(report, as_json=arguments.json)
    return ExitCode.CLEAN if report.is_ok else ExitCode.CHECK_FAILED


def _load_ledger(arguments: argparse.Namespace) -> AccountSettings:
    """Load the configuration of a ledger that is replaced as a whole. Errors: ConfigError."""
    account = load_account(arguments)
    if account.lists_markets and arguments.coin is not None:
        raise ConfigError(
            f"{arguments.config} lists markets, which have one ledger: it is made anew or put back as a whole. Leave "
            "--coin out; nothing was changed"
        )
    choose_grids(account, arguments.coin, source=str(arguments.config))
    return account


@gives_verdict
def rebuild(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Rebuild a ledger and return the exit code."""
    from mm_trio.cli.ledger_programs.rebuild_ledger import rebuild_ledger

    set_up_logging(sys.stderr)
    account, environ = _load_ledger(arguments), arguments.environment.plain
    work = partial(rebuild_ledger, account, environ=environ, even_if_sound=arguments.even_if_sound)
    rebuilt = stop.run(work)
    print_result(rebuilt, as_json=arguments.json)
    return ExitCode.CLEAN


@gives_verdict
def backup(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Copy a ledger, once or until stopped, and return the exit code."""
    from mm_trio.cli.copy_programs.backup_ledger import BackupPlan, back_up_ledger

    set_up_logging(sys.stderr)
    # Markets that are listed have one ledger, so any of them leads to it.
    settings = choose_grids(load_account(arguments), arguments.coin, source=str(arguments.config))[0]
    plan = BackupPlan(into=arguments.to, every_s=arguments.every, keep=arguments.keep)
    result = stop.run(partial(back_up_ledger, settings, environ=arguments.environment.plain, plan=plan))
    # A backup that goes on until it is stopped is complete then; one without a copy has raised Interrupted.
    stop.is_cut_short = False
    print_result(result, as_json=arguments.json)
    return ExitCode.CLEAN if result.is_ok else ExitCode.CHECK_FAILED


@gives_verdict
def restore(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Restore a ledger from a copy and return the exit code."""
    from mm_trio.cli.copy_programs.restore_ledger import RestorePlan, restore_ledger

    set_up_logging(sys.stderr)
    account = _load_ledger(arguments)
    plan = RestorePlan(source=arguments.source, even_if_older=arguments.even_if_older)
    restored = stop.run(partial(restore_ledger, account, environ=arguments.environment.plain, plan=plan))
    print_result(restored, as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="ledger",
    help="audit, copy, restore or rebuild the journal of a maker",
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
        Command(
            name="backup",
            help="copy the journal beside a running maker",
            description="Copies the journal with its archives and its end mark into a new folder, checked and durable, "
            "while the maker runs. It changes nothing in the state folder and sends nothing. A copy is there as a "
            "whole or not at all. With --every it goes on until it is stopped, and then ends with 0; with 1 where the "
            "last attempt failed.",
            add_arguments=add_backup_arguments,
            run=backup,
        ),
        Command(
            name="restore",
            help="put a copy of `backup` in place, with what the venue knows of later",
            description="Checks every entry of a copy, adds the sessions and orders of later that the venue knows, and "
            "puts that in the place of the present journal, which is set aside, not deleted. The next start of the "
            "maker books what traded since. It refuses while the maker runs, and where the present journal can be "
            "read as far as the copy. A new state folder is left halted: `mm-trio resume` lets the maker start.",
            add_arguments=add_restore_arguments,
            run=restore,
        ),
    ),
)
