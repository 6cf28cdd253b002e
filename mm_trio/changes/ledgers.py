"""Ledgers of the grids of a maker, read beside it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from mm_trio.journal.replay import accumulate, replay_grids
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Checkpoint, Entry, Of, Requested
from mm_trio.state.inventory import Inventory

__all__ = ["read_ledgers"]


def read_ledgers(folder: Path, *, coin: str) -> dict[str, Inventory]:
    """Read what each grid has by now, by the venue's name of its coin. Blocks.

    A journal of one market names no coin; its ledger is of `coin`. Errors: JournalError where there is none, or it
    cannot be read.
    """
    with closing(Journal.open_to_read(folder)) as journal:
        entries = [row.entry for row in journal.read()]
    try:
        if all(map(_names_coins, entries)):
            found = replay_grids(entries, order_sizes={}, now_s=0.0, wall_ms=0)
        else:
            found = {coin: accumulate(entries, order_size=1, now_s=0.0, wall_ms=0)}
    except ValueError as error:
        raise JournalError(f"the ledger in {folder} contradicts itself: {error}") from error
    return {name: each.inventory for name, each in found.items()}


def _names_coins(entry: Entry) -> bool:
    """Check if an entry may be one of the journal of several grids."""
    if isinstance(entry, Checkpoint):
        return all(isinstance(part, Of) for part in entry.entries)
    return isinstance(entry, Of | Requested)
