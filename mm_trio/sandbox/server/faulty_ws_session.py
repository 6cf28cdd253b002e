"""WebSocket session into which faults can be injected."""

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
    """WebSocket session whose frames pass a tap for faults."""

    def __init__(self, link: TcpLink, protocol: WSConnection, frames: FrameFaults, **options: Any) -> None:
        super().__init__(link, protocol, **options)
        self.tap = frames.open_tap(self._send_text)
        self._tapped_link, self._tapped_protocol = link, protocol
        self._has_expired = False

    @property
    def is_open(self) -> bool:
        """Return True if open, neither closing nor silenced."""
        is_whole = self._tapped_protocol.state is ConnectionState.OPEN and not self._has_expired
        return is_whole and self._tapped_link.is_open and not self._tapped_link.is_silent

    def send_frame(self, frame: dict[str, Any]) -> None:
        """Queue one JSON frame, subject to faults."""
        self.tap.send(frame)

    def expire(self) -> None:
        """Close as the venue does after some hours."""
        self._has_expired = True
        self._post(CloseConnection(code=1000, reason="Expired"))

    def cut(self) -> None:
        """End TCP without a closing frame."""
        self._tapped_link.cut()

    def silence(self) -> None:
        """Make the connection half-open from now on."""
        self._tapped_link.is_silent = True

    def _send_text(self, text: str) -> None:
        if self._tapped_link.is_open:
            self._post(TextMessage(data=text))
