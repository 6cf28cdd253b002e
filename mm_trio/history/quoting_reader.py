"""Boundary of the ladder and requests over time, from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from mm_trio.earnings.turns import Ladder, read_ladder
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Began, Quoted, Requested

__all__ = ["QuotingReader"]


class QuotingReader:
    """Opened ledger, to be read for what the maker did; times are those at which it was recorded."""

    def __init__(self, folder: Path) -> None:
        self._journal = Journal.open_to_read(folder)

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def read_boundaries(self, until_ms: int) -> Iterator[tuple[int, Decimal]]:
        """Yield (time, price of the lowest ask) each time the boundary moved; the top price where there is no ask."""
        ladder: Ladder | None = None
        for row in self._journal.read_kinds(Began, Quoted):
            if row.at_ms >= until_ms:
                return
            if isinstance(row.entry, Began) and row.entry.parameters:
                ladder = read_ladder(row.entry.parameters)
            elif isinstance(row.entry, Quoted) and ladder is not None:
                yield row.at_ms, ladder.levels[max(0, min(row.entry.boundary_level, len(ladder.levels) - 1))]

    def read_requests(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        """Yield (time, items) of each signed request."""
        for row in self._journal.read_kinds(Requested, since_ms=from_ms):
            if isinstance(row.entry, Requested) and row.at_ms < until_ms:
                yield row.at_ms, row.entry.n_items
