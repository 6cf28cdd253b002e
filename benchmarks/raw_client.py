"""A client that costs next to nothing: requests made beforehand, raw sockets, one thread for all connections."""

from __future__ import annotations

import json
import re
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Share", "drive", "make_request"]

Share = list[bytes]  # the requests of one connection, in order

DEADLINE_S = 60.0
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


def make_request(path: str, body: dict[str, Any]) -> bytes:
    """The bytes of a POST on a connection that stays open."""
    text = json.dumps(body, separators=(",", ":")).encode()
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(text)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + text


def drive(url: str, shares: Sequence[Share]) -> list[float]:
    """Send every share over a connection of its own, all at once, one request after the other's answer.

    Gives: seconds from request to answer, of each. Errors: AssertionError for an answer that is not `ok` throughout.
    """
    address = urlsplit(url)
    where = address.hostname or "", address.port or 80
    lines = [_Line(socket.create_connection(where), share) for share in shares]
    times_s: list[float] = []
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line.stream, selectors.EVENT_READ, line)
            line.send_next()
        n_left = sum(len(share) for share in shares)
        while n_left:
            ready = selector.select(DEADLINE_S)
            assert ready, "no answer in time"
            for key, _ in ready:
                took_s = key.data.read()
                if took_s is not None:
                    times_s.append(took_s)
                    n_left -= 1
    for line in lines:
        line.stream.close()
    return times_s


class _Line:
    """One connection."""

    def __init__(self, stream: socket.socket, share: Share) -> None:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = stream
        self._todo = iter(share)
        self._received = b""
        self._sent_s = 0.0

    def send_next(self) -> None:
        request = next(self._todo, None)
        if request is not None:
            self._sent_s = time.perf_counter()
            self.stream.sendall(request)

    def read(self) -> float | None:
        """How long the answer took, once it is whole; the next request is on its way then."""
        chunk = self.stream.recv(65_536)
        assert chunk, "the server hung up"
        self._received += chunk
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = _LENGTH.search(head + b"\r\n")
        assert length, head
        if len(body) < int(length[1]):
            return None
        took_s = time.perf_counter() - self._sent_s
        assert head.startswith(b"HTTP/1.1 200"), head + body
        assert b'"status":"ok"' in body, body
        assert b'"error"' not in body, body
        self._received = b""
        self.send_next()
        return took_s
