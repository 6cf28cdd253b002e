"""A ledger written by hand, for the tests of what is read from it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Adjusted, Allocated, Arrived, Began, Entry, Quoted, Requested, Sent
from mm_trio.model.orders import Quote, Side
from mm_trio.model.pricing_grid import PricingGrid

__all__ = ["GRID", "START_MS", "TERMS", "place", "quote_at", "write_ledger"]

START_MS = 1_789_948_800_000
# Levels 20, 20.06, 20.12, 20.18, 20.24, 20.3, 20.36, 20.421.
GRID = PricingGrid("20", 8, sz_decimals=2)
TERMS = {
    "coin": "@107",
    "start_px": "20",
    "n_orders": "8",
    "tick_size": "0.003",
    "order_sz": "5",
    "gap_levels": "0",
    "ladder": "hip2",
    "sz_decimals": "2",
}
DIGEST = "ab" * 32


def quote_at(side: Side, level: int, size: str = "5") -> Quote:
    return Quote(side, level, GRID.levels[level], Decimal(size))


def place(side: Side, level: int, size: str = "5", *, oid: int, replaces: int | None = None) -> list[Entry]:
    """An order that was sent and rests; its cloid and nonce are made of the oid."""
    nonce = START_MS + oid
    return [
        Sent(f"0x{oid:032x}", quote_at(side, level, size), replaces, nonce, nonce + 10_000),
        Requested(nonce, "bulk_orders", 1, DIGEST, nonce + 10_000),
        Arrived(f"0x{oid:032x}", oid),
    ]


def write_ledger(
    folder: Path,
    *groups: Sequence[Entry],
    token: str = "17",
    quote: str = "1000",
    boundary: int = 4,
    **terms: str,
) -> Path:
    """A ledger whose groups of entries follow the beginning of its session, a second apart each."""
    journal = Journal.open(folder)
    opening: list[Entry] = [
        Began(7, TERMS | terms),
        Allocated(None, None),
        Adjusted(Decimal(token), Decimal(quote), "balance"),
        Quoted(boundary),
    ]
    for number, group in enumerate((opening, *groups)):
        journal.append(group, at_ms=START_MS + 1_000 * number)
    journal.close()
    return folder
