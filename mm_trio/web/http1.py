"""Hypercorn's server of one connection, without HTTP/2.

A client could ask for it by `Upgrade: h2c`, and would have a hundred requests at once on one connection. No browser
does so without TLS, which is not spoken here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

    from mm_trio.web.connections import Connection

__all__ = ["Http1Server", "make_config"]

# From the connection to the end of the first request's head, and from an answer to the next request.
IDLE_S = 10
MOST_HEAD_BYTES = 16 * 1024


def make_config() -> Config:
    """Return how Hypercorn serves: it logs nothing itself, and names neither itself nor its version."""
    config = Config()
    config.accesslog = config.errorlog = None
    config.include_server_header = False
    config.keep_alive_timeout = IDLE_S
    config.h11_max_incomplete_size = MOST_HEAD_BYTES
    return config


class _Http1Protocol(H11Protocol):
    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay with HTTP/1.1, whatever the client would rather speak."""


class Http1Server(TCPServer):
    """Server of one connection."""

    def __init__(self, app: ASGIFramework, config: Config, connection: Connection) -> None:
        stream = cast("Any", connection)
        super().__init__(ASGIWrapper(app), config, WorkerContext(None), ConnectionState({}), stream)

    async def run(self) -> None:
        """Serve the connection until it ends, is idle for too long or is cut.

        Hypercorn would wait for the handlers of a client that has left, and a stream of events never ends by itself.
        """
        socket = self.stream.socket
        try:
            client = parse_socket_addr(socket.family, socket.getpeername())
            server = parse_socket_addr(socket.family, socket.getsockname())
            with trio.CancelScope() as scope:
                async with TaskGroup() as group:
                    self._task_group = group
                    protocol = _Http1Protocol(
                        self.app,
                        self.config,
                        self.context,
                        group,
                        ConnectionState({}),
                        False,
                        client,
                        server,
                        self.protocol_send,
                    )
                    self.protocol = cast("Any", protocol)
                    await self.idle_task.restart(group, self._idle_timeout)
                    await self._read_data()
                    scope.cancel()
        except OSError:
            # The client left before it was asked for its address.
            pass
        finally:
            await self._close()
