"""Command `apply`: change the configuration of a maker that runs."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import load_account
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict
from mm_trio.terminal_ui.streams import print_out

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `apply`."""
    add_json_option(parser)
    parser.add_argument(
        "--config", type=Path, required=True, metavar="NEW", help="new configuration file (TOML) of the account"
    )
    parser.add_argument(
        "--yes", action="store_true", help="make the change; without it the plan is shown and nothing is changed"
    )


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Plan a change, make it where that was asked for, and return the exit code."""
    set_up_logging(sys.stderr)
    wanted = load_account(arguments)
    # Imported after the configuration is read: the SDK takes most of a second, and a mistake should be told at once.
    from mm_trio.cli.apply_programs.plan_change import hand_over, plan_change

    report = stop.run(partial(plan_change, wanted, environ=arguments.environment.plain), is_last=not arguments.yes)
    if report.fault:
        values = {**report.to_json(), "error": report.fault, "exit_code": int(ExitCode.CHECK_FAILED)}
        print_out(json.dumps(values) if arguments.json else report.to_text())
        return ExitCode.CHECK_FAILED
    if arguments.yes and not report.change.is_empty:
        # What is planned is shown before it is done.
        print_out(report.to_text())
        answer = stop.run(partial(hand_over, report.folder, wanted))
        if answer.error is not None:
            values = {
                **report.to_json(),
                "done": answer.done,
                "error": answer.error,
                "exit_code": int(ExitCode.CHECK_FAILED),
            }
            print_out(json.dumps(values) if arguments.json else f"not all of it was done: {answer.error}")
            return ExitCode.CHECK_FAILED
    print_result(report, as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="apply",
    help="plan the change of a configuration while its maker runs",
    description="Compares NEW with the configuration that the account's maker took over when it started: grids added, "
    "removed, changed. It reads what rests at the venue, and prints for each grid the orders that are cancelled, "
    "modified and placed, the requests, the ticks, and the widest inside on the way. It refuses another network, "
    "account, or [tuning], [guard] and [record], which need a start. It needs no key, and sends nothing itself: with "
    "--yes the running maker makes the change, grid by grid, and its answer is waited for. Exit code 1: the request "
    "budget does not suffice, or not all of it was done; 2: there is nothing to change, or NEW cannot be applied.",
    add_arguments=add_arguments,
    run=run,
)
