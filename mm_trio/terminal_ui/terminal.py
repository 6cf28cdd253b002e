"""Terminal and log of a screen.

It needs no toolkit. It finds out whether there is a terminal to draw on, restores its modes and signals afterwards, and
keeps log records in memory instead of printing them over the screen.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import termios
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import TypeAlias

__all__ = ["LogLine", "RecentRecords", "divert_logging", "is_terminal", "keep_terminal"]

WARNING_STAYS_S = 60.0
RECORDS_KEPT = 200  # Some minutes of a busy maker; a screen shows fewer.

# Textual's driver sets handlers of these and does not restore them. A stop and a continue after the screen is closed
# would set the terminal up for a screen again.
_TAKEN_SIGNALS = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU)


_Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | signal.Handlers | None


def is_terminal() -> bool:
    """Return whether a screen can be drawn here.

    We must run in the foreground of a terminal that is not a dumb one. stdin and stdout have to be that terminal;
    stderr may go elsewhere.
    """
    if os.environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        streams = (sys.__stdin__, sys.__stdout__)
        if not all(stream is not None and stream.isatty() for stream in streams):
            return False
        # In the background the first access to the terminal would stop the maker.
        return os.tcgetpgrp(0) == os.getpgrp()
    except (OSError, ValueError):
        return False


@contextmanager
def keep_terminal() -> Iterator[None]:
    """Restore the terminal's modes and signal handlers afterwards."""
    modes: list[int | list[bytes | int]] | None = None
    # Without a terminal there is nothing to restore.
    with suppress(OSError, ValueError, termios.error):
        modes = termios.tcgetattr(0)
    handlers = _read_handlers()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if modes is not None:
            # The terminal may have been closed meanwhile.
            with suppress(OSError, termios.error):
                termios.tcsetattr(0, termios.TCSANOW, modes)


def _read_handlers() -> dict[int, _Handler]:
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can change handlers.
        return {}
    return {number: signal.getsignal(number) for number in _TAKEN_SIGNALS}


# --- The log ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogLine:
    """Line of one log record.

    `time_s` since 1970, `level` as in `logging`, `text` is the message without a traceback.
    """

    time_s: float
    level: int
    text: str


class RecentRecords(logging.Handler):
    """Log handler that keeps the last 200 records.

    Any thread may log.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[LogLine] = deque(maxlen=RECORDS_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's message."""
        try:
            text = " ".join(record.getMessage().split())
        except (TypeError, ValueError):
            # A log call whose arguments do not fit its message must not end the screen.
            text = str(record.msg)
        self._lines.append(LogLine(record.created, record.levelno, text))

    def latest(self, n: int) -> tuple[LogLine, ...]:
        """Return the last `n` lines, oldest first.

        A warning stays the first of them for a minute.
        """
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
    """Send log records to `records` instead of the terminal.

    Handlers that write to files stay. Afterwards the terminal's handlers are restored.
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
