"""Small files of mode 0600 between a maker and its guard, replaced whole.

They are not flushed to disk: they protect from a process that dies, and what a dead process wrote is still there. After
a power cut there is no guard either, and the next start of both begins with what the venue lists.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["FileUnread", "read_private", "write_private"]

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class FileUnread(Exception):
    """File of a maker or its guard that is not whole, or not meant for this reader."""


def read_private(path: Path, *, most: int) -> bytes | None:
    """Read a file of at most so many bytes; None where there is none.

    Errors: OSError, also for a link; FileUnread for a file that is larger.
    """
    try:
        number = os.open(path, os.O_RDONLY | _NO_LINKS)
    except FileNotFoundError:
        return None
    with os.fdopen(number, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise FileUnread(f"{path.name} has more than {most} bytes")
    return data


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step: a reader sees the old one or the new one. Errors: OSError."""
    beside = path.with_name(f"{path.name}.new")
    number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NO_LINKS, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(data)
    beside.replace(path)
