"""Recovery of the state that the last session left behind.

The journal's entries are read and replayed on a worker thread, off the event loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.journal.replay import Recovered, replay, replay_grids
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Entry
from mm_trio.model.numbers import Number

__all__ = ["LedgerFile", "recover", "recover_grids"]


class HasEntry(Protocol):
    """Row of a journal."""

    @property
    def entry(self) -> Entry: ...


class LedgerFile(Protocol):
    """Journal, or any object of its shape.

    Its methods block and raise `JournalError` if the file cannot be read or written.
    """

    @property
    def is_new(self) -> bool: ...
    def read(self) -> Iterable[HasEntry]: ...
    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None: ...
    def mark_end(self) -> None: ...


async def recover(journal: LedgerFile, *, order_size: Number, run_sync: RunSync, wall_ms: int) -> Recovered:
    """Replay the journal into the state it describes.

    Errors: JournalError, also for entries that contradict each other.
    """
    found: Recovered = await run_sync(_replay, journal, order_size, trio.current_time(), wall_ms)
    return found


async def recover_grids(
    journal: LedgerFile, *, order_sizes: Mapping[str, Number], run_sync: RunSync, wall_ms: int
) -> dict[str, Recovered]:
    """Replay the journal of several grids, by coin.

    Errors: JournalError, also for entries that contradict each other.
    """
    found: dict[str, Recovered] = await run_sync(_replay_grids, journal, order_sizes, trio.current_time(), wall_ms)
    return found


def _replay_grids(
    journal: LedgerFile, order_sizes: Mapping[str, Number], now_s: float, wall_ms: int
) -> dict[str, Recovered]:
    entries = (row.entry for row in journal.read())
    try:
        return replay_grids(entries, order_sizes=order_sizes, now_s=now_s, wall_ms=wall_ms)
    except ValueError as error:
        raise JournalError(f"the ledger contradicts itself: {error}") from error


def _replay(journal: LedgerFile, order_size: Number, now_s: float, wall_ms: int) -> Recovered:
    entries = (row.entry for row in journal.read())
    try:
        return replay(entries, order_size=order_size, now_s=now_s, wall_ms=wall_ms)
    except ValueError as error:
        raise JournalError(f"the ledger contradicts itself: {error}") from error
