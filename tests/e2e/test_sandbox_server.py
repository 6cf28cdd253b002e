"""The sandbox behind real sockets: the SDK as it is, and clients that behave badly."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from time import time_ns
from typing import Any

import pytest
import requests
import trio
import websocket
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.exchange import Exchange as SdkExchange
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError
from socket_kit import DEADLINE_S, in_thread, wait_until

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.feeds.connection import Connection
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit
from mm_trio.sandbox.server.outbox import MAX_FRAMES
from mm_trio.sandbox.server.server import SandboxServer, serve
from mm_trio.sandbox.server.ws_session import GREETING, SocketHabits

pytestmark = pytest.mark.e2e

WALLET: LocalAccount = Account.from_key("0x" + "01" * 32)
AGENT: LocalAccount = Account.from_key("0x" + "02" * 32)
STRANGER: LocalAccount = Account.from_key("0x" + "03" * 32)
ALO = {"limit": {"tif": "Alo"}}
IOC = {"limit": {"tif": "Ioc"}}


@dataclass
class Venue:
    gateway: Gateway
    auth: Auth
    server: SandboxServer

    @property
    def ws_url(self) -> str:
        return self.server.url.replace("http", "ws", 1) + "/ws"

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> requests.Response:
        headers = {"Content-Type": content_type}
        return requests.post(self.server.url + path, data=body, headers=headers, timeout=DEADLINE_S)

    def sdk(self, wallet: LocalAccount = WALLET) -> SdkExchange:
        return SdkExchange(wallet, self.server.url, timeout=DEADLINE_S)

    def info(self, *, skip_ws: bool = True) -> Info:
        """Call it in a worker thread: what the SDK starts there is a daemon. A socket of it is open."""
        info = Info(self.server.url, skip_ws=skip_ws, timeout=DEADLINE_S)
        if not skip_ws:
            wait_until(lambda: info.ws_manager.ws_ready)
        return info

    def open_socket(self) -> Any:
        """A plain client (websocket-client's, half of it untyped) that has read the greeting."""
        client = websocket.create_connection(self.ws_url, timeout=DEADLINE_S)
        assert client.recv() == GREETING
        return client


def make_front() -> Gateway:
    gateway = Gateway(Exchange(), now_ms=lambda: time_ns() // 1_000_000)
    for token, amount in ((0, 100_000), (150, 1_000)):
        gateway.apply(Deposit(WALLET.address, token, Decimal(amount)))
    return gateway


async def open_venue(nursery: trio.Nursery, gateway: Gateway | None = None, **options: Any) -> Venue:
    gateway = gateway or make_front()
    auth = Auth(lambda address: address in gateway.exchange.addresses())
    server = await nursery.start(partial(serve, gateway, auth, **options))
    return Venue(gateway, auth, server)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
async def venue(nursery: trio.Nursery) -> Venue:
    return await open_venue(nursery)


def statuses(answer: Any) -> list[Any]:
    assert answer["status"] == "ok", answer
    found: list[Any] = answer["response"]["data"]["statuses"]
    return found


def receive_until_end(client: Any) -> list[str]:
    """Every text until the connection is over."""
    texts: list[str] = []
    with contextlib.suppress(websocket.WebSocketConnectionClosedException, ConnectionError):
        while text := client.recv():
            texts.append(text)
    return texts


# --- the SDK as it is ---


@pytest.mark.usefixtures("distinct_nonces")
async def test_the_sdk_places_queries_modifies_and_cancels(venue: Venue) -> None:
    def trade() -> None:
        info, sdk = venue.info(), venue.sdk()
        (placed,) = statuses(sdk.order("@107", True, 1.5, 20.0, ALO))
        oid = placed["resting"]["oid"]
        assert [row["oid"] for row in info.open_orders(WALLET.address)] == [oid]
        assert info.query_order_by_oid(WALLET.address, oid)["order"]["status"] == "open"

        (modified,) = statuses(sdk.modify_order(oid, "@107", True, 1.5, 20.1, ALO))
        new_oid = modified["resting"]["oid"]
        assert new_oid != oid
        assert [row["limitPx"] for row in info.frontend_open_orders(WALLET.address)] == ["20.1"]

        assert statuses(sdk.cancel("@107", new_oid)) == ["success"]
        assert info.open_orders(WALLET.address) == []
        balances = {row["coin"]: row for row in info.spot_user_state(WALLET.address)["balances"]}
        assert balances["USDC"]["hold"] == "0.0"

    await in_thread(trade)


@pytest.mark.usefixtures("distinct_nonces")
@pytest.mark.smoke
async def test_the_sdks_socket_hears_of_orders_and_fills(venue: Venue) -> None:
    venue.gateway.apply(Deposit(STRANGER.address, 150, Decimal(10)))
    updates: queue.Queue[Any] = queue.Queue()
    fills: queue.Queue[Any] = queue.Queue()

    def trade() -> Info:
        info = venue.info(skip_ws=False)
        info.subscribe({"type": "orderUpdates", "user": WALLET.address}, updates.put)
        info.subscribe({"type": "userFills", "user": WALLET.address}, fills.put)
        assert fills.get(timeout=DEADLINE_S)["data"]["isSnapshot"] is True
        statuses(venue.sdk().order("@107", True, 1.5, 20.0, ALO))
        statuses(venue.sdk(STRANGER).order("@107", False, 1.5, 20.0, IOC))
        return info

    info = await in_thread(trade)
    kinds = [(await in_thread(updates.get, timeout=DEADLINE_S))["data"][0]["status"] for _ in range(2)]
    (fill,) = (await in_thread(fills.get, timeout=DEADLINE_S))["data"]["fills"]

    assert kinds == ["open", "filled"]
    assert (fill["side"], fill["px"], fill["sz"], fill["crossed"]) == ("B", "20.0", "1.5", False)
    assert venue.server.n_connections == 1
    info.ws_manager.stop_event.set()


@pytest.mark.usefixtures("distinct_nonces")
async def test_every_channel_that_the_sdk_knows_reaches_its_callback(nursery: trio.Nursery) -> None:
    """`webData2` is switched on; `activeAssetData` is about perps and stays silent."""
    gateway = Gateway(Exchange(), now_ms=lambda: time_ns() // 1_000_000, web_data2=True)
    for address in (WALLET.address, STRANGER.address):
        for token in (0, 150):
            gateway.apply(Deposit(address, token, Decimal(100_000)))
    venue = await open_venue(nursery, gateway)
    of_coin = ("l2Book", "trades", "bbo", "activeAssetCtx", "candle")
    of_user = ("userEvents", "userFills", "orderUpdates", "userFundings", "userNonFundingLedgerUpdates", "webData2")
    wishes: list[Any] = [
        {"type": "allMids"},
        *({"type": kind, "coin": "HYPE/USDC", "interval": "1m"} for kind in of_coin),
        *({"type": kind, "user": WALLET.address} for kind in of_user),
    ]
    heard: dict[str, queue.Queue[Any]] = {wish["type"]: queue.Queue() for wish in wishes}

    def listen() -> Info:
        info = venue.info(skip_ws=False)
        for wish in wishes:
            info.subscribe(wish, heard[wish["type"]].put)
        heard["userFills"].get(timeout=DEADLINE_S)
        statuses(venue.sdk().order("@107", True, 1.5, 20.0, ALO))
        statuses(venue.sdk(STRANGER).order("@107", False, 1.5, 20.0, IOC))
        return info

    info = await in_thread(listen)

    channels = {kind: (await in_thread(heard[kind].get, timeout=DEADLINE_S))["channel"] for kind in heard}
    assert channels == {kind: kind for kind in heard} | {"userEvents": "user", "activeAssetCtx": "activeSpotAssetCtx"}
    info.ws_manager.stop_event.set()


@pytest.mark.usefixtures("distinct_nonces")
async def test_an_agents_order_is_its_masters(venue: Venue) -> None:
    venue.auth.register_agent(AGENT.address, master=WALLET.address)

    await in_thread(lambda: statuses(venue.sdk(AGENT).order("@107", True, 1.5, 20.0, ALO)))

    assert len(venue.gateway.exchange.open_orders(WALLET.address)) == 1


async def test_two_actions_of_one_millisecond_are_a_duplicate(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = time_ns() // 1_000_000
    monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", lambda: now_ms)

    first, second = await in_thread(lambda: [venue.sdk().order("@107", True, 1.5, px, ALO) for px in (20.0, 20.1)])

    assert statuses(first)
    assert second == {"status": "err", "response": f"Invalid nonce: duplicate nonce {now_ms}"}


async def test_an_unknown_signer_does_not_exist(venue: Venue) -> None:
    answer = await in_thread(lambda: venue.sdk(STRANGER).cancel("@107", 1))

    name = STRANGER.address.lower()
    assert answer == {"status": "err", "response": f"User or API Wallet {name} does not exist."}


async def test_a_question_of_no_type_is_a_client_error_of_the_sdk(venue: Venue) -> None:
    def ask() -> None:
        venue.info().post("/info", {"type": "nothing"})

    with pytest.raises(ClientError) as caught:
        await in_thread(ask)
    assert caught.value.status_code == 422


# --- HTTP ---


@pytest.mark.parametrize(
    "body, content_type, status, text",
    [
        (b"{", "application/json", 400, "Failed to parse the request body as JSON"),
        (b"{}", "text/plain", 415, "Expected request with `Content-Type: application/json`"),
        (b"{}", "application/json", 422, "Failed to deserialize the JSON body into the target type"),
    ],
)
@pytest.mark.parametrize("path", ["/info", "/exchange"])
async def test_bad_bodies_get_the_venues_status(
    venue: Venue, path: str, body: bytes, content_type: str, status: int, text: str
) -> None:
    answer = await in_thread(venue.post, path, body, content_type)

    assert (answer.status_code, answer.text) == (status, text)


async def test_a_body_beyond_the_limit_is_413_and_the_connection_lives(venue: Venue) -> None:
    def ask() -> tuple[int, int]:
        with requests.Session() as session:
            session.headers["Content-Type"] = "application/json"
            url = venue.server.url + "/info"
            long = session.post(url, data=b" " * 3_000_000, timeout=DEADLINE_S)
            return long.status_code, session.post(url, data=b'{"type":"spotMeta"}', timeout=DEADLINE_S).status_code

    assert await in_thread(ask) == (413, 200)


async def test_one_connection_carries_many_requests_even_sent_at_once(venue: Venue) -> None:
    body = b'{"type":"allMids"}'
    request = b"POST /info HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    request += b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    port = int(venue.server.url.rpartition(":")[2])
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    received = b""
    with trio.fail_after(DEADLINE_S):
        await stream.send_all(request * 3)
        while received.count(b"content-type: application/json") < 3:
            received += await stream.receive_some()

    assert received.count(b"HTTP/1.1 200") == 3
    await stream.aclose()


@pytest.mark.parametrize("method", ["HEAD", "GET", "OPTIONS", "PUT"])
async def test_another_method_is_405(venue: Venue, method: str) -> None:
    answer = await in_thread(requests.request, method, venue.server.url + "/info", timeout=DEADLINE_S)

    assert answer.status_code == 405


async def test_what_is_not_http_is_400(venue: Venue) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", int(venue.server.url.rpartition(":")[2]))
    with trio.fail_after(DEADLINE_S):
        await stream.send_all(b"good morning\r\n\r\n")
        received = b"".join([bytes(part) async for part in stream])

    assert received.startswith(b"HTTP/1.1 400")
    await stream.aclose()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])
async def test_only_loopback_is_served(host: str) -> None:
    gateway = make_front()

    with pytest.raises(ValueError, match="loopback only"):
        await serve(gateway, Auth(lambda address: True), host=host)


async def test_a_bug_behind_the_door_ends_the_server() -> None:
    class Broken(Gateway):
        def info(self, request: object) -> object:
            raise RuntimeError("our bug")

    def ask(venue: Venue) -> None:
        with contextlib.suppress(requests.ConnectionError):
            venue.post("/info", b"{}")

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="our bug"), flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            venue = await open_venue(nursery, Broken(Exchange(), now_ms=lambda: 0))
            await in_thread(ask, venue)
            await trio.sleep_forever()


# --- WebSocket ---


async def test_the_socket_speaks_control_frames(venue: Venue) -> None:
    def talk() -> list[Any]:
        client = venue.open_socket()
        for text in ('{"method":"ping"}', "nonsense", '{"method":"subscribe","subscription":{"type":"allMids"}}'):
            client.send(text)
        return [json.loads(client.recv()) for _ in range(4)]

    pong, error, echo, mids = await in_thread(talk)

    assert pong == {"channel": "pong"}
    assert error["data"] == "Error parsing JSON into valid websocket request: nonsense"
    assert echo["channel"] == "subscriptionResponse"
    assert mids["channel"] == "allMids"


async def test_the_heart_beats(nursery: trio.Nursery) -> None:
    venue = await open_venue(nursery, push_every_s=0.01)

    def listen() -> list[str]:
        client = venue.open_socket()
        client.send('{"method":"subscribe","subscription":{"type":"allMids"}}')
        return [json.loads(client.recv())["channel"] for _ in range(5)]

    assert await in_thread(listen) == ["subscriptionResponse", *["allMids"] * 4]


async def test_an_unknown_coin_ends_the_connection_without_a_frame(venue: Venue) -> None:
    def ask() -> list[str]:
        client = venue.open_socket()
        client.send('{"method":"subscribe","subscription":{"type":"bbo","coin":"@99999"}}')
        return receive_until_end(client)

    assert await in_thread(ask) == []


async def test_a_ping_a_split_message_and_a_closing_handshake_are_understood(venue: Venue) -> None:
    def talk() -> tuple[int, list[str], int]:
        client = venue.open_socket()
        client.ping(b"x")
        pong = client.recv_frame().opcode
        client.send_frame(websocket.ABNF.create_frame('{"method":', websocket.ABNF.OPCODE_TEXT, 0))
        client.send_frame(websocket.ABNF.create_frame('"ping"}', websocket.ABNF.OPCODE_CONT, 1))
        texts = [client.recv()]
        client.send_close(1000, b"bye")
        return pong, texts, client.recv_frame().opcode

    pong, texts, last = await in_thread(talk)

    assert pong == websocket.ABNF.OPCODE_PONG
    assert texts == ['{"channel":"pong"}']
    assert last == websocket.ABNF.OPCODE_CLOSE


async def test_a_connection_that_was_told_nothing_is_closed_as_inactive(nursery: trio.Nursery) -> None:
    venue = await open_venue(nursery, habits=SocketHabits(inactive_after_s=0.02))

    def wait() -> Any:
        return venue.open_socket().recv_frame()

    frame = await in_thread(wait)

    assert frame.opcode == websocket.ABNF.OPCODE_CLOSE
    assert frame.data == (1000).to_bytes(2, "big") + b"Inactive"


async def test_dropped_sockets_die_now_and_new_ones_are_welcome(venue: Venue) -> None:
    info = await in_thread(venue.info, skip_ws=False)
    plain = await in_thread(venue.open_socket)
    assert venue.server.n_connections == 2

    venue.server.drop_sockets()

    assert venue.server.n_connections == 0
    assert await in_thread(receive_until_end, plain) == []
    await in_thread(info.ws_manager.join, DEADLINE_S)
    assert not info.ws_manager.is_alive()
    info.ws_manager.stop_event.set()
    another = await in_thread(venue.open_socket)
    assert venue.server.n_connections == 1
    await in_thread(another.close)


async def test_a_silenced_socket_stays_open_and_hears_nothing_not_even_a_pong(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inactivity rule does not end it either; in the end it is cut, and nothing had come, not even a greeting."""
    venue = await open_venue(nursery, push_every_s=0.005, habits=SocketHabits(inactive_after_s=0.01))
    connect = venue.gateway.connect

    def silence_and_connect(send: Callable[[dict[str, Any]], None]) -> Connection:
        venue.server.silence_sockets()  # from the first moment on: a later one may be later than the inactivity
        return connect(send)

    monkeypatch.setattr(venue.gateway, "connect", silence_and_connect)
    client = await in_thread(websocket.create_connection, venue.ws_url, timeout=DEADLINE_S)

    def talk() -> None:
        client.send('{"method":"subscribe","subscription":{"type":"allMids"}}')
        client.send('{"method":"ping"}')
        for _ in range(5):
            assert venue.post("/info", b'{"type":"allMids"}').status_code == 200

    await in_thread(talk)
    assert venue.server.n_connections == 1
    venue.server.drop_sockets()
    assert await in_thread(receive_until_end, client) == []


async def test_a_client_that_does_not_read_is_cut_off(venue: Venue) -> None:
    """More frames than the queue holds, with no chance to write them: one heartbeat is one frame."""
    client = await in_thread(venue.open_socket)
    await in_thread(client.send, '{"method":"subscribe","subscription":{"type":"allMids"}}')
    await in_thread(client.recv)

    for _ in range(MAX_FRAMES + 2):  # the first is handed over, the last finds no room
        venue.gateway.on_clock()

    texts = await in_thread(receive_until_end, client)
    assert len(texts) < MAX_FRAMES
    assert venue.server.n_connections == 0


async def test_a_client_that_does_not_read_does_not_delay_the_end() -> None:
    """12 MB of complaints fill every buffer on the way, so a write hangs when the server is cancelled."""
    with trio.fail_after(2 * DEADLINE_S):
        async with trio.open_nursery() as nursery:
            venue = await open_venue(nursery)
            client = await in_thread(venue.open_socket)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await in_thread(lambda: [client.send("x" * 50_000) for _ in range(250)])
            assert venue.server.n_connections == 1
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("headers", [b"", b"Sec-WebSocket-Version: 13\r\n"])
async def test_an_upgrade_without_its_key_is_400(venue: Venue, headers: bytes) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", int(venue.server.url.rpartition(":")[2]))
    request = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    with trio.fail_after(DEADLINE_S):
        await stream.send_all(request + headers + b"\r\n")
        received = b"".join([bytes(part) async for part in stream])

    assert received.startswith(b"HTTP/1.1 400")
    await stream.aclose()
