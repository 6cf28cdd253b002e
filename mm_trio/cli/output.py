"""Output of commands: log lines, live view, result."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from typing import TYPE_CHECKING, Protocol, TextIO

from mm_trio.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    import trio

    from mm_trio.engine.ws_state import WsState
    from mm_trio.terminal_ui.live_view import Screen

__all__ = ["Result", "Summary", "choose_screen", "print_result", "print_summary", "set_up_logging"]


class Result(Protocol):
    """Result of a command, as JSON values and as text."""

    def to_json(self) -> dict[str, object]: ...

    def to_text(self) -> str: ...


class Summary(Protocol):
    """Summary of a maker's run.

    `orders_may_rest` names the orders that may still be open.
    """

    @property
    def orders_may_rest(self) -> tuple[str, ...]: ...

    def to_json(self) -> dict[str, object]: ...


def set_up_logging(stream: TextIO) -> None:
    """Log one line per event to `stream`.

    Our records are logged from INFO on, those of libraries from WARNING on: at DEBUG they could show signed requests.
    """
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s %(message)s")
    logging.getLogger("mm_trio").setLevel(logging.INFO)


def choose_screen(arguments: argparse.Namespace, *, title: str) -> Screen | None:
    """Return the live view, or None for log lines.

    There is no view without a terminal, or where the operator asked for `--plain` or `--json`.
    """
    if arguments.plain or arguments.json or sys.platform == "win32":
        return None
    from mm_trio.terminal_ui.terminal import is_terminal

    if not is_terminal():
        return None
    # Imported late, because the toolkit takes most of a second.
    from mm_trio.terminal_ui.live_view import show_screen

    async def show(maker: WsState, stop_scope: trio.CancelScope) -> None:
        await show_screen(maker, title=title, stop_scope=stop_scope)

    return show


def print_result(result: Result, *, as_json: bool) -> None:
    """Print the result of a command on stdout."""
    print(json.dumps(result.to_json()) if as_json else result.to_text(), flush=True)


def print_summary(summary: Summary, *, as_json: bool) -> ExitCode:
    """Print a maker's summary and return the exit code.

    The last lines on stderr say why the maker halted and name every order that may still be open.
    """
    values = summary.to_json()
    if as_json:
        print(json.dumps(values), flush=True)
    else:
        for name, value in values.items():
            if name != "fill_rows":
                print(f"{name:24} {value}")
    halted = values.get("halted_because")
    reasons = halted if isinstance(halted, list) else []
    for reason in reasons:
        print(f"mm-trio: halted: {reason}", file=sys.stderr)
    for order in summary.orders_may_rest:
        print(f"mm-trio: order may still be open: {order}", file=sys.stderr)
    if summary.orders_may_rest:
        return ExitCode.ORDERS_MAY_BE_OPEN
    return ExitCode.HALTED if reasons else ExitCode.CLEAN
