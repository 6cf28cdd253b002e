"""Live view of a running maker."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from mm_trio.control.operator import Operator
from mm_trio.terminal_ui.account_app import AccountApp
from mm_trio.terminal_ui.app import TerminalApp, ViewFailed, run_app
from mm_trio.terminal_ui.operator_keys import OwnMaker
from mm_trio.terminal_ui.terminal import RecentRecords, divert_logging
from mm_trio.views.maker import Maker
from mm_trio.views.snapshot import take_account_view, take_view
from mm_trio.views.values import AccountView, MakerView

__all__ = ["Screen", "show_screen"]

_log = logging.getLogger(__name__)

# A task beside the maker that shows it; it cancels the scope when the operator quits.
Screen: TypeAlias = Callable[[Maker, trio.CancelScope], Awaitable[None]]


async def show_screen(maker: Maker, *, title: str, stop_scope: trio.CancelScope, lists_markets: bool = False) -> None:
    """Show the maker until the operator quits; with `lists_markets` a list of its markets, and each of them.

    Quitting cancels `stop_scope`. A view that fails gives way to log lines, and the maker goes on.
    """
    started_s = trio.current_time()
    records = RecentRecords()
    # Without a standing that lasts, as in a demo, there is nothing to tell.
    own = None if maker.requests is None else OwnMaker(Operator(maker, way="the screen"))

    def take(number: int = 0) -> MakerView:
        # A change of the configuration adds and removes markets.
        faces = tuple(maker.faces.values())
        face = faces[min(number, len(faces) - 1)]
        return take_view(face, now_s=trio.current_time(), started_s=started_s, title=title)

    def take_all() -> AccountView:
        return take_account_view(maker, now_s=trio.current_time(), started_s=started_s, title=title)

    try:
        with divert_logging(records):
            if lists_markets:
                await run_app(AccountApp(take_all, take, records=records, maker=own))
            else:
                await run_app(TerminalApp(take, records=records, maker=own))
    except ViewFailed as error:
        _log.warning("live view failed, falling back to log lines: %s", error)
    else:
        stop_scope.cancel()
