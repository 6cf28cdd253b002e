"""Last state of each market in the ledger of several, replayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mm_trio.history.past_state import MayRest, list_may_rest
from mm_trio.history.past_terms import PastTerms
from mm_trio.journal.replay import Recovered, replay_grids
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Began, Checkpoint, Entry, Of

__all__ = ["PastGrid", "read_past_grids"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastGrid:
    """What the ledger knew of one market at its end. `terms` None: the ledger does not tell the ladder any more."""

    coin: str
    last_ms: int
    orders: tuple[MayRest, ...]
    terms: PastTerms | None
    recovered: Recovered


def read_past_grids(folder: Path, *, now_ms: int) -> dict[str, PastGrid]:
    """Replay the ledger of an account to its end, by the venue's names of the coins. Errors: JournalError."""
    with closing(Journal.open_to_read(folder)) as journal:
        reading = _Reading(journal.read())
        try:
            found = replay_grids(reading.entries(), order_sizes={}, now_s=0.0, wall_ms=now_ms)
        except ValueError as error:
            raise JournalError(f"the ledger contradicts itself: {error}") from error
    return {
        coin: PastGrid(
            coin=coin,
            last_ms=reading.last_ms,
            orders=list_may_rest(recovered.order_state, now_ms=now_ms),
            terms=reading.terms.get(coin),
            recovered=recovered,
        )
        for coin, recovered in found.items()
    }


class _Reading:
    """Rows on their way to a replay, and the ladders that they tell of."""

    def __init__(self, rows: Iterable[JournalRow]) -> None:
        self._rows = rows
        self.last_ms = 0
        self.terms: dict[str, PastTerms] = {}

    def entries(self) -> Iterator[Entry]:
        """Yield every entry."""
        for row in self._rows:
            self.last_ms = row.at_ms
            for part in row.entry.entries if isinstance(row.entry, Checkpoint) else (row.entry,):
                self._note_terms(row.at_ms, part)
            yield row.entry

    def _note_terms(self, at_ms: int, entry: Entry) -> None:
        if isinstance(entry, Of) and isinstance(entry.entry, Began) and entry.entry.parameters:
            self.terms[entry.coin] = PastTerms.of(at_ms, entry.entry)
