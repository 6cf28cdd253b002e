"""Properties of the sandbox's WebSocket under arbitrary messages.

The client gets an answer or is disconnected, the server raises no error, and other clients do not wait.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing
from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Pong, Request, TextMessage

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.http_handler import Answer
from mm_trio.sandbox.api.ws_posts import read_post
from mm_trio.sandbox.feeds import connection as sandbox
from mm_trio.sandbox.feeds.socket_limits import WsLimits
from mm_trio.sandbox.info.candles import INTERVALS
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.server.tcp_link import TcpLink
from mm_trio.sandbox.server.ws_session import SocketHabits, WsSession

MAKER, TAKER = "0x" + "a1" * 20, "0x" + "b2" * 20
HYPE, HYPE_ASSET = "@107", 10_107
KINDS = [
    *("allMids", "l2Book", "bbo", "trades", "candle", "activeAssetCtx", "activeAssetData", "userFills", "userEvents"),
    *("orderUpdates", "userHistoricalOrders", "userFundings", "userNonFundingLedgerUpdates", "userTwapSliceFills"),
    *("userTwapHistory", "twapStates", "openOrders", "spotState", "clearinghouseState", "notification", "webData2"),
    *("webData3", "noSuchType", ""),
]

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([MAKER, MAKER.upper(), HYPE, "0x", 1 << 70, -1, 5, "1m"])
)
anything = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


def mostly(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The right kind of thing four times in five, so that what is behind a check is reached too."""
    return st.integers(0, 4).flatmap(lambda i: right if i else anything)


wishes = st.fixed_dictionaries(
    {"type": mostly(st.sampled_from(KINDS))},
    optional={
        "user": mostly(st.sampled_from([MAKER, TAKER, MAKER[2:], "0x" + "AB" * 20])),
        "coin": mostly(st.sampled_from([HYPE, "PURR/USDC", "@9999", "HYPE"])),
        "interval": mostly(st.sampled_from([*INTERVALS, "7m"])),
        "nSigFigs": mostly(st.none() | st.integers(0, 7)),
        "mantissa": mostly(st.none() | st.integers(0, 7)),
        "fast": mostly(st.booleans()),
        "aggregateByTime": mostly(st.booleans()),
        "isPortfolioMargin": mostly(st.booleans()),
        "dex": mostly(st.sampled_from(["", "xyz"])),
    },
)
posts = st.fixed_dictionaries(
    {"method": st.just("post")},
    optional={
        "id": mostly(st.integers(0, 9)),
        "request": mostly(
            st.fixed_dictionaries(
                {"type": mostly(st.sampled_from(["info", "action", "explorer"])), "payload": anything}
            )
        ),
    },
)
controls = st.fixed_dictionaries(
    {"method": mostly(st.sampled_from(["subscribe", "unsubscribe", "ping", "sing"]))},
    optional={"subscription": mostly(wishes)},
)
messages = controls | posts | anything


class Venue:
    """A front with a little history, and a witness who follows the taker's fills."""

    def __init__(self) -> None:
        exchange = Exchange()
        self.now_ms = 1_700_000_000_000
        self.gateway = Gateway(exchange, now_ms=lambda: self.now_ms, web_data2=True)
        for address in (MAKER, TAKER):
            for token in (0, 150):
                self.gateway.apply(Deposit(address, token, Decimal(1_000_000)))
        self.trade()
        self.heard: list[dict[str, Any]] = []
        witness = self.gateway.connect(self.heard.append)
        witness.handle({"method": "subscribe", "subscription": {"type": "userFills", "user": TAKER}})
        self.heard.clear()

    def trade(self) -> None:
        for address, is_buy in ((MAKER, False), (TAKER, True)):
            order = NewOrder(HYPE_ASSET, is_buy, Decimal(20), Decimal(1), "Gtc")
            self.gateway.apply(PlaceOrders(address, (order,)))

    def go_on(self) -> None:
        """Life goes on, and the witness hears of it, once."""
        self.now_ms += 61_000
        self.gateway.on_clock()
        self.trade()
        (frame,) = self.heard
        assert frame["data"]["fills"]
        self.heard.clear()


@pytest.mark.slow
@pytest.mark.timeout(120 * FACTOR)
@settings(max_examples=2000 * FACTOR)
@given(st.lists(messages, min_size=1, max_size=6))
def test_every_message_has_an_answer_or_ends_the_connection(said: list[Any]) -> None:
    venue, frames = Venue(), list[dict[str, Any]]()
    connection = venue.gateway.connect(frames.append)
    for message in said:
        n_before = len(frames)
        try:
            connection.handle(message)
        except sandbox.CloseConnection:
            connection.close()
            break
        assert len(frames) > n_before
    venue.go_on()

    for frame in frames:
        assert set(frame) <= {"channel", "data"}
        json.dumps(frame, allow_nan=False)


