"""Page's server on a free port of loopback, and a client that sends what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mm_trio.web.access import Access
from mm_trio.web.app import WebApp, WebRoute, name_cookie
from mm_trio.web.hosts import Hosts
from mm_trio.web.link_file import make_link
from mm_trio.web.server import bind_page, serve

__all__ = ["Answer", "Server", "answer_hello", "ask", "open_server", "read_answer"]

WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server sent until it closed the connection; names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def read_answer(data: bytes) -> Answer:
    """Read the one answer of a connection."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _join_chunks(body)
    return Answer(status=int(first.split()[1]), headers=headers, body=body)


def _join_chunks(body: bytes) -> bytes:
    joined = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        n = int(size, 16)
        joined, body = joined + rest[:n], rest[n + 2 :]
    return joined


@dataclass(slots=True, kw_only=True)
class Server:
    """Server that listens. `headers` are sent by `ask`: a browser that entered has its cookie in them."""

    url: str
    port: int
    access: Access
    scope: trio.CancelScope
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def link(self) -> str:
        """The link that works now."""
        return make_link(self.url, self.access.token)

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def ask(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """Ask once, on a connection of its own. Further headers by name, with _ for -."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await ask(self.port, path, method=method, headers={**self.headers, **given})

    async def enter(self) -> None:
        """Use the link up, and keep the cookie."""
        answer = await self.ask(f"/enter?token={self.access.token}")
        assert answer.status == 200, answer
        self.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]
        assert self.headers["cookie"].startswith(name_cookie(self.port))


async def ask(port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """Send one request to loopback and read the answer to its end. A method that changes something has a body."""
    body = b"" if method in ("GET", "HEAD") else b"x" * 100_000
    given = {"host": f"127.0.0.1:{port}", "connection": "close", **(headers or {})}
    if body:
        given["content-length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value)]
    with trio.fail_after(WITHIN_S):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all("\r\n".join((*lines, "", "")).encode("latin-1") + body)
            received = b"".join([bytes(chunk) async for chunk in stream])
    return read_answer(received)


async def answer_hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


@asynccontextmanager
async def open_server(routes: Iterable[WebRoute], *, names: Iterable[str] = ()) -> AsyncIterator[Server]:
    """Serve routes on a free port while the context is open."""
    listening = bind_page("127.0.0.1", 0)
    port = listening.getsockname()[1]
    access = Access()
    app = WebApp(routes, hosts=Hosts.of(port=port, names=names), access=access, port=port)
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve, app, listening))
        yield Server(url=url, port=port, access=access, scope=nursery.cancel_scope)
        nursery.cancel_scope.cancel()
