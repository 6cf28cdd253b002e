"""What a report of many fills takes: seconds of each part, and memory at most.

    python benchmarks/report.py [--fills 1000000] [--days 90] [--folder DIR] [--save FILE]

The history is made up: a price that swings, a fill at each level it crosses, a price of the market every ten seconds,
own orders at each fill, six marks a fill. With `--folder` it is kept there, and read again by the next run.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.journal_entries import Adjusted, Began, Booked, Entry, Quoted, Requested
from mm_trio.model.observations import BestPrices, Coverage, Mark, MarketTrade, Observed, OwnBook, RestingSize
from mm_trio.model.orders import Quote, Side
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.recorder.record_file import RecordFile

__all__ = ["main", "make_history"]

# A midnight.
FROM_MS = 1_780_012_800_000
DAY_MS = 86_400_000
N_LEVELS, SIZE = 40, Decimal(5)
BATCH = 5_000
AFTER_MS = (0, 1_000, 10_000, 60_000, 300_000, 3_600_000)
PRICE_EVERY_MS = 10_000


class History:
    """A made-up history of so many fills in so many days."""

    def __init__(self, n_fills: int, days: int) -> None:
        self.n_fills, self.span_ms = n_fills, days * DAY_MS
        self.levels = PricingGrid("20", N_LEVELS, sz_decimals=2).levels

    def level_of(self, number: int) -> int:
        """Return the level of a fill: one up or down from the last, over the whole ladder and back."""
        place = number % (2 * (N_LEVELS - 1))
        return min(place, 2 * (N_LEVELS - 1) - place)

    def time_of(self, number: int) -> int:
        """Return the time of a fill."""
        return FROM_MS + self.span_ms * number // self.n_fills

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """Yield the entries of the ledger."""
        terms = {"coin": "@107", "start_px": "20", "n_orders": str(N_LEVELS), "tick_size": "0.003", "order_sz": "5"}
        yield FROM_MS, Began(1, {**terms, "ladder": "hip2", "sz_decimals": "2"})
        yield FROM_MS, Adjusted(Decimal(10**6), Decimal(10**8), "opening balance")
        last = self.level_of(0)
        for number in range(self.n_fills):
            level, at_ms = self.level_of(number), self.time_of(number)
            side: Side = "sell" if level > last else "buy"
            fee, token = (SIZE * Decimal("0.0004"), "base") if side == "buy" else (Decimal("0.04012"), "quote")
            quote = Quote(side, level, self.levels[level], SIZE)
            yield at_ms, Booked(number + 1, number + 1, at_ms, "@107", quote, fee, token)
            if level != last:
                yield at_ms, Quoted(level)
                yield at_ms, Requested(at_ms, "order", 2, "0x00", at_ms + 1)
            last = level

    def observed(self) -> Iterator[Observed]:
        """Yield the values of the record."""
        yield Coverage("own", FROM_MS, FROM_MS + self.span_ms)
        yield Coverage("market", FROM_MS, FROM_MS + self.span_ms)
        width, one = Decimal("0.01"), Decimal(100)
        next_ms, last = FROM_MS, -1
        for number in range(self.n_fills):
            level, at_ms = self.level_of(number), self.time_of(number)
            mid = self.levels[level]
            while next_ms <= at_ms:
                yield BestPrices(next_ms, mid - width, one, mid + width, one)
                next_ms += PRICE_EVERY_MS
            taker = f"0x{number % 997:040x}"
            yield MarketTrade(at_ms, number + 1, mid, SIZE, "buy", taker, "0x" + "11" * 20)
            for after_ms in AFTER_MS:
                yield Mark(at_ms, after_ms, mid - width, mid + width)
            if level != last:
                yield self.book_at(at_ms, level)
            last = level

    def book_at(self, at_ms: int, level: int) -> OwnBook:
        """Return our book around a level."""
        bids = [RestingSize("buy", price, SIZE) for price in self.levels[:level]]
        asks = [RestingSize("sell", price, SIZE) for price in self.levels[level + 1 :]]
        return OwnBook(at_ms, (*bids, *asks), "quoting")


def make_history(folder: Path, history: History) -> None:
    """Write ledger and record."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(Journal.open(folder)) as journal:
        entries = history.entries()
        while batch := list(islice(entries, BATCH)):
            journal.append([entry for _, entry in batch], at_ms=batch[-1][0])
        journal.mark_end()
    with closing(RecordFile.open(folder)) as record:
        observed = history.observed()
        while values := list(islice(observed, BATCH)):
            record.append(values)


def main() -> None:
    """Make a history, report it in a process of its own, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fills", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch, "ledger")
        if not (folder / JOURNAL_NAME).exists():
            began_s = time.monotonic()
            make_history(folder, History(arguments.fills, arguments.days))
            print(f"made {arguments.fills} fills in {time.monotonic() - began_s:.0f} s", file=sys.stderr)
        found = measure(folder, Path(scratch, "report.html")) | {"fills": arguments.fills, "days": arguments.days}
    print(json.dumps(found))
    if arguments.save is not None:
        arguments.save.parent.mkdir(parents=True, exist_ok=True)
        arguments.save.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, page: Path) -> dict[str, float]:
    """Report a ledger as an operator does."""
    words = ("-m", "mm_trio", "report", "--folder", str(folder), "--html", str(page), "--json")
    began_s = time.monotonic()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall_s": round(time.monotonic() - began_s, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "memory_mib": round(used.ru_maxrss / 1024, 1),
        "page_kib": round(page.stat().st_size / 1024),
    }


if __name__ == "__main__":
    main()
