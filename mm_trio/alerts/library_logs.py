"""Log lines of the libraries that send messages, kept from every handler.

They have addresses in them, tokens included, also where nothing went wrong.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keeping_library_logs"]

# A filter works on what is logged by this very name, so each has one.
_NAMES = (
    "apprise",
    "requests",
    "urllib3",
    *(f"urllib3.{part}" for part in ("connection", "connectionpool", "poolmanager", "response", "util.retry")),
)
# Of one message. The first lines say what went wrong.
MOST_LINES = 200


class _Kept(logging.Filter):
    """Filter that takes what is logged on threads which send messages."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[int, list[str]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Let through what other threads log, for the venue is asked with the same libraries."""
        lines = self.lines.get(threading.get_ident())
        if lines is not None and len(lines) < MOST_LINES:
            lines.append(record.getMessage())
        # Nothing but messages is sent by Apprise, on whatever threads of its own.
        return lines is None and record.name != "apprise"


_kept = _Kept()


@contextmanager
def keeping_library_logs() -> Iterator[list[str]]:
    """Keep what the libraries log on this thread; yield the list that it goes into."""
    for name in _NAMES:
        # Adding it again changes nothing.
        logging.getLogger(name).addFilter(_kept)
    # Only its details say why a message was not taken.
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    number = threading.get_ident()
    lines = _kept.lines[number] = []
    try:
        yield lines
    finally:
        del _kept.lines[number]
