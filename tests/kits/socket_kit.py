"""A WebSocket client on trio and wsproto, which can also misbehave, and a sandbox in the same loop for it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from time import time_ns
from typing import Any, TypeVar

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, RejectConnection, Request, TextMessage

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.server.server import SandboxServer, serve

DEADLINE_S = 30.0  # for what takes milliseconds: a machine may be busy with others
MAKER, TAKER = "0x" + "a1" * 20, "0x" + "b2" * 20
HYPE, HYPE_ASSET = "@107", 10_107

_T = TypeVar("_T")


async def in_thread(fn: Callable[..., _T], *args: Any, **options: Any) -> _T:
    """Make a blocking call of a client, with a deadline of its own."""
    with trio.fail_after(2 * DEADLINE_S):
        return await trio.to_thread.run_sync(partial(fn, *args, **options), abandon_on_cancel=True)


class Refused(Exception):
    """The handshake was answered with that status."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body!r}")
        self.status, self.body = status, body


class Client:
    """One socket. What comes is read only when it is asked for."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.close: CloseConnection | None = None
        self._texts: list[str] = []
        self._part = ""

    @classmethod
    async def open(cls, url: str) -> Client:
        """Errors: Refused."""
        host, _, port = url.removeprefix("http://").rpartition(":")
        client = cls(await trio.open_tcp_stream(host, int(port)))
        await client.send(Request(host=f"{host}:{port}", target="/ws"))
        body, status = b"", 0
        while True:
            client.protocol.receive_data(await client._receive())
            for event in client.protocol.events():
                if isinstance(event, AcceptConnection):
                    client._take()
                    return client
                if isinstance(event, RejectConnection):
                    status = event.status_code
                elif status:
                    body += getattr(event, "data", b"")
                    if getattr(event, "body_finished", False):
                        raise Refused(status, body)

    async def send(self, event: Any) -> None:
        with trio.fail_after(DEADLINE_S):
            await self.stream.send_all(self.protocol.send(event))

    async def say(self, message: object) -> None:
        await self.send(TextMessage(data=message if isinstance(message, str) else json.dumps(message)))

    async def say_at_once(self, *messages: object) -> None:
        """In one packet, so that nothing happens between the first and the last."""
        packet = b"".join(self.protocol.send(TextMessage(data=json.dumps(message))) for message in messages)
        with trio.fail_after(DEADLINE_S):
            await self.stream.send_all(packet)

    async def subscribe(self, **subscription: object) -> None:
        await self.say({"method": "subscribe", "subscription": subscription})

    async def hear(self) -> str:
        """The next text. Errors: EndOfChannel once the connection is over; see `close`."""
        while not self._texts:
            if self.close is not None:
                raise trio.EndOfChannel
            data = await self._receive()
            self.protocol.receive_data(data or None)
            self._take()
        return self._texts.pop(0)

    async def frame(self) -> Any:
        """The next frame that is JSON."""
        while (text := await self.hear())[:1] != "{":
            pass
        return json.loads(text)

    async def frames(self, n: int) -> list[Any]:
        return [await self.frame() for _ in range(n)]

    async def until_end(self) -> list[str]:
        """All texts until the connection is over."""
        texts = []
        with contextlib.suppress(trio.EndOfChannel, trio.BrokenResourceError):
            while True:
                texts.append(await self.hear())
        return texts

    def _take(self) -> None:
        for event in self.protocol.events():
            if isinstance(event, TextMessage):
                self._part += event.data
                if event.message_finished:
                    self._texts.append(self._part)
                    self._part = ""
            elif isinstance(event, CloseConnection):
                self.close = event

    async def _receive(self) -> bytes:
        with trio.fail_after(DEADLINE_S):
            return bytes(await self.stream.receive_some(65_536))


class Box:
    """A sandbox that serves, with a maker and a taker who have funds."""

    def __init__(self, gateway: Gateway, auth: Auth, server: SandboxServer) -> None:
        self.gateway, self.auth, self.server = gateway, auth, server

    async def client(self) -> Client:
        return await Client.open(self.server.url)

    def place(self, address: str, *, buy: bool, price: str = "20", size: str = "1", tif: Any = "Gtc") -> None:
        order = NewOrder(HYPE_ASSET, buy, Decimal(price), Decimal(size), tif)
        self.gateway.apply(PlaceOrders(address, (order,)))

    def trade(self, size: str = "1") -> None:
        self.place(MAKER, buy=False, size=size)
        self.place(TAKER, buy=True, size=size, tif="Ioc")


@asynccontextmanager
async def open_box(limits: Limits | None = None, **options: Any) -> AsyncIterator[Box]:
    exchange = Exchange(limits=limits) if limits else Exchange()
    gateway = Gateway(exchange, now_ms=lambda: time_ns() // 1_000_000)
    for address in (MAKER, TAKER):
        for token in (0, 150):
            gateway.apply(Deposit(address, token, Decimal(1_000_000)))
    auth = Auth(lambda address: address in exchange.addresses())
    async with trio.open_nursery() as nursery:
        server = await nursery.start(lambda task_status: serve(gateway, auth, task_status=task_status, **options))
        yield Box(gateway, auth, server)
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - the condition lies across a socket
            await trio.sleep(0.002)


def wait_until(condition: Callable[[], object]) -> None:
    """`until` for worker threads."""
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)


__all__ = ["BytesMessage", "CloseConnection", "Ping", "TextMessage"]
