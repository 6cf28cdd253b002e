"""A proxy on loopback between a maker and a sandbox, which spoils the answers from the moment that a test says."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

from rogue_kit import Peer, one_by_one, open_rogue

Spoil = Callable[[Peer, bytes], None]
MEGABYTE = b" " * 2**20


def drip(peer: Peer, answer: bytes) -> None:
    """A byte a second."""
    peer.drip(one_by_one(answer), every_s=1.0)


def flood(head: str, piece: bytes) -> Spoil:
    """300 pieces behind a head, in place of the answer."""

    def spoil(peer: Peer, _answer: bytes) -> None:
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n".encode())
        for _ in range(300):
            peer.send(piece)

    return spoil


class SpoilingProxy:
    """`spoil` gets each whole HTTP answer, once it is set; what comes on a WebSocket passes as it is."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url).netloc
        self.url = ""
        self.spoil: Spoil | None = None
        self.n_spoilt = 0

    def serve(self, peer: Peer) -> None:
        """Serve one connection of the maker."""
        first = peer.sock.recv(4, socket.MSG_PEEK | socket.MSG_WAITALL)
        if first == b"GET ":
            self._pass_on(peer)
            return
        with closing(http.client.HTTPConnection(self._place, timeout=30)) as behind:
            while (request := _read_request(peer)) is not None:
                path, body = request
                behind.request("POST", path, body, {"Content-Type": "application/json"})
                response = behind.getresponse()
                answer = response.read()
                head = f"HTTP/1.1 {response.status} OK\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
                if self.spoil is None:
                    peer.send(head + answer)
                else:
                    self.n_spoilt += 1
                    self.spoil(peer, head + answer)

    def _pass_on(self, peer: Peer) -> None:
        host, _, port = self._place.partition(":")
        with socket.create_connection((host, int(port))) as behind:
            threading.Thread(target=_copy, args=(peer.sock, behind), daemon=True).start()
            _copy(behind, peer.sock)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _read_request(peer: Peer) -> tuple[str, bytes] | None:
    with peer.sock.makefile("rb", buffering=0) as file:
        path = file.readline().split(b" ")
        n_bytes = 0
        while (line := file.readline()).strip():
            name, _, value = line.partition(b":")
            n_bytes = int(value) if name.lower() == b"content-length" else n_bytes
        body = b""
        while len(body) < n_bytes:
            body += file.read(n_bytes - len(body)) or b""
    return (path[1].decode(), body) if len(path) > 1 else None


@contextmanager
def open_proxy(url: str) -> Iterator[SpoilingProxy]:
    """Stand before the sandbox at `url`."""
    proxy = SpoilingProxy(url)
    with open_rogue(proxy.serve) as rogue:
        proxy.url = rogue.url
        yield proxy
