"""A ledger read back: the journal's entries replayed off the loop, into what the last life left behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.journal.replay import Recovered, replay
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Entry
from mm_trio.model.numbers import Number

__all__ = ["LedgerFile", "recover"]


class HasEntry(Protocol):
    """A row of a journal."""

    @property
    def entry(self) -> Entry: ...


class LedgerFile(Protocol):
    """A journal, or anything of its shape. Blocking; `JournalError` where it cannot be read or written."""

    @property
    def is_new(self) -> bool: ...
    def read(self) -> Iterable[HasEntry]: ...
    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None: ...


async def recover(journal: LedgerFile, *, order_size: Number, run_sync: RunSync, wall_ms: int) -> Recovered:
    """Replay the journal. Errors: JournalError, also for entries that contradict each other."""
    found: Recovered = await run_sync(_replay, journal, order_size, trio.current_time(), wall_ms)
    return found


def _replay(journal: LedgerFile, order_size: Number, now_s: float, wall_ms: int) -> Recovered:
    entries = (row.entry for row in journal.read())
    try:
        return replay(entries, order_size=order_size, now_s=now_s, wall_ms=wall_ms)
    except ValueError as error:
        raise JournalError(f"the ledger contradicts itself: {error}") from error
