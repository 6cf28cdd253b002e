"""Live screen in a terminal.

Textual runs under trio-asyncio in the maker's own process. It reads snapshots and changes nothing. Every failure in
here ends the screen with `ViewFailed` and one line of reason; the terminal is restored, and the maker goes on. No
traceback is printed, because Textual's would show local variables.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Full
from typing import TYPE_CHECKING, ClassVar

import trio
import trio_asyncio  # type: ignore[import-untyped]
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.drivers.linux_driver import LinuxDriver
from textual.widgets import Footer, Static

from mm_trio.terminal_ui import render as draw
from mm_trio.terminal_ui.explanation import draw_explanation
from mm_trio.terminal_ui.signs import spell
from mm_trio.terminal_ui.terminal import LogLine, RecentRecords, keep_terminal
from mm_trio.terminal_ui.themes import FEW_COLOURS, MANY_COLOURS
from mm_trio.views.values import MakerView

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Panel", "TerminalApp", "ViewFailed", "run_app", "run_tui"]

REFRESH_EVERY_S = 0.25
LAST_WRITE_S = 0.2  # For the last writes at the end; a terminal that hangs gets no more.
_REASON_CHARS = 200


class ViewFailed(Exception):
    """Failure of the screen, in one line fit for a log."""


async def run_tui(
    take: Callable[[], MakerView], *, records: RecentRecords | None = None, headless: bool = False
) -> None:
    """Show snapshots four times a second until the operator quits.

    `take` gives the snapshot. `records` fills the log lines of the screen. `headless` draws nowhere, for tests.
    Cancellation ends the screen at once. Errors: ViewFailed for every failure of the screen or of `take`; the terminal
    is restored then too.
    """
    await run_app(TerminalApp(take, records=records), headless=headless)


async def run_app(app: TerminalApp, *, headless: bool = False) -> None:
    """Run a screen, as `run_tui` does. Errors: ViewFailed."""
    cause: BaseException | None = None
    try:
        with keep_terminal():
            async with trio_asyncio.open_loop():
                await trio_asyncio.aio_as_trio(app.run_async)(headless=headless, mouse=False)
    except Exception as error:  # noqa: BLE001 - no failure of the screen may reach the maker
        cause = error
    except BaseExceptionGroup as group:
        # If it failed while being cancelled, the cancellation counts, unless there is an error of another kind.
        _, worse = group.split((Exception, trio.Cancelled))
        if worse is not None:
            raise
        cause = group
    # Textual swallows a cancellation while it ends, so it is raised again here.
    await trio.lowlevel.checkpoint_if_cancelled()
    cause = app.failure or cause
    if cause is not None or app.return_code:
        raise ViewFailed(_explain(cause)) from cause


def _explain(error: BaseException | None) -> str:
    """Describe an error in one line without values of variables."""
    if error is None:
        return "Textual ended the screen"
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    words = " ".join(str(error).split())[:_REASON_CHARS]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {words}{place}"


# --- The application --------------------------------------------------------------------------


class Panel(Static):
    """Panel of lines, without markup or focus."""

    def show(self, lines: Sequence[draw.Line]) -> None:
        """Replace the lines of the panel; its size stays."""
        joined = Content("\n").join(Content.assemble(*line) for line in lines)
        self.update(joined, layout=False)


class TerminalApp(App[None]):
    """Screen of panels, refreshed from `take`.

    After its end `failure` is the error that ended it, if any.
    """

    ENABLE_COMMAND_PALETTE = False
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012 - declared so by Textual
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "stop: cancel open orders and quit"),
        Binding("question_mark", "explain", "explain", key_display="?"),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]
    CSS = """
    Screen { background: $background; }
    Panel { text-wrap: nowrap; text-overflow: ellipsis; }
    #header { height: 1; background: $panel; }
    #middle { height: 1fr; }
    #ladder { width: 1fr; height: 100%; }
    #side { width: 30; height: 100%; padding: 0 1; }
    #fills { height: 4; }
    #log { height: 2; padding: 0 1; color: $mm-dim; }
    #explanation { display: none; height: 1fr; }
    .-explains #explanation { display: block; }
    .-explains #middle, .-explains #fills, .-explains #log { display: none; }
    .-tall #fills { height: 8; margin: 1 0; }
    .-tall #log { height: 4; }
    """

    def __init__(self, take: Callable[[], MakerView], *, records: RecentRecords | None = None) -> None:
        super().__init__(driver_class=_PatientDriver)
        self.failure: Exception | None = None
        self._take = take
        self._records = records
        self._panels = {name: Panel(id=name) for name in ("header", "ladder", "side", "fills", "log", "explanation")}
        theme = FEW_COLOURS if self.console.color_system == "standard" else MANY_COLOURS
        self.register_theme(theme)
        self.theme = theme.name

    def compose(self) -> ComposeResult:
        """Compose header, ladder beside numbers, fills, log, keys."""
        panels = self._panels
        yield panels["header"]
        yield Horizontal(panels["ladder"], panels["side"], id="middle")
        yield panels["fills"]
        yield panels["log"]
        yield panels["explanation"]
        yield Footer()

    def on_mount(self) -> None:
        """Start the periodic refresh."""
        self._panels["explanation"].show(draw_explanation())
        self.set_interval(REFRESH_EVERY_S, self.refresh_panels)
        self.call_after_refresh(self.refresh_panels)

    def action_explain(self) -> None:
        """Explain the screen in its place, or show it again."""
        self.screen.toggle_class("-explains")

    def refresh_panels(self) -> None:
        """Take a snapshot and draw it.

        Nothing is drawn while the terminal has yet to show the snapshot before, nor while the screen closes.
        """
        behind = isinstance(self._driver, _PatientDriver) and self._driver.is_behind
        if behind or not self.is_running:
            return
        if isinstance(self._driver, _PatientDriver) and self._driver.take_dropped():
            # The dropped write may belong to any part of the screen, so all of it is painted again.
            self.screen.refresh(layout=True)
        self.draw()

    def draw(self) -> None:
        """Draw a snapshot of the maker."""
        view, panels = self._take(), self._panels
        panels["header"].show(draw.draw_header(view, width=self.size.width))
        ladder, fills = panels["ladder"], panels["fills"]
        ladder.show(draw.draw_ladder(view, width=ladder.size.width, height=ladder.size.height))
        panels["side"].show(draw.draw_side(view))
        fills.show(draw.draw_fills(view, n_rows=fills.size.height - 1))
        self.draw_log()

    def draw_log(self) -> None:
        """Draw the last lines of the log."""
        log = self._panels["log"]
        if self._records is not None:
            log.show([_draw_log_line(line) for line in self._records.latest(log.size.height)])

    # Textual's own reactions to errors, without what it would print.

    def _handle_exception(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()

    def panic(self, *renderables: RenderableType) -> None:
        """Close without printing; `run_tui` reports the failure."""
        if self.failure is None:
            self.failure = RuntimeError("the terminal can no longer be read")
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        self._exit_renderables.clear()


def _draw_log_line(line: LogLine) -> draw.Line:
    style = draw.BAD if line.level >= logging.ERROR else draw.ALERT if line.level >= logging.WARNING else draw.DIM
    return ((time.strftime("%H:%M:%S ", time.localtime(line.time_s)), draw.DIM), (line.text, style))


# --- The terminal -----------------------------------------------------------------------------


class _PatientDriver(LinuxDriver):
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
