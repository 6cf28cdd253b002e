"""Live screen of several markets: a list of all, and the screen of the chosen one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

# Before textual, which keeps the `asyncio.current_task` that it finds; trio-asyncio replaces that on 3.12 and later.
import trio_asyncio  # type: ignore[import-untyped]  # noqa: F401
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from mm_trio.terminal_ui import render as draw
from mm_trio.terminal_ui.app import Panel, TerminalApp
from mm_trio.views.values import AccountView, MakerView

__all__ = ["AccountApp"]


class AccountApp(TerminalApp):
    """Screen of an account: the list of its markets, or one of them as it looks alone.

    `take_one` gives the snapshot of a market by its number in the list. `options` are those of `TerminalApp`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "show_one", "enter: one market", key_display=" "),
        Binding("escape", "go_back", "esc: all markets", key_display=" "),
    ]
    CSS = (
        TerminalApp.CSS
        + """
    #list { height: 1fr; display: none; }
    .-lists #list { display: block; }
    .-lists #middle, .-lists #fills { display: none; }
    .-explains #list, .-lists #small { display: none; }
    """
    )

    def __init__(
        self,
        take: Callable[[], AccountView],
        take_one: Callable[[int], MakerView],
        **options: Any,
    ) -> None:
        super().__init__(lambda: take_one(self.chosen), **options)
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

    @property
    def subject(self) -> tuple[str | None, str]:
        """Return the market that is shown alone, else the whole account."""
        return (None, "all markets") if self._lists else (self._take().coin, self._take().pair_name)

    def action_move(self, step: int) -> None:
        """Choose another market, or move in the explanation."""
        if self.is_explaining:
            super().action_move(step)
        elif self._lists:
            self.chosen = min(max(0, self.chosen + step), len(self._take_all().rows) - 1)
            self.refresh_panels()

    def action_show_one(self) -> None:
        """Show the chosen market alone."""
        self.screen.remove_class("-lists")
        self.call_after_refresh(self.refresh_panels)

    def action_go_back(self) -> None:
        """Leave the explanation, or show the list again."""
        if self.is_explaining:
            super().action_go_back()
            return
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
