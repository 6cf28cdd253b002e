"""Arguments, signals, exit codes: the program as a person starts it. Everything heavy is imported late."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_trio import __version__
from mm_trio.cli.stop_signal import StopSignal, find_interruption, tell_interruption
from mm_trio.model.errors import ConfigError, Interrupted, LedgerError, VenueError, find_leaves

if TYPE_CHECKING:
    import trio

    from mm_trio.cli.demo import DemoSummary
    from mm_trio.cli.run import RunSummary
    from mm_trio.cli.sandbox_report import ReplaySummary, SandboxAccess, SandboxSummary
    from mm_trio.engine.ws_state import WsState

__all__ = ["main"]

EXIT_CLEAN = 0
EXIT_NO = 1
EXIT_CONFIG = 2
EXIT_VENUE = 3
EXIT_MAY_REST = 4
EXIT_HALTED = 5
EXIT_BUG = 70

DEFAULT_COIN = "@107"
DEFAULT_PORT = 3001
_TAPE_TAIL_S = 3.0  # between the last row of a tape and the end of a demo of given duration


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit code.

    0 clean, 1 a check said no or was cut short, 2 configuration or usage, 3 the venue, 4 orders may still rest,
    5 halted, 70 a bug of ours.
    """
    words = list(sys.argv[1:] if argv is None else argv) or ["demo"]
    arguments = _make_parser().parse_args(words)
    try:
        code: int = arguments.run(arguments)
        return code
    except BaseException as error:  # noqa: BLE001 - the one place that turns errors into exit codes
        return _explain(error)


# --- arguments --------------------------------------------------------------------------------


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mm-trio", description="HIP-2 liquidity for any Hyperliquid spot pair.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"mm-trio {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    _add_demo(commands)
    _add_run(commands)
    _add_sandbox(commands)
    _add_sim(commands)
    _add_ledger(commands)
    return parser


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="the maker against an exchange of its own, on this machine (also without a command)",
        description="Starts an exchange on a free loopback port, funds an account, lets takers trade, and runs the "
        "maker against it through the official SDK. On a terminal it shows the ladder live; q or Ctrl-C ends it.",
        allow_abbrev=False,
    )
    demo.add_argument("--duration", type=_seconds, metavar="S", help="end after S seconds (default: when told)")
    demo.add_argument("--seed", type=int, default=1, metavar="N", help="of the takers and the account (default: 1)")
    demo.add_argument("--tape", type=Path, metavar="FILE", help="replay recorded fills (a JSON list of userFills rows)")
    demo.add_argument("--coin", default=DEFAULT_COIN, metavar="C", help=f"pair to trade (default: {DEFAULT_COIN})")
    demo.add_argument("--drop-ws", type=_count, default=0, metavar="N", help="cut every socket N times on the way")
    _add_output(demo)
    demo.set_defaults(run=_demo)


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="the maker on sandbox, testnet or mainnet",
        description="Runs the maker as FILE says. The signing key comes from MM_TRIO_PRIVATE_KEY, MM_TRIO_KEY_FILE "
        "(mode 0600) or MM_TRIO_KEYSTORE, never from FILE. On mainnet nothing is sent: it reads, plans and shows.",
        allow_abbrev=False,
    )
    run.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration (TOML)")
    run.add_argument("--live", action="store_true", help="send on mainnet (not offered by this version)")
    run.add_argument(
        "--take-over",
        action="store_true",
        help="go on with resting orders, or after fills, of an mm_trio whose ledger is not here and is gone for good",
    )
    run.add_argument("--duration", type=_seconds, metavar="S", help="end after S seconds (default: when told)")
    _add_output(run)
    run.set_defaults(run=_run)


