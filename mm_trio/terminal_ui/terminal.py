"""What a screen needs of the terminal and of the log, without the toolkit that draws it.

Whether there is a terminal of ours to draw on, its modes and signals kept for afterwards, and log records
that go to a few lines of memory instead of over the screen.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import termios
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

__all__ = ["LogLine", "RecentRecords", "divert_logging", "is_terminal", "keep_terminal"]

WARNING_STAYS_S = 60.0
RECORDS_KEPT = 200  # some minutes of a busy maker; a screen shows fewer

# what Textual's driver takes for itself and does not give back: a stop and a continue after the screen is gone
# would set the terminal up for a screen again
_TAKEN_SIGNALS = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU)


def is_terminal() -> bool:
    """Whether a person is in front of stdin, stdout and stderr, on a terminal that can be drawn on, and we in front."""
    if os.environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
        if not all(stream is not None and stream.isatty() for stream in streams):
            return False
        return os.tcgetpgrp(0) == os.getpgrp()  # in the background the first touch would stop the maker
    except (OSError, ValueError):
        return False


@contextmanager
def keep_terminal() -> Iterator[None]:
    """Give the terminal's modes and its signals back as they were, whatever happened inside."""
    modes: list[Any] | None = None
    with suppress(OSError, ValueError, termios.error):  # no terminal: nothing to give back
        modes = termios.tcgetattr(0)
    handlers = _read_handlers()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if modes is not None:
            with suppress(OSError, termios.error):  # it went away meanwhile
                termios.tcsetattr(0, termios.TCSANOW, modes)


def _read_handlers() -> dict[int, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}  # no other thread can have changed one
    return {number: signal.getsignal(number) for number in _TAKEN_SIGNALS}


# --- the log ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record: `time_s` since 1970, `level` as in `logging`, the message without a traceback."""

    time_s: float
    level: int
    text: str


class RecentRecords(logging.Handler):
    """Keeps the last 200 records as lines; any thread may log."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[LogLine] = deque(maxlen=RECORDS_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Remember the record's message."""
        try:
            text = " ".join(record.getMessage().split())
        except (TypeError, ValueError):  # the arguments do not fit the message: a slip in a log call
            text = str(record.msg)
        self._lines.append(LogLine(record.created, record.levelno, text))

    def latest(self, n: int) -> tuple[LogLine, ...]:
        """The last `n` lines, oldest first; a warning stays the first of them for a minute."""
        if n < 1:
            return ()
        lines = tuple(self._lines)
        older, last = lines[:-n], lines[-n:]
        warning = next((line for line in reversed(older) if line.level >= logging.WARNING), None)
        if warning is None or any(line.level >= logging.WARNING for line in last):
            return last
        return (warning, *last[1:]) if last[-1].time_s - warning.time_s < WARNING_STAYS_S else last


@contextmanager
def divert_logging(records: RecentRecords) -> Iterator[None]:
    """Let the root's records go to `records` instead of the terminal; handlers that write to files stay.

    Afterwards the terminal has its handlers again.
    """
    root = logging.getLogger()
    on_terminal = [handler for handler in root.handlers if _writes_to_terminal(handler)]
    for handler in on_terminal:
        root.removeHandler(handler)
    root.addHandler(records)
    try:
        yield
    finally:
        root.removeHandler(records)
        for handler in on_terminal:
            root.addHandler(handler)


def _writes_to_terminal(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and bool(getattr(handler.stream, "isatty", bool)())
