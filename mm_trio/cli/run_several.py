"""Command `run` with a file that lists several markets."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from mm_trio.cli.halt_programs.earlier_run import look_for_earlier_run
from mm_trio.cli.shell.output import print_summary, refuse_page_of_plan
from mm_trio.cli.shell.passphrase import ask_passphrase
from mm_trio.cli.shell.stop_signal import StopSignal

if TYPE_CHECKING:
    from mm_trio.account_config.settings import AccountSettings
    from mm_trio.cli.shell.request_signals import RequestSignals
    from mm_trio.config.keys import Secret

__all__ = ["run_several"]


def run_several(arguments: argparse.Namespace, account: AccountSettings) -> int:
    """Run the maker of all markets as configured and return its exit code. Errors: ConfigError."""
    from mm_trio.cli.account_programs.refusals import refuse_not_done
    from mm_trio.cli.shell.request_signals import RequestSignals
    from mm_trio.concurrency.log_subject import name_coins_in_log

    name_coins_in_log()
    refuse_not_done(account, is_live=arguments.live, is_accepted=arguments.accept_price is not None)
    if account.account.network == "mainnet" or arguments.plan:
        return _plan_only(arguments, account)
    signals = RequestSignals()
    with signals.heard():
        return _run_heeding(arguments, account, signals)


def _plan_only(arguments: argparse.Namespace, account: AccountSettings) -> int:
    refuse_page_of_plan(arguments)
    from mm_trio.cli.account_programs.plan_account import plan_account
    from mm_trio.cli.run_programs.service_manager import ServiceManager

    ServiceManager.of_environ(arguments.environment.plain).tell("READY=1", "STATUS=shows its plans, sends nothing")
    work = partial(plan_account, account, duration_s=arguments.duration)
    return print_summary(StopSignal().run(work), as_json=arguments.json)


def _run_heeding(arguments: argparse.Namespace, account: AccountSettings, signals: RequestSignals) -> int:
    # Imported late for the SDK, as in a run of one market.
    try:
        key = _check_before_start(arguments, account)
        from mm_trio.cli.alert_programs.alerting import prepare_alerting

        alerting = prepare_alerting(account, arguments.environment.alerts)
    except Exception as error:
        look_for_earlier_run(arguments, account.grids, error)
        raise
    from mm_trio.cli.account_programs.run_account import run_account
    from mm_trio.cli.halt_programs.refused_start import look_after_refusal
    from mm_trio.cli.run_programs.beside import choose_beside

    environ = arguments.environment.plain
    work = partial(
        run_account,
        account,
        key,
        environ=environ,
        take_over=arguments.take_over,
        duration_s=arguments.duration,
        beside=(*choose_beside(arguments, account, count_alerts=alerting.count), *alerting.beside),
        signalled=signals.take,
        on_refused=partial(look_after_refusal, account.grids, environ=environ, config=arguments.config),
    )
    stop = StopSignal(cancels_orders=account.tuning.cancel_on_shutdown)
    return print_summary(stop.run(partial(alerting.around, work)), as_json=arguments.json)


def _check_before_start(arguments: argparse.Namespace, account: AccountSettings) -> Secret:
    """Refuse what can be told without the venue, and return the key. Errors: ConfigError."""
    from mm_trio.config.keys import load_key

    key = load_key(arguments.environment.secrets, passphrase=ask_passphrase if sys.stdin.isatty() else None)
    if account.account.network != "sandbox":
        from mm_trio.cli.check_programs.start import run_cheap_checks

        for grid in account.grids:
            run_cheap_checks(grid, environ=arguments.environment.plain)
    return key
