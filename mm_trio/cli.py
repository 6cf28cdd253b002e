"""Arguments, signals, exit codes: the program as a person starts it. Everything heavy is imported late."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_trio import __version__
from mm_trio.errors import ConfigError, VenueError

if TYPE_CHECKING:
    import trio

    from mm_trio.commands.demo import DemoSummary
    from mm_trio.commands.demo_market import DemoMarket

__all__ = ["main"]

EXIT_CLEAN = 0
EXIT_CONFIG = 2
EXIT_VENUE = 3
EXIT_MAY_REST = 4
EXIT_BUG = 70

DEFAULT_COIN = "@107"
_TAPE_TAIL_S = 3.0  # between the last row of a tape and the end of a demo of given duration


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit code.

    0 clean, 2 configuration or usage, 3 the venue, 4 orders may still rest, 70 a bug of ours.
    """
    arguments = _make_parser().parse_args(["demo"] if argv is None and len(sys.argv) == 1 else argv)
    try:
        return _run_demo(arguments)
    except BaseException as error:  # noqa: BLE001 - the one place that turns errors into exit codes
        return _explain(error)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mm-trio", description="HIP-2 liquidity for any Hyperliquid spot pair.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"mm-trio {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="the maker against an exchange of its own, on this machine (also without a command)",
        description="Starts an exchange on a free loopback port, funds an account, lets takers trade, and runs the "
        "maker against it through the official SDK. Ctrl-C ends it.",
        allow_abbrev=False,
    )
    demo.add_argument("--duration", type=_seconds, metavar="S", help="end after S seconds (default: at Ctrl-C)")
    demo.add_argument("--seed", type=int, default=1, metavar="N", help="of the takers and the account (default: 1)")
    demo.add_argument("--tape", type=Path, metavar="FILE", help="replay recorded fills (a JSON list of userFills rows)")
    demo.add_argument("--coin", default=None, metavar="C", help=f"pair to trade (default: {DEFAULT_COIN})")
    demo.add_argument("--drop-ws", type=_count, default=0, metavar="N", help="cut every socket N times on the way")
    demo.add_argument("--plain", action="store_true", help="one line for each event")
    demo.add_argument("--json", action="store_true", help="a JSON object as the last line, the log to stderr")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, got {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1000, got {text}")
    return value


# --- demo -------------------------------------------------------------------------------------


def _run_demo(arguments: argparse.Namespace) -> int:
    import trio

    from mm_trio.commands.demo_market import default_market, tape_demo_market

    _set_up_logging(sys.stderr if arguments.json else sys.stdout)
    coin = arguments.coin or DEFAULT_COIN
    if arguments.tape is None:
        market = default_market(coin, seed=arguments.seed)
    else:
        squeezed_s = None if arguments.duration is None else max(1.0, arguments.duration - _TAPE_TAIL_S)
        market = tape_demo_market(arguments.tape, coin, duration_s=squeezed_s)

    summary = trio.run(_demo_until_signal, market, arguments)
    _print_summary(summary.to_json(), as_json=arguments.json)
    return EXIT_MAY_REST if summary.orders_may_rest else EXIT_CLEAN


async def _demo_until_signal(market: DemoMarket, arguments: argparse.Namespace) -> DemoSummary:
    """The demo, ended early by SIGINT or SIGTERM: then too it leaves by cancelling what rests."""
    import trio

    from mm_trio.commands.demo import run_demo

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            trading = trio.CancelScope()
            nursery.start_soon(_cancel_on_signal, signals, trading)
            summary = await run_demo(
                market,
                seed=arguments.seed,
                duration_s=arguments.duration,
                n_drops=arguments.drop_ws,
                trading=trading,
            )
            nursery.cancel_scope.cancel()
    return summary


async def _cancel_on_signal(signals: Any, scope: trio.CancelScope) -> None:
    async for number in signals:
        logging.getLogger(__name__).info("%s: leaving, orders are cancelled", signal.Signals(number).name)
        scope.cancel()


def _print_summary(summary: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary), flush=True)
        return
    for name, value in summary.items():
        if name != "fill_rows":
            print(f"{name:24} {value}")


def _set_up_logging(stream: Any) -> None:
    """One line an event. Ours from INFO on, everybody else's warnings; the root never goes to DEBUG."""
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s %(message)s")
    logging.getLogger("mm_trio").setLevel(logging.INFO)


# --- exit codes -------------------------------------------------------------------------------


def _explain(error: BaseException) -> int:
    """One clear line for the operator's and the world's errors, a whole traceback for ours."""
    leaves = list(_leaves(error))
    if any(isinstance(leaf, SystemExit) for leaf in leaves):
        raise error
    kinds: tuple[tuple[type[BaseException], int], ...] = (
        (ConfigError, EXIT_CONFIG),
        (VenueError, EXIT_VENUE),
        (OSError, EXIT_VENUE),
        (KeyboardInterrupt, EXIT_CLEAN),
    )
    for kind, code in kinds:
        if all(isinstance(leaf, kind) for leaf in leaves):
            for leaf in leaves:
                print(f"mm-trio: {leaf or type(leaf).__name__}", file=sys.stderr)
            return code
    traceback.print_exception(error)
    return EXIT_BUG


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]
