"""WebSocket session: sends frames in order and handles messages."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from dataclasses import dataclass

import trio
from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from mm_trio.sandbox.api import gateway as venue
from mm_trio.sandbox.api.http_handler import Answer, encode_json, parse_json
from mm_trio.sandbox.api.ws_posts import AnswerPost, Post, post_frame, read_post
from mm_trio.sandbox.feeds.connection import NOT_A_REQUEST
from mm_trio.sandbox.feeds.socket_limits import Share
from mm_trio.sandbox.server.outbox import Outbox
from mm_trio.sandbox.server.tcp_link import TcpLink

__all__ = ["GREETING", "MAX_MESSAGE", "SocketHabits", "WsSession"]

# The only text from the venue that is not JSON.
GREETING = "Websocket connection established."
MAX_MESSAGE = 1 << 18  # Characters; 200 signed orders have 30,000.
# Time for the client's half of the closing handshake.
_CLOSE_GRACE_S = 1.0
_TOO_BIG = CloseConnection(code=1009, reason="Message too big")


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketHabits:
    """Venue's timeouts for every socket, in seconds; None: never.

    `inactive_after_s` counts from the last data sent to the client. The last three are of HTTP connections:
    `request_within_s` is the time for a whole request, `idle_at_most_s` the time between two requests, and
    `most_connections` the number of open ones, WebSockets included.
    Source: docs *Timeouts and heartbeats* for `inactive_after_s`; `life_s` was observed between 10,000 and 10,600 s.
    """

    inactive_after_s: float = 60.0
    life_s: float | None = 10_300.0
    greets: bool = True
    request_within_s: float = 10.0
    # The SDK's pool notices that a connection has ended, and opens another.
    idle_at_most_s: float = 120.0
    # A process may have 1,024 open files on most systems, and uses two for some connections.
    most_connections: int = 400


class WsSession:
    """WebSocket session of one client.

    Only `_send_until_closed` writes, and `flush` while that task waits. All other code queues, so frames keep their
    order. The queue is bounded: a client that does not read is disconnected and never slows the exchange down.
    `share`: the client's share of the limits. `answer_post`: answers requests that come over the socket; without it
    they are refused as unreadable.
    """

    def __init__(
        self,
        link: TcpLink,
        protocol: WSConnection,
        *,
        habits: SocketHabits,
        share: Share | None = None,
        answer_post: AnswerPost | None = None,
    ) -> None:
        self._link = link
        self._protocol = protocol
        self._habits = habits
        self._share = share
        self._answer_post = answer_post
        self._outbox: Outbox[Event] = Outbox()
        # Bytes that `flush` encoded and the kernel did not accept.
        self._unsent = b""
        self._is_writing = False
        # True once the closing frame is encoded: no frame may follow it.
        self._is_last = False
        self._sent_s = trio.current_time()

    async def run(self, gateway: venue.Gateway, *, first_bytes: bytes = b"") -> None:
        """Run the session from the greeting to its end.

        It returns when the connection is over, whichever side ended it.
        """
        if self._habits.greets:
            self._post(TextMessage(data=GREETING))
        connection = gateway.connect(self.send_frame)
        connection.flush_by(self.flush)
        if self._share:
            connection.limit_by(self._share)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_until_closed)
                if self._habits.life_s is not None:
                    nursery.start_soon(self._expire_after, self._habits.life_s)
                await self._receive_until_closed(connection, nursery, first_bytes)
                nursery.cancel_scope.cancel()
        finally:
            connection.close()

    def send_frame(self, frame: dict[str, object]) -> None:
        """Queue one JSON frame.

        It is encoded now, because its content may change later.
        """
        self._post(TextMessage(data=encode_json(frame).decode()))

    def _post(self, event: Event) -> None:
        n_bytes = len(event.data) if isinstance(event, TextMessage) else 0
        if not self._outbox.put(event, n_bytes=n_bytes):
            self._link.cut()

    def flush(self) -> None:
        """Write the queued frames that the kernel accepts now.

        A block's news thus leaves before anything else happens.
        """
        if self._is_writing or self._unsent or not self._link.is_open:
            return
        data = self._encode(self._outbox.take())
        if data:
            self._unsent = self._link.send_now(data)
            self._sent_s = trio.current_time()

    async def _send_until_closed(self) -> None:
        """Write queued frames until a closing frame, then end.

        After the closing frame the client has `_CLOSE_GRACE_S` to answer. All queued frames go in one write: a block
        has about a dozen, and each write is a turn of the event loop.
        """
        try:
            while self._unsent or not self._is_last:
                if not self._unsent:
                    await self._wait_for_more()
                data, self._unsent = self._unsent or self._encode(self._outbox.take()), b""
                if data:
                    self._is_writing = True
                    await self._link.send_all(data)
                    self._is_writing = False
                    self._sent_s = trio.current_time()
            await trio.sleep(_CLOSE_GRACE_S)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # The client has disconnected, or we have cut the connection.
        self._link.cut()

    async def _wait_for_more(self) -> None:
        """Wait for a queued frame; close after too long."""
        silent_after_s = self._habits.inactive_after_s
        with trio.move_on_at(self._sent_s + silent_after_s) as scope:
            await self._outbox.wait()
        if not scope.cancelled_caught or trio.current_time() < self._sent_s + silent_after_s:
            return
        # On a half-open connection a closing frame would not arrive, so it may not end the session.
        if self._link.is_silent:
            self._sent_s = trio.current_time()
        else:
            self._post(CloseConnection(code=1000, reason="Inactive"))

    def _encode(self, events: list[Event]) -> bytes:
        """Encode events as bytes.

        After a closing frame of ours nothing may follow; after one of the client's, only our own closing frame.
        """
        data = b""
        for event in events:
            if self._is_last:
                break
            self._is_last = isinstance(event, CloseConnection)
            if self._is_last or self._protocol.state is not ConnectionState.REMOTE_CLOSING:
                data += self._protocol.send(event)
        return data

    async def _expire_after(self, life_s: float) -> None:
        """Close the session after `life_s`, as the venue does."""
        await trio.sleep(life_s)
        self._post(CloseConnection(code=1000, reason="Expired"))

    async def _receive_until_closed(self, connection: venue.Connection, nursery: trio.Nursery, data: bytes) -> None:
        """Receive and handle the client's messages until the end."""
        message = _Message()
        try:
            while True:
                self._protocol.receive_data(data)
                for event in self._protocol.events():
                    if self._protocol.state is ConnectionState.CLOSED:
                        return  # This event answers our closing frame.
                    if isinstance(event, CloseConnection | Ping):
                        self._post(event.response())
                    elif isinstance(event, TextMessage | BytesMessage):
                        message.add(event)
                        if message.is_too_big:
                            self._post(_TOO_BIG)
                            await self._drain()
                            return
                        if event.message_finished:
                            self._on_message(connection, nursery, message.take())
                data = await self._link.receive_some()
                if not data:
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError, RemoteProtocolError, LocalProtocolError):
            return

    async def _drain(self) -> None:
        """Discard the client's data until the connection is cut."""
        while await self._link.receive_some():
            pass

    def _on_message(self, connection: venue.Connection, nursery: trio.Nursery, text: str) -> None:
        """Handle one message from the client."""
        if self._share and (refusal := self._share.admit_message()):
            connection.refuse(refusal)
            return
        try:
            message = parse_json(text)
        except ValueError:
            connection.refuse(NOT_A_REQUEST + text)
            return
        if self._answer_post is not None and (post := read_post(message)) is not None:
            self._begin_post(connection, nursery, self._answer_post, post)
            return
        try:
            connection.handle(message, text=text)
        except venue.CloseConnection:
            self._link.cut()

    def _begin_post(
        self, connection: venue.Connection, nursery: trio.Nursery, answer_post: AnswerPost, post: Post
    ) -> None:
        """Run a request that came over the socket.

        Requests run in the order in which they came; only a delayed answer is awaited in a task of its own.
        """
        if self._share and (refusal := self._share.begin_post(post.post_id)):
            connection.refuse(refusal)
            return
        answer = answer_post(post.path, post.body)
        if inspect.isawaitable(answer):
            nursery.start_soon(self._await_post, post, answer)
        else:
            self._end_post(post, answer)

    async def _await_post(self, post: Post, answer: Awaitable[Answer | None]) -> None:
        self._end_post(post, await answer)

    def _end_post(self, post: Post, answer: Answer | None) -> None:
        if self._share:
            self._share.end_post()
        if answer is not None:
            self.send_frame(post_frame(post, answer))


class _Message:
    """Message that arrives in pieces.

    Bytes are treated as text, because the venue's own answer to them is unknown.
    """

    def __init__(self) -> None:
        self._parts: list[str | bytes] = []
        self._n = 0

    def add(self, event: TextMessage | BytesMessage) -> None:
        self._parts.append(event.data if isinstance(event, TextMessage) else bytes(event.data))
        self._n += len(event.data)

    @property
    def is_too_big(self) -> bool:
        return self._n > MAX_MESSAGE

    def take(self) -> str:
        """Return the whole message and start the next one."""
        parts, self._parts, self._n = self._parts, [], 0
        if any(isinstance(part, bytes) for part in parts):
            return b"".join(part if isinstance(part, bytes) else part.encode() for part in parts).decode(
                errors="replace"
            )
        return "".join(part for part in parts if isinstance(part, str))
