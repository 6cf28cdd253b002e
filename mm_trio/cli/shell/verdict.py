"""Commands whose exit code is a verdict."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Callable
from typing import TypeAlias

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.model.errors import Interrupted, find_leaves
from mm_trio.terminal_ui.streams import print_out, tell

__all__ = ["Check", "gives_verdict"]

Check: TypeAlias = Callable[[argparse.Namespace, StopSignal], int]


def gives_verdict(check: Check) -> Callable[[argparse.Namespace], int]:
    """Make the `run` of a command that gives a verdict.

    Every such command is made with it: a check that a signal cuts short ends with 1 and says so, whatever it returned.
    `check` does its waiting in `stop.run`.
    """

    def run(arguments: argparse.Namespace) -> int:
        return _give_verdict(arguments, check)

    return run


def _give_verdict(arguments: argparse.Namespace, check: Check) -> int:
    stop = StopSignal()
    try:
        stop.raise_on_signal()
        code = check(arguments, stop)
        stop.ignore_signals()
        if not stop.is_cut_short:
            return code
        interrupted = Interrupted()
    except (Interrupted, KeyboardInterrupt, BaseExceptionGroup) as error:
        stop.ignore_signals()
        found = _find_interruption(error)
        if found is None:
            raise
        interrupted = found
    finally:
        # An error of another kind is reported by the entry, and no signal may cut that short.
        stop.ignore_signals()
    _print_interruption(interrupted, name=arguments.command, received=stop.received, as_json=arguments.json)
    return ExitCode.CHECK_FAILED


def _find_interruption(error: BaseException) -> Interrupted | None:
    """Find the interruption in an error, if there is one.

    One that names steps is preferred.
    """
    leaves = find_leaves(error)
    found = [leaf for leaf in leaves if isinstance(leaf, Interrupted)]
    if not found and any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        found = [Interrupted()]
    return max(found, key=lambda leaf: len(leaf.checked) + len(leaf.not_checked), default=None)


def _print_interruption(interrupted: Interrupted, *, name: str, received: signal.Signals | None, as_json: bool) -> None:
    """Print what was checked and what was not.

    It goes to stderr, and with `as_json` to stdout too.
    """
    signal_name = (received or signal.SIGINT).name
    checked, left = ", ".join(interrupted.checked), ", ".join(interrupted.not_checked)
    parts = [
        f"{name} was interrupted by {signal_name} and gives no verdict",
        f"checked: {checked or 'nothing'}",
        f"not checked: {left or 'everything'}",
        *filter(None, (interrupted.note, "run it again for a verdict")),
    ]
    tell("; ".join(parts))
    if as_json:
        values = {
            **interrupted.summary,
            "interrupted": True,
            "signal": signal_name,
            "checked": list(interrupted.checked),
            "not_checked": list(interrupted.not_checked),
        }
        print_out(json.dumps(values))
