"""One WebSocket of the sandbox: frames out in order, control frames in, and its end."""

from __future__ import annotations

import trio
from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from mm_trio.sandbox import front as venue
from mm_trio.sandbox.http_door import encode_json, parse_json
from mm_trio.sandbox.link import Link

__all__ = ["WsDoor"]

GREETING = "Websocket connection established."  # the one text that is not JSON
NOT_A_REQUEST = "Error parsing JSON into valid websocket request: "
MAX_QUEUED = 2000  # frames; the venue's most messages in a minute. A client a minute behind is not listening
MAX_MESSAGE = 65_536  # characters; a subscription has 100
_CLOSE_GRACE_S = 1.0  # for the client's half of the closing handshake


class WsDoor:
    """Who may write: only `_send_until_closed`. Everyone else queues, so frames keep their order.

    The queue is bounded: a client that does not read is cut off, and never slows the exchange down.
    """

    def __init__(self, link: Link, protocol: WSConnection, *, inactive_after_s: float) -> None:
        self._link = link
        self._protocol = protocol
        self._inactive_after_s = inactive_after_s
        self._queue, self._queued = trio.open_memory_channel[Event](MAX_QUEUED)

    async def run(self, front: venue.Front, *, first_bytes: bytes = b"") -> None:
        """From the greeting to the end. Returns when the connection is over, whoever ended it."""
        self._post(TextMessage(data=GREETING))
        connection = front.connect(self.send_frame)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_until_closed)
                await self._receive_until_closed(connection, first_bytes)
                nursery.cancel_scope.cancel()
        finally:
            connection.close()

    def send_frame(self, frame: dict[str, object]) -> None:
        """Queue one JSON frame. Written down now: what it is made of may change later."""
        self._post(TextMessage(data=encode_json(frame).decode()))

    def _post(self, event: Event) -> None:
        try:
            self._queue.send_nowait(event)
        except trio.WouldBlock:
            self._link.cut()

    async def _send_until_closed(self) -> None:
        """Write what is queued. A closing frame is the last one; then the client has a moment to answer."""
        try:
            while True:
                event = await self._take_event()
                is_last = isinstance(event, CloseConnection)
                if self._protocol.state is ConnectionState.REMOTE_CLOSING and not is_last:
                    continue  # after the client's closing frame only ours may follow
                await self._link.send_all(self._protocol.send(event))
                if is_last:
                    break
            await trio.sleep(_CLOSE_GRACE_S)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone, or we cut it off
        self._link.cut()

    async def _take_event(self) -> Event:
        """The next event, or the venue's farewell to a connection that it had nothing to say to."""
        while True:
            with trio.move_on_after(self._inactive_after_s):
                return await self._queued.receive()
            if not self._link.is_silent:  # nobody would hear it; a half-open connection ends otherwise
                return CloseConnection(code=1000, reason="Inactive")

    async def _receive_until_closed(self, connection: venue.Connection, data: bytes) -> None:
        """Hear the client out, until he or we have enough."""
        text = ""
        try:
            while True:
                self._protocol.receive_data(data)
                for event in self._protocol.events():
                    if self._protocol.state is ConnectionState.CLOSED:
                        return  # his answer to our closing frame
                    if isinstance(event, CloseConnection | Ping):
                        self._post(event.response())
                    elif isinstance(event, TextMessage):
                        text += event.data
                        if event.message_finished or len(text) > MAX_MESSAGE:
                            self._hear(connection, text)
                            text = ""
                data = await self._link.receive_some()
                if not data:
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError, RemoteProtocolError, LocalProtocolError):
            return

    def _hear(self, connection: venue.Connection, text: str) -> None:
        """One control frame of the client."""
        try:
            message = parse_json(text)
        except ValueError:
            self.send_frame({"channel": "error", "data": NOT_A_REQUEST + text})
            return
        try:
            connection.handle(message)
        except venue.CloseConnection:
            self._link.cut()
