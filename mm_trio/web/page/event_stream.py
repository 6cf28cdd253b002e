"""Server-sent events of one browser: the newest state, and lines of the log as they come.

A browser that is slow gets fewer states, and never an old one. One that does not read at all is cut off by the server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import trio
from starlette.responses import Response

from mm_trio.web.page.live_state import LiveState
from mm_trio.web.page.log_lines import LogLines

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["MOST_STREAMS", "EventStream", "StreamCount"]

# Tabs that are open; a browser itself allows six.
MOST_STREAMS = 50
# A state comes each second; without one the line is kept open, so that both ends notice when it broke.
BEAT_EVERY_S = 10.0
# What is still taken once the maker ends.
FAREWELL_WITHIN_S = 0.2
RETRY_MS = 2000
_ENDED = b"event: ended\ndata: {}\n\n"


class StreamCount:
    """Number of open streams, which is bounded."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self._most = most
        self.n = 0
        # All streams wake at the same moment; each sends in a round of the event loop of its own.
        self.turn = trio.Lock()

    @property
    def is_full(self) -> bool:
        """Check if one more has to be refused."""
        return self.n >= self._most


class EventStream(Response):
    """Answer that lasts until the browser leaves, or the maker ends."""

    def __init__(self, live: LiveState, lines: LogLines, count: StreamCount, *, name: str) -> None:
        super().__init__(media_type="text/event-stream")
        self._live = live
        self._lines = lines
        self._count = count
        self._name = name

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send events until cancelled."""
        headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        # Before anything is waited for, or too many would come in together.
        self._count.n += 1
        try:
            await send(start)
            with self._live.watched(self._name):
                await self._send_forever(send)
        except trio.Cancelled:
            # Whether the browser left or the maker ends: a browser that is there hears of it.
            with trio.move_on_after(FAREWELL_WITHIN_S, shield=True):
                await send({"type": "http.response.body", "body": _ENDED, "more_body": False})
            raise
        finally:
            self._count.n -= 1

    async def _send_forever(self, send: Send) -> None:
        await _send_text(send, f"retry: {RETRY_MS}\n\n".encode())
        version, n_lines = 0, 0
        while True:
            with trio.move_on_after(BEAT_EVERY_S) as scope:
                version = await self._live.wait_for_news(version)
            async with self._count.turn:
                await trio.lowlevel.checkpoint()
            if scope.cancelled_caught:
                await _send_text(send, b": still here\n\n")
                continue
            if self._lines.n > n_lines:
                lines = self._lines.read_after(n_lines)
                n_lines = max(self._lines.n, n_lines)
                await _send_event(send, b"log", json.dumps(lines).encode())
            if (text := self._live.read(self._name)) is not None:
                await _send_event(send, b"state", text)


async def _send_event(send: Send, name: bytes, data: bytes) -> None:
    await _send_text(send, b"event: %b\ndata: %b\n\n" % (name, data))


async def _send_text(send: Send, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})
