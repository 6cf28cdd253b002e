"""Live view of a running maker."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from mm_trio.engine.account_maker import AccountMaker
from mm_trio.engine.ws_state import WsState
from mm_trio.terminal_ui.account_app import AccountApp
from mm_trio.terminal_ui.app import ViewFailed, run_app, run_tui
from mm_trio.terminal_ui.snapshot import take_account_view, take_view
from mm_trio.terminal_ui.terminal import RecentRecords, divert_logging
from mm_trio.terminal_ui.views import AccountView, MakerView

__all__ = ["AccountScreen", "Screen", "show_account_screen", "show_screen"]

_log = logging.getLogger(__name__)

# A task beside the maker that shows it; it cancels the scope when the operator quits.
Screen: TypeAlias = Callable[[WsState, trio.CancelScope], Awaitable[None]]
AccountScreen: TypeAlias = Callable[[AccountMaker, trio.CancelScope], Awaitable[None]]


async def show_screen(maker: WsState, *, title: str, stop_scope: trio.CancelScope) -> None:
    """Show the maker until the operator quits.

    Quitting cancels `stop_scope`. A view that fails gives way to log lines, and the maker goes on.
    """
    started_s = trio.current_time()
    records = RecentRecords()

    def take() -> MakerView:
        return take_view(maker, now_s=trio.current_time(), started_s=started_s, title=title)

    try:
        with divert_logging(records):
            await run_tui(take, records=records)
    except ViewFailed as error:
        _log.warning("live view failed, falling back to log lines: %s", error)
    else:
        stop_scope.cancel()


async def show_account_screen(maker: AccountMaker, *, title: str, stop_scope: trio.CancelScope) -> None:
    """Show all markets of an account until the operator quits, as `show_screen` does one."""
    started_s, faces = trio.current_time(), tuple(maker.faces.values())
    records = RecentRecords()

    def take() -> AccountView:
        return take_account_view(maker, now_s=trio.current_time(), started_s=started_s, title=title)

    def take_one(number: int) -> MakerView:
        return take_view(faces[number], now_s=trio.current_time(), started_s=started_s, title=title)

    try:
        with divert_logging(records):
            await run_app(AccountApp(take, take_one, records=records))
    except ViewFailed as error:
        _log.warning("live view failed, falling back to log lines: %s", error)
    else:
        stop_scope.cancel()
