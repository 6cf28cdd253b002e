"""HTTP side of one connection: whole requests in, answers out.

Every wait for the client has an end, so that a client that sends half a request, or nothing, holds nothing for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h11
import trio

from mm_trio.sandbox.api.http_handler import Answer
from mm_trio.sandbox.server.tcp_link import TcpLink

__all__ = ["BadRequest", "HttpLink", "HttpRequest"]

MAX_BODY = 2_000_000  # Bytes; the venue's maximum of 200 orders takes 30 kB.
# The kernel takes an answer at once, unless the client has left a megabyte unread.
_ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Whole request; its body is None if that is above `MAX_BODY` bytes."""

    head: h11.Request
    body: bytes | None

    @property
    def path(self) -> str:
        """Return the path without the query."""
        return self.head.target.decode("ascii").partition("?")[0]

    @property
    def wants_socket(self) -> bool:
        """Return True if the client asks for a WebSocket."""
        upgrade = dict(self.head.headers).get(b"upgrade", b"")
        return self.path == "/ws" and upgrade.lower() == b"websocket"

    def find_header(self, name: bytes) -> str:
        """Return a header's value, empty without that header."""
        return dict(self.head.headers).get(name, b"").decode("latin-1")

    def list_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Return names, in small letters, and values."""
        return list(self.head.headers)


class BadRequest(Exception):
    """Raised for bytes that are not a request; `answer` is the last one."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.answer = Answer(status, b"")


class HttpLink:
    """Requests and answers of one connection, one after the other.

    `request_within_s`: the time for a whole request, from its first byte on. `idle_at_most_s`: the time until the first
    byte of the next one; for a new connection it is `request_within_s`.
    """

    def __init__(self, link: TcpLink, *, request_within_s: float, idle_at_most_s: float) -> None:
        self._link = link
        self._http = h11.Connection(h11.SERVER)
        self._request_within_s = request_within_s
        self._idle_at_most_s = idle_at_most_s
        self._is_new = True

    async def receive(self) -> HttpRequest | None:
        """Receive the next request; None if no further one comes.

        Errors: BadRequest, after which nothing else is received; those of the link.
        """
        idle_at_most_s = self._request_within_s if self._is_new else self._idle_at_most_s
        self._is_new = False
        if not self.unread:
            with trio.move_on_after(idle_at_most_s) as idle:
                self._http.receive_data(await self._link.receive_some())
            if idle.cancelled_caught:
                return None
        with trio.move_on_after(self._request_within_s):
            return await self._receive_whole()
        raise BadRequest(408)

    async def send(self, answer: Answer) -> bool:
        """Send an answer in one write, waking the client once.

        Returns whether another request may follow. Errors: those of the link.
        """
        http = self._http
        if not self._is_in(h11.IDLE, h11.SEND_RESPONSE):
            return False
        headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body))]
        head = http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        data = http.send(h11.Data(data=answer.body)) or b""
        with trio.move_on_after(_ANSWER_WITHIN_S) as sending:
            await self._link.send_all(head + data + (http.send(h11.EndOfMessage()) or b""))
        if sending.cancelled_caught or not self._is_in(h11.DONE) or http.their_state is not h11.DONE:
            return False
        http.start_next_cycle()
        return True

    def _is_in(self, *states: object) -> bool:
        return self._http.our_state in states

    @property
    def unread(self) -> bytes:
        """Return what has come after the last request."""
        return self._http.trailing_data[0]

    async def _receive_whole(self) -> HttpRequest | None:
        try:
            head = await self._receive_event()
            if not isinstance(head, h11.Request):
                return None
            return HttpRequest(head, await self._receive_body())
        except h11.RemoteProtocolError as error:
            raise BadRequest(error.error_status_hint) from error

    async def _receive_event(self) -> h11.Event | None:
        """Return the next event; None if h11 needs our answer."""
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event if isinstance(event, h11.Event) else None
            if self._http.they_are_waiting_for_100_continue:
                go_on = self._http.send(h11.InformationalResponse(status_code=100, headers=[]))
                await self._link.send_all(go_on or b"")
            self._http.receive_data(await self._link.receive_some())

    async def _receive_body(self) -> bytes | None:
        """Read the whole body; return None above `MAX_BODY` bytes.

        A body that is too long is read to its end and discarded.
        """
        parts: list[bytes] = []
        n_bytes = 0
        while isinstance(event := await self._receive_event(), h11.Data):
            n_bytes += len(event.data)
            if n_bytes <= MAX_BODY:
                parts.append(bytes(event.data))
        return b"".join(parts) if n_bytes <= MAX_BODY else None
