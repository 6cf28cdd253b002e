"""A proxy on loopback between a maker and a sandbox, whose cable a test pulls: nothing arrives, not even an end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from rogue_kit import Peer, open_rogue


class CutProxy:
    """`is_cut`: what comes from either side is dropped, and both connections stay open."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._place = (str(place.hostname), int(place.port or 0))
        self.url = ""
        self.is_cut = False

    def serve(self, peer: Peer) -> None:
        """Serve one connection of the maker."""
        with socket.create_connection(self._place) as behind:
            threading.Thread(target=self._copy, args=(peer.sock, behind), daemon=True).start()
            self._copy(behind, peer.sock)

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.is_cut:
                    target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def open_cut_proxy(url: str) -> Iterator[CutProxy]:
    """Stand before the sandbox at `url`, with the cable plugged in."""
    proxy = CutProxy(url)
    with open_rogue(proxy.serve) as rogue:
        proxy.url = rogue.url
        yield proxy
