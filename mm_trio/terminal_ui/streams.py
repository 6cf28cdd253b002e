"""Standard streams that may be closed, full, or read by nobody.

Nothing in here raises because of a stream. Log lines and what is told on stderr never hold up the caller either: a
thread for each stream writes them. A result that stdout did not take is remembered, and changes the exit code of a
command that would have ended well.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from mm_trio.logs.log_lines import make_formatter
from mm_trio.terminal_ui.signs import spell

__all__ = [
    "LineHandler",
    "find_lost_output",
    "finish_streams",
    "open_streams",
    "print_out",
    "tell",
    "tell_end",
]

# Minutes of a busy maker, and a few MB at most.
MOST_LINES_WAITING = 10_000
# Whoever reads stderr and stands still holds up the end of a command for so long, and no longer.
TOLD_WITHIN_S = 2.0
OTHER_STREAM_WITHIN_S = 0.2
# A stream that others set to non-blocking is tried again this often.
RETRY_EVERY_S = 0.1

_NUMBERS = {"stdin": 0, "stdout": 1, "stderr": 2}


def open_streams() -> None:
    """Make all three standard streams usable.

    One that is closed stays useless, but its number is taken: else the next file to be opened, such as the ledger,
    would get it, and with it whatever is written to that stream. Characters that an encoding lacks become question
    marks.
    """
    for name, number in _NUMBERS.items():
        try:
            os.fstat(number)
        except OSError:
            _occupy(number)
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - stays open to the end
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    for stream in (sys.stdout, sys.stderr):
        if (own := _find_number(stream)) is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace" if own == _NUMBERS["stdout"] else "backslashreplace")


def _occupy(number: int) -> None:
    """Open the null device, for reading alone, as this number.

    So a write fails as it does on a closed stream.
    """
    opened = os.open(os.devnull, os.O_RDONLY)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def _find_number(stream: TextIO | None) -> int | None:
    """Return 1 or 2 for the process's own stdout or stderr.

    None for one that a test put in its place.
    """
    for name in ("stdout", "stderr"):
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            return _NUMBERS[name]
    return None


def _encode(stream: TextIO, text: str) -> bytes:
    return spell(f"{text}\n", stream.encoding).encode(stream.encoding or "utf-8", "replace")


# --- Lines that must not hold anybody up --------------------------------------------------------


class _LineWriter:
    """Lines on their way to one stream, and the thread that writes them.

    A line that cannot be written is lost; how many were is told when one can be written again.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_writing = False
        self._n_lost = 0
        self._thread: threading.Thread | None = None

    def put(self, line: bytes) -> None:
        """Take a line, to be written soon."""
        with self._changed:
            if len(self._lines) >= MOST_LINES_WAITING:
                self._n_lost += 1
                return
            self._lines.append(line)
            self._changed.notify_all()
            if self._thread is None:
                self._start()

    def drain(self, within_s: float | None = None) -> bool:
        """Wait until all lines are written or lost.

        Returns False if that took too long.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines and not self._is_writing, within_s)

    def _start(self) -> None:
        # It is a daemon, because a stream that hangs must not keep the program from ending.
        thread = threading.Thread(target=self._write_forever, name=f"lines of {self._number}", daemon=True)
        try:
            thread.start()
            self._thread = thread
        except (RuntimeError, MemoryError):
            # Without threads the lines are written here and now.
            self._write_waiting()

    def _write_forever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                self._is_writing = True
            try:
                self._write_waiting()
            finally:
                with self._changed:
                    self._is_writing = False
                    self._changed.notify_all()

    def _write_waiting(self) -> None:
        with self._changed:
            lines, n_lost = list(self._lines), self._n_lost
            self._lines.clear()
            self._n_lost = 0
        note = _note_lost(n_lost) if n_lost else b""
        try:
            _write_all(self._number, note + b"".join(lines))
        except OSError:
            with self._changed:
                self._n_lost += n_lost + len(lines)


def _note_lost(n: int) -> bytes:
    """Write the log line that says how many lines are missing before it."""
    of_stream = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
    what = {"msg": "log lines lost: n=%d; this stream did not take them", "args": (n,)}
    return f"{make_formatter().format(logging.makeLogRecord(of_stream | what))}\n".encode("ascii", "replace")


def _write_all(number: int, data: bytes) -> None:
    """Write to a file descriptor, past any buffer of Python.

    A thread that stands in a buffer would end the interpreter with a fatal error. Errors: OSError.
    """
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(number, left) :]
        except BlockingIOError:
            # Whoever shares the stream has set it to non-blocking.
            select.select((), (number,), (), RETRY_EVERY_S)


_WRITERS = {number: _LineWriter(number) for number in (1, 2)}


class LineHandler(logging.StreamHandler[TextIO]):
    """Log handler that never raises and never waits."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record's line over to be written."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a log call whose arguments do not fit must not end what it reports
            line = f"{record.levelname} {record.name} {record.msg!s}"
        _put_line(self.stream, line)

    def flush(self) -> None:
        """Do nothing; `finish_streams` waits for the last lines."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Stay quiet."""


