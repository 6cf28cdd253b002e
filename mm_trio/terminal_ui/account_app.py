"""Live screen of several markets: a list of all, and the screen of the chosen one."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

# Before textual, which keeps the `asyncio.current_task` that it finds; trio-asyncio replaces that on 3.12 and later.
import trio_asyncio  # type: ignore[import-untyped]  # noqa: F401
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from mm_trio.terminal_ui import render as draw
from mm_trio.terminal_ui.app import Panel, TerminalApp
from mm_trio.terminal_ui.terminal import RecentRecords
from mm_trio.views.values import AccountView, MakerView

__all__ = ["AccountApp"]


class AccountApp(TerminalApp):
    """Screen of an account: the list of its markets, or one of them as it looks alone.

    `take_one` gives the snapshot of a market by its number in the list.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "choose(-1)", "up", show=False),
        Binding("down", "choose(1)", "down", show=False),
        Binding("enter", "show_one", "up, down, enter: show one market", key_display=" "),
        Binding("escape", "show_all", "esc: all markets", key_display=" "),
    ]
    CSS = (
        TerminalApp.CSS
        + """
    #list { height: 1fr; display: none; }
    .-lists #list { display: block; }
    .-lists #middle, .-lists #fills { display: none; }
    .-explains #list { display: none; }
    """
    )

    def __init__(
        self,
        take: Callable[[], AccountView],
        take_one: Callable[[int], MakerView],
        *,
        records: RecentRecords | None = None,
    ) -> None:
        super().__init__(lambda: take_one(self.chosen), records=records)
        self.chosen = 0
        self._take_all = take
        self._list = Panel(id="list")

    @property
    def _lists(self) -> bool:
        return self.screen.has_class("-lists")

    def compose(self) -> ComposeResult:
        """Compose the screen of one market, and the list."""
        parts = list(super().compose())
        yield parts[0]
        yield self._list
        yield from parts[1:]

    def on_mount(self) -> None:
        """Begin with the list."""
        self.screen.add_class("-lists")

    def action_choose(self, step: int) -> None:
        """Choose the next market, or the one before."""
        self.chosen = min(max(0, self.chosen + step), len(self._take_all().rows) - 1)
        self.refresh_panels()

    def action_show_one(self) -> None:
        """Show the chosen market alone."""
        self.screen.remove_class("-lists")
        self.call_after_refresh(self.refresh_panels)

    def action_show_all(self) -> None:
        """Show the list again."""
        self.screen.add_class("-lists")
        self.call_after_refresh(self.refresh_panels)

    def draw(self) -> None:
        """Draw the list, or the chosen market."""
        if not self._lists:
            super().draw()
            return
        view = self._take_all()
        self._panels["header"].show(draw.draw_account_header(view, width=self.size.width))
        self._list.show(draw.draw_list(view, chosen=self.chosen, height=self._list.size.height))
        self.draw_log()
