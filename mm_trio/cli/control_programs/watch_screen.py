"""Screen of a maker that runs in another process."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import trio

from mm_trio.cli.control_programs.followed_maker import FollowedMaker, ToldBySocket
from mm_trio.control.watch_lines import WatchLine
from mm_trio.terminal_ui.account_app import AccountApp
from mm_trio.terminal_ui.app import TerminalApp, ViewFailed, run_app
from mm_trio.terminal_ui.streams import tell
from mm_trio.terminal_ui.terminal import RecentRecords, divert_logging
from mm_trio.views.values import AccountView, MakerView

__all__ = ["show_followed"]

_log = logging.getLogger(__name__)

QUIT_WORDS = "quit; the maker goes on"
TOLD_AFTER_S = 1.5


async def show_followed(
    followed: FollowedMaker, folder: Path, *, coin: str | None, stop_scope: trio.CancelScope
) -> bool:
    """Show a followed maker until the operator quits, which cancels `stop_scope`; `coin` chooses one of its markets.

    Return False where the screen failed.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(followed.follow_forever)
        await _wait_for_first_line(followed)
        records = RecentRecords()
        try:
            with divert_logging(records):
                await run_app(_make_app(followed, folder, records, coin))
        except ViewFailed as error:
            _log.warning("screen failed, falling back to lines: %s", error)
            return False
        finally:
            nursery.cancel_scope.cancel()
    stop_scope.cancel()
    return True


async def _wait_for_first_line(followed: FollowedMaker) -> None:
    while not followed.began.is_set():
        with trio.move_on_after(TOLD_AFTER_S):
            await followed.began.wait()
            return
        if followed.notice is not None:
            tell(f"mm-trio: {followed.notice}")
            await followed.began.wait()


def _make_app(followed: FollowedMaker, folder: Path, records: RecentRecords, coin: str | None) -> TerminalApp:
    def latest() -> WatchLine:
        assert followed.latest is not None
        return followed.latest

    def take() -> MakerView:
        market = latest().market
        assert market is not None
        return market

    def take_all() -> AccountView:
        account = latest().account
        assert account is not None
        return account

    def take_one(number: int) -> MakerView:
        rows = take_all().rows
        followed.want(rows[min(number, len(rows) - 1)].coin)
        return take()

    options: dict[str, Any] = {
        "records": records,
        "maker": ToldBySocket(folder),
        "quit_words": QUIT_WORDS,
        "find_notice": lambda: followed.notice,
    }
    if latest().account is None or coin is not None:
        return TerminalApp(take, coin=coin, **options)
    return AccountApp(take_all, take_one, **options)
