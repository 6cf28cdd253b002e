"""Maker that is followed over its socket, over its ends and restarts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import trio

from mm_trio.cli.halt_programs.maker_place import is_running
from mm_trio.control.client import LineStream, MakerSilent, NoSocket, ask_maker, open_lines
from mm_trio.control.operator import FOLLOWED_WITHIN_S
from mm_trio.control.watch_lines import WatchLine
from mm_trio.halts.standing import Standing, State
from mm_trio.terminal_ui.operator_keys import OperatorFailed
from mm_trio.views.json_values import JsonUnread, from_json

__all__ = ["FollowedMaker", "ToldBySocket"]

BEGUN_WITHIN_S = 5.0
AGAIN_AFTER_S = 1.0
# A maker that has said nothing for so many of its pauses is asked anew.
SILENT_PAUSES = 3
SCREEN_PAUSE_S = 1.0
ANSWERED_WITHIN_S = FOLLOWED_WITHIN_S + 6.0
_REASON = "a key of `mm-trio watch`"


class FollowedMaker:
    """Lines of the maker whose ledger is in a folder.

    `latest` is its last line, None before the first; `notice` says what is wrong now. `on_line` gets each line and the
    JSON values of it, `on_notice` each change of what is wrong.
    """

    def __init__(
        self,
        folder: Path,
        *,
        coin: str | None,
        for_screen: bool,
        every_s: int,
        on_line: Callable[[WatchLine, Any], None] = lambda line, raw: None,
        on_notice: Callable[[str], None] = lambda notice: None,
    ) -> None:
        self._folder = folder
        self._coin = coin
        self._for_screen = for_screen
        self._every_s = every_s
        self._on_line = on_line
        self._on_notice = on_notice
        self._stream_scope = trio.CancelScope()
        self.began = trio.Event()
        self.latest: WatchLine | None = None
        self.notice: str | None = None

    def want(self, coin: str) -> None:
        """Follow another market from here on, as a screen does whose operator chose one."""
        if coin != self._coin:
            self._coin = coin
            self._stream_scope.cancel()

    async def follow_forever(self) -> Never:
        """Take lines, and wait for a maker wherever there is none."""
        while True:
            why = ""
            with trio.CancelScope() as self._stream_scope:
                why = await self._follow()
            if not self._stream_scope.cancelled_caught:
                self._note(await self._explain(why))
                await trio.sleep(AGAIN_AFTER_S)

    async def _follow(self) -> str:
        """Take lines until no more come; return why."""
        query = {"every": str(self._every_s), "screen": "true" if self._for_screen else "false"}
        if self._coin is not None:
            query["coin"] = self._coin
        try:
            async with open_lines(self._folder, "/v1/watch", query=query, within_s=BEGUN_WITHIN_S) as lines:
                await self._take(lines)
            return "its socket was closed"
        except (NoSocket, MakerSilent, JsonUnread) as error:
            return str(error)

    async def _take(self, lines: LineStream) -> None:
        pause_s = SILENT_PAUSES * (SCREEN_PAUSE_S if self._for_screen else self._every_s)
        while True:
            raw: Any = None
            with trio.move_on_after(pause_s) as waiting:
                raw = await lines.receive()
            if waiting.cancelled_caught:
                raise MakerSilent(f"it has said nothing for {pause_s:g} s")
            if raw is None:
                return
            self.latest = from_json(WatchLine, raw)
            self.notice = None
            self.began.set()
            self._on_line(self.latest, raw)

    async def _explain(self, why: str) -> str:
        if await is_running(self._folder) is False:
            if self.latest is None:
                return "no maker runs with this configuration; waiting for one to start"
            return "the maker has ended; this was its last state; waiting for it to start again"
        return f"the maker does not answer: {why}; trying again"

    def _note(self, notice: str) -> None:
        if notice != self.notice:
            self.notice = notice
            self._on_notice(notice)


class ToldBySocket:
    """Maker that is told by its socket what the keys of a screen ask for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def pause(self, coin: str | None) -> str:
        """Pause, and say what holds."""
        return self._describe(await self._ask("/v1/pause", coin, {"reason": _REASON}))

    async def cancel_all(self, coin: str | None) -> str:
        """Cancel what rests, and say what holds."""
        return self._describe(await self._ask("/v1/cancel-only", coin, {"reason": _REASON}))

    async def resume(self, coin: str | None) -> str:
        """Resume, and say what holds."""
        return self._describe(await self._ask("/v1/resume", coin, {"reason": _REASON, "confirm": True}))

    async def explain_resumption(self, coin: str | None) -> str | None:
        """Say what a resumption does."""
        answer = await self._ask("/v1/resume", coin, {})
        return None if from_json(Standing, answer["before"]).state is State.ACTIVE else str(answer["plan"])

    def _describe(self, answer: Any) -> str:
        return from_json(Standing, answer["standing"]).describe()

    async def _ask(self, path: str, coin: str | None, body: dict[str, object]) -> Any:
        query = {} if coin is None else {"coin": coin}
        try:
            reply = await ask_maker(self._folder, "POST", path, query=query, body=body, within_s=ANSWERED_WITHIN_S)
        except (NoSocket, MakerSilent) as error:
            raise OperatorFailed(str(error)) from error
        if not reply.is_good:
            raise OperatorFailed(reply.error)
        return reply.values
