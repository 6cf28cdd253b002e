"""A person in front of a running maker: the screen where there is a terminal, lines everywhere else."""

from __future__ import annotations

import logging

import trio

from mm_trio.engine.ws_state import WsState
from mm_trio.terminal_ui.app import ViewFailed, run_tui
from mm_trio.terminal_ui.snapshot import MakerView, take_view
from mm_trio.terminal_ui.terminal import RecentRecords, divert_logging

__all__ = ["show_screen"]

_log = logging.getLogger(__name__)


async def show_screen(maker: WsState, *, title: str, stop_scope: trio.CancelScope) -> None:
    """Show the maker until the person quits, which cancels `stop_scope`; a screen that fails leaves the lines."""
    started_s = trio.current_time()
    records = RecentRecords()

    def take() -> MakerView:
        return take_view(maker, now_s=trio.current_time(), started_s=started_s, title=title)

    try:
        with divert_logging(records):
            await run_tui(take, records=records)
    except ViewFailed as error:
        _log.warning("the screen failed, lines from here on: %s", error)
    else:
        stop_scope.cancel()
