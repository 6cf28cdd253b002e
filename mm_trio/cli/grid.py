"""Command `grid`: plan a ladder before anything is sent."""

from __future__ import annotations

import argparse
import json
import os
import sys
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.networks import NETWORKS, check_api_url
from mm_trio.cli.shell.parser import Command, add_json_option, exact_number, parse_price, whole_number
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict
from mm_trio.terminal_ui.streams import print_out

if TYPE_CHECKING:
    from mm_trio.cli.programs.plan_grid import GridOptions
    from mm_trio.planning.plan_file import FilePlace

__all__ = ["COMMAND", "add_arguments", "run"]


def _percent(text: str) -> Decimal:
    """Parse a volatility in percent, with or without the sign."""
    return exact_number("0", "1000", "percent a day")(text.removesuffix("%")) / 100


_amount = exact_number("0", "1000000000000000", "base or quote")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `grid`."""
    _add_ladder_arguments(parser)
    _add_assumptions(parser)
    parser.add_argument("--network", choices=NETWORKS, help="network to read, and to write down (default: sandbox)")
    parser.add_argument("--api-url", metavar="U", help="address of a sandbox on this machine, in place of its default")
    parser.add_argument(
        "--offline",
        type=Path,
        metavar="FILE",
        help="read the pair from FILE, and ask nobody: JSON with the answers of the venue's info endpoint, "
        '{"spotMeta": …, "l2Book": …}, and if wanted "userFees", "hip2Orders", "tokenDetails"; --save writes one',
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write what was read, for --offline")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the configuration that `run` takes")
    add_json_option(parser)


def _add_ladder_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--coin", required=True, metavar="C", help="the pair, '@107' or 'HYPE/USDC'")
    prices = parser.add_mutually_exclusive_group(required=True)
    prices.add_argument(
        "--range",
        type=parse_price,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="lowest and highest price, in quote per base",
    )
    prices.add_argument("--start-px", type=parse_price, metavar="P", help="lowest price; the end follows from the rest")
    parser.add_argument("--tokens", type=_amount, required=True, metavar="T", help="tokens to offer, in base")
    parser.add_argument(
        "--usdc", type=_amount, metavar="U", help="quote to offer (default: what bids down to the lowest level need)"
    )
    parser.add_argument(
        "--target-px", type=parse_price, metavar="P", help="price at which the ladder opens (default: the market's mid)"
    )
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--n-orders", type=whole_number(1, 20_000), metavar="N", help="number of levels")
    sizes.add_argument(
        "--order-sz",
        type=exact_number("0.00000001", "1000000000000000", "base"),
        metavar="S",
        help="order size, in base (default: the tokens divided among the levels above the opening)",
    )
    parser.add_argument(
        "--gap-levels",
        type=whole_number(0, 20_000),
        default=0,
        metavar="G",
        help="what a level sold is bought back G levels lower (default: 0, as HIP-2)",
    )
    parser.add_argument(
        "--step",
        type=exact_number("0.0001", "1", "ratio between neighbours, 0.003 is 0.3 %%"),
        metavar="S",
        help="ratio between neighbours (default: 0.003, HIP-2's 0.3 %%; with --range and --n-orders it follows)",
    )


def _add_assumptions(parser: argparse.ArgumentParser) -> None:
    rates = parser.add_mutually_exclusive_group()
    rates.add_argument(
        "--fees",
        metavar="F",
        help="tier (base, 5M, 25M, 100M, 500M, 2B, 7B) or bps as MAKER/TAKER, such as 4/7 (default: base)",
    )
    rates.add_argument("--account", metavar="A", help="address that will trade: its fees are read, and it is written")
    parser.add_argument(
        "--deployer-share",
        type=exact_number("0", "1", "part of the fees, 0.5 is a half"),
        metavar="PHI",
        help="for the token's deployer: part of the fees in base that comes back",
    )
    parser.add_argument("--sigma", type=_percent, metavar="PCT", help="volatility a day (default: 5%%, an assumption)")
    parser.add_argument(
        "--taker-size",
        type=exact_number("0.00000001", "1000000000000000", "base"),
        metavar="X",
        help="size of a usual taker, in base, for what depends on it",
    )

    takers = parser.add_mutually_exclusive_group()
    takers.add_argument(
        "--takers-per-hour",
        type=whole_number(1, 20_000),
        metavar="N",
        help="forecast an hour of N takers of --taker-size who lean back to where the price began",
    )
    takers.add_argument(
        "--demo-takers", action="store_true", help="forecast an hour of the takers of `demo`, one a second"
    )


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Plan a ladder and return the exit code."""
    from dataclasses import replace

    from mm_trio.cli.programs.plan_grid import make_report, save_config, save_facts
    from mm_trio.cli.shell.output import set_up_logging

    set_up_logging(sys.stderr)
    place, options = _read_place(arguments), _read_options(arguments)
    facts = _find_facts(arguments, place, stop)
    if facts is None:
        return ExitCode.CLEAN
    if arguments.save is not None:
        save_facts(facts, arguments.save)
    source = None if arguments.offline is None else str(arguments.offline)
    report = make_report(options, facts, place, source=source)
    if arguments.out is not None:
        save_config(report.config, arguments.out)
        report = replace(report, out=arguments.out)
    print_out(json.dumps(report.to_json()) if arguments.json else report.to_text(in_colour=_has_colours()))
    return ExitCode.CLEAN