def _add_sandbox(commands: Any) -> None:
    sandbox = commands.add_parser(
        "sandbox",
        help="the exchange alone, for any client of the official SDK",
        description="Serves an exchange on loopback with funded accounts, and prints an agent's test key, the token of "
        "its control room and a configuration for `run`. Takers come once somebody makes a market. Ctrl-C ends it.",
        allow_abbrev=False,
    )
    sandbox.add_argument("--host", default="127.0.0.1", help="loopback address (default: 127.0.0.1)")
    sandbox.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, metavar="N", help=f"0: a free one (default: {DEFAULT_PORT})"
    )
    sandbox.add_argument("--json", action="store_true", help="a JSON object as the first line and as the last one")
    market = sandbox.add_argument_group("market")
    market.add_argument("--coin", default=DEFAULT_COIN, metavar="C", help=f"pair of the takers ({DEFAULT_COIN})")
    market.add_argument(
        "--pairs", action="extend", type=_words, default=[], metavar="C,C", help="further pairs that takers trade"
    )
    market.add_argument("--accounts", type=_some, default=1, metavar="N", help="funded accounts (default: 1)")
    market.add_argument("--seed", type=int, default=1, metavar="N", help="of the takers and accounts (default: 1)")
    market.add_argument("--no-takers", action="store_true", help="nobody trades but the clients")
    market.add_argument("--tape", type=Path, metavar="FILE", help="takers replay recorded fills (userFills rows)")
    market.add_argument("--tape-duration", type=_seconds, metavar="S", help="squeeze the tape into S seconds")
    market.add_argument(
        "--dense-meta", action="store_true", help="token indices without gaps, for clients that count positions"
    )
    venue = sandbox.add_argument_group("venue")
    venue.add_argument(
        "--limits",
        default="account",
        metavar="L",
        help="account: the venue's limits of an account; venue: also those of an IP address, which all clients of this "
        "machine share; off; or scaled:X times the venue's (default: account)",
    )
    venue.add_argument("--stepped", action="store_true", help="time stands until POST /sandbox/step lets it pass")
    venue.add_argument("--save-history", type=Path, metavar="FILE", help="write down every command of the exchange")
    venue.add_argument("--replay", type=Path, metavar="FILE", help="replay such a file, check its end, and leave")
    faults = sandbox.add_argument_group("faults")
    faults.add_argument(
        "--fault", action="append", default=[], metavar="KIND:RATE", help="all:0.05 is 5 %% of every kind; may repeat"
    )
    faults.add_argument("--fault-plan", type=Path, metavar="FILE", help="rules in TOML or JSON; --fault overrides them")
    faults.add_argument("--fault-seed", type=int, default=1, metavar="N", help="of the faults (default: 1)")
    sandbox.set_defaults(run=_sandbox)


def _add_sim(commands: Any) -> None:
    sim = _add_verdict(
        commands,
        "sim",
        _sim,
        help="the maker on a virtual clock, among faults, judged by an oracle",
        description="Runs the maker against an exchange in the same process, under virtual time: faults first, then "
        "calm in which its book has to become right, then a stop. A seed gives the same run everywhere. Exit 1: a rule "
        "was broken.",
    )
    sim.add_argument("--seed", default="1..10", metavar="N|A..B", help="one seed or a range (default: 1..10)")
    sim.add_argument("--hours", type=float, metavar="H", help="simulated for each seed (default: 7 to 15 minutes)")
    sim.add_argument("--faults", default="all", metavar="F", help="all, none, or names with commas (default: all)")
    sim.add_argument("--jobs", type=int, metavar="N", help="processes (default: one for each core)")
    sim.add_argument(
        "--minutes", type=float, metavar="M", help="seeds from the first upwards, until so many minutes are over"
    )
    sim.add_argument("--all-seen", action="store_true", help="exit 1 also if one of the hard cases was never met")


def _add_ledger(commands: Any) -> None:
    ledger = commands.add_parser(
        "ledger",
        help="what a maker wrote down: its journal",
        description="The journal of a maker: every order before it was sent, every answer, fill, fee and transfer.",
        allow_abbrev=False,
    )
    verbs = ledger.add_subparsers(metavar="verb", required=True)
    audit = _add_verdict(
        verbs,
        "audit",
        _ledger_audit,
        help="explain every difference to the venue's balances",
        description="Reads the whole journal, checks that nothing in it was changed or lost, sums it up and compares "
        "it with the venue's balances. Changes and sends nothing; also while the maker runs. Exit 1: not all is "
        "explained.",
    )
    audit.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration (TOML) of the maker")
    rebuild = _add_verdict(
        verbs,
        "rebuild",
        _ledger_rebuild,
        help="make a damaged journal anew",
        description="Begins a new journal with every entry of the damaged one that can be read and with what the venue "
        "knows of the rest; the old file is set aside, not deleted. The next start of the maker books what traded "
        "since. Refuses while the maker runs.",
    )
    rebuild.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration (TOML) of the maker")


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--plain", action="store_true", help="one line for each event, also on a terminal")
    command.add_argument("--json", action="store_true", help="a JSON object as the last line, the log to stderr")


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


