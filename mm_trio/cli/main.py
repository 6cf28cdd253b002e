"""Entry of the program.

Parses the arguments, runs the command and turns errors into exit codes. Commands import what they need when they run,
so that `--help` and a typing mistake cost no import of trio or the SDK.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence

from mm_trio.cli import alerts, demo, grid, keys, ledger, migrate, run, sandbox, sim
from mm_trio.cli.insight import (
    certificate,
    explain,
    fills,
    orders,
    page_link,
    pnl,
    record,
    report,
    status,
    verify,
    watch,
)
from mm_trio.cli.safety import apply, cancel_all, doctor, guard, pause, rehearse, resume
from mm_trio.cli.shell.error_words import PRECEDENCE, find_words
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.parser import UsageError, make_parser
from mm_trio.model.errors import OrdersMayRest, find_leaves
from mm_trio.model.local_failures import describe_local_failure
from mm_trio.terminal_ui.streams import finish_streams, open_streams, print_out, tell

__all__ = ["main"]

_COMMANDS = (
    demo.COMMAND,
    run.COMMAND,
    grid.COMMAND,
    sandbox.COMMAND,
    sim.COMMAND,
    ledger.COMMAND,
    keys.COMMAND,
    migrate.COMMAND,
    doctor.COMMAND,
    rehearse.COMMAND,
    guard.COMMAND,
    alerts.COMMAND,
    status.COMMAND,
    watch.COMMAND,
    pause.COMMAND,
    resume.COMMAND,
    cancel_all.COMMAND,
    apply.COMMAND,
    pnl.COMMAND,
    report.COMMAND,
    fills.COMMAND,
    orders.COMMAND,
    explain.COMMAND,
    record.COMMAND,
    page_link.COMMAND,
    certificate.COMMAND,
    verify.COMMAND,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    `argv` None: the words of this process; without any, the demo runs.
    """
    open_streams()
    words = list(sys.argv[1:] if argv is None else argv) or ["demo"]
    try:
        arguments = make_parser(_COMMANDS).parse_args(words)
        # Imported late, because `--help` need not pay for it.
        from mm_trio.config.environment import take_environment

        # Every command is without the secrets, so that none of its child processes has them.
        arguments.environment = take_environment(os.environ)
        code: int = arguments.run(arguments)
    except SystemExit as ended:
        # The parser has printed what was asked for, or what was wrong.
        code = ended.code if isinstance(ended.code, int) else ExitCode.CLEAN
        if isinstance(ended, UsageError):
            _print_as_json(ended.message, code, words)
    except BaseException as error:  # noqa: BLE001 - the only place that turns errors into exit codes
        code = _report_error(error)
        _print_as_json("; ".join(_describe_leaf(leaf) for leaf in find_leaves(error)), code, words)
    return _finish(code)


def _print_as_json(text: str, code: int, words: Sequence[str]) -> None:
    """Print an error as the last line of stdout, where the words ask for JSON.

    A script that reads that line then learns why there is no result.
    """
    if "--json" not in words or code == ExitCode.CLEAN:
        return
    from mm_trio.config.redaction import hide_keys

    print_out(json.dumps({"error": hide_keys(text), "exit_code": int(code)}))


def _describe_leaf(leaf: BaseException) -> str:
    """Describe an error in its own words; one of ours by its kind too."""
    if isinstance(leaf, OrdersMayRest):
        causes = [] if leaf.__cause__ is None else find_leaves(leaf.__cause__)
        return "; ".join(
            [str(leaf) or "orders may still rest, see stderr", *(_describe_leaf(cause) for cause in causes)]
        )
    words, code = find_words(leaf)
    text = words or str(leaf)
    return f"{type(leaf).__name__}: {text}" if code == ExitCode.BUG else text or type(leaf).__name__


def _finish(code: int) -> int:
    """Write what is left on the streams and return the exit code.

    A command that would have ended well did not, where its result was lost: a script must not read a success into an
    output that is not there. Every other code says more than that, and stays.
    """
    lost = finish_streams()
    if lost is None:
        return code
    if code != ExitCode.CONFIG:
        tell(f"mm-trio: the result could not be written to stdout: {describe_local_failure(lost)}")
    return code or ExitCode.CONFIG


def _report_error(error: BaseException) -> int:
    """Print an error and return its exit code.

    An error of the operator, this machine, the venue or the ledger is one line each. Everything else is a bug of ours
    and is printed with its traceback.
    """
    codes: list[ExitCode] = []
    for leaf in find_leaves(error):
        if isinstance(leaf, SystemExit):
            raise error
        codes.append(_report_leaf(leaf))
    return min(codes, key=PRECEDENCE.index)


def _report_leaf(leaf: BaseException) -> ExitCode:
    if isinstance(leaf, OrdersMayRest):
        # The orders themselves were named when the maker ended.
        if leaf.__cause__ is not None:
            _report_error(leaf.__cause__)
        return ExitCode.ORDERS_MAY_BE_OPEN
    words, code = find_words(leaf)
    if words is None:
        _tell_hidden(*"".join(traceback.format_exception(leaf)).splitlines())
    else:
        _tell_hidden(f"mm-trio: {words or type(leaf).__name__}")
    return code


def _tell_hidden(*lines: str) -> None:
    """Print on stderr without what may be a private key."""
    from mm_trio.config.redaction import hide_keys

    tell(*(hide_keys(line) for line in lines))
