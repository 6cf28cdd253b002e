"""Command `run`: the maker on a network."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mm_trio.cli.output import choose_screen, print_summary, set_up_logging
from mm_trio.cli.parser import Command, add_duration_option, add_screen_options
from mm_trio.cli.stop_signal import StopSignal
from mm_trio.model.errors import ConfigError

if TYPE_CHECKING:
    from mm_trio.config.settings import Settings

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run`."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration file (TOML)")
    parser.add_argument("--live", action="store_true", help="send orders on mainnet (not offered by this version)")
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="adopt open orders, or start after fills, of an mm_trio whose ledger is not on this machine and is lost "
        "for good",
    )
    add_duration_option(parser)
    add_screen_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the maker as configured and return its exit code."""
    from mm_trio.config.dump_protection import forbid_dumps
    from mm_trio.config.loading import load_settings

    forbid_dumps()
    set_up_logging(sys.stderr if arguments.json else sys.stdout)
    settings = load_settings(arguments.config, environ=arguments.environment.plain)
    if settings.market.network != "mainnet":
        return _run_maker(arguments, settings)
    if arguments.live:
        raise ConfigError(
            "--live on mainnet is not offered yet: a maker that trades real money needs its limits first; leave "
            "--live out to see what it would send, or use testnet"
        )
    return _plan_only(arguments, settings)


def _plan_only(arguments: argparse.Namespace, settings: Settings) -> int:
    from mm_trio.cli.programs.plan_only import plan_forever

    work = partial(plan_forever, settings, duration_s=arguments.duration)
    return print_summary(StopSignal().run(work), as_json=arguments.json)


def _run_maker(arguments: argparse.Namespace, settings: Settings) -> int:
    from mm_trio.config.keys import load_key

    key = load_key(arguments.environment.secrets, passphrase=_ask_passphrase if sys.stdin.isatty() else None)
    # Imported after the key is read: the SDK takes most of a second, and a missing key should be reported at once.
    from mm_trio.cli.programs.run_maker import run_settings

    work = partial(
        run_settings,
        settings,
        key,
        environ=arguments.environment.plain,
        take_over=arguments.take_over,
        duration_s=arguments.duration,
        screen=choose_screen(arguments, title=settings.market.network),
    )
    stop = StopSignal(cancels_orders=settings.tuning.cancel_on_shutdown)
    return print_summary(stop.run(work), as_json=arguments.json)


def _ask_passphrase() -> str:
    from getpass import getpass

    return getpass("passphrase of the keystore: ")


COMMAND = Command(
    name="run",
    help="run the maker on sandbox, testnet or mainnet",
    description="Runs the maker as configured in FILE. The signing key comes from MM_TRIO_PRIVATE_KEY, "
    "MM_TRIO_KEY_FILE (mode 0600) or MM_TRIO_KEYSTORE, never from FILE. On mainnet it sends nothing: it reads, plans "
    "and prints.",
    add_arguments=add_arguments,
    run=run,
)
