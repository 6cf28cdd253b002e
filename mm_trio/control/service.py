"""Control socket of a running maker, as a task beside it."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.control.routes import make_routes
from mm_trio.control.server import ControlServer, ServerTerms
from mm_trio.control.socket_file import SocketUnavailable, open_socket
from mm_trio.control.watch_lines import Watched
from mm_trio.views.account_status import StatusSource

__all__ = ["serve_control"]

_log = logging.getLogger(__name__)

# A disk that hangs costs the socket, not the maker.
OPENED_WITHIN_S = 10.0
CLOSED_WITHIN_S = 1.0


async def serve_control(
    source: StatusSource,
    folder: Path,
    *,
    terms: ServerTerms | None = None,
    run_sync: RunSync = trio.to_thread.run_sync,
) -> None:
    """Serve the control socket in a state folder whose lock is held, until cancelled.

    Where it cannot be opened that is told in one line, and this returns: the maker goes on without it.
    """
    opened = None
    try:
        with trio.move_on_after(OPENED_WITHIN_S):
            opened = await run_sync(partial(open_socket, folder), abandon_on_cancel=True)
    except SocketUnavailable as error:
        _log.warning("control socket not opened: %s; the maker goes on without, its files and signals work", error)
        return
    if opened is None:
        _log.warning(
            "control socket not opened: folder=%s reason=%s; the maker goes on without", folder, "the disk hangs"
        )
        return
    watched = Watched(source)
    server = ControlServer(make_routes(source, watched), terms)
    _log.info("control socket open: path=%s", opened.path)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watched.look_forever)
            await server.serve_forever(opened)
    finally:
        with trio.move_on_after(CLOSED_WITHIN_S, shield=True):
            await run_sync(opened.close, abandon_on_cancel=True)
