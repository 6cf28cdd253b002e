"""Output of commands: log lines, live view, result."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.logs.log_lines import choose_format, make_formatter
from mm_trio.model.errors import ConfigError
from mm_trio.terminal_ui.streams import LineHandler, print_out

if TYPE_CHECKING:
    import trio

    from mm_trio.terminal_ui.live_view import Screen
    from mm_trio.views.maker import Maker

__all__ = [
    "Result",
    "Summary",
    "choose_screen",
    "keep_log_as_asked",
    "print_result",
    "print_summary",
    "refuse_page_of_plan",
    "set_up_logging",
    "wants_screen",
]

# What the program uses to reach the venue.
LIBRARIES = ("hyperliquid", "urllib3", "requests", "websocket")
# What a line about one of several markets has.
_SHOWN_OF_A_GRID = ("ticks", "fills", "fill_volume", "items", "errors", "boundary_level", "halted_because")


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


def set_up_logging(stream: TextIO, *, log_format: str = "text", is_verbose: bool = False) -> None:
    """Log one line per event to `stream`.

    Our records are logged from INFO on, or from DEBUG on; those of libraries from WARNING on, whatever is asked for: at
    DEBUG they could show signed requests.
    """
    # A log that cannot be written is no reason for a traceback of the log itself, whichever handler finds out.
    logging.raiseExceptions = False
    choose_format(log_format)
    handler = LineHandler(stream)
    handler.setFormatter(make_formatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("mm_trio").setLevel(logging.DEBUG if is_verbose else logging.INFO)
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.setLevel(max(library.level, logging.WARNING))


@contextmanager
def keep_log_as_asked(arguments: argparse.Namespace, stream: TextIO) -> Iterator[None]:
    """Log to `stream`, and to the file of `--log-file` if there is one, as the options of the log say.

    Errors: ConfigError.
    """
    set_up_logging(stream, log_format=arguments.log_format, is_verbose=arguments.verbose)
    path: Path | None = arguments.log_file
    with ExitStack() as opened:
        if path is not None:
            from mm_trio.logs.log_file import keep_log

            try:
                opened.enter_context(keep_log(path))
            except OSError as error:
                raise ConfigError(
                    f"--log-file {path} cannot be written: {error.strerror or error}; name a file in a folder that is "
                    "there and that you may write to"
                ) from error
        yield


def choose_screen(arguments: argparse.Namespace, *, title: str, lists_markets: bool = False) -> Screen | None:
    """Return the live view, or None for log lines.

    There is no view without a terminal, or where the operator asked for `--plain` or `--json`.
    """
    if not wants_screen(arguments):
        return None
    # Imported late, because the toolkit takes most of a second.
    from mm_trio.terminal_ui.live_view import show_screen

    async def show(maker: Maker, stop_scope: trio.CancelScope) -> None:
        await show_screen(maker, title=title, stop_scope=stop_scope, lists_markets=lists_markets)

    return show


def refuse_page_of_plan(arguments: argparse.Namespace) -> None:
    """Refuse a page where no maker will run. Errors: ConfigError."""
    if arguments.page is not None:
        raise ConfigError(
            "--page shows a maker that runs, and this start only plans; leave --page out, or start a maker: without "
            "--plan, and on mainnet with --live"
        )


def wants_screen(arguments: argparse.Namespace) -> bool:
    """Check if a screen is to be shown: there is a terminal, and neither `--plain` nor `--json` was asked for."""
    if arguments.plain or arguments.json or sys.platform == "win32":
        return False
    from mm_trio.terminal_ui.terminal import is_terminal

    return is_terminal()


def print_result(result: Result, *, as_json: bool) -> None:
    """Print the result of a command on stdout."""
    print_out(json.dumps(result.to_json()) if as_json else result.to_text())


def print_summary(summary: Summary, *, as_json: bool) -> ExitCode:
    """Print a maker's summary and return the exit code.

    Why it halted, and every order that may still be open, was told on stderr when it ended.
    """
    values, code, reasons = summary.to_json(), ExitCode.CLEAN, summary.orders_may_rest
    if reasons:
        code = ExitCode.ORDERS_MAY_BE_OPEN
    elif halted := values.get("halted_because"):
        code, reasons = ExitCode.HALTED, tuple(halted if isinstance(halted, list) else [str(halted)])
    if not as_json:
        print_out("\n".join(_write_value(name, value) for name, value in values.items() if name != "fill_rows"))
    elif code == ExitCode.CLEAN:
        print_out(json.dumps(values))
    else:
        what = "orders may still rest" if code == ExitCode.ORDERS_MAY_BE_OPEN else "halted"
        print_out(json.dumps({**values, "error": f"{what}: {'; '.join(reasons)}", "exit_code": int(code)}))
    return code


def _write_value(name: str, value: object) -> str:
    """Write one value of a summary; of several markets each has a line of its own."""
    if name != "grids" or not isinstance(value, dict):
        return f"{name:24} {value}"
    lines = [" ".join(f"{key}={each[key]}" for key in _SHOWN_OF_A_GRID if key in each) for each in value.values()]
    return "\n".join(f"{coin:24} {line}" for coin, line in zip(value, lines, strict=True))
