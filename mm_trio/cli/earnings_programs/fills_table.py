"""Table of fills for spreadsheets and taxes: every fill of a period, with all digits."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mm_trio.cli.earnings_programs.past_words import say_time
from mm_trio.cli.earnings_programs.progress import show_progress
from mm_trio.earnings.exact import exactly
from mm_trio.earnings.period import Period
from mm_trio.history.fill_rows import FillRow, find_seen
from mm_trio.history.ledger_reader import LedgerReader
from mm_trio.model.errors import ConfigError
from mm_trio.reports.report import guard_cell

__all__ = ["HEAD", "write_table"]

HEAD = (
    "time (UTC)", "time_ms", "pair", "side", "price", "size", "quote", "fee", "fee token", "level", "oid", "tid",
    "taker", "mid before", "edge in quote",
)  # fmt: skip
# Fills that are in memory at once.
AT_ONCE = 20_000


def write_table(folder: Path, period: Period, path: Path) -> Path:
    """Write all fills of a period to a file, whole or not at all.

    What is there is replaced only where it is such a table. Errors: ConfigError, JournalError.
    """
    _check(path)
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEAD)
            writer.writerows(_read_rows(folder, period))
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"--csv {path} cannot be written: {error.strerror or error}; name another file") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return path


def _check(path: Path) -> None:
    """Refuse to overwrite what is not a table of fills: a mistyped name must not cost a configuration."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            is_table = file.readline(1_000).strip() == ",".join(HEAD)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"--csv {path} cannot be written: {error.strerror or error}; name another file") from error
    if not is_table:
        raise ConfigError(f"--csv {path} is there and is not a table of fills; name another file")


def _read_rows(folder: Path, period: Period) -> Iterator[tuple[object, ...]]:
    with LedgerReader.open(folder) as ledger, show_progress("fills written") as tell_progress:
        fills = ledger.read_fills(period.from_ms, period.until_ms)
        n = 0
        while part := list(islice(fills, AT_ONCE)):
            yield from map(_make_row, find_seen(folder, part)[0])
            n += len(part)
            tell_progress(n)


def _make_row(row: FillRow) -> tuple[object, ...]:
    fill, quote, mid, edge = row.fill, row.fill.quote, row.mark_before, row.edge
    with exactly():
        notional = quote.price * quote.size
    return (
        say_time(fill.time_ms),
        fill.time_ms,
        guard_cell(fill.coin or ""),
        quote.side,
        f"{quote.price:f}",
        f"{quote.size:f}",
        f"{notional:f}",
        f"{fill.fee:f}",
        guard_cell(fill.fee_token or ""),
        quote.level_index,
        fill.oid,
        fill.tid,
        guard_cell(row.seen.counterparty or ""),
        "" if mid is None else f"{mid:f}",
        "" if edge is None else f"{edge:f}",
    )
