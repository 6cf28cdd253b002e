"""Command `doctor`: everything that may stop a maker, one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import Outcome, add_config_options, choose_grids, do_each, load_account
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict
from mm_trio.model.errors import ConfigError
from mm_trio.terminal_ui.streams import tell

if TYPE_CHECKING:
    from mm_trio.cli.check_programs.findings import DoctorReport
    from mm_trio.config.settings import Settings

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    add_json_option(parser)
    add_config_options(parser, without_coin="default: each of them in turn")


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Look at everything and return the exit code."""
    from mm_trio.config.dump_protection import forbid_dumps

    forbid_dumps()
    set_up_logging(sys.stderr)
    environment = arguments.environment
    try:
        account = load_account(arguments)
        grids = choose_grids(account, arguments.coin, source=str(arguments.config))
    except ConfigError as error:
        print_result(_report_unread(error), as_json=arguments.json)
        return ExitCode.CONFIG
    # Imported after the configuration is read: the SDK takes most of a second, and a mistake should be told at once.
    from mm_trio.cli.alert_programs.channel_facts import look_at_alerts
    from mm_trio.cli.check_programs.examination import examine
    from mm_trio.cli.check_programs.local_facts import look_at_key
    from mm_trio.cli.check_programs.venue_facts import Examiner

    key = look_at_key(environment.secrets, _ask_passphrase if sys.stdin.isatty() else None)
    alerts = look_at_alerts(grids[0].alerts, environment.alerts, config=arguments.config)
    examiner = Examiner(
        environ=environment.plain, on_step=_choose_progress(), of_account=account.lists_markets, alerts=alerts
    )

    def look(settings: Settings, is_last: bool) -> Outcome:
        report = stop.run(partial(examine, settings, key, examiner=examiner), is_last=is_last)
        return Outcome.of(report, _find_exit_code(report))

    return do_each(grids, look, stop=stop, as_json=arguments.json)


def _report_unread(error: ConfigError) -> DoctorReport:
    """Return a report of one line, which says why."""
    from mm_trio.cli.check_programs.findings import DoctorReport, Finding, Verdict

    text = " ".join(str(error).split())
    return DoctorReport((Finding("config", Verdict.FAIL, text, "change the configuration"),))


def _find_exit_code(report: DoctorReport) -> ExitCode:
    """Find the exit code.

    Without the venue there is no verdict on the rest.
    """
    if report.is_unreached:
        return ExitCode.VENUE
    return ExitCode.CLEAN if report.to_json()["ok"] else ExitCode.CHECK_FAILED


def _choose_progress() -> Callable[[str], None]:
    """Tell each step on a terminal alone."""
    if not sys.stderr.isatty():
        return lambda step: None
    return lambda step: tell(f"doctor: looks at {step}")


def _ask_passphrase() -> str:
    from getpass import getpass

    return getpass("passphrase of the keystore: ")


COMMAND = Command(
    name="doctor",
    help="check everything that may stop a maker",
    description="Looks at configuration, key, account, pair, balances, limits, request budget, clock, ledger and "
    "machine, and prints one line each: PASS, WARN, FAIL or SKIP, what was found, and what to do. It sends nothing, "
    "writes nothing, and disturbs no maker that runs. Exit code 1 where a check failed, 2 where FILE cannot be read, 3 "
    "where the venue cannot be reached.",
    add_arguments=add_arguments,
    run=run,
)
