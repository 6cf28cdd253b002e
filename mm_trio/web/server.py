"""Server of the page: a listening socket, and a task that answers its clients beside a maker.

It ends within moments of its cancellation, whatever its clients do, and a client's mistake ends that client alone.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
from typing import TYPE_CHECKING, Any

import trio

from mm_trio.model.errors import ConfigError

if TYPE_CHECKING:
    from mm_trio.web.app import WebApp

__all__ = ["bind_page", "make_url", "serve"]

_log = logging.getLogger(__name__)

BACKLOG = 128
LAST_WORDS_WITHIN_S = 0.3
REMEDIES = {
    errno.EADDRINUSE: "another program listens there, maybe this maker, started before; use another port, or "
    "a free one with `run --page`",
    errno.EACCES: "ports below 1024 are for root; use a higher one",
    errno.EADDRNOTAVAIL: "this machine does not have that address; use 127.0.0.1",
}


def bind_page(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one. Errors: ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A restart finds the port in use for a minute otherwise.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        why = REMEDIES.get(error.errno or 0, "use another host or port")
        raise ConfigError(f"[page] {host} port {port} cannot be used: {error.strerror or error}; {why}") from error
    return listening


def make_url(listening: socket.socket) -> str:
    """Return the address under which this machine reaches a listening socket."""
    host, port = listening.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "::1" if address.version == 6 else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    app: WebApp,
    listening: socket.socket,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer clients until cancelled, and close the socket. Starts with the URL."""
    # Hypercorn takes a while to import, so only a maker with a page pays for it.
    from mm_trio.web.connections import Connections
    from mm_trio.web.http1 import Http1Server, make_config

    config, url = make_config(), make_url(listening)
    connections = Connections()

    async def answer(stream: trio.SocketStream) -> None:
        if connections.is_full:
            await connections.refuse(stream)
            return
        with connections.hold(stream) as connection:
            try:
                asgi: Any = app
                await Http1Server(asgi, config, connection).run()
            except* Exception as group:  # noqa: BLE001 - whatever one client causes, others are answered
                _log.error("page connection failed: error=%r; the maker goes on", group.exceptions[0])

    async with trio.open_nursery() as nursery:
        # Cut before the nursery waits for its tasks: those in the middle of a write cannot be cancelled.
        with connections:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
            nursery.start_soon(trio.serve_listeners, answer, [listener])
            task_status.started(url)
            try:
                await trio.sleep_forever()
            finally:
                # A page that is open hears of the end.
                with trio.move_on_after(LAST_WORDS_WITHIN_S, shield=True):
                    await connections.wait_until_empty()
