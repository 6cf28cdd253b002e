"""Connection that the feeds come on, read by the task that applies them.

No thread and no task stands between the socket and that task: it reads when it has applied what it read before. So a
slow loop leaves the rest with the kernel, which slows the venue down, and memory does not grow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from json import dumps
from typing import Any

import trio

from mm_trio.model.errors import Unreachable
from mm_trio.transport.socket_line import LINE_FAILURES, SocketLine
from mm_trio.transport.wire import WIRE_FAILURES, OpensWire, Route, open_wire
from mm_trio.venue.feed_connection import ACK_POLL_S
from mm_trio.venue.http_session import describe_failure
from mm_trio.venue.socket import PING, FeedFrames, identify
from mm_trio.venue.thread_bridge import FeedMessage, Inbox
from mm_trio.venue.wire import HEARTBEAT_FEED

__all__ = ["StreamFeed", "StreamInbox"]

_FAILURES = (*WIRE_FAILURES, *LINE_FAILURES)

TARGET = "/ws"
# For all steps together: name, TCP, proxy, TLS and handshake.
CONNECT_WITHIN_S = 10.0


class StreamInbox(Inbox):
    """Inbox that is filled by its consumer: who waits for a message reads the socket."""

    def __init__(self, read: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._read = read

    async def receive(self) -> FeedMessage:
        """Wait for the next message. For one task alone."""
        while not self._backlog:
            await self._read()
        return await super().receive()


class _Connected:
    """One connection: its line, its callbacks, and what came on it."""

    def __init__(self, line: SocketLine) -> None:
        self.line = line
        self.callbacks: defaultdict[str | None, list[Callable[[Any], None]]] = defaultdict(list)
        self.frames = FeedFrames(lambda identifier: self.callbacks.get(identifier, ()))


class StreamFeed:
    """Feeds of one account, on a socket of the event loop.

    It has the shape of the SDK's `FeedConnection`. `inbox` is the one that its messages come to; nothing is read while
    nobody receives from it.
    """

    def __init__(self, route: Route, *, address: str, open_wire: OpensWire = open_wire) -> None:
        self._route = route
        self._address = address
        self._open_wire = open_wire
        self._connected: _Connected | None = None
        self._is_open = trio.Event()
        self.inbox = StreamInbox(self._read)

    def is_alive(self) -> bool:
        """Check whether the connection has not ended, as far as is known."""
        return self._connected is not None

    def count_frames(self) -> int | None:
        """Count the frames of this connection, pongs included; None without a connection."""
        return None if self._connected is None else self._connected.frames.n_frames

    async def reopen(self) -> None:
        """Replace the connection by a fresh one. Errors: Unreachable."""
        self.discard()
        with _telling(f"connect to {self._route.host}"), trio.fail_after(CONNECT_WITHIN_S):
            line = SocketLine(await self._open_wire(self._route))
            try:
                await line.shake_hands(host=self._route.authority, target=TARGET)
            except BaseException:
                line.close()
                raise
        self._connected = _Connected(line)
        self._is_open.set()

    async def ping(self) -> None:
        """Ask the venue for a sign of life. Errors: Unreachable."""
        await self._send("ping", PING)

    async def subscribe(self, feed: str, callback: Callable[[object], None]) -> None:
        """Subscribe to one feed on the present connection. Errors: Unreachable."""
        await self._subscribe({"type": feed} | ({} if feed == HEARTBEAT_FEED else {"user": self._address}), callback)

    async def subscribe_market(self, feed: str, coin: str, callback: Callable[[object], None]) -> None:
        """Subscribe to a feed of a market. Errors: Unreachable."""
        await self._subscribe({"type": feed, "coin": coin}, callback)

    async def _subscribe(self, subscription: dict[str, str], callback: Callable[[object], None]) -> None:
        if self._connected is not None:
            self._connected.callbacks[identify(subscription)].append(callback)
        message = dumps({"method": "subscribe", "subscription": subscription})
        await self._send(f"subscribe {subscription['type']}", message)

    async def wait_acknowledged(self, feeds: Collection[str], *, within_s: float) -> None:
        """Return when the venue acknowledged these subscriptions. Errors: Unreachable."""
        connected = self._connected
        acknowledged = frozenset[str]()
        with trio.move_on_after(within_s):
            while connected is not None and connected is self._connected:
                acknowledged = connected.frames.acknowledged
                if acknowledged.issuperset(feeds):
                    return
                await trio.sleep(ACK_POLL_S)
            raise Unreachable("the connection closed before its subscriptions were acknowledged")
        missing = ", ".join(sorted(set(feeds) - acknowledged))
        raise Unreachable(f"subscriptions not acknowledged in {within_s:g} s: {missing}")

    def discard(self) -> None:
        """End the connection, if there is one, without waiting for anything."""
        if self._connected is not None:
            self._end(self._connected)

    def _end(self, connected: _Connected) -> None:
        connected.line.close()
        # Another one may have been opened meanwhile.
        if connected is self._connected:
            self._connected = None
            self._is_open = trio.Event()

    async def _send(self, what: str, text: str) -> None:
        connected = self._connected
        if connected is None:
            raise Unreachable(f"{what}: not connected")
        with _telling(what):
            try:
                await connected.line.send(text)
            except _FAILURES:
                self._end(connected)
                raise

    async def _read(self) -> None:
        """Read once and give what came to its callbacks; without a connection wait for one."""
        connected = self._connected
        if connected is None:
            await self._is_open.wait()
            return
        try:
            messages = await connected.line.receive()
        except _FAILURES:
            # The watchdog sees it, tells it and opens another.
            self._end(connected)
            return
        for message in messages:
            connected.frames.take(message)


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Turn what a socket raises into the error of a question. Errors: Unreachable."""
    try:
        yield
    except trio.TooSlowError as error:
        raise Unreachable(f"{what}: took longer than {CONNECT_WITHIN_S:g} s") from error
    except _FAILURES as error:
        raise Unreachable(f"{what}: {describe_failure(error)}") from error
