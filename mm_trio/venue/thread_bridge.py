"""SDK thread -> inbox, one message at a time.

The SDK calls back on threads of its own. A callback hands its message over by `trio.from_thread.run` and
waits until one task of the maker's nursery took it: the order of each thread is kept, handlers never
interleave, a slow loop holds the socket up instead of growing a queue, and all of it ends with the nursery.
A handler started bare by `from_thread.run` would be a system task: interleaving, outliving us, its
exceptions lost in the SDK.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import trio

__all__ = ["FeedMessage", "Inbox"]

# Messages called back on the loop's own thread (a stand-in without threads) while the consumer is busy.
# More than this within one step of the loop is no market: the feed is then read anew from the venue.
BACKLOG_MESSAGES = 10_000

# What `trio.from_thread.run` raises once the maker is leaving: not an error of anybody.
_CLOSING = (trio.RunFinishedError, trio.Cancelled, trio.BrokenResourceError, trio.ClosedResourceError)


class FeedMessage(NamedTuple):
    """One message as it came, and the number of the connection it came on."""

    feed: str
    connection: int
    body: Any


class Inbox:
    """Where the callbacks' messages wait for the one task that applies them. Made inside `trio.run`."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._send, self._receive = trio.open_memory_channel[FeedMessage](0)
        self._backlog: deque[FeedMessage] = deque()
        self._closed = False  # read by the SDK's threads: once set they need not wait for the loop
        self.n_overflown = 0

    def callback(self, feed: str, connection: int) -> Callable[[Any], None]:
        """A callback for the SDK: hands each message over, never raises into the SDK's thread."""

        def on_message(body: Any) -> None:
            self._hand_over(FeedMessage(feed, connection, body))

        return on_message

    def _hand_over(self, message: FeedMessage) -> None:
        if self._closed:
            return
        if trio.lowlevel.in_trio_run():
            self._hand_over_on_the_loop(message)
            return
        try:
            trio.from_thread.run(self._take_in, message, trio_token=self._token)
        except _CLOSING:
            return

    async def _take_in(self, message: FeedMessage) -> None:
        try:
            self._send.send_nowait(message)  # the consumer waits: the thread need not wait for another turn
        except trio.WouldBlock:
            await self._send.send(message)

    def _hand_over_on_the_loop(self, message: FeedMessage) -> None:
        try:
            self._send.send_nowait(message)
        except trio.WouldBlock:  # the consumer is not waiting just now: it looks here before it waits again
            if len(self._backlog) < BACKLOG_MESSAGES:
                self._backlog.append(message)
            else:
                self.n_overflown += 1
        except _CLOSING:
            return

    async def receive(self) -> FeedMessage:
        """The next message. For one task alone."""
        if self._backlog:
            await trio.lowlevel.checkpoint()
            return self._backlog.popleft()
        return await self._receive.receive()

    def close(self) -> None:
        """Let no more in: threads that wait return quietly."""
        self._closed = True
        self._receive.close()
        self._send.close()
        self._backlog.clear()
