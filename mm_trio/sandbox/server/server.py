"""Sandbox server: `/info`, `/exchange` and `/ws` on one loopback port.

It only moves bytes; the handlers decide what is answered. Given faults, it fails as a network does; given a control
handler, it serves that too, under `/sandbox/`.
It uses h11 and wsproto on trio streams instead of a server framework: a request costs a third of the time, and a
connection can be cut or silenced, which no framework offers.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Never, Protocol

import h11
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.http_handler import Answer, HttpHandler
from mm_trio.sandbox.api.ip_weights import IpWeights
from mm_trio.sandbox.clock import Clock, WallClock
from mm_trio.sandbox.faults.hub import FaultHub
from mm_trio.sandbox.faults.requests import Delivery, RequestFaults
from mm_trio.sandbox.feeds.socket_limits import Share, WsLimits
from mm_trio.sandbox.server.browser_guard import find_foreign_site, is_loopback
from mm_trio.sandbox.server.faulty_ws_session import FaultyWsSession
from mm_trio.sandbox.server.http_link import BadRequest, HttpLink, HttpRequest
from mm_trio.sandbox.server.tcp_link import TcpLink
from mm_trio.sandbox.server.ws_session import SocketHabits, WsSession

__all__ = ["ControlHandler", "SandboxServer", "serve"]

CONTROL = "/sandbox/"  # Prefix of the control room's paths.


class ControlHandler(Protocol):
    """Answers requests below `/sandbox/`."""

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Answer:
        """Answer one request; never raise for anything a client sends."""


class SandboxServer:
    """Running sandbox server, with failures for tests and demos."""

    def __init__(
        self,
        gateway: Gateway,
        http_handler: HttpHandler,
        clock: Clock,
        *,
        url: str,
        habits: SocketHabits,
        faults: FaultHub | None,
        control: ControlHandler | None,
    ) -> None:
        self.url = url
        self._gateway = gateway
        self._http_handler = http_handler
        self._clock = clock
        self._habits = habits
        self._ws_limits = WsLimits(gateway.exchange.limits, now_s=trio.current_time)
        self._faults = faults
        self._control = control
        self._n_links = 0
        self._sockets: set[TcpLink] = set()
        self._sessions: dict[FaultyWsSession, None] = {}  # In order of opening.
        if faults is not None:
            faults.sockets = lambda: tuple(self._sessions)

    @property
    def n_connections(self) -> int:
        """Return the number of open WebSockets, silenced ones included."""
        return sum(link.is_open for link in self._sockets)

    def drop_sockets(self) -> None:
        """Cut every WebSocket without a closing frame; accept new ones."""
        for link in self._sockets:
            link.cut()

    def silence_sockets(self) -> None:
        """Make every WebSocket half-open: TCP stays, all data is lost."""
        for link in self._sockets:
            link.is_silent = True

    async def serve_stream(self, stream: trio.SocketStream) -> None:
        """Serve one TCP connection from its first request on."""
        link = TcpLink(stream)
        self._n_links += 1
        try:
            if self._n_links <= self._habits.most_connections:
                await self._answer_requests(link)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # The client has disconnected, or we have cut the connection.
        finally:
            self._n_links -= 1
            link.cut()

    async def _answer_requests(self, link: TcpLink) -> None:
        """Answer requests until the connection ends or becomes a WebSocket."""
        habits = self._habits
        http = HttpLink(link, request_within_s=habits.request_within_s, idle_at_most_s=habits.idle_at_most_s)
        while True:
            try:
                request = await http.receive()
            except BadRequest as refusal:
                await http.send(refusal.answer)
                return
            if request is None:
                return
            if (fault := find_foreign_site(request.list_headers())) is not None:
                await http.send(Answer(403, fault.encode(), b"text/plain; charset=utf-8"))
                return
            if request.wants_socket:
                await self._serve_socket(http, link, request.head)
                return
            delivery = self._answer(link, request)
            if delivery.after_s:
                await self._clock.sleep(delivery.after_s)
            if delivery.answer is None:
                if delivery.hangs:
                    await _wait_for_disconnect(link)
                return
            if not await http.send(delivery.answer):
                return

    def _answer(self, link: TcpLink, request: HttpRequest) -> Delivery:
        if request.body is None:
            return Delivery(Answer(413, b""))
        method, path = request.head.method.decode("ascii"), request.path
        if method == "HEAD":
            return Delivery(Answer(405, b""))  # An answer to HEAD may not have a body.
        if self._control is not None and path.startswith(CONTROL):
            return Delivery(self._control.answer(method, path, request.find_header(b"authorization"), request.body))
        return self._ask(method, path, request.find_header(b"content-type"), request.body, ip=link.peer)

    def _ask(self, method: str, path: str, content_type: str, body: bytes, *, ip: str | None) -> Delivery:
        def ask(handler: HttpHandler) -> Answer:
            return handler.answer(method, path, content_type, body, ip=ip)

        if self._faults is None or self._faults.requests is None:
            return Delivery(ask(self._http_handler))
        return self._faults.requests.answer(path, body, ask)

    def _answer_post(self, link: TcpLink, path: str, body: bytes) -> Answer | Awaitable[Answer | None]:
        """Answer a request from a WebSocket, with the same faults."""
        delivery = self._ask("POST", path, "application/json", body, ip=None)
        if delivery.answer is not None and not delivery.after_s:
            return delivery.answer
        return self._deliver_post(link, delivery)

    async def _deliver_post(self, link: TcpLink, delivery: Delivery) -> Answer | None:
        if delivery.after_s:
            await self._clock.sleep(delivery.after_s)
        if delivery.answer is None:
            if delivery.hangs:
                await trio.sleep_forever()
            link.cut()
        return delivery.answer

    async def _serve_socket(self, http: HttpLink, link: TcpLink, request: h11.Request) -> None:
        """Do the WebSocket handshake, then run the session."""
        protocol = WSConnection(ConnectionType.SERVER)
        try:
            protocol.initiate_upgrade_connection(list(request.headers), request.target)
            is_handshake = isinstance(next(protocol.events(), None), Request)
        # The library raises the others for headers that it cannot decode.
        except (RemoteProtocolError, LocalProtocolError, h11.ProtocolError, ValueError):
            is_handshake = False
        if not is_handshake:
            await http.send(Answer(400, b""))
            return
        share = self._ws_limits.admit(link.peer)
        if share is None:
            await http.send(Answer(429, b"null"))
            return
        self._sockets.add(link)
        session = self._make_session(link, protocol, share)
        try:
            await link.send_all(protocol.send(AcceptConnection()))
            await session.run(self._gateway, first_bytes=http.unread)
        finally:
            share.close()
            self._sockets.discard(link)
            if isinstance(session, FaultyWsSession):
                del self._sessions[session]
                session.tap.close()

    def _make_session(self, link: TcpLink, protocol: WSConnection, share: Share) -> WsSession:
        answer_post = partial(self._answer_post, link)
        if self._faults is None:
            return WsSession(link, protocol, habits=self._habits, share=share, answer_post=answer_post)
        frames = self._faults.frames
        session = FaultyWsSession(link, protocol, frames, habits=self._habits, share=share, answer_post=answer_post)
        self._sessions[session] = None
        return session


async def serve(
    gateway: Gateway,
    auth: Auth,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Clock | None = None,
    push_every_s: float = 1.0,
    habits: SocketHabits | None = None,
    ip_weights: IpWeights | None = None,
    faults: FaultHub | None = None,
    control: ControlHandler | None = None,
    task_status: trio.TaskStatus[SandboxServer] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Serve until cancelled.

    `await nursery.start(serve, gateway, auth)` returns the `SandboxServer`.
    Units: seconds; `port` 0 takes a free one. `clock` is the exchange's own (default: real time); it also drives the
    periodic frames (each `push_every_s`) and everything delayed. `habits` apply to every WebSocket; what clients may do
    is in the exchange's limits. `ip_weights` limits the weight per minute of a client address; None: no limit.
    Errors: ValueError for a host that is not loopback, OSError for a port that is taken. A bug in the exchange ends the
    server, so that it cannot hide behind a 500.
    """
    address = _check_loopback(host)
    clock = clock or WallClock(gateway.now_ms)
    listeners = await trio.open_tcp_listeners(port, host=address)
    bound = listeners[0].socket.getsockname()[1]
    url = f"http://[{address}]:{bound}" if ":" in address else f"http://{address}:{bound}"
    handler = HttpHandler(gateway, auth, now_ms=clock.now_ms, ip_weights=ip_weights)
    habits = habits or SocketHabits()
    server = SandboxServer(gateway, handler, clock, url=url, habits=habits, faults=faults, control=control)
    if faults is not None:
        # For stale reads from a copy of the exchange; it counts no weight.
        make_handler = partial(HttpHandler, auth=auth, now_ms=clock.now_ms)
        faults.requests = RequestFaults(faults.dice, clock, gateway=gateway, handler=handler, make_handler=make_handler)
        faults.begin()
    clock.call_every(push_every_s, gateway.on_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.run)
        task_status.started(server)
        await trio.serve_listeners(server.serve_stream, listeners, handler_nursery=nursery)


def _check_loopback(host: str) -> str:
    """Return the address to listen on.

    Errors: ValueError unless it is loopback: the sandbox has no security, so no other machine may reach it.
    """
    address = "127.0.0.1" if host == "localhost" else host  # The name may mean two addresses and two ports.
    if is_loopback(address):
        return address
    raise ValueError(f"the sandbox listens on loopback only (127.0.0.1, ::1, localhost), got {host!r}")


async def _wait_for_disconnect(link: TcpLink) -> None:
    """Stay silent until the client disconnects."""
    while await link.receive_some():
        pass
