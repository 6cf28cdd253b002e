"""Command `demo`: the maker against its own exchange."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path

from mm_trio.cli.shell.output import choose_screen, keep_log_as_asked, print_summary
from mm_trio.cli.shell.parser import DEFAULT_COIN, Command, add_duration_option, add_screen_options, whole_number
from mm_trio.cli.shell.stop_signal import StopSignal

__all__ = ["COMMAND", "add_arguments", "run"]

_TAPE_TAIL_S = 3.0  # Between the last row of a tape and the end of a demo of given duration.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo`."""
    add_duration_option(parser)
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the takers and the account (default: 1)"
    )
    parser.add_argument(
        "--tape", type=Path, metavar="FILE", help="replay recorded fills (a JSON list of userFills rows)"
    )
    parser.add_argument(
        "--order-sz",
        type=_parse_size,
        metavar="S",
        help="order size of the tape, in base (default: read off its fills; give it where none took a whole level)",
    )
    parser.add_argument(
        "--coin", metavar="C", help=f"pair to trade (default: {DEFAULT_COIN}; with --tape its only coin)"
    )
    parser.add_argument(
        "--drop-ws", type=whole_number(0, 1000), default=0, metavar="N", help="cut every socket N times during the demo"
    )
    parser.add_argument(
        "--gap-levels",
        type=whole_number(0, 20),
        default=0,
        metavar="G",
        help="buy back G levels below what was sold (default: 0, as HIP-2)",
    )
    add_screen_options(parser)


def _parse_size(text: str) -> Decimal:
    """Parse a size above 0."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and value > 0):
        raise argparse.ArgumentTypeError(f"must be a size in base above 0, got {text}")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and return its exit code."""
    with keep_log_as_asked(arguments, sys.stderr if arguments.json else sys.stdout):
        return _run_demo(arguments)


def _run_demo(arguments: argparse.Namespace) -> int:
    from mm_trio.cli.programs.demo_market import default_market, tape_demo_market
    from mm_trio.cli.programs.run_demo import run_demo
    from mm_trio.model.errors import ConfigError

    if arguments.tape is not None:
        tape_s = None if arguments.duration is None else max(1.0, arguments.duration - _TAPE_TAIL_S)
        market = tape_demo_market(
            arguments.tape, arguments.coin, duration_s=tape_s, order_size=arguments.order_sz, cuts_pauses=True
        )
    elif arguments.order_sz is not None:
        raise ConfigError("--order-sz is the order size of a tape: give the tape with --tape, or leave it out")
    else:
        market = default_market(arguments.coin or DEFAULT_COIN, seed=arguments.seed)
    work = partial(
        run_demo,
        replace(market, gap_levels=arguments.gap_levels),
        seed=arguments.seed,
        duration_s=arguments.duration,
        n_drops=arguments.drop_ws,
        screen=choose_screen(arguments, title="demo"),
    )
    return print_summary(StopSignal(cancels_orders=True).run(work), as_json=arguments.json)


COMMAND = Command(
    name="demo",
    help="run the maker against its own exchange on this machine (also without a command)",
    description="Starts an exchange on a free loopback port, funds an account, lets simulated takers trade, and runs "
    "the maker against it through the official SDK. On a terminal it shows the ladder live; q or Ctrl-C ends it.",
    add_arguments=add_arguments,
    run=run,
)
