"""Client of a maker's control socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import h11
import trio

from mm_trio.control.socket_file import SOCKET_NAME, SocketUnavailable, find_foreign_socket, shorten

__all__ = ["LineStream", "MakerSilent", "NoSocket", "Reply", "ask_maker", "open_lines"]

_RECEIVE_BYTES = 64 * 2**10
# An account of 250 markets says half a megabyte of itself.
MOST_BYTES = 8 * 2**20
CONNECT_WITHIN_S = 2.0


class NoSocket(Exception):
    """Reason why there is nobody to ask by a socket."""


class MakerSilent(Exception):
    """Maker whose socket is open and that gave no answer that could be read."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer of a maker. Its values are those of an error where `is_good` is False."""

    status: int
    values: Any

    @property
    def is_good(self) -> bool:
        """Check if the maker did what was asked."""
        return self.status == 200

    @property
    def error(self) -> str:
        """Return why it did not."""
        return str(self.values.get("error", self.values)) if isinstance(self.values, dict) else str(self.values)


class LineStream:
    """Lines that a maker sends for as long as it runs."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._rest = b""

    async def receive(self) -> Any | None:
        """Receive the next line as JSON values; None where no more come. Errors: MakerSilent."""
        while b"\n" not in self._rest:
            data = await self._link.receive_data()
            if data is None:
                return None
            self._rest += data
            if len(self._rest) > MOST_BYTES:
                raise MakerSilent(f"a line has more than {MOST_BYTES} bytes")
        line, _, self._rest = self._rest.partition(b"\n")
        return _decode(line)


async def ask_maker(
    folder: Path,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, object] | None = None,
    within_s: float,
) -> Reply:
    """Ask the maker whose ledger is in a folder. Errors: NoSocket, MakerSilent."""
    with trio.move_on_after(within_s):
        async with _open_link(folder) as link:
            await link.send(method, path, query, body)
            status = await link.receive_status()
            return Reply(status, _decode(await link.receive_all()))
    raise MakerSilent(f"the maker did not answer within {within_s:g} s")


@asynccontextmanager
async def open_lines(
    folder: Path, path: str, *, query: Mapping[str, str] | None = None, within_s: float
) -> AsyncIterator[LineStream]:
    """Open a stream of lines of the maker whose ledger is in a folder.

    `within_s` is for its beginning. Errors: NoSocket; MakerSilent, also where the maker refuses.
    """
    async with _open_link(folder) as link:
        status = 0
        with trio.move_on_after(within_s):
            await link.send("GET", path, query, None)
            status = await link.receive_status()
            if status != 200:
                raise MakerSilent(Reply(status, _decode(await link.receive_all())).error)
        if not status:
            raise MakerSilent(f"the maker did not answer within {within_s:g} s")
        yield LineStream(link)


class _Link:
    """One request, and the answer to it. What breaks off raises MakerSilent."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)

    async def send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, object] | None
    ) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        headers = [("host", "localhost"), ("content-length", str(len(data)))]
        target = f"{path}?{urlencode(query)}" if query else path
        parts = (
            h11.Request(method=method, target=target, headers=headers),
            *([h11.Data(data=data)] if data else []),
            h11.EndOfMessage(),
        )
        # A server that refuses to read has answered all the same.
        with suppress(trio.BrokenResourceError):
            await self._stream.send_all(b"".join(self._http.send(part) or b"" for part in parts))

    async def receive_status(self) -> int:
        event = await self._receive_event()
        if not isinstance(event, h11.Response):
            raise MakerSilent("the maker closed the connection without an answer")
        return event.status_code

    async def receive_data(self) -> bytes | None:
        """Receive a part of the body; None at its end, also where the connection breaks off."""
        try:
            event = await self._receive_event()
        except MakerSilent:
            return None
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def receive_all(self) -> bytes:
        data = b""
        while True:
            event = await self._receive_event()
            if not isinstance(event, h11.Data):
                return data
            data += bytes(event.data)
            if len(data) > MOST_BYTES:
                raise MakerSilent(f"the answer has more than {MOST_BYTES} bytes")

    async def _receive_event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = await self._stream.receive_some(_RECEIVE_BYTES)
                if not data and self._http.their_state is h11.SEND_RESPONSE:
                    raise MakerSilent("the maker closed the connection without an answer")
                self._http.receive_data(data)
        except (trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            raise MakerSilent(f"the connection broke off: {error}") from error
        return event


@asynccontextmanager
async def _open_link(folder: Path) -> AsyncIterator[_Link]:
    stream: trio.SocketStream | None = None
    try:
        if (fault := find_foreign_socket(folder / SOCKET_NAME)) is not None:
            raise NoSocket(fault)
        with trio.move_on_after(CONNECT_WITHIN_S), shorten(folder) as name:
            stream = await trio.open_unix_socket(name)
    except (OSError, SocketUnavailable) as error:
        raise NoSocket(f"{folder / SOCKET_NAME}: {getattr(error, 'strerror', None) or error}") from error
    if stream is None:
        raise MakerSilent(f"the maker did not take the connection within {CONNECT_WITHIN_S:g} s")
    async with stream:
        yield _Link(stream)


def _decode(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MakerSilent(f"the answer is not JSON: {error}") from error
