"""A WebSocket of the sandbox that faults can reach: its frames pass a tap, and it can be failed."""

from __future__ import annotations

from typing import Any

from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, TextMessage

from mm_trio.sandbox.faults.frames import FrameFaults
from mm_trio.sandbox.server.tcp_link import TcpLink
from mm_trio.sandbox.server.ws_session import WsSession

__all__ = ["FaultyWsSession"]


class FaultyWsSession(WsSession):
    """A door as any other, with a layer in front."""

    def __init__(self, link: TcpLink, protocol: WSConnection, frames: FrameFaults, **options: Any) -> None:
        super().__init__(link, protocol, **options)
        self.tap = frames.open_tap(self._send_text)
        self._tapped_link, self._tapped_protocol = link, protocol
        self._has_expired = False

    @property
    def is_open(self) -> bool:
        """And neither closing nor deaf."""
        is_whole = self._tapped_protocol.state is ConnectionState.OPEN and not self._has_expired
        return is_whole and self._tapped_link.is_open and not self._tapped_link.is_silent

    def send_frame(self, frame: dict[str, Any]) -> None:
        """Queue one JSON frame, or what its fault makes of it."""
        self.tap.send(frame)

    def expire(self) -> None:
        """Say goodbye as the venue does to a connection that is hours old."""
        self._has_expired = True
        self._post(CloseConnection(code=1000, reason="Expired"))

    def cut(self) -> None:
        """End TCP, without a word."""
        self._tapped_link.cut()

    def silence(self) -> None:
        """Half open from now on."""
        self._tapped_link.is_silent = True

    def _send_text(self, text: str) -> None:
        if self._tapped_link.is_open:
            self._post(TextMessage(data=text))
