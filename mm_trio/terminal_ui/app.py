"""Live screen in a terminal.

Textual runs under trio-asyncio, in the maker's own process or in one that watches it. It reads snapshots, and changes
nothing but what an operator asks for by a key. Every failure in here ends the screen with `ViewFailed` and one line of
reason; the terminal is restored, and the maker goes on. No traceback is printed, because Textual's would show local
variables.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import trio
import trio_asyncio  # type: ignore[import-untyped]
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Footer, Static

from mm_trio.terminal_ui import render as draw
from mm_trio.terminal_ui.driver import PatientDriver
from mm_trio.terminal_ui.explanation import draw_explanation, find_last_row
from mm_trio.terminal_ui.operator_keys import OperatorFailed, Question, TellsMaker
from mm_trio.terminal_ui.terminal import LogLine, RecentRecords, keep_terminal
from mm_trio.terminal_ui.themes import FEW_COLOURS, MANY_COLOURS
from mm_trio.views.values import MakerView

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Panel", "TerminalApp", "ViewFailed", "run_app", "run_tui"]

REFRESH_EVERY_S = 0.25
_REASON_CHARS = 200
# Columns and lines: what shows all of it, and what still has room for the ladder.
WHOLE, LEAST = (80, 24), (56, 14)
SAID_FOR_S = 20.0
STOP_WORDS = "stop: cancel open orders and quit"


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

_STEPS = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10, "space": 10}


class Panel(Static):
    """Panel of lines, without markup or focus."""

    def show(self, lines: Sequence[draw.Line]) -> None:
        """Replace the lines of the panel; its size stays."""
        joined = Content("\n").join(Content.assemble(*line) for line in lines)
        self.update(joined, layout=False)


_PANELS = ("header", "ladder", "side", "fills", "log", "explanation", "small", "bar")


class TerminalApp(App[None]):
    """Screen of panels, refreshed from `take`.

    `maker` takes what an operator tells it by keys; None: there are no such keys. `coin` is the one of several markets
    that they are for, None: all that the maker quotes. `quit_words` say what `q` does, and
    `find_notice` what is to be known of what is shown, such as that it is old. After its end `failure` is the error
    that ended it, if any.
    """

    ENABLE_COMMAND_PALETTE = False
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012 - declared so by Textual
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", STOP_WORDS),
        Binding("question_mark", "explain", "explain", key_display="?"),
        Binding("p", "pause", "pause"),
        Binding("r", "resume", "resume"),
        Binding("c", "cancel_all", "cancel all"),
        Binding("y", "answer(True)", "yes"),
        Binding("n", "answer(False)", "no"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("escape", "go_back", "back", show=False),
        *(Binding(key, f"move({step})", "move", show=False) for key, step in _STEPS.items()),
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
    #explanation, #small { display: none; height: 1fr; }
    #bar { display: none; height: auto; max-height: 4; padding: 0 1; text-wrap: wrap; background: $panel; }
    .-says #bar { display: block; }
    .-says #fills, .-says #log { display: none; }
    .-small #small { display: block; }
    .-small #middle, .-small #fills, .-small #log { display: none; }
    .-explains #explanation { display: block; }
    .-explains #middle, .-explains #fills, .-explains #log, .-explains #small { display: none; }
    .-tall #fills { height: 8; margin: 1 0; }
    .-tall #log { height: 4; }
    """

    def __init__(
        self,
        take: Callable[[], MakerView],
        *,
        records: RecentRecords | None = None,
        maker: TellsMaker | None = None,
        coin: str | None = None,
        quit_words: str = STOP_WORDS,
        find_notice: Callable[[], str | None] = lambda: None,
    ) -> None:
        super().__init__(driver_class=PatientDriver)
        self.failure: Exception | None = None
        self._take = take
        self._records = records
        self._maker = maker
        self._coin = coin
        self._find_notice = find_notice
        self._question: Question | None = None
        self._said: tuple[str, float] | None = None
        self._first_explained = 0
        self._panels = {name: Panel(id=name) for name in _PANELS}
        self._bindings.key_to_bindings["q"] = [Binding("q", "quit", quit_words)]
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
        yield panels["small"]
        yield panels["bar"]
        yield Footer()

    def on_mount(self) -> None:
        """Start the periodic refresh."""
        self.set_interval(REFRESH_EVERY_S, self.refresh_panels)
        self.call_after_refresh(self.refresh_panels)

    def action_explain(self) -> None:
        """Explain the screen in its place, or show it again."""
        self._first_explained = 0
        self.screen.toggle_class("-explains")
        self.call_after_refresh(self.refresh_panels)

    @property
    def is_explaining(self) -> bool:
        """Check if the explanation is shown in place of the screen."""
        return self.screen.has_class("-explains")

    def action_go_back(self) -> None:
        """Leave the explanation."""
        if self.is_explaining:
            self.action_explain()

    def action_move(self, step: int) -> None:
        """Move in the explanation."""
        if self.is_explaining:
            last = find_last_row(self._panels["explanation"].size.height)
            self._first_explained = min(max(0, self._first_explained + step), last)
            self.refresh_panels()

    # What an operator tells the maker.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the keys that mean something now."""
        if action in ("pause", "resume", "cancel_all"):
            return self._maker is not None and self._question is None
        return self._question is not None if action == "answer" else True

    @property
    def subject(self) -> tuple[str | None, str]:
        """Return what a key is about: a market, None for all that the maker quotes, and its name."""
        return self._coin, self._take().pair_name

    def action_pause(self) -> None:
        """Let the maker place nothing new."""
        maker, (coin, _) = self._maker, self.subject
        if maker is not None:
            self._do(lambda: maker.pause(coin))

    def action_cancel_all(self) -> None:
        """Ask whether the maker is to cancel all and place nothing."""
        maker, (coin, name) = self._maker, self.subject
        if maker is not None:
            text = f"cancel all orders of {name}, and place nothing until it is resumed?"
            self._ask(Question(text, lambda: maker.cancel_all(coin)))

    def action_resume(self) -> None:
        """Ask whether the maker is to place again, once it is known what that means."""
        maker, (coin, name) = self._maker, self.subject

        async def explain() -> str:
            assert maker is not None
            plan = await maker.explain_resumption(coin)
            if plan is None:
                return f"{name} is active: nothing to resume"
            self._ask(Question(f"{plan}.", lambda: maker.resume(coin)))
            return ""

        if maker is not None:
            self._do(explain)

    def action_answer(self, is_yes: bool) -> None:
        """Answer the question that is asked."""
        question = self._question
        if question is not None:
            self._ask(None)
            if is_yes:
                self._do(question.do)
            else:
                self._say("nothing was done")

    def _ask(self, question: Question | None) -> None:
        self._question = question
        self.refresh_bindings()
        self.refresh_panels()

    def _say(self, text: str) -> None:
        self._said = (text, trio.current_time()) if text else None
        self.refresh_panels()

    def _do(self, do: Callable[[], Awaitable[str]]) -> None:
        """Do what a key asks for, and say what came of it."""
        self._say("asked; waiting until the maker has written it down")
        self.run_worker(self._work(do), exit_on_error=False)

    async def _work(self, do: Callable[[], Awaitable[str]]) -> None:
        try:
            text = await trio_asyncio.trio_as_aio(do)()
        except OperatorFailed as error:
            text = f"not done: {error}"
        except Exception as error:  # noqa: BLE001 - a key that fails must not end the screen
            text = f"not done: {type(error).__name__}"
            _log.error("key failed: error=%r; the maker goes on", error)
        self._say(text)

    def _find_words(self) -> tuple[str, str] | None:
        """Find what the bar says, and how: a question before what is wrong, and that before what was done."""
        if self._question is not None and self._question.is_over:
            self._ask(None)
        if self._question is not None:
            return self._question.text, draw.ALERT
        if (notice := self._find_notice()) is not None:
            return notice, draw.BAD
        if self._said is not None and trio.current_time() - self._said[1] < SAID_FOR_S:
            return self._said[0], draw.STRONG
        return None

    def refresh_panels(self) -> None:
        """Take a snapshot and draw it.

        Nothing is drawn while the terminal has yet to show the snapshot before, nor while the screen closes.
        """
        behind = isinstance(self._driver, PatientDriver) and self._driver.is_behind
        if behind or not self.is_running:
            return
        if isinstance(self._driver, PatientDriver) and self._driver.take_dropped():
            # The dropped write may belong to any part of the screen, so all of it is painted again.
            self.screen.refresh(layout=True)
        words, panels = self._find_words(), self._panels
        self.screen.set_class(words is not None, "-says")
        if words is not None:
            panels["bar"].update(Content.styled(*words))
        if self.is_explaining:
            height = panels["explanation"].size.height
            panels["explanation"].show(draw_explanation(first=self._first_explained, height=height))
        self.draw()

    def draw(self) -> None:
        """Draw a snapshot of the maker."""
        view, panels = self._take(), self._panels
        width, height = self.size
        panels["header"].show(draw.draw_header(view, width=width))
        is_small = width < LEAST[0] or height < LEAST[1]
        self.screen.set_class(is_small, "-small")
        if is_small:
            panels["small"].show(draw.draw_small(view, width=width, height=height, needs=WHOLE))
        ladder, fills = panels["ladder"], panels["fills"]
        ladder.show(draw.draw_ladder(view, width=ladder.size.width, height=ladder.size.height))
        panels["side"].show(draw.draw_side(view))
        fills.show(draw.draw_fills(view, n_rows=fills.size.height - 1))
        self.draw_log()

    def draw_log(self) -> None:
        """Draw the last lines of the log, behind what is to be known of the terminal."""
        log, (width, height) = self._panels["log"], self.size
        lines: list[draw.Line] = []
        if width < WHOLE[0] or height < WHOLE[1]:
            lines.append(((f"{width}x{height} cuts the screen, {WHOLE[0]}x{WHOLE[1]} shows all of it", draw.ALERT),))
        if self._records is not None:
            lines += [_draw_log_line(line) for line in self._records.latest(log.size.height - len(lines))]
        log.show(lines)

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
