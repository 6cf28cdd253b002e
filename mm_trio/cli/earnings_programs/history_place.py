"""Folder and span of time that a command about the past means."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mm_trio.cli.earnings_programs.past_words import say_time
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.earnings.period import WHOLE, Period
from mm_trio.journal.data_dir import ACCOUNT_NAME, find_network_folder
from mm_trio.journal.sqlite_journal import JOURNAL_NAME
from mm_trio.model.errors import ConfigError, Interrupted, VenueError

if TYPE_CHECKING:
    import trio

    from mm_trio.config.settings import Settings

__all__ = ["check_history", "find_folder", "find_history", "is_shared", "parse_span_ms", "parse_time_ms", "read_period"]

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw])")
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# Of the year 2001 on: a shorter number is a date without dashes, or seconds.
LEAST_MS, MOST_MS = 10**12, 253_402_300_799_999


def find_history(arguments: argparse.Namespace, stop: StopSignal) -> Path:
    """Find the folder of the ledger that `--folder` or `--config` means.

    With `--config` it is found without the venue too, where only one folder can be meant.
    Errors: ConfigError where there is no ledger, or none can be told from others.
    """
    return check_history(arguments, find_folder(arguments, stop)[0])


def find_folder(arguments: argparse.Namespace, stop: StopSignal) -> tuple[Path, str]:
    """Find the state folder that `--folder` or `--config` means, and the name of its market.

    A ledger need not be there. Errors: ConfigError where no folder can be told from others.
    """
    if arguments.folder is not None:
        if arguments.coin is not None:
            raise ConfigError("--coin chooses a market of --config, and --folder is of one coin; leave --coin out")
        return arguments.folder, arguments.folder.name
    # Imported late, because a folder is read without the venue and all that speaks with it.
    from mm_trio.cli.shell.grids import load_grid

    environ = arguments.environment.plain
    settings = load_grid(arguments)
    # The work that needs the folder comes after it, and a signal cuts that short too.
    find = partial(_find_configured, settings, environ=environ)
    return stop.run(find, is_last=False), settings.market.coin


def check_history(arguments: argparse.Namespace, folder: Path) -> Path:
    """Return the folder that arguments name, if it has a ledger of one market. Errors: ConfigError."""
    given = f"--config {arguments.config}" if arguments.folder is None else f"--folder {arguments.folder}"
    return _check_folder(folder, given)


def is_shared(folder: Path) -> bool:
    """Check if the ledger of a market is in its account's, with those of other markets. Errors: OSError."""
    return not (folder / JOURNAL_NAME).is_file() and (folder.parent / ACCOUNT_NAME / JOURNAL_NAME).exists()


async def _find_configured(settings: Settings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope) -> Path:
    from mm_trio.cli.halt_programs.maker_place import find_place

    with stop_scope:
        try:
            return (await find_place(settings, environ=environ)).folder
        except VenueError as failure:
            raise ConfigError(_describe_choice(settings, environ, failure)) from failure
    raise Interrupted


def _describe_choice(settings: Settings, environ: Mapping[str, str], failure: VenueError) -> str:
    market = settings.market
    base = find_network_folder(environ, market.network)
    account = market.account.lower()
    folders = sorted(str(path.parent) for path in base.glob(f"**/{account}/*/{JOURNAL_NAME}"))
    known = f"this account has ledgers in: {', '.join(folders)}" if folders else f"no ledger of it is below {base}"
    return (
        f"the venue does not say which folder belongs to {market.coin} ({failure}); {known}; name one with --folder DIR"
    )


def _check_folder(folder: Path, given: str) -> Path:
    try:
        if (folder / JOURNAL_NAME).is_file():
            return folder
    except OSError as error:
        raise ConfigError(f"{given}: {folder} cannot be read: {error.strerror or error}") from error
    if is_shared(folder):
        raise ConfigError(
            f"{given}: the ledger of {folder.name} is in {folder.parent / ACCOUNT_NAME}, together with those of the "
            "account's other markets, and this command reads the ledger of one market alone"
        )
    raise ConfigError(
        f"{given}: there is no ledger in {folder} (no {JOURNAL_NAME}): no maker has run with it there; `mm-trio run` "
        "makes one and prints its folder; name that one with --folder DIR"
    )


def read_period(arguments: argparse.Namespace, *, now_ms: int | None = None) -> Period:
    """Return the span that `--from`, `--to` and `--last` mean; without them everything. Errors: ConfigError."""
    first_ms, until_ms, last_ms = arguments.from_ms, arguments.until_ms, arguments.last_ms
    if last_ms is not None:
        if first_ms is not None or until_ms is not None:
            raise ConfigError("--last cannot be combined with --from or --to; give either a length or its ends")
        # The operator's own calendar: `--last 24h` is said of now.
        now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        return Period(max(0, now_ms - last_ms), None)
    if first_ms is not None and until_ms is not None and until_ms <= first_ms:
        raise ConfigError(
            f"--to ({say_time(until_ms)} UTC) must be later than --from ({say_time(first_ms)} UTC); exchange them"
        )
    return WHOLE if first_ms is None and until_ms is None else Period(first_ms, until_ms)


def parse_time_ms(text: str) -> int:
    """Parse a UTC date or time of ISO 8601, or milliseconds of the epoch."""
    allowed = (
        "must be a UTC date or time such as 2026-11-30 or 2026-11-30T12:00:00, or milliseconds of the epoch of "
        f"13 digits or more, got {text}"
    )
    if text.isascii() and text.isdigit():
        if len(text) > len(str(MOST_MS)) or not LEAST_MS <= int(text) <= MOST_MS:
            raise argparse.ArgumentTypeError(allowed)
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(allowed) from None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise argparse.ArgumentTypeError(allowed) from None
    span = moment - datetime(1970, 1, 1, tzinfo=UTC)
    ms = (span.days * 86_400 + span.seconds) * 1_000 + span.microseconds // 1_000
    if ms < 0:
        raise argparse.ArgumentTypeError(allowed)
    return ms


def parse_span_ms(text: str) -> int:
    """Parse a length of time such as 24h."""
    found = _SPAN.fullmatch(text)
    span_ms = 0 if found is None else int(float(found[1]) * _UNITS_MS[found[2]])
    if span_ms < 1:
        raise argparse.ArgumentTypeError(
            f"must be a number above 0 and a unit (s, m, h, d, w), such as 24h or 7d, got {text}"
        )
    return span_ms
