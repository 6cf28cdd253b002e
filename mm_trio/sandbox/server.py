"""The sandbox on one loopback port: `POST /info`, `POST /exchange`, WebSocket `/ws`.

It moves bytes; what is said is decided behind the doors. It can also fail as a network does, when told to.
h11 and wsproto on trio streams, and no server framework: a request costs a third of the time, and a
connection can be cut or go deaf, which no framework offers.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import Never

import h11
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request
from wsproto.utilities import RemoteProtocolError

from mm_trio.sandbox.auth import Auth
from mm_trio.sandbox.front import Front
from mm_trio.sandbox.http_door import Answer, HttpDoor
from mm_trio.sandbox.link import Link
from mm_trio.sandbox.ws_door import WsDoor

__all__ = ["SandboxServer", "serve"]

MAX_BODY = 2_000_000  # bytes; 200 orders, the venue's most, are 30 kB


class SandboxServer:
    """The open door of a sandbox, and the troubles that a test or a demo may cause at it."""

    def __init__(self, front: Front, http_door: HttpDoor, *, url: str, inactive_after_s: float) -> None:
        self.url = url
        self._front = front
        self._http_door = http_door
        self._inactive_after_s = inactive_after_s
        self._sockets: set[Link] = set()

    @property
    def n_connections(self) -> int:
        """WebSockets that are open now, deaf ones included."""
        return sum(link.is_open for link in self._sockets)

    def drop_sockets(self) -> None:
        """Cut every WebSocket now, without a closing frame. New ones are welcome."""
        for link in self._sockets:
            link.cut()

    def silence_sockets(self) -> None:
        """Make every WebSocket half-open: TCP stays, frames of both directions vanish, pings too."""
        for link in self._sockets:
            link.is_silent = True

    async def serve_stream(self, stream: trio.SocketStream) -> None:
        """One TCP connection, from its first request to its end."""
        link = Link(stream)
        try:
            await self._answer_requests(link)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone, or we cut it off
        finally:
            link.cut()

    async def _answer_requests(self, link: Link) -> None:
        """HTTP keep-alive: request, answer, until one side closes or the connection becomes a WebSocket."""
        http = h11.Connection(h11.SERVER)
        while True:
            try:
                request = await _receive_event(http, link)
                if not isinstance(request, h11.Request):
                    return
                body = await _receive_body(http, link)
            except h11.RemoteProtocolError as error:
                await _send_answer(http, link, Answer(error.error_status_hint, b""))
                return
            if _wants_socket(request):
                await self._serve_socket(http, link, request)
                return
            await _send_answer(http, link, Answer(413, b"") if body is None else self._answer(request, body))
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()

    def _answer(self, request: h11.Request, body: bytes) -> Answer:
        if request.method == b"HEAD":
            return Answer(405, b"")  # the one answer that may not have a body
        content_type = dict(request.headers).get(b"content-type", b"").decode("latin-1")
        return self._http_door.answer(request.method.decode("ascii"), _find_path(request), content_type, body)

    async def _serve_socket(self, http: h11.Connection, link: Link, request: h11.Request) -> None:
        """Shake hands, then let frames flow until one side ends it."""
        protocol = WSConnection(ConnectionType.SERVER)
        try:
            protocol.initiate_upgrade_connection(list(request.headers), request.target)
        except RemoteProtocolError:
            await _send_answer(http, link, Answer(400, b""))
            return
        assert isinstance(next(protocol.events()), Request)
        await link.send_all(protocol.send(AcceptConnection()))
        self._sockets.add(link)
        try:
            door = WsDoor(link, protocol, inactive_after_s=self._inactive_after_s)
            await door.run(self._front, first_bytes=http.trailing_data[0])
        finally:
            self._sockets.discard(link)


async def serve(
    front: Front,
    auth: Auth,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    beat_every_s: float = 1.0,
    inactive_after_s: float = 60.0,
    task_status: trio.TaskStatus[SandboxServer] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Serve until cancelled; `await nursery.start(serve, front, auth)` gives the `SandboxServer`.

    Units: seconds; `port` 0 takes a free one; a socket that was sent nothing for `inactive_after_s` is
    closed. `now_ms` is the clock of the nonce window, the exchange's own.
    Errors: ValueError for a host that is not this machine's loopback, OSError for a port that is taken. A bug
    in the exchange ends the server: it is not answered with a 500 and forgotten.
    """
    address = _check_loopback(host)
    listeners = await trio.open_tcp_listeners(port, host=address)
    bound = listeners[0].socket.getsockname()[1]
    url = f"http://[{address}]:{bound}" if ":" in address else f"http://{address}:{bound}"
    http_door = HttpDoor(front, auth, now_ms=now_ms)
    server = SandboxServer(front, http_door, url=url, inactive_after_s=inactive_after_s)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_beat_forever, front, beat_every_s)
        task_status.started(server)
        await trio.serve_listeners(server.serve_stream, listeners, handler_nursery=nursery)


def _check_loopback(host: str) -> str:
    """The address to listen at. Errors: ValueError: this exchange knows no security and is no one else's."""
    address = "127.0.0.1" if host == "localhost" else host  # a name may stand for two addresses and two ports
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise ValueError(f"the sandbox listens on loopback only (127.0.0.1, ::1, localhost), got {host!r}")


async def _beat_forever(front: Front, every_s: float) -> Never:
    """The venue's periodic frames. Ends only by cancellation."""
    while True:
        await trio.sleep(every_s)
        front.beat()


def _find_path(request: h11.Request) -> str:
    return request.target.decode("ascii").partition("?")[0]


def _wants_socket(request: h11.Request) -> bool:
    upgrade = dict(request.headers).get(b"upgrade", b"")
    return _find_path(request) == "/ws" and upgrade.lower() == b"websocket"


async def _receive_event(http: h11.Connection, link: Link) -> h11.Event | None:
    """The next event of the client; None where h11 waits for our answer first."""
    while True:
        event = http.next_event()
        if event is not h11.NEED_DATA:
            return event if isinstance(event, h11.Event) else None
        if http.they_are_waiting_for_100_continue:
            go_on = http.send(h11.InformationalResponse(status_code=100, headers=[]))
            await link.send_all(go_on or b"")
        http.receive_data(await link.receive_some())


async def _receive_body(http: h11.Connection, link: Link) -> bytes | None:
    """The whole body; None for more than `MAX_BODY`, which is read to its end and forgotten."""
    parts: list[bytes] = []
    n_bytes = 0
    while isinstance(event := await _receive_event(http, link), h11.Data):
        n_bytes += len(event.data)
        if n_bytes <= MAX_BODY:
            parts.append(bytes(event.data))
    return b"".join(parts) if n_bytes <= MAX_BODY else None


async def _send_answer(http: h11.Connection, link: Link, answer: Answer) -> None:
    """One write for the whole answer: head and body in two would be two wake-ups for the client."""
    if http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body))]
    head = http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    data = http.send(h11.Data(data=answer.body)) or b""
    await link.send_all(head + data + (http.send(h11.EndOfMessage()) or b""))
