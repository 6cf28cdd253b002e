"""A small ledger with archives, and its copies."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from core_kit import dec

from mm_trio.cli.copy_programs.copy_ledger import copy_ledger
from mm_trio.cli.copy_programs.ledger_copies import Label, LedgerCopy
from mm_trio.config.private_paths import make_private_folders
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.journal_entries import Adjusted, Began, Booked, Checkpoint, Entry, LookedUp, Remembered, Summed
from mm_trio.model.orders import Quote

LABEL = Label(network="sandbox/here", account="0xAB", coin="@107")
AT_MS = 1_790_000_000_000


def booked(tid: int) -> Booked:
    return Booked(tid, tid, 1000 + tid, "@107", Quote("buy", 3, dec("20.180"), dec("1.50")), dec("0.001"), "base")


def checkpoint(token: int) -> Checkpoint:
    parts: tuple[Entry, ...] = (Began(7, {}), Summed(None, None, dec(token), dec(0)), Remembered(1000 + token, ()))
    return Checkpoint(parts)


# Eleven entries, two checkpoints; nine lie before the last one.
ENTRIES: list[Entry] = [
    *(Began(7, {}), Adjusted(dec(0), dec(0), "balance"), booked(1), booked(2), checkpoint(2)),
    *(booked(3), LookedUp(1003), booked(4), booked(5), checkpoint(5), booked(6)),
]


def write(folder: Path, entries: Sequence[Entry] = ENTRIES) -> None:
    """Append entries to a ledger, each with a time of its own, and close it."""
    with closing(Journal.open(folder)) as journal:
        for entry in entries:
            journal.append([entry], at_ms=AT_MS + journal.end.seq)
        journal.mark_end()


def archive(folder: Path) -> None:
    with closing(Journal.open(folder)) as journal:
        assert journal.move_to_archive(at_least=1) > 0


def read(folder: Path) -> list[JournalRow]:
    with closing(Journal.open_to_read(folder)) as journal:
        return list(journal.read(since_checkpoint=False))


def copy(folder: Path, root: Path, label: Label = LABEL) -> LedgerCopy:
    make_private_folders(root)
    return copy_ledger(folder, root, label=label, check_stop=lambda: None)
