"""Socket in a maker's state folder.

Its mode is 0600, so on Linux the same user alone, and root, can connect; there is no other check of who asks. Whoever
makes it holds the lock of the folder, so one that is there already belonged to a maker that is dead.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SOCKET_NAME", "OpenSocket", "SocketUnavailable", "find_foreign_socket", "open_socket", "shorten"]

SOCKET_NAME = "control.sock"
_BESIDE_NAME = "control.sock.new"
# Connections that wait to be accepted.
BACKLOG = 64
# Bytes of a socket's name that the system takes.
MOST_BYTES = 107 if sys.platform == "linux" else 103
_OPEN_FOLDERS = Path("/proc/self/fd")


class SocketUnavailable(Exception):
    """Reason why there is no socket, in one line."""


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """Socket that listens. `inode` tells its file from that of a later maker."""

    listener: socket.socket
    path: Path
    inode: int

    def close(self) -> None:
        """Stop listening, and remove the file if it is still this one. Blocks."""
        self.listener.close()
        with suppress(OSError):
            if self.path.lstat().st_ino == self.inode:
                self.path.unlink()


@contextmanager
def shorten(folder: Path, name: str = SOCKET_NAME) -> Iterator[str]:
    """Give a socket in a folder a name that the system takes, while the context is open.

    Where the path is too long, Linux takes it by the number of the open folder. Errors: OSError; SocketUnavailable
    where no name is short enough.
    """
    path = folder / name
    if len(os.fsencode(path)) <= MOST_BYTES:
        yield str(path)
        return
    if not _OPEN_FOLDERS.is_dir():
        raise SocketUnavailable(
            f"{path} is longer than the {MOST_BYTES} bytes that a socket's name may have here; set XDG_STATE_HOME to a "
            "folder with a shorter path"
        )
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield str(_OPEN_FOLDERS / str(number) / name)
    finally:
        os.close(number)


def open_socket(folder: Path) -> OpenSocket:
    """Listen in a folder whose lock is held, in place of a dead maker's socket. Blocks.

    Nobody can connect before its mode is set. Errors: SocketUnavailable.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise SocketUnavailable("this system has no Unix sockets")
    path, beside = folder / SOCKET_NAME, folder / _BESIDE_NAME
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if (fault := find_foreign_socket(path)) is not None:
            raise SocketUnavailable(fault)
        beside.unlink(missing_ok=True)
        with suppress(OSError):
            # Linux takes the mode of the file from the one of the socket.
            os.fchmod(listener.fileno(), 0o600)
        with shorten(folder, _BESIDE_NAME) as name:
            listener.bind(name)
        beside.chmod(0o600)
        listener.listen(BACKLOG)
        beside.rename(path)
        return OpenSocket(listener, path, path.lstat().st_ino)
    except OSError as error:
        listener.close()
        raise SocketUnavailable(f"{path} cannot be opened: {error.strerror or error}") from error
    except SocketUnavailable:
        listener.close()
        raise


def find_foreign_socket(path: Path) -> str | None:
    """Say why what has a socket's name must not be used; None where it may be, or nothing is there. Errors: OSError."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISSOCK(status.st_mode):
        return f"{path} is not a socket; remove it, the maker makes its own"
    if status.st_uid != os.geteuid():
        return f"{path} belongs to user {status.st_uid}, and this process runs as {os.geteuid()}"
    return None
