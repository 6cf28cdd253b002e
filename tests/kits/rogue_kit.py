"""A server on loopback that answers anything, as slowly as it likes, and notices when its client hangs up."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

DEADLINE_S = 30.0


@dataclass
class Peer:
    """One connection of a client."""

    sock: socket.socket
    over: threading.Event

    def read_request(self) -> bytes:
        """What was asked: the body, of the length that it says; empty once the client hung up."""
        with self.sock.makefile("rb", buffering=0) as file:
            n_bytes = 0
            while (line := file.readline()).strip():
                name, _, value = line.partition(b":")
                n_bytes = int(value) if name.lower() == b"content-length" else n_bytes
            return file.read(n_bytes) or b"" if n_bytes else b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_answer(self, body: bytes, *headers: str) -> None:
        """Send a whole answer of status 200."""
        lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def drip(self, data: Iterable[bytes], *, every_s: float = 0.05) -> None:
        """Send piece by piece until the client hangs up or the test is over."""
        for piece in data:
            self.send(piece)
            if self.over.wait(every_s):
                return


@dataclass
class Rogue:
    """The server; `hung_up` counts the connections that their client ended."""

    port: int
    over: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_hung_up(self) -> None:
        assert self.hung_up.acquire(timeout=DEADLINE_S), "the client keeps its connection"

    def handle(self, sock: socket.socket, answer: Callable[[Peer], None]) -> None:
        with sock:
            try:
                answer(Peer(sock, self.over))
                sock.settimeout(DEADLINE_S)
                while sock.recv(65536):
                    pass
            except OSError:
                pass
            if not self.over.is_set():
                self.hung_up.release()


@contextmanager
def open_rogue(answer: Callable[[Peer], None]) -> Iterator[Rogue]:
    """Serve every connection by `answer`, each on a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        rogue = Rogue(listener.getsockname()[1])

        def accept_forever() -> None:
            with suppress(OSError):
                while not rogue.over.is_set():
                    sock, _ = listener.accept()
                    threading.Thread(target=rogue.handle, args=(sock, answer), daemon=True).start()

        threading.Thread(target=accept_forever, daemon=True).start()
        try:
            yield rogue
        finally:
            rogue.over.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def forever(piece: bytes) -> Iterator[bytes]:
    """The same bytes again and again."""
    return itertools.repeat(piece)


def one_by_one(data: bytes) -> Iterator[bytes]:
    """Each byte for itself."""
    return (data[i : i + 1] for i in range(len(data)))
