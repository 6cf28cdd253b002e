"""High-water mark of a ledger, in a small file beside it.

The chain of the journal proves that what is there is unchanged. It cannot prove that its end is there: an older copy
has an unbroken chain too. The mark names an entry that the journal had once, by number and chain value.
A mark may be older than the journal, never newer, because it is written after the entries are durable.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mm_trio.model.errors import JournalError

__all__ = ["MARK_NAME", "EndMark", "describe_cut", "read_mark", "replace_file", "sync", "write_mark"]

MARK_NAME = "journal.end"
# The mark before it has the final name.
_BESIDE_NAME = "journal.end-new"
_FIRST_WORD = "mm_trio-journal-end-1"


@dataclass(frozen=True, slots=True)
class EndMark:
    """Number and chain value of an entry that the journal has."""

    seq: int
    chain: bytes

    def to_text(self) -> str:
        """Return the one line of the file, with its own checksum."""
        line = f"{_FIRST_WORD} {self.seq} {self.chain.hex()}"
        return f"{line} {_sum_up(line)}\n"


def read_mark(folder: Path) -> EndMark | None:
    """Read the mark in a folder; None if there is no such file.

    Errors: JournalError for a mark that cannot be read, or whose checksum is wrong.
    """
    path = folder / MARK_NAME
    try:
        text = path.read_bytes().decode("ascii", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"the end mark {path} cannot be read: {error.strerror or error}") from error
    with suppress(ValueError):
        word, seq, chain, _ = text.split(" ")
        mark = EndMark(int(seq), bytes.fromhex(chain))
        if word == _FIRST_WORD and mark.to_text() == text:
            return mark
    raise JournalError(
        f"the end mark {path} is damaged, so it is not known whether the ledger beside it is complete; run `mm-trio "
        "ledger rebuild` to make a new ledger from the entries that can be read and what the venue knows"
    )


def describe_cut(path: Path, mark: EndMark, *, n_entries: int) -> str:
    """Explain that a journal of `n_entries` lacks the marked entry."""
    if mark.seq > n_entries:
        found = f"its last entry is {n_entries}, but it had {mark.seq} entries once"
    else:
        found = f"its entry {mark.seq} (of {n_entries}) is not the one that it had once"
    return (
        f"{path} lacks entries: {found} (so says {MARK_NAME} beside it); it is an older copy (a backup, or a snapshot "
        "of the machine), or it lost its last entries. Put the newest copy of the whole folder in its place, or run "
        "`mm-trio ledger rebuild` to add what the venue knows of the missing entries"
    )


def write_mark(folder: Path, mark: EndMark) -> None:
    """Replace the mark in one step, durably.

    If the process ends at any point, the old mark is in place or the new one. Errors: OSError.
    """
    replace_file(folder / MARK_NAME, mark.to_text().encode(), beside=folder / _BESIDE_NAME)


def replace_file(path: Path, data: bytes, *, beside: Path) -> None:
    """Replace a file of mode 0600 in one step, durably; it is written as `beside` first.

    If the process ends at any point, the old file is in place or the new one. Errors: OSError.
    """
    if beside.exists():
        beside.unlink()
    number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(number)
    beside.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk.

    What was flushed survives a power cut.
    """
    # Windows cannot open a folder as a file.
    if sys.platform == "win32":
        return
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _sum_up(line: str) -> str:
    return sha256(line.encode()).hexdigest()[:16]
