"""Last lines of our log, for the page."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from mm_trio.config.redaction import hide_keys

__all__ = ["MOST_LINES", "LogLines"]

MOST_LINES = 200
# A line that is longer is cut: a list of orders may have many kilobytes.
MOST_CHARS = 600
_OURS = "mm_trio"


class LogLines(logging.Handler):
    """Keeps the last lines from INFO on, whichever thread logs them.

    Lines are numbered from 1. Keys are hidden when lines are read, since that takes longer than to keep them.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[tuple[int, int, str, str, str]] = deque(maxlen=MOST_LINES)
        self._n = 0

    @property
    def n(self) -> int:
        """Number of the last line."""
        return self._n

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line. Called with the handler's lock held."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            # A log call whose arguments do not fit must not end what it reports.
            text = str(record.msg)
        self._n += 1
        source = record.name.removeprefix(f"{_OURS}.")
        self._lines.append((self._n, int(record.created * 1000), record.levelname, source, text))

    def read_after(self, n: int) -> list[dict[str, object]]:
        """Return the lines after line `n`, oldest first."""
        self.acquire()
        try:
            lines = list(islice(self._lines, max(0, len(self._lines) - (self._n - n)), None))
        finally:
            self.release()
        return [
            {"n": number, "at_ms": at_ms, "level": level, "source": source, "text": hide_keys(text)[:MOST_CHARS]}
            for number, at_ms, level, source, text in lines
        ]

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear what we log while the context is open."""
        logger = logging.getLogger(_OURS)
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