def _put_line(stream: TextIO | None, line: str) -> None:
    if stream is None:
        return
    if (number := _find_number(stream)) is not None:
        _WRITERS[number].put(_encode(stream, line))
        return
    with suppress(OSError, ValueError):
        print(line, file=stream, flush=True)


def tell(*lines: str) -> None:
    """Print lines on stderr and wait a moment for them."""
    # A terminal shows both streams, and log lines on stdout are older.
    _WRITERS[_NUMBERS["stdout"]].drain(OTHER_STREAM_WITHIN_S)
    for line in lines:
        _put_line(sys.stderr, line)
    if (number := _find_number(sys.stderr)) is not None:
        _WRITERS[number].drain(TOLD_WITHIN_S)


RESUME = "it stays halted over restarts: look at the reason, then let it go on with `mm-trio resume`"


def tell_end(
    *, halted_because: Sequence[str], orders_may_rest: Sequence[str], remedy: str = "", stays_halted: bool = False
) -> None:
    """Tell on stderr why a maker halted and what may still rest.

    This comes before anything else at an end that may fail or hang. `remedy` says what to do about such orders,
    `stays_halted` that no start goes on before an operator resumed.
    """
    tell(
        *(f"mm-trio: halted: {reason}" for reason in halted_because),
        *([f"mm-trio: {RESUME}"] if stays_halted else []),
        *(f"mm-trio: order may still be open: {order}" for order in orders_may_rest),
        *([f"mm-trio: {remedy}"] if orders_may_rest and remedy else []),
    )


# --- Results -----------------------------------------------------------------------------------

# What stdout did not take, if anything. The first error counts.
_LOST: list[OSError] = []


def print_out(text: str) -> None:
    """Print a result on stdout, however long the reader takes.

    A result that cannot be written is remembered.
    """
    stream, number = sys.stdout, _find_number(sys.stdout)
    if stream is None:
        return
    try:
        if number is None:
            print(text, file=stream, flush=True)
            return
        # Log lines that were put before come first.
        _WRITERS[number].drain()
        stream.flush()
        _write_all(number, _encode(stream, text))
    except OSError as error:
        _LOST.append(error)
    except ValueError as error:
        _LOST.append(OSError(errno.EBADF, str(error)))


def find_lost_output() -> OSError | None:
    """Return why a result was not written to stdout.

    None if all were, and where the reader of a pipe left: it has what it wanted.
    """
    error = _LOST[0] if _LOST else None
    return None if error is None or error.errno == errno.EPIPE else error


def finish_streams() -> OSError | None:
    """Write what is left, and return why a result was lost.

    Afterwards the interpreter finds nothing that it could fail to write. Call it last.
    """
    for stream in (sys.stdout, sys.stderr):
        if (number := _find_number(stream)) is None or stream is None:
            continue
        _WRITERS[number].drain(TOLD_WITHIN_S)
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            if stream is sys.stdout and isinstance(error, OSError):
                _LOST.append(error)
            _discard_output(number)
    lost = find_lost_output()
    _LOST.clear()
    return lost


def _discard_output(number: int) -> None:
    """Let what a broken stream still holds go nowhere."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
