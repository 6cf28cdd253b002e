"""The socket of a service manager, and what was told to it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

MOST_BYTES = 4096


class NotifySocket:
    """A datagram socket as `NOTIFY_SOCKET` names it. `told` has each datagram that was taken from it, in lines."""

    def __init__(self, bound: socket.socket, name: str) -> None:
        self._bound = bound
        self.name = name
        self.told: list[list[str]] = []

    def take(self) -> list[list[str]]:
        """Take what was told until now; return all that ever was."""
        with suppress(BlockingIOError):
            while True:
                self.told.append(self._bound.recv(MOST_BYTES).decode().splitlines())
        return self.told

    def words(self, name: str) -> list[str]:
        """The values that were told under a name until now."""
        lines = [line.partition("=") for told in self.take() for line in told]
        return [value for each, _, value in lines if each == name]


@contextmanager
def open_notify_socket(folder: Path, *, is_abstract: bool = False) -> Iterator[NotifySocket]:
    """A socket of a path in the folder, or an abstract one of that name."""
    name = str(folder / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as bound:
        bound.setblocking(False)
        bound.bind("\0" + name if is_abstract else name)
        yield NotifySocket(bound, f"@{name}" if is_abstract else name)