def _some(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError(f"must be from 1 to 100, got {text}")
    return value


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535, got {text}")
    return value


# --- commands ---------------------------------------------------------------------------------


def _demo(arguments: argparse.Namespace) -> int:
    from mm_trio.cli.demo import run_demo
    from mm_trio.cli.demo_market import default_market, tape_demo_market

    _set_up_logging(sys.stderr if arguments.json else sys.stdout)
    if arguments.tape is None:
        market = default_market(arguments.coin, seed=arguments.seed)
    else:
        squeezed_s = None if arguments.duration is None else max(1.0, arguments.duration - _TAPE_TAIL_S)
        market = tape_demo_market(arguments.tape, arguments.coin, duration_s=squeezed_s)
    work = partial(
        run_demo,
        market,
        seed=arguments.seed,
        duration_s=arguments.duration,
        n_drops=arguments.drop_ws,
        attend=_choose_screen(arguments, title="demo"),
    )
    return _finish(StopSignal(quotes=True).run(work), arguments)


def _run(arguments: argparse.Namespace) -> int:
    from mm_trio.config.loading import load_settings

    _set_up_logging(sys.stderr if arguments.json else sys.stdout)
    settings = load_settings(arguments.config, environ=os.environ)
    if settings.market.network == "mainnet":
        if arguments.live:
            raise ConfigError(
                "--live on mainnet is not offered yet: a maker that trades real money needs its limits first; leave "
                "--live out to see what it would send, or use testnet"
            )
        from mm_trio.cli.run import plan_forever

        return _finish(StopSignal().run(partial(plan_forever, settings, duration_s=arguments.duration)), arguments)
    from mm_trio.venue.keys import load_key

    key = load_key(os.environ, passphrase=_ask_passphrase if sys.stdin.isatty() else None)
    from mm_trio.cli.run import run_settings  # late: the SDK takes most of a second, a typo none

    work = partial(
        run_settings,
        settings,
        key,
        environ=os.environ,
        take_over=arguments.take_over,
        duration_s=arguments.duration,
        attend=_choose_screen(arguments, title=settings.market.network),
    )
    return _finish(StopSignal(quotes=True).run(work), arguments)


def _sim(arguments: argparse.Namespace, stop: StopSignal) -> int:
    from mm_trio.cli.sim import run_sim

    summary, missed = run_sim(
        seeds=arguments.seed,
        hours=arguments.hours,
        faults=arguments.faults,
        jobs=arguments.jobs,
        as_json=arguments.json,
        stop=stop,
        minutes=arguments.minutes,
        all_seen=arguments.all_seen,
    )
    return EXIT_NO if summary.failed or missed else EXIT_CLEAN


def _ledger_rebuild(arguments: argparse.Namespace, stop: StopSignal) -> int:
    from mm_trio.cli.ledger import rebuild_ledger
    from mm_trio.config.loading import load_settings

    _set_up_logging(sys.stderr)
    settings = load_settings(arguments.config, environ=os.environ)
    rebuilt = stop.run(partial(rebuild_ledger, settings, environ=os.environ))
    print(json.dumps(rebuilt.to_json()) if arguments.json else rebuilt.to_text(), flush=True)
    return EXIT_CLEAN


def _ledger_audit(arguments: argparse.Namespace, stop: StopSignal) -> int:
    from mm_trio.cli.ledger import audit_ledger
    from mm_trio.config.loading import load_settings

    _set_up_logging(sys.stderr)
    settings = load_settings(arguments.config, environ=os.environ)
    report = stop.run(partial(audit_ledger, settings, environ=os.environ))
    print(json.dumps(report.to_json()) if arguments.json else report.to_text(), flush=True)
    return EXIT_CLEAN if report.is_ok else EXIT_NO


def _sandbox(arguments: argparse.Namespace) -> int:
    from mm_trio.cli import sandbox
    from mm_trio.cli.sandbox_history import replay_history

    _set_up_logging(sys.stderr)
    if arguments.replay is not None:
        return _tell(replay_history(arguments.replay), arguments)
    options = sandbox.SandboxOptions(
        host=arguments.host,
        port=arguments.port,
        coins=(arguments.coin, *arguments.pairs),
        seed=arguments.seed,
        n_accounts=arguments.accounts,
        with_takers=not arguments.no_takers,
        tape=arguments.tape,
        tape_s=arguments.tape_duration,
        dense_meta=arguments.dense_meta,
        limits=sandbox.parse_limits(arguments.limits),
        is_stepped=arguments.stepped,
        faults=sandbox.plan_faults(arguments.fault, arguments.fault_plan),
        fault_seed=arguments.fault_seed,
        history=arguments.save_history,
    )

    def show(access: SandboxAccess) -> None:
        if arguments.json:
            print(access.to_json(), flush=True)
        print(access.to_text(), file=sys.stderr if arguments.json else sys.stdout, flush=True)

    return _tell(StopSignal().run(partial(sandbox.run_sandbox, options, on_ready=show)), arguments)


def _tell(summary: SandboxSummary | ReplaySummary, arguments: argparse.Namespace) -> int:
    print(json.dumps(summary.to_json()) if arguments.json else summary.to_text(), flush=True)
    return EXIT_CLEAN


def _ask_passphrase() -> str:
    from getpass import getpass

    return getpass("passphrase of the keystore: ")


def _choose_screen(
    arguments: argparse.Namespace, *, title: str
) -> Callable[[WsState, trio.CancelScope], Awaitable[None]] | None:
    """The screen's task where there is a terminal and nobody asked for lines. Its import takes most of a second."""
    if arguments.plain or arguments.json or sys.platform == "win32":
        return None
    from mm_trio.terminal_ui.terminal import is_terminal

    if not is_terminal():
        return None
    from mm_trio.terminal_ui.live_view import show_screen

    async def attend(maker: WsState, stop_scope: trio.CancelScope) -> None:
        await show_screen(maker, title=title, stop_scope=stop_scope)

    return attend


# --- verdicts ---------------------------------------------------------------------------------

_Check = Callable[[argparse.Namespace, StopSignal], int]


def _add_verdict(commands: Any, name: str, check: _Check, **texts: str) -> argparse.ArgumentParser:
    """Add a verb whose exit code is a verdict; where a signal cuts it short, it gives none and says so.

    Every such verb is added here. `check` runs what waits in `stop.run`.
    """
    verb: argparse.ArgumentParser = commands.add_parser(name, allow_abbrev=False, **texts)
    verb.add_argument("--json", action="store_true", help="a JSON object as the last line")
    verb.set_defaults(run=partial(_give_verdict, check=check, name=verb.prog))
    return verb


def _give_verdict(arguments: argparse.Namespace, *, check: _Check, name: str) -> int:
    stop = StopSignal()
    try:
        stop.raise_on_signal()
        code = check(arguments, stop)
        stop.ignore_signals()
        if not stop.is_cut_short:
            return code
        interrupted = Interrupted()
    except BaseException as error:
        stop.ignore_signals()
        found = find_interruption(error)
        if found is None:
            raise
        interrupted = found
    tell_interruption(interrupted, name=name, received=stop.received, as_json=arguments.json)
    return EXIT_NO


# --- output and exit codes --------------------------------------------------------------------


def _finish(summary: DemoSummary | RunSummary, arguments: argparse.Namespace) -> int:
    told = summary.to_json()
    if arguments.json:
        print(json.dumps(told), flush=True)
    else:
        for name, value in told.items():
            if name != "fill_rows":
                print(f"{name:24} {value}")
    halted_because = told.get("halted_because", [])
    for reason in halted_because:
        print(f"mm-trio: halted: {reason}", file=sys.stderr)
    if summary.orders_may_rest:
        for order in summary.orders_may_rest:
            print(f"mm-trio: may still rest: {order}", file=sys.stderr)
        return EXIT_MAY_REST
    return EXIT_HALTED if halted_because else EXIT_CLEAN


def _set_up_logging(stream: Any) -> None:
    """One line an event. Ours from INFO on, everybody else's warnings; the root never goes to DEBUG."""
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s %(message)s")
    logging.getLogger("mm_trio").setLevel(logging.INFO)


def _explain(error: BaseException) -> int:
    """One clear line for the operator's and the world's errors, a whole traceback for ours."""
    leaves = find_leaves(error)
    if any(isinstance(leaf, SystemExit) for leaf in leaves):
        raise error
    kinds: tuple[tuple[type[BaseException], int], ...] = (
        (ConfigError, EXIT_CONFIG),
        (VenueError, EXIT_VENUE),
        (LedgerError, EXIT_HALTED),
        (OSError, EXIT_VENUE),
        (KeyboardInterrupt, EXIT_CLEAN),
    )
    for kind, code in kinds:
        if all(isinstance(leaf, kind) for leaf in leaves):
            for leaf in leaves:
                print(f"mm-trio: {str(leaf) or type(leaf).__name__}", file=sys.stderr)
            return code
    traceback.print_exception(error)
    return EXIT_BUG
