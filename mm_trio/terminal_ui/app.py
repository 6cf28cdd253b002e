"""The live screen in a terminal: Textual under trio-asyncio, in the maker's own process.

It looks at snapshots and touches nothing. Whatever goes wrong in here ends the screen with `ViewFailed` and
one line of reason; the terminal is as it was, and the maker has not noticed. Nothing here prints a traceback:
Textual's would show local variables.
"""

from __future__ import annotations

import logging
import signal
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
from textual.theme import Theme
from textual.widgets import Footer, Static

from mm_trio.terminal_ui import render as draw
from mm_trio.terminal_ui.snapshot import MakerView
from mm_trio.terminal_ui.terminal import LogLine, RecentRecords, keep_terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["TerminalApp", "ViewFailed", "run_tui"]

REFRESH_EVERY_S = 0.25
LAST_WRITE_S = 0.2  # for what is still to be written at the end; a terminal that hangs gets no more
_REASON_CHARS = 200

_THEME = Theme(
    name="desk",
    primary="#8fa3bf",
    background="#14181f",
    surface="#14181f",
    panel="#1b212b",
    foreground="#d5dae3",
    dark=True,
    variables={
        "desk-dim": "#76808f",
        "desk-title": "#9db4d6",
        "desk-ask": "#d98c86",
        "desk-bid": "#86bd97",
        "desk-alert": "#d8b26a",
        "desk-bad": "#e5726a",
        "desk-good": "#86bd97",
        "footer-background": "#1b212b",
        "footer-key-foreground": "#9db4d6",
        "footer-description-foreground": "#76808f",
    },
)


class ViewFailed(Exception):
    """The screen could not be shown any longer; the maker goes on. Its text is one line, fit for a log."""


async def run_tui(
    take: Callable[[], MakerView], *, records: RecentRecords | None = None, headless: bool = False
) -> None:
    """Show what `take` gives, four times a second, until the person quits; cancelled, it leaves at once.

    `records` fills the log lines of the screen. `headless` draws nowhere: for tests.
    Errors: ViewFailed for whatever goes wrong in the screen or in `take`; the terminal is restored then too.
    """
    app = TerminalApp(take, records=records)
    cause: BaseException | None = None
    try:
        with keep_terminal():
            async with trio_asyncio.open_loop():
                await trio_asyncio.aio_as_trio(app.run_async)(headless=headless, mouse=False)
    except Exception as error:  # noqa: BLE001 - nothing that goes wrong in a screen may reach the maker
        cause = error
    except BaseExceptionGroup as group:
        # cancelled while failing: the cancellation is what counts, unless there is worse
        _, worse = group.split((Exception, trio.Cancelled))
        if worse is not None:
            raise
        cause = group
    # Textual swallows a cancellation on its way out
    await trio.lowlevel.checkpoint_if_cancelled()
    cause = app.failure or cause
    if cause is not None or app.return_code:
        raise ViewFailed(_explain(cause)) from cause


def _explain(error: BaseException | None) -> str:
    """One line: what it was, and where; no values of variables."""
    if error is None:
        return "Textual ended it"
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    words = " ".join(str(error).split())[:_REASON_CHARS]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {words}{place}"


# --- the application --------------------------------------------------------------------------


class Panel(Static):
    """A piece of the screen: lines in, no markup, nothing to focus."""

    def show(self, lines: Sequence[draw.Line]) -> None:
        """Replace what the panel says; its size stays."""
        joined = Content("\n").join(Content.assemble(*line) for line in lines)
        self.update(joined, layout=False)


class TerminalApp(App[None]):
    """One screen of panels, refreshed from `take`. After it ended, `failure` is what broke it, if anything."""

    ENABLE_COMMAND_PALETTE = False
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012 - declared so by Textual
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "stop: cancel our orders and leave"),
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
    #log { height: 2; padding: 0 1; color: $desk-dim; }
    .-tall #fills { height: 8; margin: 1 0; }
    .-tall #log { height: 4; }
    """

    def __init__(self, take: Callable[[], MakerView], *, records: RecentRecords | None = None) -> None:
        super().__init__(driver_class=_PatientDriver)
        self.failure: Exception | None = None
        self._take = take
        self._records = records
        self._panels = {name: Panel(id=name) for name in ("header", "ladder", "side", "fills", "log")}
        self.register_theme(_THEME)
        self.theme = _THEME.name

    def compose(self) -> ComposeResult:
        """Header, ladder and numbers side by side, fills, log, keys."""
        panels = self._panels
        yield panels["header"]
        yield Horizontal(panels["ladder"], panels["side"], id="middle")
        yield panels["fills"]
        yield panels["log"]
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.set_interval(REFRESH_EVERY_S, self.look)
        self.call_after_refresh(self.look)

    def look(self) -> None:
        """Take a snapshot and draw it; not while the terminal has yet to show the one before, nor on the way out."""
        behind = isinstance(self._driver, _PatientDriver) and self._driver.is_behind
        if behind or not self.is_running:
            return
        if isinstance(self._driver, _PatientDriver) and self._driver.take_dropped():
            self.screen.refresh(layout=True)  # what was dropped may be anywhere: paint all of it again
        view, panels = self._take(), self._panels
        panels["header"].show(draw.draw_header(view, width=self.size.width))
        ladder, fills, log = panels["ladder"], panels["fills"], panels["log"]
        ladder.show(draw.draw_ladder(view, width=ladder.size.width, height=ladder.size.height))
        panels["side"].show(draw.draw_side(view))
        fills.show(draw.draw_fills(view, n_rows=fills.size.height - 1))
        if self._records is not None:
            log.show([_draw_log_line(line) for line in self._records.latest(log.size.height)])

    # --- Textual's own reactions to trouble, without what it would print ----------------------

    def _handle_exception(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()

    def panic(self, *renderables: RenderableType) -> None:
        """End without a word: `run_tui` says what happened."""
        if self.failure is None:
            self.failure = RuntimeError("the terminal cannot be read any more")
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        self._exit_renderables.clear()


def _draw_log_line(line: LogLine) -> draw.Line:
    style = draw.BAD if line.level >= logging.ERROR else draw.ALERT if line.level >= logging.WARNING else draw.DIM
    return ((time.strftime("%H:%M:%S ", time.localtime(line.time_s)), draw.DIM), (line.text, style))


# --- the terminal -----------------------------------------------------------------------------


class _PatientDriver(LinuxDriver):
    """Textual's driver, less what would make the maker wait for a terminal or stop with it.

    Its writer thread has a queue of 30: with a terminal that takes nothing (a hung connection) the next write
    would block the loop. Here it is dropped, and drawing pauses while anything waits. Its handlers of SIGTSTP
    and SIGCONT work on the loop from any place: a stop is ignored while the screen is open.
    """

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._dropped = False
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)

    @property
    def is_behind(self) -> bool:
        """Whether something waits to be written."""
        return self._writer_thread is not None and not self._writer_thread._queue.empty()

    def take_dropped(self) -> bool:
        """Whether a write was dropped since the last time this was asked."""
        dropped, self._dropped = self._dropped, False
        return dropped

    def write(self, data: str) -> None:
        """Hand to the writer thread; never wait for it."""
        assert self._writer_thread is not None
        try:
            self._writer_thread._queue.put_nowait(data)
        except Full:
            self._dropped = True

    def close(self) -> None:
        """Let the thread write what waits, for a moment; it is a daemon and may be left behind."""
        if self._writer_thread is not None:
            with suppress(Full):
                self._writer_thread._queue.put_nowait(None)
            self._writer_thread.join(LAST_WRITE_S)
