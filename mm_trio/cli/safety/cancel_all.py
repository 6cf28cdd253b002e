"""Command `cancel-all`: cancel what rests, whatever became of the maker."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import add_config_options, load_grids
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.passphrase import ask_passphrase
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict
from mm_trio.terminal_ui.streams import print_out

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cancel-all`."""
    add_json_option(parser)
    add_config_options(parser, without_coin="default: all of them")
    parser.add_argument(
        "--foreign", action="store_true", help="cancel orders of the coin whoever placed them, not mm_trio's alone"
    )
    parser.add_argument(
        "--all-coins",
        action="store_true",
        help="cancel in every spot pair of the account; orders of perps are named and left",
    )


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Cancel what rests and return the exit code."""
    from mm_trio.config.dump_protection import forbid_dumps
    from mm_trio.config.keys import load_key

    forbid_dumps()
    set_up_logging(sys.stderr)
    environ = arguments.environment.plain
    # One sweep for all of them: requests to the venue and half a minute are enough for one.
    grids = load_grids(arguments)
    key = load_key(arguments.environment.secrets, passphrase=ask_passphrase if sys.stdin.isatty() else None)
    # Imported after the key is read: the SDK takes most of a second, and a missing key should be reported at once.
    from mm_trio.cli.halt_programs.cancel_all import cancel_all

    work = partial(cancel_all, grids, key=key, environ=environ, foreign=arguments.foreign)
    report = stop.run(partial(work, all_coins=arguments.all_coins))
    if report.is_ok:
        print_result(report, as_json=arguments.json)
        return ExitCode.CLEAN
    code = ExitCode.ORDERS_MAY_BE_OPEN
    if arguments.json:
        print_out(json.dumps({**report.to_json(), "error": report.fault, "exit_code": int(code)}))
    else:
        print_out(report.to_text())
    return code


COMMAND = Command(
    name="cancel-all",
    help="cancel what rests, also where the maker hangs, is dead, or its journal broken",
    description="The panic button. It needs FILE and the maker's key, which comes as for `run`. It leaves the request "
    "CANCEL_ONLY in the state folder, so that a maker that runs places nothing more, and a restarted one does not "
    "begin again until `mm-trio resume`. It uses up the nonces of what is in flight, as far as the journal can be "
    "read. It cancels the orders of the configured pairs that carry mm_trio's mark, of any session, and looks twice "
    "whether any still rests. It ends within 30 s. Exit code 0:"
    " nothing rests; 4: orders may rest, and are listed; 3: the venue cannot be reached; 2: configuration or key.",
    add_arguments=add_arguments,
    run=run,
)
