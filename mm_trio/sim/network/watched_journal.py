"""The maker's real journal, watched: what was durable when, for the rule that nothing arrives unwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Entry, Requested, Sent

__all__ = ["WatchedJournal", "Written"]


@dataclass(slots=True)
class Written:
    """What is on the disk, of all lives: actions as (nonce, hash of what was signed), nonces in order, cloids.

    `n_rising`: so many of the nonces are known to rise.
    """

    requests: set[tuple[int, str]] = field(default_factory=set)
    nonces: list[int] = field(default_factory=list)
    cloids: set[str] = field(default_factory=set)
    n_rising: int = 1


class WatchedJournal:
    """A journal that notes in `written` what is durable. One for each life."""

    def __init__(self, folder: Path, written: Written) -> None:
        self._journal = Journal.open(folder)
        self.written = written
        self.is_dead = False  # the process that had it is gone: it takes nothing more
        self.on_entry: Callable[[Entry], None] = lambda entry: None

    @property
    def is_new(self) -> bool:
        return self._journal.is_new

    def read(self) -> Iterator[JournalRow]:
        return self._journal.read()

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        if self.is_dead:
            raise JournalError("nobody is there to write")
        self._journal.append(entries, at_ms=at_ms)
        for entry in entries:
            self._note(entry)
            self.on_entry(entry)

    def close(self) -> None:
        self._journal.close()

    def _note(self, entry: Entry) -> None:
        if isinstance(entry, Requested):
            self.written.requests.add((entry.nonce, entry.digest))
            if entry.method != "noop":  # a noop takes the nonce that it burns
                self.written.nonces.append(entry.nonce)
        elif isinstance(entry, Sent):
            self.written.cloids.add(entry.cloid)