def _find_facts(arguments: argparse.Namespace, place: FilePlace, stop: StopSignal) -> dict[str, Any] | None:
    from mm_trio.cli.programs.pair_facts import load_facts, read_facts
    from mm_trio.config.settings import SANDBOX_URL, VENUE_URLS

    if arguments.offline is not None:
        return load_facts(arguments.offline)
    base_url = VENUE_URLS.get(place.network) or place.api_url or SANDBOX_URL
    return stop.run(partial(read_facts, base_url, arguments.coin, place.account))


def _read_place(arguments: argparse.Namespace) -> FilePlace:
    """Read network, address and account. Errors: ConfigError."""
    from mm_trio.config.settings import read_address
    from mm_trio.model.errors import ConfigError
    from mm_trio.planning.plan_file import FilePlace

    api_url = check_api_url(arguments)
    account = None if arguments.account is None else read_address(arguments.account)
    if account is None and arguments.account is not None:
        raise ConfigError("--account is not a valid address: it must be 0x and 40 hex digits; change it")
    return FilePlace(network=arguments.network or "sandbox", api_url=api_url, account=account)


def _read_options(arguments: argparse.Namespace) -> GridOptions:
    from mm_trio.cli.programs.plan_grid import GridOptions, parse_fees
    from mm_trio.model.errors import ConfigError

    if arguments.takers_per_hour is not None and arguments.taker_size is None:
        raise ConfigError("--takers-per-hour needs --taker-size, the size of a usual taker in base: add it")
    low, high = arguments.range or (arguments.start_px, None)
    return GridOptions(
        coin=arguments.coin,
        start_px=low,
        top_px=high,
        tokens=arguments.tokens,
        usdc=arguments.usdc,
        target_px=arguments.target_px,
        n_orders=arguments.n_orders,
        order_sz=arguments.order_sz,
        gap_levels=arguments.gap_levels,
        step=arguments.step,
        fees=None if arguments.fees is None else parse_fees(arguments.fees),
        assumptions={
            "sigma": arguments.sigma,
            "taker_size": arguments.taker_size,
            "deployer_share": arguments.deployer_share,
        },
        takers_per_hour=arguments.takers_per_hour,
        demo_takers=arguments.demo_takers,
    )


def _has_colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


COMMAND = Command(
    name="grid",
    help="plan a ladder: funds, depth, income, warnings, and its configuration",
    description="Plans a ladder for a pair from prices and tokens, draws it, says what it needs, earns and risks, and "
    "writes the configuration that `run` takes. It reads the pair from the venue (no key, request weight below 100) or "
    "from a file, and sends nothing. docs/economics.md explains the figures.",
    add_arguments=add_arguments,
    run=run,
)
