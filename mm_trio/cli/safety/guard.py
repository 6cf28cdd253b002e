"""Command `guard`: cancel for a maker that is dead, without a key."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import add_config_options, choose_grids, load_account
from mm_trio.cli.shell.output import keep_log_as_asked, print_result
from mm_trio.cli.shell.parser import Command, add_duration_option, add_json_option, add_log_options
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict
from mm_trio.model.errors import ConfigError

if TYPE_CHECKING:
    from mm_trio.account_config.settings import AccountSettings

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `guard`."""
    add_json_option(parser)
    add_config_options(parser, without_coin="left out: a guard watches over all of them")
    parser.add_argument("--once", action="store_true", help="only look whether it would act; 1 if it would")
    add_duration_option(parser)
    add_log_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Guard a maker, or look once, and return the exit code."""
    _refuse_keys(arguments.environment.secrets)
    with keep_log_as_asked(arguments, sys.stderr):
        return _look(arguments) if arguments.once else _watch(arguments)


def _refuse_keys(names: Iterable[str]) -> None:
    """Refuse an environment with a key in it. Errors: ConfigError."""
    if found := sorted(names):
        raise ConfigError(
            f"the guard must not have a key, and its environment has {', '.join(found)}; unset that for the guard, "
            "and start it from a service of its own"
        )


def _load(arguments: argparse.Namespace) -> AccountSettings:
    """Load the configuration of the maker to guard. Errors: ConfigError."""
    account = load_account(arguments)
    if account.lists_markets and arguments.coin is not None:
        raise ConfigError(
            f"{arguments.config} lists markets, which one maker makes and one guard watches over; leave --coin out"
        )
    choose_grids(account, arguments.coin, source=str(arguments.config))
    return account


@gives_verdict
def _look(arguments: argparse.Namespace, stop: StopSignal) -> int:
    from mm_trio.cli.guard_programs.watch_maker import look_once

    environ = arguments.environment.plain
    account = _load(arguments)
    result = stop.run(partial(look_once, account, environ=environ))
    print_result(result, as_json=arguments.json)
    return ExitCode.CHECK_FAILED if result.would_fire else ExitCode.CLEAN


def _watch(arguments: argparse.Namespace) -> int:
    from mm_trio.cli.alert_programs.alerting import prepare_alerting
    from mm_trio.cli.guard_programs.watch_maker import watch_maker

    environ = arguments.environment.plain
    account = _load(arguments)
    alerting = prepare_alerting(account, arguments.environment.alerts, role="guard")
    work = partial(watch_maker, account, environ=environ, duration_s=arguments.duration, beside=alerting.beside_guard)
    summary = StopSignal().run(partial(alerting.around, work))
    print_result(summary, as_json=arguments.json)
    return ExitCode.ORDERS_MAY_BE_OPEN if summary.report.may_rest else ExitCode.CLEAN


COMMAND = Command(
    name="guard",
    help="cancel the orders of a maker that is dead, without a key",
    description="A process of its own, to be run beside `run` with the same configuration and without the key. It "
    "watches the maker's heartbeat. When that stops, or the maker hears nothing of the venue, for [guard] "
    "guard_after_s, it posts the cancels that the maker signed in advance, proves by reading that nothing rests, and "
    "goes on watching. A maker of several markets has one guard for all of them. Ctrl-C ends it; with 4 where orders "
    "may still rest.",
    add_arguments=add_arguments,
    run=run,
)
