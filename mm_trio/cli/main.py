"""Entry of the program.

Parses the arguments, runs the command and turns errors into exit codes. Commands import what they need when they run,
so that `--help` and a typing mistake cost no import of trio or the SDK.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from mm_trio.cli import demo, ledger, run, sandbox, sim
from mm_trio.cli.exit_codes import ExitCode
from mm_trio.cli.parser import make_parser
from mm_trio.model.errors import ConfigError, LedgerError, VenueError, find_leaves

__all__ = ["main"]

_COMMANDS = (demo.COMMAND, run.COMMAND, sandbox.COMMAND, sim.COMMAND, ledger.COMMAND)

_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (ConfigError, ExitCode.CONFIG),
    (VenueError, ExitCode.VENUE),
    (LedgerError, ExitCode.HALTED),
    (OSError, ExitCode.VENUE),
    (KeyboardInterrupt, ExitCode.CLEAN),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    `argv` None: the words of this process; without any, the demo runs.
    """
    words = list(sys.argv[1:] if argv is None else argv) or ["demo"]
    arguments = make_parser(_COMMANDS).parse_args(words)
    # Imported late, because `--help` need not pay for it.
    from mm_trio.config.environment import take_environment

    # Every command is without the secrets, so that none of its child processes has them.
    arguments.environment = take_environment(os.environ)
    try:
        code: int = arguments.run(arguments)
        return code
    except BaseException as error:  # noqa: BLE001 - the only place that turns errors into exit codes
        return _report_error(error)


def _report_error(error: BaseException) -> int:
    """Print an error and return its exit code.

    An error of the operator, the venue or the ledger is one line each. Everything else is a bug of ours and is printed
    with its traceback.
    """
    leaves = find_leaves(error)
    if any(isinstance(leaf, SystemExit) for leaf in leaves):
        raise error
    for kind, code in _CODES:
        if all(isinstance(leaf, kind) for leaf in leaves):
            for leaf in leaves:
                _print_error(f"mm-trio: {str(leaf) or type(leaf).__name__}\n")
            return code
    _print_error("".join(traceback.format_exception(error)))
    return ExitCode.BUG


def _print_error(text: str) -> None:
    """Print to stderr without what may be a private key."""
    from mm_trio.config.redaction import hide_keys

    print(hide_keys(text), end="", file=sys.stderr)
