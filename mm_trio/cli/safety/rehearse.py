"""Command `rehearse`: try a configuration on a simulated market."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import add_config_options, load_grid
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option, parse_price, whole_number
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

if TYPE_CHECKING:
    from mm_trio.config.settings import Settings

__all__ = ["COMMAND", "add_arguments", "run"]

MOST_SEED = 2**31
MOST_HOURS = 24.0


def _parse_hours(text: str) -> float:
    """Parse hours, above 0 and at most a day."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MOST_HOURS:
        raise argparse.ArgumentTypeError(f"must be a number above 0 and at most {MOST_HOURS:g}, got {text}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `rehearse`."""
    add_json_option(parser)
    add_config_options(parser, without_coin="needed where there are several")
    parser.add_argument(
        "--hours", type=_parse_hours, default=1.0, metavar="H", help="simulated hours of each path (default: 1)"
    )
    parser.add_argument(
        "--price-path",
        default="all",
        metavar="P",
        help="calm, fall (by a tenth, and half back), rise (through the top of the ladder), halve, several separated "
        "by commas, or all (default: all)",
    )
    parser.add_argument(
        "--faults", default="all", metavar="F", help="all, none, or names separated by commas (default: all)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0, MOST_SEED), default=1, metavar="N", help="seed of everything drawn (default: 1)"
    )
    parser.add_argument(
        "--assume-funded",
        action="store_true",
        help="take the account to hold exactly what the configuration allocates",
    )
    parser.add_argument(
        "--accept-price", type=parse_price, metavar="P", help="open the ladder at P, a price that was refused, as `run`"
    )
    parser.add_argument(
        "--offline", type=Path, metavar="FILE", help="read the facts from FILE, and ask nobody; --save writes one"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write what was read, for --offline")


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Rehearse a configuration and return the exit code."""
    from mm_trio.cli.programs.run_sim import parse_faults
    from mm_trio.cli.rehearse_programs.preparation import RehearsalOptions
    from mm_trio.cli.rehearse_programs.price_paths import parse_paths

    set_up_logging(sys.stderr)
    settings = load_grid(arguments)
    options = RehearsalOptions(
        seed=arguments.seed,
        hours=arguments.hours,
        faults=parse_faults(arguments.faults),
        paths=parse_paths(arguments.price_path),
        is_funded=arguments.assume_funded,
        accepted_px=arguments.accept_price,
    )
    facts = _find_facts(arguments, settings, stop)
    if facts is None:
        return ExitCode.CHECK_FAILED
    return _rehearse(arguments, settings, facts, options, stop)


def _find_facts(arguments: argparse.Namespace, settings: Settings, stop: StopSignal) -> dict[str, Any] | None:
    from mm_trio.cli.programs.pair_facts import load_facts
    from mm_trio.cli.programs.plan_grid import save_facts
    from mm_trio.cli.rehearse_programs.venue_facts import read_venue_facts

    if arguments.offline is not None:
        return load_facts(arguments.offline)
    # Signals raise again afterwards: the paths take longer than the reading.
    facts = stop.run(partial(read_venue_facts, settings.market), is_last=False)
    if facts is not None and arguments.save is not None:
        save_facts(facts, arguments.save)
    return facts


def _rehearse(
    arguments: argparse.Namespace,
    settings: Settings,
    facts: dict[str, Any],
    options: Any,
    stop: StopSignal,
) -> int:
    from mm_trio.cli.rehearse_programs.rehearse import rehearse_configuration

    source = None if arguments.offline is None else str(arguments.offline)
    report = rehearse_configuration(settings, facts, options, source=source, is_stopped=stop.is_received)
    stop.ignore_signals()
    print_result(report, as_json=arguments.json)
    return ExitCode.CLEAN if report.is_clean else ExitCode.CHECK_FAILED


COMMAND = Command(
    name="rehearse",
    help="try a configuration on a simulated market, before any money is at stake",
    description="Runs the real maker with the configuration in FILE against a simulated exchange that has this pair, "
    "its fees, the funds of the account and the book of others, for an hour on each of four paths of the price, among "
    "faults. It says what was earned and lost, which limits would have stopped it, and which limits to set. It reads "
    "the venue (request weight of 120 at most), needs no key, and sends nothing. Exit code 1: a limit was met, or a "
    "rule of safety was broken.",
    add_arguments=add_arguments,
    run=run,
)
