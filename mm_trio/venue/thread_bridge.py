"""Bridge from the SDK's threads to one task of the maker.

The SDK calls back on threads of its own. A callback hands its message over by `trio.from_thread.run` and
waits until one task of the maker's nursery took it. So the order of each thread is kept, handlers never
interleave, a slow loop holds the socket up instead of growing a queue, and all of it ends with the nursery.
A handler started bare by `from_thread.run` would be a system task, which interleaves, outlives us, and loses its
exceptions in the SDK.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import trio

__all__ = ["FeedMessage", "Inbox"]

# Messages called back on the loop's own thread (a stand-in without threads) while the consumer is busy.
# A market does not send more than this within one step of the loop: the feed is then read anew from the venue.
BACKLOG_MESSAGES = 10_000

# `trio.from_thread.run` raises these once the maker shuts down, which is not an error.
_CLOSING = (trio.RunFinishedError, trio.Cancelled, trio.BrokenResourceError, trio.ClosedResourceError)


class FeedMessage(NamedTuple):
    """Message as it came, with the number of its connection."""

    feed: str
    connection: int
    body: object


class Inbox:
    """Messages of callbacks that wait for the task applying them.

    Made inside `trio.run`.
    """

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._send, self._receive = trio.open_memory_channel[FeedMessage](0)
        self._backlog: deque[FeedMessage] = deque()
        # Read by the SDK's threads: once it is set they need not wait for the loop.
        self._closed = False
        self.n_overflown = 0

    def callback(self, feed: str, connection: int) -> Callable[[object], None]:
        """Make a callback that hands the SDK's messages over.

        It never raises into the SDK's thread.
        """

        def on_message(body: object) -> None:
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
            # Where the consumer waits already, the thread need not wait for another turn of the loop.
            self._send.send_nowait(message)
        except trio.WouldBlock:
            await self._send.send(message)

    def _hand_over_on_the_loop(self, message: FeedMessage) -> None:
        try:
            self._send.send_nowait(message)
        except trio.WouldBlock:
            # The consumer is busy just now. It looks into the backlog before it waits again.
            if len(self._backlog) < BACKLOG_MESSAGES:
                self._backlog.append(message)
            else:
                self.n_overflown += 1
        except _CLOSING:
            return

    async def receive(self) -> FeedMessage:
        """Wait for the next message. For one task alone."""
        if self._backlog:
            await trio.lowlevel.checkpoint()
            return self._backlog.popleft()
        return await self._receive.receive()

    def close(self) -> None:
        """Refuse further messages. Threads that wait return quietly."""
        self._closed = True
        self._receive.close()
        self._send.close()
        self._backlog.clear()
