"""HTTP/1.1 over one connection: whole requests in, answers out.

Every wait for the client has an end, and everything that it sends a size.
"""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11
import trio

__all__ = ["Answer", "BadRequest", "HttpLink", "LinkTerms", "Request", "encode_refusal", "make_refusal"]

# Where the system cannot tell that the other side ends its part, it tells that all is closed.
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
_RECEIVE_BYTES = 16 * 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTerms:
    """What a client may send, and how long it may take.

    `request_within_s` is from the end of the answer before, so an idle connection ends then too.
    """

    header_bytes: int = 16 * 2**10
    body_bytes: int = 16 * 2**10
    request_within_s: float = 10.0
    write_within_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Whole request. `query` has each name once; `body` is empty where there is none."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer to a request, as plain JSON values. `allow` names the methods of a path."""

    values: Any
    status: int = 200
    allow: str | None = None


class BadRequest(Exception):
    """Bytes that are not a request that may be answered; `status` is that of the last answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def make_refusal(status: int, why: str) -> dict[str, object]:
    """Return the values of an answer that says why there is no other."""
    return {"error": why, "status": status}


def encode_refusal(status: int, why: str) -> bytes:
    """Return a whole answer for a client whose request is not read."""
    answer = Answer(values=make_refusal(status, why), status=status)
    return _write_answer(h11.Connection(h11.SERVER), answer, is_last=True)


def _write_answer(http: h11.Connection, answer: Answer, *, is_last: bool) -> bytes:
    body = json.dumps(answer.values, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if answer.allow is not None:
        headers.append((b"allow", answer.allow.encode()))
    if is_last:
        headers.append((b"connection", b"close"))
    reason = HTTPStatus(answer.status).phrase
    head = h11.Response(status_code=answer.status, headers=headers, reason=reason)
    return b"".join(http.send(part) or b"" for part in (head, h11.Data(data=body), h11.EndOfMessage()))


class HttpLink:
    """Requests and answers of one connection, one after the other."""

    def __init__(self, stream: trio.SocketStream, terms: LinkTerms) -> None:
        self._stream = stream
        self._terms = terms
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=terms.header_bytes)

    async def receive(self) -> Request | None:
        """Receive the next request; None if no further one comes.

        Errors: BadRequest, after which nothing else is received; BrokenResourceError.
        """
        with trio.move_on_after(self._terms.request_within_s):
            try:
                return await self._receive_whole()
            except h11.RemoteProtocolError as error:
                raise BadRequest(error.error_status_hint, f"this is not understood: {str(error)[:80]}") from error
        if self._http.their_state is h11.IDLE and not self._http.trailing_data[0]:
            return None
        raise BadRequest(408, f"the request was not whole within {self._terms.request_within_s:g} s")

    async def _receive_whole(self) -> Request | None:
        head = await self._receive_event()
        if not isinstance(head, h11.Request):
            return None
        parts: list[bytes] = []
        n_bytes = 0
        while isinstance(event := await self._receive_event(), h11.Data):
            parts.append(bytes(event.data))
            n_bytes += len(event.data)
            if n_bytes > self._terms.body_bytes:
                raise BadRequest(413, f"the body has more than {self._terms.body_bytes} bytes")
        if not isinstance(event, h11.EndOfMessage):
            return None
        return _make_request(head, b"".join(parts))

    async def _receive_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self._http.receive_data(await self._stream.receive_some(_RECEIVE_BYTES))
        return event

    async def send(self, answer: Answer, *, is_last: bool = False) -> bool:
        """Send an answer; return whether another request may follow. Errors: BrokenResourceError."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return False
        await self._write(_write_answer(self._http, answer, is_last=is_last))
        if not self._is_done:
            return False
        self._http.start_next_cycle()
        return True

    @property
    def _is_done(self) -> bool:
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def begin_lines(self) -> None:
        """Begin an answer of lines. Errors: BrokenResourceError."""
        headers = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]
        await self._write(self._http.send(h11.Response(status_code=200, headers=headers)))

    async def send_line(self, line: bytes) -> None:
        """Send one line. Errors: BrokenResourceError, also for a client that does not read."""
        await self._write(self._http.send(h11.Data(data=line + b"\n")))

    @property
    def is_gone(self) -> bool:
        """Check if the client has closed its side."""
        poller = select.poll()
        poller.register(self._stream.socket.fileno(), _GONE)
        return any(events & _GONE for _, events in poller.poll(0))

    async def wait_until_gone(self) -> None:
        """Return once the client has closed its side; never while it sends what is to be read later."""
        found = b""
        try:
            found = await self._stream.socket.recv(1, socket.MSG_PEEK)
        except OSError:
            return
        if found:
            await trio.sleep_forever()

    async def _write(self, data: bytes | None) -> None:
        with trio.move_on_after(self._terms.write_within_s) as writing:
            await self._stream.send_all(data or b"")
        if writing.cancelled_caught:
            raise trio.BrokenResourceError("the client does not read")


def _make_request(head: h11.Request, body: bytes) -> Request:
    try:
        target = urlsplit(head.target.decode("ascii"))
        pairs = parse_qsl(target.query, keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise BadRequest(400, f"the address cannot be read: {error}") from error
    if len(dict(pairs)) < len(pairs):
        raise BadRequest(400, "the query has a name twice; give each once")
    return Request(method=head.method.decode("ascii"), path=target.path, query=dict(pairs), body=body)
