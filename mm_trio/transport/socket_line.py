"""One WebSocket connection to the venue, read by whoever wants its messages."""

from __future__ import annotations

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from mm_trio.transport.wire import MOST_READ, Wire
from mm_trio.venue.bounded_response import MOST_BYTES
from mm_trio.venue.socket import PING

__all__ = ["LINE_FAILURES", "SILENCE_S", "SocketLine"]

# What a line raises beside `WIRE_FAILURES`. It is over by then.
LINE_FAILURES = (ProtocolError,)
# The venue ends a connection to which it sent nothing for 60 s. A ping makes it send something.
SILENCE_S = 50.0
# What is written are subscriptions, pings and pongs. Where the kernel does not take them, the venue reads nothing.
SENT_WITHIN_S = 5.0
# Pieces of one message. The longest that is read has 6,000, in the smallest packets.
MOST_PIECES = 10_000


class SocketLine:
    """WebSocket connection over an open wire.

    One task reads, several may write. After any error it must be closed.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._sending = trio.Lock()
        self._pieces: list[str | bytes] = []
        self._n_bytes = 0
        self._goodbye: str | None = None

    async def shake_hands(self, *, host: str, target: str) -> None:
        """Become a WebSocket connection; the caller sets the deadline.

        Errors: `WIRE_FAILURES`, `LINE_FAILURES`.
        """
        await self._send(Request(host=host, target=target))
        while True:
            self._protocol.receive_data(await self._read() or None)
            # No more than one: what follows it stays with the protocol for the first `receive`.
            for event in self._protocol.events():
                if isinstance(event, AcceptConnection):
                    return
                if isinstance(event, RejectConnection):
                    raise ConnectionError(f"the venue answered a WebSocket handshake with HTTP {event.status_code}")
                raise ConnectionError("the venue closed the connection during the handshake")

    async def receive(self) -> list[str | bytes]:
        """Wait for messages; answer pings meanwhile.

        Errors: `WIRE_FAILURES`, `LINE_FAILURES`: the connection is over, or nothing came in spite of a ping.
        """
        messages = await self._take_events()
        is_pinged = False
        while not messages:
            if self._goodbye is not None:
                raise ConnectionError(self._goodbye)
            with trio.move_on_after(SILENCE_S) as waiting:
                data = await self._read()
            if not waiting.cancelled_caught:
                self._protocol.receive_data(data or None)
                messages = await self._take_events()
            elif is_pinged:
                raise ConnectionError(f"nothing came for {2 * SILENCE_S:g} s in spite of a ping")
            else:
                is_pinged = True
                await self.send(PING)
        return messages

    async def send(self, text: str) -> None:
        """Send one message. Errors: `WIRE_FAILURES`, `LINE_FAILURES`."""
        await self._send(TextMessage(data=text))

    def close(self) -> None:
        """End the connection at once; a reader gets an error."""
        self._wire.close()

    async def _take_events(self) -> list[str | bytes]:
        """Take what was read. Errors: ConnectionError for a message without an end."""
        messages: list[str | bytes] = []
        for event in self._protocol.events():
            if isinstance(event, TextMessage | BytesMessage):
                self._take_piece(event, messages)
            elif isinstance(event, Ping):
                await self._send(event.response())
            elif isinstance(event, CloseConnection):
                # What came before it counts.
                self._goodbye = f"closed by the venue: {event.code} {event.reason or ''}".rstrip()
        return messages

    def _take_piece(self, event: TextMessage | BytesMessage, messages: list[str | bytes]) -> None:
        piece = event.data if isinstance(event, TextMessage) else bytes(event.data)
        self._pieces.append(piece)
        self._n_bytes += len(piece)
        if self._n_bytes > MOST_BYTES or len(self._pieces) > MOST_PIECES:
            raise ConnectionError(f"a message of {self._n_bytes} bytes in {len(self._pieces)} pieces is too long")
        if event.message_finished:
            whole = type(piece)().join(self._pieces)  # type: ignore[arg-type]
            messages.append(whole)
            self._pieces, self._n_bytes = [], 0

    async def _read(self) -> bytes:
        return bytes(await self._wire.stream.receive_some(MOST_READ))

    async def _send(self, event: Event) -> None:
        """Send a frame whole, or end the connection: behind half a frame nothing can be read."""
        async with self._sending:
            data = self._protocol.send(event)
            is_whole = False
            try:
                with trio.move_on_after(SENT_WITHIN_S):
                    await self._wire.stream.send_all(data)
                    is_whole = True
            finally:
                if not is_whole:
                    self._wire.close()
        if not is_whole:
            raise ConnectionError(f"the venue took no frame within {SENT_WITHIN_S:g} s")