# --- the same over a wire -----------------------------------------------------------------------

texts = (
    st.text(max_size=40)
    | messages.map(json.dumps)
    | st.sampled_from(
        [
            "",
            "{",
            "NaN",
            "[1e999]",
            '{"method":"ping"',
            "[" * 3000,
            '"\\ud800"',
            "9" * 5000,
            '{"id":' + "9" * 400 + "}",
            "\u2028",
        ]
    )
)
events = st.one_of(
    texts.map(lambda text: TextMessage(data=text)),
    st.binary(max_size=40).map(lambda data: BytesMessage(data=data)),
    st.binary(max_size=100).map(lambda data: Ping(payload=data)),
    st.binary(max_size=100).map(lambda data: Pong(payload=data)),
    st.sampled_from([CloseConnection(code=1000), CloseConnection(code=3000, reason="bye")]),
)


class MemoryLink(TcpLink):
    """The server's end of a stream in memory. Cut, it wakes whoever waits, as the real one does."""

    def __init__(self, stream: trio.StapledStream[Any, Any]) -> None:
        self.is_silent = False
        self._memory = stream

    @property
    def is_open(self) -> bool:
        return True

    def send_now(self, data: bytes) -> bytes:
        return data

    async def send_all(self, data: bytes) -> None:
        await self._memory.send_all(data)

    async def receive_some(self) -> bytes:
        return bytes(await self._memory.receive_some(4096))

    def cut(self) -> None:
        self._memory.send_stream.close()
        self._memory.receive_stream.close()


def shake_hands() -> tuple[WSConnection, WSConnection]:
    client, server = WSConnection(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    server.receive_data(client.send(Request(host="x", target="/ws")))
    assert isinstance(next(server.events()), Request)
    client.receive_data(server.send(AcceptConnection()))
    assert isinstance(next(client.events()), AcceptConnection)
    return client, server


def encode(client: WSConnection, said: list[Event | bytes]) -> list[bytes]:
    """What goes over the wire; nothing of ours after the closing frame, but bytes of no meaning."""
    packets = []
    for event in said:
        if isinstance(event, bytes):
            packets.append(event)
        elif client.state.name == "OPEN":
            packets.append(client.send(event))
    return packets


async def converse(venue: Venue, said: list[Event | bytes]) -> list[str]:
    """Run one connection to its end; gives the texts that came."""
    client, server = shake_hands()
    ours, theirs = trio.testing.memory_stream_pair()
    share = WsLimits(Limits(ws_messages_per_minute=5, ws_users=1, ws_subscriptions=3), now_s=trio.current_time).admit(
        "x"
    )
    door = WsSession(
        MemoryLink(theirs),
        server,
        habits=SocketHabits(),
        share=share,
        answer_post=lambda path, body: Answer(200, b"{}") if path == "/info" else None,
    )
    received = b""

    async def listen() -> None:
        nonlocal received
        while data := await ours.receive_some():
            received += data

    async def speak() -> None:
        try:
            for packet in encode(client, said):
                await ours.send_all(packet)
            await trio.testing.wait_all_tasks_blocked()
            ours.send_stream.close()
        except trio.BrokenResourceError:
            pass  # the venue has hung up

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            nursery.start_soon(speak)
            await door.run(venue.gateway)
            theirs.send_stream.close()
    return read_texts(client, received)


def read_texts(client: WSConnection, received: bytes) -> list[str]:
    found, part = [], ""
    client.receive_data(received)
    for event in client.events():
        if isinstance(event, TextMessage):
            part += event.data
            if event.message_finished:
                found.append(part)
                part = ""
    return found


@pytest.mark.timeout(120 * FACTOR)
@settings(max_examples=300 * FACTOR)
@given(st.lists(events | st.binary(max_size=20), max_size=8))
def test_whatever_comes_over_the_wire_ends_in_order(said: list[Event | bytes]) -> None:
    venue = Venue()

    greeting, *frames = trio.run(converse, venue, said, clock=trio.testing.MockClock(autojump_threshold=0))
    venue.go_on()

    assert greeting == "Websocket connection established."
    for text in frames:
        assert set(json.loads(text)) <= {"channel", "data"}


@given(messages)
def test_a_post_is_read_or_none(message: Any) -> None:
    post = read_post(message)

    assert post is None or (post.path in ("/info", "/exchange") and json.loads(post.body) is not None)
