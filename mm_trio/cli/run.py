"""Command `run`: the maker on a network."""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mm_trio.cli.halt_programs.earlier_run import look_for_earlier_run
from mm_trio.cli.shell.output import keep_log_as_asked, print_summary, refuse_page_of_plan
from mm_trio.cli.shell.parser import Command, add_duration_option, add_page_option, add_screen_options, parse_price
from mm_trio.cli.shell.passphrase import ask_passphrase
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.model.errors import ConfigError

if TYPE_CHECKING:
    from decimal import Decimal

    from mm_trio.cli.shell.request_signals import RequestSignals
    from mm_trio.config.keys import Secret
    from mm_trio.config.settings import Settings

__all__ = ["COMMAND", "add_arguments", "run"]

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run`."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration file (TOML)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--live",
        action="store_true",
        help="send orders on mainnet; it has to be said at each start, after its plan was looked at without it, and "
        "asks for all [limits]",
    )
    mode.add_argument(
        "--plan",
        action="store_true",
        help="read, plan and show the opening prices and the orders, on any network; it needs no key and sends nothing",
    )
    parser.add_argument(
        "--accept-price",
        type=parse_price,
        metavar="P",
        help="open the ladder at P, a price that was refused: it has to be the price of the boundary, on its level or "
        "within 0.1 %%, else the start is refused all the same",
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="adopt open orders, or start after fills, of an mm_trio whose ledger is not on this machine and is lost "
        "for good",
    )
    add_page_option(parser)
    add_duration_option(parser)
    add_screen_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the maker as configured and return its exit code."""
    from mm_trio.config.dump_protection import forbid_dumps

    forbid_dumps()
    with keep_log_as_asked(arguments, sys.stderr if arguments.json else sys.stdout):
        return _run_configured(arguments)


def _run_configured(arguments: argparse.Namespace) -> int:
    from mm_trio.account_config.loading import load_account_settings

    account = load_account_settings(arguments.config, environ=arguments.environment.plain)
    if account.lists_markets:
        from mm_trio.cli.run_several import run_several

        return run_several(arguments, account)
    (settings,) = account.grids
    if not arguments.live and (settings.market.network == "mainnet" or arguments.plan):
        return _plan_only(arguments, settings)
    return _run_maker(arguments, settings)


def _check_amounts(settings: Settings, *, accepted_px: Decimal | None) -> None:
    """Refuse to offer a whole account that nobody named.

    It would open the ladder wherever its tokens put the boundary. On a sandbox nothing is at stake.
    Errors: ConfigError.
    """
    is_named = settings.allocation is not None or settings.strategy.target_px is not None or accepted_px is not None
    if is_named or settings.market.network == "sandbox":
        return
    raise ConfigError(
        f"neither [strategy] target_px nor [allocation] is given: on {settings.market.network} the maker would offer "
        "the whole account, and whatever that holds would decide the price that the ladder opens at. Set target_px to "
        "that price, or [allocation] token and usdc; to offer the whole account all the same, look at the price with "
        "--plan, and name it with --accept-price"
    )


def _plan_only(arguments: argparse.Namespace, settings: Settings) -> int:
    refuse_page_of_plan(arguments)
    from mm_trio.cli.live_programs.live_start import note_plan_shown
    from mm_trio.cli.programs.plan_only import plan_forever
    from mm_trio.cli.run_programs.service_manager import ServiceManager

    # It has nothing to be ready for: a service that shows plans is up once it runs.
    ServiceManager.of_environ(arguments.environment.plain).tell("READY=1", "STATUS=shows its plan, sends nothing")
    note = partial(note_plan_shown, settings, environ=arguments.environment.plain)
    work = partial(
        plan_forever,
        settings,
        duration_s=arguments.duration,
        accepted_px=arguments.accept_price,
        on_shown=note if settings.market.network == "mainnet" else None,
    )
    return print_summary(StopSignal().run(work), as_json=arguments.json)


def _run_maker(arguments: argparse.Namespace, settings: Settings) -> int:
    from mm_trio.cli.shell.request_signals import RequestSignals

    signals = RequestSignals()
    with signals.heard():
        return _run_heeding(arguments, settings, signals)


def _run_heeding(arguments: argparse.Namespace, settings: Settings, signals: RequestSignals) -> int:
    from mm_trio.account_config.settings import AccountSettings

    account = AccountSettings.of_one_market(settings)
    try:
        key = _check_before_start(arguments, settings)
        # Imported after the key is read: the SDK takes most of a second, and a missing key should be reported at once.
        from mm_trio.cli.alert_programs.alerting import prepare_alerting

        alerting = prepare_alerting(account, arguments.environment.alerts)
    except Exception as error:
        look_for_earlier_run(arguments, [settings], error)
        raise
    from mm_trio.cli.halt_programs.refused_start import look_after_refusal
    from mm_trio.cli.live_programs.live_start import prepare_live
    from mm_trio.cli.run_programs.beside import choose_beside
    from mm_trio.cli.run_programs.open_maker import take_terms
    from mm_trio.cli.run_programs.run_maker import run_settings

    environ = arguments.environment.plain
    work = partial(
        run_settings,
        settings,
        key,
        environ=environ,
        take_over=arguments.take_over,
        accepted_px=arguments.accept_price,
        prepare=prepare_live if arguments.live else take_terms,
        duration_s=arguments.duration,
        beside=(*choose_beside(arguments, account, count_alerts=alerting.count), *alerting.beside),
        signalled=signals.take,
        on_refused=partial(look_after_refusal, [settings], environ=environ, config=arguments.config),
    )
    stop = StopSignal(cancels_orders=settings.tuning.cancel_on_shutdown)
    return print_summary(stop.run(partial(alerting.around, work)), as_json=arguments.json)


def _check_before_start(arguments: argparse.Namespace, settings: Settings) -> Secret:
    """Refuse what can be told without the venue, and return the key. Errors: ConfigError."""
    from mm_trio.config.keys import load_key

    if arguments.live:
        from mm_trio.cli.live_programs.live_start import check_live

        check_live(settings)
    else:
        _check_amounts(settings, accepted_px=arguments.accept_price)
    key = load_key(arguments.environment.secrets, passphrase=ask_passphrase if sys.stdin.isatty() else None)
    if settings.market.network != "sandbox":
        from mm_trio.cli.check_programs.start import run_cheap_checks

        run_cheap_checks(settings, environ=arguments.environment.plain)
    return key


COMMAND = Command(
    name="run",
    help="run the maker on sandbox, testnet or mainnet",
    description="Runs the maker as configured in FILE. The signing key comes from MM_TRIO_PRIVATE_KEY, "
    "MM_TRIO_KEY_FILE (mode 0600) or MM_TRIO_KEYSTORE, never from FILE. On mainnet without --live, or with --plan, it "
    "sends nothing: it reads, plans and prints. It refuses to open where target_px cannot be met, or more than "
    "[tuning] max_open_distance_pct from the market's mid or from where a changed ladder was. SIGUSR1, or a file "
    "CANCEL_ONLY in its state folder, ends placing and cancels; SIGUSR2, or a file HALT, ends it with nothing resting "
    "and exit code 5; a file PAUSE ends placing; they last until `mm-trio resume`.",
    add_arguments=add_arguments,
    run=run,
)
