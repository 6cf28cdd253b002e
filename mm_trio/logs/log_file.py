"""Log in files of bounded size, which a thread of its own writes.

A disk that is full or hangs costs lines of the log and holds up nobody.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from logging.handlers import QueueHandler, RotatingFileHandler
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import TypeAlias

from mm_trio.logs.log_lines import make_formatter

__all__ = ["LOG_NAME", "keep_log"]

LOG_NAME = "maker.log"
# A week or more of a maker that ticks every three seconds.
MOST_BYTES, OLDER_FILES = 10_000_000, 4
MOST_RECORDS_WAITING = 10_000
# A disk that hangs holds up the end of a command for so long, and no longer.
LAST_LINES_WITHIN_S = 2.0
ONLY_OURS = 0o600

_Records: TypeAlias = "Queue[logging.LogRecord | None]"


class _PrivateFile(RotatingFileHandler):
    """File that is created with mode 0600, like those that follow it."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=_create_private)


def _create_private(path: str, flags: int) -> int:
    return os.open(path, flags, ONLY_OURS)


@contextmanager
def keep_log(path: Path) -> Iterator[None]:
    """Write log records to a file too, while the context is open.

    A file that has grown to 10 MB becomes `….1`; four older ones are kept. Errors: OSError if it cannot be opened.
    """
    target = _PrivateFile(path, maxBytes=MOST_BYTES, backupCount=OLDER_FILES)
    waiting: _Records = Queue(MOST_RECORDS_WAITING)
    writer = Thread(target=_write_waiting, args=(waiting, target), name=f"log {path.name}", daemon=True)
    writer.start()
    handler = QueueHandler(waiting)
    # The line is written here, where the coin and the arguments are known; the file's thread only appends it.
    handler.setFormatter(make_formatter())
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        with suppress(Full):
            waiting.put_nowait(None)
        writer.join(LAST_LINES_WITHIN_S)


def _write_waiting(waiting: _Records, target: logging.Handler) -> None:
    """Write records until there comes None, which is the last."""
    while (record := waiting.get()) is not None:
        target.handle(record)
    target.close()
