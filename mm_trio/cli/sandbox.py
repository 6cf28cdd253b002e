"""Command `sandbox`: the exchange alone."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import keep_log_as_asked, print_result
from mm_trio.cli.shell.parser import DEFAULT_COIN, Command, add_log_options, parse_names, parse_seconds, whole_number
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.model.errors import LocalError
from mm_trio.model.local_failures import describe_local_failure
from mm_trio.terminal_ui.streams import find_lost_output, print_out, tell

if TYPE_CHECKING:
    from mm_trio.cli.programs.run_sandbox import SandboxOptions
    from mm_trio.cli.programs.sandbox_report import SandboxAccess

__all__ = ["COMMAND", "add_arguments", "run"]

DEFAULT_PORT = 3001


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sandbox`."""
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen at (default: 127.0.0.1)")
    parser.add_argument(
        "--port",
        type=whole_number(0, 65_535),
        default=DEFAULT_PORT,
        metavar="N",
        help=f"port to listen at; 0: any free port (default: {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object as the first line, and another as the last one"
    )
    parser.add_argument(
        "--config-out", type=Path, metavar="FILE", help="write the configuration that `run` accepts to this file"
    )
    add_log_options(parser)
    _add_market_arguments(parser.add_argument_group("market"))
    _add_venue_arguments(parser.add_argument_group("venue"))
    _add_fault_arguments(parser.add_argument_group("faults"))


def _add_market_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--coin", default=DEFAULT_COIN, metavar="C", help=f"pair that the takers trade (default: {DEFAULT_COIN})"
    )
    group.add_argument(
        "--pairs",
        action="extend",
        type=parse_names,
        default=[],
        metavar="C,C",
        help="further pairs that the takers trade",
    )
    group.add_argument(
        "--accounts",
        type=whole_number(1, 100),
        default=1,
        metavar="N",
        help="number of funded accounts (default: 1)",
    )
    group.add_argument(
        "--sub-accounts",
        action="store_true",
        help="give each account a funded sub-account, and print that one: its master's agent trades for it",
    )
    group.add_argument(
        "--agents",
        type=whole_number(1, 100),
        default=1,
        metavar="N",
        help="number of agents, each with a key, that may trade for each account (default: 1)",
    )
    group.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the takers and accounts (default: 1)")
    group.add_argument(
        "--maker", action="store_true", help="a simple maker quotes both sides, for clients that take or need a book"
    )
    group.add_argument("--no-takers", action="store_true", help="no simulated takers: only clients trade")
    group.add_argument(
        "--tape", type=Path, metavar="FILE", help="let the takers replay recorded fills (userFills rows)"
    )
    group.add_argument("--tape-duration", type=parse_seconds, metavar="S", help="compress the tape into S seconds")
    group.add_argument(
        "--dense-meta",
        action="store_true",
        help="list every index of pairs and tokens, for clients that take an index for a position",
    )


def _add_venue_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--limits",
        default="account",
        metavar="L",
        help="account: the venue's limits per account; venue: also those per IP address, which all clients on this "
        "machine share; off: none; scaled:X: X times the venue's (default: account)",
    )
    group.add_argument(
        "--account-mode",
        choices=("standard", "unified", "portfolio"),
        default="standard",
        help="mode of the accounts: in a unified account and with portfolio margin, funds may be held elsewhere, and "
        "50,000 actions a day are allowed (default: standard)",
    )
    group.add_argument(
        "--as",
        dest="as_network",
        choices=("testnet", "mainnet"),
        default="testnet",
        help="take what is signed for this network, and nothing else; mainnet is for rehearsing `run --live` "
        "(default: testnet, as a sandbox's configuration signs)",
    )
    group.add_argument("--stepped", action="store_true", help="stop the clock: it advances only by POST /sandbox/step")
    group.add_argument("--save-history", type=Path, metavar="FILE", help="record every command of the exchange")
    group.add_argument(
        "--replay", type=Path, metavar="FILE", help="replay a recorded history, check its final state, and exit"
    )


def _add_fault_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND:RATE",
        help="inject a fault at this rate; all:0.05 is 5 %% of every kind; may be repeated",
    )
    group.add_argument(
        "--fault-plan", type=Path, metavar="FILE", help="fault rules in TOML or JSON; --fault overrides them"
    )
    group.add_argument("--fault-seed", type=int, default=1, metavar="N", help="seed of the faults (default: 1)")


def run(arguments: argparse.Namespace) -> int:
    """Serve the exchange, or replay a history."""
    with keep_log_as_asked(arguments, sys.stderr):
        return _serve_or_replay(arguments)


def _serve_or_replay(arguments: argparse.Namespace) -> int:
    from mm_trio.cli.programs.run_sandbox import run_sandbox
    from mm_trio.cli.programs.sandbox_history import replay_history
    from mm_trio.cli.programs.sandbox_report import save_config

    if arguments.replay is not None:
        print_result(replay_history(arguments.replay), as_json=arguments.json)
        return ExitCode.CLEAN

    def show(access: SandboxAccess) -> None:
        if arguments.config_out is not None:
            save_config(arguments.config_out, access.to_config())
        print_out(access.to_json() if arguments.json else access.to_text())
        if (lost := find_lost_output()) is not None:
            # Nobody would know the address, the keys and the token.
            raise LocalError(f"the sandbox cannot tell its address and keys on stdout: {describe_local_failure(lost)}")
        if arguments.json:
            tell(access.to_text())

    summary = StopSignal().run(partial(run_sandbox, _read_options(arguments), on_ready=show))
    print_result(summary, as_json=arguments.json)
    return ExitCode.CLEAN


def _read_options(arguments: argparse.Namespace) -> SandboxOptions:
    from mm_trio.cli.programs.run_sandbox import SandboxOptions, parse_limits, plan_faults

    return SandboxOptions(
        host=arguments.host,
        port=arguments.port,
        coins=(arguments.coin, *arguments.pairs),
        seed=arguments.seed,
        n_accounts=arguments.accounts,
        with_sub_accounts=arguments.sub_accounts,
        n_agents=arguments.agents,
        with_maker=arguments.maker,
        with_takers=not arguments.no_takers,
        tape=arguments.tape,
        tape_s=arguments.tape_duration,
        dense_meta=arguments.dense_meta,
        account_mode=arguments.account_mode,
        as_network=arguments.as_network,
        limits=parse_limits(arguments.limits),
        is_stepped=arguments.stepped,
        faults=plan_faults(arguments.fault, arguments.fault_plan),
        fault_seed=arguments.fault_seed,
        history=arguments.save_history,
    )


COMMAND = Command(
    name="sandbox",
    help="run the exchange alone, for any client of the official SDK",
    description="Serves an exchange on loopback with funded accounts, and prints the test key of an agent, the token "
    "of its control room and a configuration for `run`. Simulated takers start trading once both sides have quotes. "
    "Ctrl-C ends it.",
    add_arguments=add_arguments,
    run=run,
)
