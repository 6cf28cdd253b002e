"""Boundary of the ladder, and fills with their trade ids, over time, from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias, cast

from mm_trio.earnings.trade import Trade, make_trade
from mm_trio.earnings.turns import read_ladder
from mm_trio.history.ledger_reader import LedgerReader, sort_nearly_sorted
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.entry_codec import decode_entry, name_kind
from mm_trio.model.journal_entries import Began, Booked, Quoted

__all__ = ["QuotingReader"]

_BookedValues: TypeAlias = tuple[int, int, int | None, str | None, str, int, str, str, str, str | None]


class QuotingReader:
    """Opened ledger, to be read for what the maker did; times are those at which it was recorded."""

    def __init__(self, folder: Path) -> None:
        self._journal = Journal.open_to_read(folder)

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def read_boundaries(self, until_ms: int) -> Iterator[tuple[int, Decimal]]:
        """Yield (time, price of the lowest ask) each time the boundary moved; the top price where there is no ask."""
        # A ledger that was rebuilt without its archives tells its first session in its first checkpoint alone.
        first = next(LedgerReader(self._journal).read_terms(), None)
        ladder = None if first is None else read_ladder(first[1].parameters)
        quoted = name_kind(Quoted)
        for _, at_ms, kind, values in self._journal.read_values(Began, Quoted):
            if at_ms >= until_ms:
                return
            if kind != quoted:
                entry = decode_entry(kind, values)
                if isinstance(entry, Began) and entry.parameters:
                    ladder = read_ladder(entry.parameters)
            elif ladder is not None:
                boundary = cast("int", values[0])
                yield at_ms, ladder.levels[max(0, min(boundary, len(ladder.levels) - 1))]

    def read_fills(self, from_ms: int, until_ms: int) -> Iterator[tuple[Trade, int]]:
        """Yield (fill, its trade id) of a period in the order of their times; quick, for there may be a million."""
        for fill in sort_nearly_sorted(self._read_fills(), key=_time_of):
            if from_ms <= fill[0].time_ms < until_ms:
                yield fill

    def _read_fills(self) -> Iterator[tuple[Trade, int]]:
        # A ladder has few prices; each is made a number once.
        prices: dict[str, Decimal] = {}
        for _, at_ms, _, values in self._journal.read_values(Booked):
            # As `Booked` is written; the four values of its quote lie in between.
            _, tid, time_ms, _, side, level, px, size, fee, fee_token = cast("_BookedValues", values)
            price = prices.get(px)
            if price is None:
                price = prices[px] = Decimal(px)
            counted_ms = at_ms if time_ms is None else time_ms
            yield (
                make_trade(counted_ms, side, level, price, Decimal(size), fee=Decimal(fee), fee_token=fee_token),
                tid,
            )


def _time_of(fill: tuple[Trade, int]) -> int:
    return fill[0].time_ms
