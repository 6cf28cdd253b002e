"""TCP connection that can be cut or silenced."""

from __future__ import annotations

import socket

import trio

__all__ = ["TcpLink"]

_CHUNK = 65_536  # Bytes read from the kernel at once.


class TcpLink:
    """Byte stream over one TCP connection.

    While `is_silent` it discards data of both directions and keeps the connection open.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.is_silent = False
        # A second socket object for the same connection, for writing without yielding to the event loop.
        self._nonblocking: socket.socket | None = None
        try:
            self._peer = str(stream.socket.getpeername()[0])
        except OSError:  # The client has disconnected already.
            self._peer = ""

    @property
    def peer(self) -> str:
        """Return the client's IP address without its port.

        It is empty if the client had disconnected before the address could be read.
        """
        return self._peer

    @property
    def is_open(self) -> bool:
        """Return False once the connection was cut."""
        return self._stream.socket.fileno() != -1

    async def send_all(self, data: bytes) -> None:
        """Send all data; discard it while silent.

        Errors: BrokenResourceError if the client is gone, ClosedResourceError if we cut the connection.
        """
        if self.is_silent:
            await trio.lowlevel.checkpoint()
        else:
            await self._stream.send_all(data)

    def send_now(self, data: bytes) -> bytes:
        """Send what the kernel accepts without waiting; return the remainder.

        No task may be inside `send_all`.
        Errors: none; a broken connection shows when the remainder is sent.
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
        """Receive data; empty at the end of the connection.

        While silent, data is discarded but the end is still noticed. Errors: as `send_all`.
        """
        while True:
            data = bytes(await self._stream.receive_some(_CHUNK))
            if not data or not self.is_silent:
                return data

    def cut(self) -> None:
        """Close at once; cutting twice is allowed.

        Tasks that are sending or receiving get ClosedResourceError.
        """
        self._stream.socket.close()
        if self._nonblocking is not None:
            self._nonblocking.close()
