"""Watch over a running maker: its screen, lines, or JSON lines."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.control_programs.followed_maker import FollowedMaker
from mm_trio.cli.control_programs.maker_folder import find_maker_folder
from mm_trio.cli.control_programs.status_text import describe_account_line, describe_grid_line
from mm_trio.control.watch_lines import WatchLine
from mm_trio.terminal_ui.streams import print_out, tell
from mm_trio.views.account_status import AccountStatus
from mm_trio.views.json_values import to_json

__all__ = ["Shown", "StatusLines", "watch_maker"]

_log = logging.getLogger(__name__)

Shown: TypeAlias = Literal["screen", "lines", "json"]
# A line at least so often, also where nothing changes.
EVERY_S = 10


async def watch_maker(
    account: AccountSettings,
    coin: str | None,
    *,
    environ: Mapping[str, str],
    shown: Shown,
    duration_s: float | None,
    stop_scope: trio.CancelScope,
) -> None:
    """Show what the maker of a configuration does, until its time is over or `stop_scope` is cancelled.

    The maker is left as it is. `coin` chooses one of its markets. Errors: ConfigError, VenueError where its folder
    cannot be told.
    """
    with stop_scope:
        if duration_s is not None:
            stop_scope.deadline = trio.current_time() + duration_s
        folder = await find_maker_folder(account, environ=environ)
        if shown == "screen":
            # Imported late, because the toolkit takes most of a second.
            from mm_trio.cli.control_programs.watch_screen import show_followed

            followed = FollowedMaker(folder, coin=coin, for_screen=True, every_s=EVERY_S)
            is_shown = await show_followed(followed, folder, coin=coin, stop_scope=stop_scope)
            if is_shown:
                return
        on_line, on_notice = _tell_json() if shown == "json" else _tell_lines()
        await FollowedMaker(
            folder, coin=coin, for_screen=False, every_s=EVERY_S, on_line=on_line, on_notice=on_notice
        ).follow_forever()


def _tell_json() -> tuple[Callable[[WatchLine, Any], None], Callable[[str], None]]:
    def tell_line(line: WatchLine, _raw: Any) -> None:
        print_out(json.dumps({"status": to_json(line.status), "notice": None}))

    def tell_notice(notice: str) -> None:
        print_out(json.dumps({"status": None, "notice": notice}))

    return tell_line, tell_notice


def _tell_lines() -> tuple[Callable[[WatchLine, Any], None], Callable[[str], None]]:
    lines = StatusLines()

    def tell_line(line: WatchLine, _raw: Any) -> None:
        for each in lines.find_news(line.status):
            print_out(f"{time.strftime('%H:%M:%S')} {each}")

    def tell_notice(notice: str) -> None:
        tell(f"{time.strftime('%H:%M:%S')} {notice}")

    return tell_line, tell_notice


class StatusLines:
    """Lines of a status that differ from those told last; all of them where none does, as a sign of life."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def find_news(self, status: AccountStatus) -> list[str]:
        """Return the lines to tell now."""
        lines = {"": describe_account_line(status)} | {grid.name: describe_grid_line(grid) for grid in status.grids}
        news = [line for name, line in lines.items() if self._told.get(name) != line]
        self._told = lines
        return news or list(lines.values())
