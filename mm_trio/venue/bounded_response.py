"""Connections whose answers end, in time and in size, and JSON that stays small.

The library bounds each read alone: an answer that drips byte by byte keeps its thread for ever, and a body is read
however long it is. Here one deadline covers all of a request: connecting, TLS, sending, headers and body. Only the
look-up of a name has the limits of the system's resolver instead.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family, create_connection

__all__ = ["MOST_BYTES", "AnswerRefused", "HttpAnswer", "bound_connections", "parse_json", "read_answer"]

# Ten times the longest answer of the venue, which is a page of 2,000 fills or the list of all pairs.
MOST_BYTES = 8 * 2**20
MOST_HEADER_BYTES = 64 * 2**10
# Servers cut into pieces of 4 KiB or more. Millions of small ones would take long to put together.
MOST_CHUNKS = 10_000
# A page of 2,000 fills has 30,000 values. Eight MiB of empty lists would take 200 MiB.
MOST_VALUES = 250_000
# The venue's deepest answer has six levels. Python's own limit depends on the caller's depth.
MOST_LEVELS = 32
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


# One decoder is made once: `json.loads` makes one for each call with options.
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


class AnswerRefused(HTTPError):
    """Answer that is not read to its end: too long, or compressed."""


class _TimedReader(io.RawIOBase):
    """Reads one answer, with what is left of its time and its bytes."""

    def __init__(self, sock: Any, raw: Any, *, until_s: float) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._until_s = until_s
        self._most = self._n_bytes_left = MOST_HEADER_BYTES

    def begin_body(self) -> None:
        """Allow what a body may have."""
        self._most = self._n_bytes_left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left_s)
        n_read: int | None = self._raw.readinto(buffer)
        self._n_bytes_left -= n_read or 0
        if self._n_bytes_left < 0:
            raise AnswerRefused(f"the answer has more than {self._most} bytes")
        return n_read

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """Answer that is read within a deadline and a size."""

    def __init__(self, sock: Any, *args: Any, until_s: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._reader = _TimedReader(sock, self.fp.detach(), until_s=until_s)
        self.fp = io.BufferedReader(self._reader)
        self._n_chunks = 0

    def begin(self) -> None:
        """Read status line and headers."""
        super().begin()
        self._reader.begin_body()

    def _read_next_chunk_size(self) -> int:
        self._n_chunks += 1
        if self._n_chunks > MOST_CHUNKS:
            raise AnswerRefused(f"the answer has more than {MOST_CHUNKS} chunks")
        n_bytes: int = super()._read_next_chunk_size()  # type: ignore[misc]
        return n_bytes


class _BoundedConnection(HTTPConnection):
    """Connection whose time runs from the moment that it is set.

    The pool sets `timeout` when a request begins, and to what is left of it before the answer is read.
    """

    _until_s = float("inf")

    @property
    def timeout(self) -> float:
        """Seconds that are left, at least a millisecond: zero would mean not to block."""
        return max(0.001, self._until_s - time.monotonic())

    @timeout.setter
    def timeout(self, within_s: float) -> None:
        # The library's own default is set before the first request, and never used.
        self._until_s = time.monotonic() + within_s if isinstance(within_s, float) else float("inf")
        # An instance's own, in place of the class's: it also reads what a proxy answers.
        self.response_class = partial(_BoundedResponse, until_s=self._until_s)  # type: ignore[assignment]

    def send(self, data: Any) -> None:
        """Send within the time that is left."""
        if self.sock is not None:
            self.sock.settimeout(self.timeout)
        super().send(data)

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers, all of them within one time."""
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        failure: OSError | None = None
        for n_left, (*_, address) in zip(range(len(found), 0, -1), found, strict=True):
            try:
                # The others get their share of the time too.
                share_s = self.timeout / n_left
                place = (str(address[0]), self.port or 0)
                sock = create_connection(place, share_s, self.source_address, self.socket_options)
            except OSError as error:
                failure = error
            else:
                # The handshake of TLS has all that is left.
                sock.settimeout(self.timeout)
                return sock
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"{self.host} did not answer") from failure
        raise NewConnectionError(self, f"Failed to establish a new connection: {failure}") from failure


class _BoundedTlsConnection(_BoundedConnection, HTTPSConnection):
    """The same with TLS, whose handshake has the rest of the time."""


def bound_connections(pool: Any) -> None:
    """Make a pool of the library open bounded connections alone.

    Errors: OSError for a proxy that the library reaches by connections of another kind.
    """
    bounded = {HTTPConnection: _BoundedConnection, HTTPSConnection: _BoundedTlsConnection}
    kind = bounded.get(pool.ConnectionCls)
    if kind is None:
        raise OSError(f"a proxy by {pool.ConnectionCls.__name__} is not supported; use an HTTP proxy, or none")
    pool.ConnectionCls = kind


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Answer that was read whole, in the shape that the SDK reads."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text. What is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Parse the body. Errors: ValueError."""
        return parse_json(self.body)


def read_answer(response: urllib3.BaseHTTPResponse) -> HttpAnswer:
    """Read an answer to its end, or close its connection.

    Errors: AnswerRefused for a compressed answer or one above `MOST_BYTES`; the library's for one that is late or cut.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        response.close()
        raise AnswerRefused(f"the answer is compressed ({encoding[:20]!r}), which was not asked for")
    # A length that lies would be reserved at once.
    body = b"" if _is_too_long(response) else response.read(MOST_BYTES + 1, decode_content=False)
    if _is_too_long(response) or len(body) > MOST_BYTES:
        response.close()
        raise AnswerRefused(f"the answer has more than {MOST_BYTES} bytes")
    return HttpAnswer(response.status, response.headers, body)


def _is_too_long(response: urllib3.BaseHTTPResponse) -> bool:
    return (response.length_remaining or 0) > MOST_BYTES


def parse_json(body: bytes | str) -> Any:
    """Parse JSON that is not larger, deeper or stranger than the venue's.

    No NaN, no infinity, no half of a surrogate pair: it could not be printed. Errors: ValueError.
    """
    raw = body if isinstance(body, bytes) else body.encode("utf-8")
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values")
    try:
        found = _decode(raw.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not _has_few_levels(raw):
        _check_levels(found)
    if b"\\u" in raw:
        # Raises a ValueError for a character that no encoding has.
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


def _has_few_levels(raw: bytes) -> bool:
    """Check without a loop over the values that the nesting is shallow.

    False where brackets in texts hide it.
    """
    brackets = raw.translate(None, _NO_BRACKETS)
    for _ in range(MOST_LEVELS):
        if not brackets:
            return True
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return not brackets


def _check_levels(found: Any) -> None:
    level = [found]
    for _ in range(MOST_LEVELS):
        level = [
            part
            for whole in level
            if isinstance(whole, dict | list)
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not level:
            return
    raise ValueError("nested too deeply")
