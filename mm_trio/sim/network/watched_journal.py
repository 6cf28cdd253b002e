"""Watch the maker's real journal for what is durable.

Rule S13 needs it: nothing may arrive at the venue that is neither in the journal nor covered by a reservation in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import JournalBusy, JournalError
from mm_trio.model.journal_entries import Checkpoint, Entry, Of, Released, Requested, Reserved, Sent

__all__ = ["WatchedJournal", "Written"]


@dataclass(slots=True)
class Written:
    """Content of the journal file, over all processes.

    `requests` holds actions as (nonce, hash of the signed bytes); `nonces` are in order. The first `n_rising` nonces
    are already known to increase. `refused` holds actions that a locked file did not take. `reserved` has the
    reservations by epoch, and `reserved_nonce` is the highest bound of nonces of any of them.
    """

    requests: set[tuple[int, str]] = field(default_factory=set)
    nonces: list[int] = field(default_factory=list)
    cloids: set[str] = field(default_factory=set)
    n_rising: int = 1
    refused: set[tuple[int, str]] = field(default_factory=set)
    reserved: dict[int, Reserved] = field(default_factory=dict)
    reserved_nonce: int = 0


class WatchedJournal:
    """Journal that notes in `written` what is durable.

    Each process has its own. While `is_locked` returns true, another process has the file locked; while `is_full`
    does, the disk takes nothing.
    """

    def __init__(
        self,
        folder: Path,
        written: Written,
        *,
        is_locked: Callable[[], bool] = lambda: False,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._journal = Journal.open(folder)
        # As every start does with a long journal.
        self.n_archived = 0 if is_full() else self._journal.move_to_archive(at_least=1)
        self.written = written
        self._is_locked = is_locked
        self._is_full = is_full
        # Whether a full disk took no entries: then the maker may only cancel.
        self.is_broken = False
        # Commits that were refused because of a lock.
        self.n_refused = 0
        # Set when the process is gone: no further write is accepted.
        self.is_dead = False
        self.on_entry: Callable[[Entry], None] = lambda entry: None
        # Called when the journal is read from a checkpoint on.
        self.on_checkpoint_read: Callable[[], None] = lambda: None

    @property
    def is_new(self) -> bool:
        """Return whether the journal had no entries."""
        return self._journal.is_new

    def read(self) -> Iterator[JournalRow]:
        """Read the entries back."""
        for number, row in enumerate(self._journal.read()):
            if not number and isinstance(row.entry, Checkpoint):
                self.on_checkpoint_read()
            yield row

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        """Write entries durably and note them.

        Errors: JournalError once the process is gone or the disk is full, JournalBusy while the file is locked.
        """
        if self.is_dead:
            raise JournalError("the process was killed: its journal takes no more entries")
        if self._is_locked():
            self.n_refused += 1
            inner = (entry.entry if isinstance(entry, Of) else entry for entry in entries)
            self.written.refused |= {(entry.nonce, entry.digest) for entry in inner if isinstance(entry, Requested)}
            raise JournalBusy("the ledger is locked by another process")
        if self._is_full():
            self.is_broken = True
            raise JournalError("the ledger cannot be used: no space left on device")
        self._journal.append(entries, at_ms=at_ms)
        for of_grid in entries:
            entry = of_grid.entry if isinstance(of_grid, Of) else of_grid
            self._note(entry)
            self.on_entry(entry)

    def mark_end(self) -> None:
        """Write the end mark of the journal.

        Errors: JournalError once the process is gone.
        """
        if self.is_dead:
            raise JournalError("the process was killed: its journal is marked no more")
        self._journal.mark_end()

    def close(self) -> None:
        """Close the journal file."""
        self._journal.close()

    def _note(self, entry: Entry) -> None:
        if isinstance(entry, Requested):
            request = entry.nonce, entry.digest
            # A noop reuses the nonce that it burns, and each grid notes the action that it shares.
            if entry.method != "noop" and request not in self.written.requests:
                self.written.nonces.append(entry.nonce)
            self.written.requests.add(request)
        elif isinstance(entry, Sent):
            self.written.cloids.add(entry.cloid)
        elif isinstance(entry, Reserved):
            self.written.reserved[entry.epoch] = entry
            self.written.reserved_nonce = max(self.written.reserved_nonce, entry.nonce)
        elif isinstance(entry, Released):
            self.written.reserved.pop(entry.epoch, None)
