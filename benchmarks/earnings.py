"""What it costs to tell what a million fills earned: `pnl` over a ledger and a record of 90 days, as a process.

Run by `nox -s bench -- earnings`, or `python benchmarks/earnings.py`. `--folder DIR` keeps the files for the next time;
`--plain` makes no record of prices. Figures of one machine at one moment.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from common import CHECKOUT, describe_machine, make_parser, print_figures, tell

from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.journal_entries import Adjusted, Allocated, Began, Booked, Entry, Requested
from mm_trio.model.observations import BestPrices, Coverage, Mark, Observed
from mm_trio.model.orders import Quote, Side
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.recorder.record_file import RecordFile

__all__: list[str] = []

BEGIN_MS = 1_760_000_000_000
DAYS, DAY_MS = 90, 86_400_000
BATCH = 20_000
N_LEVELS, ORDER_SIZE = 100, Decimal(500)
AFTER_MS = (0, 1_000, 10_000, 60_000, 300_000, 3_600_000)
# The market's best prices change so often in it; each row holds until the next one.
PRICES_EVERY_MS = 10_000


def make_fills(n: int, *, seed: int = 1) -> Iterator[tuple[int, Booked]]:
    """Fills along a ladder with a gap of one, in parts, over 90 days; fees in what was received."""
    grid, rng = PricingGrid("20", N_LEVELS, sz_decimals=2), random.Random(seed)
    level, every_ms = N_LEVELS // 2, DAYS * DAY_MS // n
    for i in range(n):
        level = min(N_LEVELS - 2, max(1, level + rng.choice((-1, 0, 0, 1))))
        side: Side = "buy" if rng.random() < 0.5 else "sell"
        quote = Quote(side, level, grid.levels[level], Decimal(rng.randrange(1, 500)).scaleb(-2))
        fee = quote.size * Decimal("0.0004") * (quote.price if side == "sell" else 1)
        at_ms = BEGIN_MS + i * every_ms
        yield at_ms, Booked(i // 3, i, at_ms, "@107", quote, fee, "base" if side == "buy" else "quote")


def write_ledger(folder: Path, n: int) -> None:
    """Write the journal as a maker does, with one request for each fill."""
    terms = {"coin": "@107", "start_px": "20", "n_orders": str(N_LEVELS), "tick_size": "0.003", "sz_decimals": "2"}
    terms |= {"order_sz": str(ORDER_SIZE), "gap_levels": "1", "ladder": "hip2"}
    journal = Journal.open(folder)
    half = ORDER_SIZE * N_LEVELS / 2
    opening: list[Entry] = [Began(1, terms), Allocated(half, half * 30), Adjusted(half, half * 30, "balance")]
    journal.append(opening, at_ms=BEGIN_MS)
    batch: list[Entry] = []
    for i, (at_ms, fill) in enumerate(make_fills(n)):
        batch += (fill, Requested(at_ms, "order", 2, "0x" + "ab" * 32, at_ms + 10_000))
        if len(batch) >= BATCH:
            journal.append(batch, at_ms=at_ms)
            batch.clear()
            _show_progress("writing the ledger", i, n)
    journal.append(batch, at_ms=BEGIN_MS + DAYS * DAY_MS)
    journal.close()


def write_record(folder: Path, n: int) -> None:
    """Write six marks for each fill, and the market's prices."""
    record = RecordFile.open(folder)
    end_ms = BEGIN_MS + DAYS * DAY_MS
    batch: list[Observed] = [Coverage("market", BEGIN_MS, end_ms + DAY_MS)]
    tick = Decimal("0.01")
    for i, (at_ms, fill) in enumerate(make_fills(n)):
        price = fill.quote.price
        batch += (Mark(at_ms, after_ms, price - (k + 1) * tick, price + tick) for k, after_ms in enumerate(AFTER_MS))
        if len(batch) >= BATCH:
            record.append(batch)
            batch.clear()
            _show_progress("writing the marks", i, n)
    for i, at_ms in enumerate(range(BEGIN_MS, end_ms, PRICES_EVERY_MS)):
        batch.append(BestPrices(at_ms, Decimal(20) + i % 7 * tick, Decimal(1), Decimal(21), Decimal(1)))
        if len(batch) >= BATCH:
            record.append(batch)
            batch.clear()
    record.append(batch)
    record.close()


def measure(folder: Path, *words: str) -> dict[str, float]:
    """Seconds and MiB of `pnl` as a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "mm_trio", "pnl", "--folder", str(folder), "--json", *words],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )
    took_s = time.monotonic() - began_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(done.stdout.splitlines()[-1])
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The most of all children so far; nothing else was started.
    return {"fills": found["fills"]["n"], "wall_s": took_s, "cpu_s": cpu_s, "most_mib": after.ru_maxrss / 1024}


def _show_progress(what: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{what}: {done:,} of {of:,}", end="", file=sys.stderr, flush=True)


def measure_all(folder: Path, *, n: int, is_plain: bool) -> dict[str, Any]:
    """Make the files, where they are not there, and measure."""
    if not (folder / JOURNAL_NAME).exists():
        write_ledger(folder, n)
        if not is_plain:
            write_record(folder, n)
    found: dict[str, Any] = {f"whole_{name}": value for name, value in measure(folder).items()}
    return found | {f"by_day_{name}": value for name, value in measure(folder, "--by", "day").items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print one line a figure or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--fills", type=int, default=1_000_000, metavar="N", help="fills of the ledger")
    parser.add_argument("--plain", action="store_true", help="no record of prices")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep the files here, and use those that are there")
    arguments = parser.parse_args(argv)
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="mm_trio-bench-") as name:
        folder = arguments.folder or Path(name)
        found = measure_all(folder, n=arguments.fills, is_plain=arguments.plain)
    tell(arguments, {"machine": machine, **found}, partial(print_figures, found))


if __name__ == "__main__":
    main()
