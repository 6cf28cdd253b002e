"""A maker's control socket in a test: the service beside a maker, and clients of every kind."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio
from builders import MAKER, run_inline
from jsonschema import Draft202012Validator

from mm_trio.control.client import Reply, ask_maker
from mm_trio.control.routes import read_api
from mm_trio.control.server import ServerTerms
from mm_trio.control.service import serve_control
from mm_trio.control.socket_file import SOCKET_NAME, shorten
from mm_trio.views.account_status import Identity, Mode, StatusSource
from mm_trio.views.maker import Maker

__all__ = ["ask", "check_answer", "connect", "make_source", "serving"]

WITHIN_S = 20.0


def make_source(maker: Maker, mode: Mode = "one", wall_ms: Callable[[], int] | None = None) -> StatusSource:
    """The status of a maker on a sandbox, as of version 0.1.0."""
    identity = Identity(version="0.1.0", network="sandbox", account=MAKER, mode=mode, pid=7)
    source = StatusSource(maker=maker, identity=identity)
    return source if wall_ms is None else replace(source, wall_ms=wall_ms)


@asynccontextmanager
async def serving(
    maker: Maker,
    folder: Path,
    *,
    mode: Mode = "one",
    terms: ServerTerms | None = None,
    wall_ms: Callable[[], int] | None = None,
) -> AsyncIterator[StatusSource]:
    """The control socket of a maker is open in `folder`."""
    source = make_source(maker, mode, wall_ms)
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            await serve_control(source, folder, terms=terms, run_sync=run_inline)

        nursery.start_soon(serve)
        with trio.fail_after(WITHIN_S):
            while not (folder / SOCKET_NAME).exists():  # noqa: ASYNC110 - a file
                await trio.sleep(0.01)
        yield source
        nursery.cancel_scope.cancel()


async def ask(
    folder: Path, path: str, *, body: Mapping[str, object] | None = None, method: str | None = None, **query: str
) -> Reply:
    """Ask, and check the answer against the description; with a body it is a POST."""
    method = method or ("GET" if body is None else "POST")
    reply = await ask_maker(folder, method, path, query=query, body=body, within_s=WITHIN_S)
    if path in read_api()["paths"] and reply.status != 405:
        check_answer(reply, path, method)
    return reply


def check_answer(reply: Reply, path: str, method: str = "GET") -> None:
    """Check an answer against the description of its path."""
    responses = read_api()["paths"][path][method.lower()]["responses"]
    assert str(reply.status) in responses, f"{path} answers {reply.status}, which is not described: {reply.values}"
    check_values(reply.values, next(iter(responses[str(reply.status)]["content"].values()))["schema"])


def check_values(values: Any, schema: Mapping[str, Any]) -> None:
    """Check values against a schema of the description."""
    whole = {**schema, "components": read_api()["components"]}
    Draft202012Validator(whole).validate(values)


async def connect(folder: Path) -> trio.SocketStream:
    """A client that does what a test wants; it takes little before it has to read."""
    client = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with shorten(folder) as name:
        await client.connect(name)
    return trio.SocketStream(client)
