"""A venue at the other end of memory streams: the test sees each connection, reads what came and says what it likes."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import lockstep_stream_pair, memory_stream_pair
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request

from mm_trio.transport.wire import Route, Wire

__all__ = ["ROUTE", "End", "Venue", "WebSocketEnd"]

ROUTE = Route("venue.test", 80)
DEADLINE_S = 600.0  # of a virtual clock, so that a test that hangs fails


class End:
    """The venue's end of one connection. `has_news`: what the client is told of its own end while it is idle."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.has_news = False
        self._read = b""

    async def read_request(self) -> tuple[bytes, bytes]:
        """The head and the body of the next request."""
        while b"\r\n\r\n" not in self._read:
            self._read += await self._receive_more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        n_bytes = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        while len(self._read) < n_bytes:
            self._read += await self._receive_more()
        body, self._read = self._read[:n_bytes], self._read[n_bytes:]
        return head, body

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self, body: bytes, *headers: str, status: str = "200 OK") -> None:
        """Read a request and answer it."""
        await self.read_request()
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        await self.send("\r\n".join(lines).encode() + body)

    async def wait_ended(self) -> None:
        """Return once the client ended the connection."""
        while await self._receive():
            pass

    async def _receive_more(self) -> bytes:
        data = await self._receive()
        assert data, "the client ended the connection"
        return data

    async def _receive(self) -> bytes:
        with trio.fail_after(DEADLINE_S):
            return bytes(await self.stream.receive_some())


class WebSocketEnd(End):
    """The venue's end of a WebSocket connection."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.protocol = WSConnection(ConnectionType.SERVER)

    async def greet(self) -> None:
        """Answer the handshake."""
        assert isinstance(await self.hear(), Request)
        await self.say(AcceptConnection())

    async def hear(self) -> Any:
        """The next event of the client."""
        while (event := next(iter(self.protocol.events()), None)) is None:
            self.protocol.receive_data(await self._receive() or None)
        return event

    async def say(self, *events: Any) -> None:
        await self.send(b"".join(self.protocol.send(event) for event in events))


class Venue:
    """What the client connects to. `lockstep`: whatever is sent waits until it was read."""

    def __init__(self, kind: type[End] = End, *, lockstep: bool = False) -> None:
        self._kind = kind
        self._make = lockstep_stream_pair if lockstep else memory_stream_pair
        self._send, self._receive = trio.open_memory_channel[Any](100)
        self.n_opened = 0
        self.failure: Exception | None = None

    async def open_wire(self, _route: Route) -> Wire:
        """In the place of the real one."""
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        near: Any
        near, far = self._make()
        end = self._kind(far)
        self.n_opened += 1
        self._send.send_nowait(end)

        def close() -> None:
            near.send_stream.close()
            near.receive_stream.close()

        return Wire(near, close, lambda: end.has_news)

    async def next_end(self) -> Any:
        """The other end of the next connection."""
        with trio.fail_after(DEADLINE_S):
            return await self._receive.receive()
