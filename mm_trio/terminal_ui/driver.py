"""Driver of the terminal that never makes the maker wait for it."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from queue import Full

# Before textual, which keeps the `asyncio.current_task` that it finds; trio-asyncio replaces that on 3.12 and later.
import trio_asyncio  # type: ignore[import-untyped]  # noqa: F401
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from mm_trio.terminal_ui.signs import spell

__all__ = ["PatientDriver"]

LAST_WRITE_S = 0.2  # For the last writes at the end; a terminal that hangs gets no more.


class PatientDriver(LinuxDriver):
    """Driver that never makes the maker wait for the terminal.

    Textual's writer thread has a queue of 30 writes: with a terminal that takes no output (a hung connection) the next
    write would block the loop. Here that write is dropped, and drawing pauses while writes are waiting. Textual's
    handlers of SIGTSTP and SIGCONT would interrupt the loop anywhere, so a stop is ignored while the screen is open.
    """

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        # Textual draws on stderr, and whoever redirects that still has the terminal on stdout.
        if sys.__stdout__ is not None:
            self._file = sys.__stdout__
        self._encoding = getattr(self._file, "encoding", None)
        self._dropped = False
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)

    @property
    def is_behind(self) -> bool:
        """Return whether writes are waiting."""
        return self._writer_thread is not None and not self._writer_thread._queue.empty()

    def take_dropped(self) -> bool:
        """Return whether a write was dropped since the last call."""
        dropped, self._dropped = self._dropped, False
        return dropped

    def write(self, data: str) -> None:
        """Hand data to the writer thread without waiting."""
        assert self._writer_thread is not None
        try:
            self._writer_thread._queue.put_nowait(spell(data, self._encoding))
        except Full:
            self._dropped = True

    def close(self) -> None:
        """Give the writer thread a moment for its last writes.

        It is a daemon thread and may be left running.
        """
        if self._writer_thread is not None:
            with suppress(Full):
                self._writer_thread._queue.put_nowait(None)
            self._writer_thread.join(LAST_WRITE_S)
