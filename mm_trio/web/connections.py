"""Connections of browsers and scrapers: how many at once, and how long one may keep us waiting.

Hypercorn sends in a shielded scope, so a client that never reads would outlive any cancellation. Each connection here
has a deadline for sending, and can be cut off from outside, in the middle of a write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import trio

__all__ = ["MOST_CONNECTIONS", "Connection", "Connections"]

_log = logging.getLogger(__name__)

# A browser keeps six to one address. An operator with a few of them, a scraper and a probe need thirty.
MOST_CONNECTIONS = 100
# So many more may be told that there are too many; others are closed without a word. Together they stay far below the
# thousand files that a process may have open, of which the maker's own are some.
MOST_REFUSALS = 20
REFUSE_WITHIN_S = 0.5
# Ten seconds are a phone in a tunnel; what waits for it meanwhile is one chunk of an answer.
SEND_WITHIN_S = 10.0
FULL_TEXT = b"Too many connections; close some, or try later.\n"
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b" % (len(FULL_TEXT), FULL_TEXT)
)
TELL_FULL_EVERY_S = 60.0
MOST_READ = 64 * 1024


class Connection:
    """Stream of one client, as Hypercorn's server wants it.

    A write that does not end in time breaks it, and so does `cut`. What comes is handed on in `turn`, one connection in
    each round of the event loop: a hundred requests at once would else be read in the same round, and the maker's tasks
    would wait for all of them.
    """

    def __init__(self, stream: trio.SocketStream, *, turn: trio.Lock) -> None:
        self._stream = stream
        self._turn = turn
        self.socket = stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive what has come. Errors: trio.BrokenResourceError, trio.ClosedResourceError."""
        data = await self._stream.receive_some(max_bytes)
        async with self._turn:
            await trio.lowlevel.checkpoint()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything within ten seconds. Errors: trio.BrokenResourceError, trio.ClosedResourceError."""
        with trio.move_on_after(SEND_WITHIN_S) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            self.cut()
            raise trio.BrokenResourceError(f"the client took nothing for {SEND_WITHIN_S:g} s")

    async def send_eof(self) -> None:
        """Tell the client that no more comes."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    def cut(self) -> None:
        """Close the connection at once; whatever waits for it fails."""
        self.socket.close()


class Connections:
    """All open connections, of which there is a bounded number.

    Leaving the context cuts all of them.
    """

    def __init__(self, most: int = MOST_CONNECTIONS, *, now_s: Callable[[], float] = trio.current_time) -> None:
        self._most = most
        self._now_s = now_s
        self._open: set[Connection] = set()
        self._refusing: set[Connection] = set()
        self._n_refused = 0
        self._told_s: float | None = None
        self._turn = trio.Lock()
        self._dropped = trio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        for connection in (*self._open, *self._refusing):
            connection.cut()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """Check if one more has to be refused."""
        return len(self._open) >= self._most

    async def wait_until_empty(self) -> None:
        """Wait until no client is served."""
        while self._open:
            self._dropped = trio.Event()
            await self._dropped.wait()

    @contextmanager
    def hold(self, stream: trio.SocketStream) -> Iterator[Connection]:
        """Keep a connection in the books while it is served, and close it afterwards."""
        try:
            with self._keep(Connection(stream, turn=self._turn), self._open) as connection:
                yield connection
        finally:
            self._dropped.set()

    async def refuse(self, stream: trio.SocketStream) -> None:
        """Tell a client that there are too many, and close its connection."""
        self._tell_full()
        connection = Connection(stream, turn=self._turn)
        if len(self._refusing) >= MOST_REFUSALS:
            connection.cut()
            return
        with (
            self._keep(connection, self._refusing),
            trio.move_on_after(REFUSE_WITHIN_S),
            suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            await connection.send_all(FULL)
            await connection.send_eof()
            # A request that nobody has read would make the kernel throw the answer away.
            while await connection.receive_some(MOST_READ):
                pass

    @staticmethod
    @contextmanager
    def _keep(connection: Connection, book: set[Connection]) -> Iterator[Connection]:
        book.add(connection)
        try:
            yield connection
        finally:
            book.discard(connection)
            connection.cut()

    def _tell_full(self) -> None:
        self._n_refused += 1
        now_s = self._now_s()
        if self._told_s is None or now_s - self._told_s >= TELL_FULL_EVERY_S:
            self._told_s = now_s
            _log.warning(
                "page is full: connections=%d refused=%d; others are answered with 503", self._most, self._n_refused
            )
