"""Parser of the command line, and shared options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Never

from mm_trio import __version__
from mm_trio.logs.log_lines import FORMATS
from mm_trio.terminal_ui.streams import print_out, tell

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = [
    "DEFAULT_COIN",
    "Command",
    "UsageError",
    "add_duration_option",
    "add_json_option",
    "add_log_options",
    "add_page_option",
    "add_screen_options",
    "exact_number",
    "make_parser",
    "parse_names",
    "parse_price",
    "parse_seconds",
    "whole_number",
]

DEFAULT_COIN = "@107"


def _add_nothing(parser: argparse.ArgumentParser) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Name, help texts, arguments and code of a command.

    `run` takes the parsed arguments and returns an exit code; it imports late what is heavy. A command with `verbs` has
    no code of its own. `arguments.command` is the full name, such as `mm-trio ledger audit`.
    """

    name: str
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None] = _add_nothing
    run: Callable[[argparse.Namespace], int] | None = None
    verbs: tuple[Command, ...] = ()


class UsageError(SystemExit):
    """End of the program by wrong words; the parser has told about it."""

    def __init__(self, message: str) -> None:
        super().__init__(2)
        self.message = message


class _Parser(argparse.ArgumentParser):
    """Parser that repeats no private key, and notices when its help is lost."""

    def error(self, message: str) -> Never:
        """Print what is wrong and end the program."""
        # Imported late, because `--help` need not pay for it.
        from mm_trio.config.redaction import hide_secrets

        shown = hide_secrets(message)
        try:
            super().error(shown)
        except SystemExit:
            raise UsageError(shown) from None

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        (print_out if file is sys.stdout else tell)(message.removesuffix("\n"))


def make_parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """Make the parser of the program with these commands."""
    parser = _Parser(prog="mm-trio", description="HIP-2 liquidity for any Hyperliquid spot pair.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"mm-trio {__version__}")
    _register(parser, commands, metavar="command")
    return parser


def _register(parser: argparse.ArgumentParser, commands: Sequence[Command], *, metavar: str) -> None:
    subparsers = parser.add_subparsers(metavar=metavar, required=True)
    for command in commands:
        subparser = subparsers.add_parser(
            command.name, help=command.help, description=command.description, allow_abbrev=False
        )
        command.add_arguments(subparser)
        if command.verbs:
            _register(subparser, command.verbs, metavar="verb")
        else:
            subparser.set_defaults(run=command.run, command=subparser.prog)


def add_duration_option(parser: argparse.ArgumentParser) -> None:
    """Add `--duration`, which ends a command after so many seconds."""
    parser.add_argument(
        "--duration", type=parse_seconds, metavar="S", help="end after S seconds (default: run until interrupted)"
    )


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add `--json` for a command that prints one result."""
    parser.add_argument("--json", action="store_true", help="print a JSON object as the last line")


def add_page_option(parser: argparse.ArgumentParser) -> None:
    """Add `--page`, which serves the page in the browser."""
    parser.add_argument(
        "--page",
        type=whole_number(0, 65535),
        nargs="?",
        const=0,
        metavar="PORT",
        help="show the maker in the browser, on this machine alone: prints a link that opens the page once "
        "(default port: a free one; [page] in the configuration has more; needs pip install mm-trio[page])",
    )


def add_screen_options(parser: argparse.ArgumentParser) -> None:
    """Add `--plain`, `--json` and the options of the log for commands with a screen."""
    parser.add_argument("--plain", action="store_true", help="print one line per event, also on a terminal")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object as the last line, and the log to stderr"
    )
    add_log_options(parser)


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add `--log-file`, `--log-format` and `-v` for commands that run for long."""
    parser.add_argument(
        "--log-file", type=Path, metavar="FILE", help="write the log to FILE too (a new one every 10 MB, five at most)"
    )
    parser.add_argument(
        "--log-format",
        choices=FORMATS,
        default="text",
        help="form of each log line: text, or a JSON object with its event and fields (default: text)",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log details too; never those of the libraries")


def parse_seconds(text: str) -> float:
    """Parse a number of seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, got {text}")
    return value


def exact_number(low: str, high: str, unit: str) -> Callable[[str], Decimal]:
    """Return a parser of exact numbers as in a configuration, limits included."""

    def parse(text: str) -> Decimal:
        # Imported late, because `--help` need not pay for it.
        from mm_trio.config.values import decimal_value

        kind = decimal_value(low, high, unit, such_as="")["kind"]
        value = kind.read(text)
        if not isinstance(value, Decimal):
            raise argparse.ArgumentTypeError(f"must be {kind.allowed}, got {text}")
        return value

    return parse


def parse_price(text: str) -> Decimal:
    """Parse a price as the configuration does."""
    from mm_trio.config.values import PRICE

    return exact_number(*PRICE)(text)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers, limits included."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, got {text}")
        return value

    return parse


def parse_names(text: str) -> list[str]:
    """Split names at commas, without blanks and empty ones."""
    return [name.strip() for name in text.split(",") if name.strip()]
