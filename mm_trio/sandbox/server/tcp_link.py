"""One TCP connection, with the two ways in which a network can fail it: cut, and deaf."""

from __future__ import annotations

import socket

import trio

__all__ = ["TcpLink"]

_CHUNK = 65_536  # bytes taken from the kernel at once


class TcpLink:
    """A byte stream. While `is_silent` it swallows what either side says and keeps the connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.is_silent = False
        self._nonblocking: socket.socket | None = None  # the same connection, for writing without a turn of the loop
        try:
            self._peer = str(stream.socket.getpeername()[0])
        except OSError:  # came and went
            self._peer = ""

    @property
    def peer(self) -> str:
        """The client's address on the network, without its port; empty once it is gone."""
        return self._peer

    @property
    def is_open(self) -> bool:
        """False from the moment it is cut."""
        return self._stream.socket.fileno() != -1

    async def send_all(self, data: bytes) -> None:
        """Errors: BrokenResourceError if the client is gone, ClosedResourceError if we cut it."""
        if self.is_silent:
            await trio.lowlevel.checkpoint()
        else:
            await self._stream.send_all(data)

    def send_now(self, data: bytes) -> bytes:
        """Hand over what the kernel takes without waiting, and give back the rest.

        Errors: none; who sends the rest learns of a connection that is over. Nobody may be within `send_all`.
        """
        if self.is_silent:
            return b""
        try:
            if self._nonblocking is None:
                own = self._stream.socket
                self._nonblocking = socket.fromfd(own.fileno(), own.family, own.type)
                self._nonblocking.setblocking(False)
            return data[self._nonblocking.send(data) :]
        except OSError:
            return data

    async def receive_some(self) -> bytes:
        """What came; empty at the end, which even the deaf notice. Errors: as `send_all`."""
        while True:
            data = bytes(await self._stream.receive_some(_CHUNK))
            if not data or not self.is_silent:
                return data

    def cut(self) -> None:
        """Close at once, whoever is sending or waiting; they get ClosedResourceError. Twice is once."""
        self._stream.socket.close()
        if self._nonblocking is not None:
            self._nonblocking.close()
