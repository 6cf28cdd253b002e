"""The maker's real journal, watched: what was durable when, for the rule that nothing arrives unwritten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mm_trio.entries import Entry, Requested, Sent
from mm_trio.journal import Journal, JournalRow

__all__ = ["WatchedJournal"]


class WatchedJournal:
    """A journal that remembers which nonces, hashes and cloids are on the disk. `nonces` in the order written."""

    def __init__(self, folder: Path) -> None:
        self._journal = Journal.open(folder)
        self._folder = folder
        self.requests: set[tuple[int, str]] = set()  # (nonce, hash of what was signed)
        self.cloids: set[str] = set()
        self.nonces: list[int] = []
        for row in self._journal.read(since_checkpoint=False):
            self._note(row.entry)

    @property
    def is_new(self) -> bool:
        return self._journal.is_new

    def read(self) -> Iterator[JournalRow]:
        return self._journal.read()

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        self._journal.append(entries, at_ms=at_ms)
        for entry in entries:
            self._note(entry)

    def close(self) -> None:
        self._journal.close()

    def _note(self, entry: Entry) -> None:
        if isinstance(entry, Requested):
            self.requests.add((entry.nonce, entry.digest))
            if entry.method != "noop":  # a noop takes the nonce that it burns
                self.nonces.append(entry.nonce)
        elif isinstance(entry, Sent):
            self.cloids.add(entry.cloid)
