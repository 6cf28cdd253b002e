"""WebSockets of the sandbox as a network client meets them: bounds, farewells, requests, and bad manners."""

from __future__ import annotations

import json
import select
import socket
import time
from dataclasses import replace
from math import inf
from typing import Any

import pytest
import trio
import trio.testing
from eth_account import Account
from hyperliquid.utils.signing import get_timestamp_ms, sign_l1_action
from socket_kit import (
    DEADLINE_S,
    HYPE,
    MAKER,
    TAKER,
    BytesMessage,
    Client,
    Ping,
    Refused,
    TextMessage,
    open_box,
    until,
)
from trio.testing import MockClock

from mm_trio.sandbox.api.http_handler import Answer
from mm_trio.sandbox.faults.requests import Delivery
from mm_trio.sandbox.model.commands import Deposit
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.server.server import SandboxServer
from mm_trio.sandbox.server.tcp_link import TcpLink
from mm_trio.sandbox.server.ws_session import GREETING, MAX_MESSAGE, SocketHabits

pytestmark = pytest.mark.e2e

NOT_A_REQUEST = "Error parsing JSON into valid websocket request: "
ORDER = {"a": 10_107, "b": True, "p": "20", "s": "1", "r": False, "t": {"limit": {"tif": "Alo"}}}
WALLET = Account.from_key("0x" + "01" * 32)


# --- beginnings and ends ------------------------------------------------------------------------


async def test_the_greeting_is_the_first_text_and_can_be_left_out() -> None:
    async with open_box() as box:
        assert await (await box.client()).hear() == GREETING
    async with open_box(habits=SocketHabits(greets=False)) as box:
        client = await box.client()
        await client.say({"method": "ping"})
        assert await client.hear() == '{"channel":"pong"}'


async def test_a_connection_of_that_age_expires_though_it_is_busy(mock_clock: MockClock) -> None:
    mock_clock.rate = 1
    async with open_box(habits=SocketHabits(life_s=600, inactive_after_s=inf), push_every_s=0.005) as box:
        client = await box.client()
        await client.subscribe(type="allMids")
        await client.frames(4)

        mock_clock.jump(600)
        await client.until_end()

        assert client.close is not None
        assert (client.close.code, client.close.reason) == (1000, "Expired")
        await client.send(client.close.response())
        await until(lambda: box.server.n_connections == 0)


async def test_pings_keep_a_connection_that_is_told_nothing_else(mock_clock: MockClock) -> None:
    """Five pongs take longer than it may be silent; then it is closed. Posts alone do not differ from silence."""
    mock_clock.rate = 1
    async with open_box(habits=SocketHabits(inactive_after_s=1000)) as box:
        client = await box.client()
        assert await client.hear() == GREETING
        for _ in range(5):
            mock_clock.jump(400)
            await client.say({"method": "ping"})
            assert await client.hear() == '{"channel":"pong"}'

        await trio.testing.wait_all_tasks_blocked()  # the server has looked at the clock after the last one
        mock_clock.jump(1000)
        assert await client.until_end() == []

        assert client.close is not None
        assert (client.close.code, client.close.reason) == (1000, "Inactive")


# --- how frames leave ---------------------------------------------------------------------------


async def test_a_blocks_frames_have_left_when_its_command_returns() -> None:
    """Looked at in the kernel, with no turn of the loop in between."""
    async with open_box() as box:
        client = await box.client()
        await client.subscribe(type="userFills", user=MAKER)
        await client.frames(2)
        await trio.testing.wait_all_tasks_blocked(0.01)  # the snapshot's write is over
        with socket.fromfd(client.stream.socket.fileno(), socket.AF_INET, socket.SOCK_STREAM) as peek:
            box.trade()
            select.select([peek], [], [], DEADLINE_S)  # the kernel may take its time
            arrived = peek.recv(65_536, socket.MSG_DONTWAIT | socket.MSG_PEEK)

        assert b'"channel":"userFills"' in arrived
        assert (await client.frame())["data"]["fills"][0]["sz"] == "1.0"


async def test_frames_that_leave_in_pieces_arrive_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes a few bytes of each block at once; the rest waits its turn, and so do later blocks."""
    send_now = TcpLink.send_now
    monkeypatch.setattr(TcpLink, "send_now", lambda link, data: send_now(link, data[:9]) + data[9:])
    async with open_box() as box:
        client = await box.client()
        await client.subscribe(type="userFills", user=MAKER)
        await client.frames(2)
        for i in range(20):
            box.trade(f"{i + 1}")
            if i % 3 == 0:
                await trio.lowlevel.checkpoint()

        sizes = [(await client.frame())["data"]["fills"][0]["sz"] for _ in range(20)]

        assert sizes == [f"{i + 1}.0" for i in range(20)]


# --- bounds -------------------------------------------------------------------------------------


async def test_one_connection_too_many_is_429_at_the_handshake_until_another_ends() -> None:
    async with open_box(replace(Limits(), ws_connections=2)) as box:
        clients = [await box.client() for _ in range(2)]
        with pytest.raises(Refused) as refused:
            await box.client()
        assert (refused.value.status, refused.value.body) == (429, b"null")

        await clients[0].stream.aclose()
        await until(lambda: box.server.n_connections == 1)
        await box.client()


async def test_too_many_new_connections_are_429_and_those_that_are_open_stay() -> None:
    async with open_box(replace(Limits(), ws_new_per_minute=3)) as box:
        client = await box.client()
        for _ in range(2):
            await (await box.client()).stream.aclose()
        with pytest.raises(Refused):
            await box.client()

        await client.say({"method": "ping"})
        assert await client.frame() == {"channel": "pong"}


async def test_an_eleventh_user_is_refused_on_any_socket_of_the_address() -> None:
    users = ["0x" + f"{i:040x}" for i in range(11)]
    async with open_box() as box:
        one, other = await box.client(), await box.client()
        for i, user in enumerate(users[:10]):
            await (one, other)[i % 2].subscribe(type="orderUpdates", user=user)
        await one.frames(5)
        await other.frames(5)

        for client in (one, other):
            await client.subscribe(type="userEvents", user=users[10])
            assert await client.frame() == {"channel": "error", "data": "Cannot track more than 10 total users."}
        await other.stream.aclose()
        await until(lambda: box.server.n_connections == 1)
        await one.subscribe(type="userEvents", user=users[10])
        assert (await one.frame())["channel"] == "subscriptionResponse"


async def test_one_message_too_many_in_a_minute_is_an_error_frame() -> None:
    async with open_box(replace(Limits(), ws_messages_per_minute=3)) as box:
        client = await box.client()
        for _ in range(4):
            await client.say({"method": "ping"})

        frames = await client.frames(4)

        assert [frame["channel"] for frame in frames] == ["pong", "pong", "pong", "error"]
        assert frames[3]["data"] == "Cannot send more than 3 messages per minute."


# --- requests over the socket -------------------------------------------------------------------


def signed(action: Any, nonce: int) -> dict[str, Any]:
    signature = sign_l1_action(WALLET, action, None, nonce, None, False)
    return {"action": action, "nonce": nonce, "signature": signature, "vaultAddress": None, "expiresAfter": None}


def post(post_id: int, kind: str, payload: object) -> dict[str, Any]:
    return {"method": "post", "id": post_id, "request": {"type": kind, "payload": payload}}


async def test_an_info_request_over_the_socket_has_the_answer_of_http() -> None:
    async with open_box() as box:
        client = await box.client()
        await client.say(post(3, "info", {"type": "l2Book", "coin": HYPE}))

        frame = await client.frame()

        assert (frame["channel"], frame["data"]["id"]) == ("post", 3)
        response = frame["data"]["response"]
        assert (response["type"], response["payload"]["type"]) == ("info", "l2Book")
        assert response["payload"]["data"]["levels"] == [[], []]


async def test_orders_over_the_socket_run_in_the_order_in_which_they_came() -> None:
    """An order and its cancel in one packet: the cancel is next to find it."""
    async with open_box() as box:
        box.gateway.apply(Deposit(WALLET.address, 0, box.gateway.exchange.account(MAKER).total(0)))
        client = await box.client()
        await client.subscribe(type="orderUpdates", user=WALLET.address)
        await client.frame()
        cloid = "0x" + "7" * 32
        place = {"type": "order", "orders": [ORDER | {"c": cloid}], "grouping": "na"}
        cancel = {"type": "cancelByCloid", "cancels": [{"asset": 10_107, "cloid": cloid}]}
        nonce = get_timestamp_ms()
        await client.say_at_once(
            *(post(i, "action", signed(action, nonce + i)) for i, action in enumerate((place, cancel)))
        )

        frames = await client.frames(4)

        answers = [frame["data"] for frame in frames if frame["channel"] == "post"]
        statuses = [row["status"] for frame in frames if frame["channel"] == "orderUpdates" for row in frame["data"]]
        assert [answer["id"] for answer in answers] == [0, 1]
        assert answers[1]["response"]["type"] == "action"
        assert answers[1]["response"]["payload"]["response"] == {"type": "cancel", "data": {"statuses": ["success"]}}
        assert statuses == ["open", "canceled"]


async def test_a_request_that_http_would_refuse_is_an_error_with_its_status() -> None:
    async with open_box() as box:
        client = await box.client()
        await client.say(post(9, "info", {"type": "unheardOf"}))

        text = "422 Unprocessable Entity: Failed to deserialize the JSON body into the target type"
        assert (await client.frame())["data"] == {"id": 9, "response": {"type": "error", "payload": text}}


async def test_a_post_that_is_none_is_quoted_back() -> None:
    async with open_box() as box:
        client = await box.client()
        text = json.dumps(post(9, "explorer", {}))
        await client.say(text)

        assert await client.frame() == {"channel": "error", "data": NOT_A_REQUEST + text}


async def test_one_post_too_many_on_its_way_is_an_error_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that come when the test lets them; the connection is as live as ever meanwhile."""
    gate = trio.Event()
    answer_at_once: Any = SandboxServer._answer_post

    def answer_later(self: SandboxServer, link: Any, path: str, body: bytes) -> Any:
        async def wait() -> Any:
            await gate.wait()
            return answer_at_once(self, link, path, body)

        return wait()

    monkeypatch.setattr(SandboxServer, "_answer_post", answer_later)
    async with open_box(replace(Limits(), ws_posts_in_flight=2)) as box:
        client = await box.client()
        for i in range(3):
            await client.say(post(i, "info", {"type": "allMids"}))
        await client.say({"method": "ping"})

        assert await client.frames(2) == [
            {"channel": "error", "data": "too many pending post requests id=2"},
            {"channel": "pong"},
        ]
        gate.set()
        assert {frame["data"]["id"] for frame in await client.frames(2)} == {0, 1}
        await client.say(post(4, "info", {"type": "allMids"}))
        assert (await client.frame())["data"]["id"] == 4


@pytest.mark.parametrize(
    "delivery, told",
    [
        (Delivery(Answer(429, b"null")), ["429 Too Many Requests: null", "pong"]),
        (Delivery(Answer(502, b"<html>"), after_s=0.01), ["pong", "502 Bad Gateway: <html>"]),
        (Delivery(None, hangs=True), ["pong"]),
    ],
)
async def test_what_befalls_a_request_befalls_a_post(
    monkeypatch: pytest.MonkeyPatch, delivery: Delivery, told: list[str]
) -> None:
    monkeypatch.setattr(SandboxServer, "_ask", lambda *arguments, **options: delivery)
    async with open_box() as box:
        client = await box.client()
        await client.say_at_once(post(1, "info", {"type": "allMids"}), {"method": "ping"})

        frames = await client.frames(len(told))

        texts = [frame["data"]["response"]["payload"] if "data" in frame else frame["channel"] for frame in frames]
        assert texts == told


async def test_a_post_whose_connection_breaks_ends_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SandboxServer, "_ask", lambda *arguments, **options: Delivery(None))
    async with open_box() as box:
        client = await box.client()
        await client.say(post(1, "info", {"type": "allMids"}))

        assert await client.until_end() == [GREETING]
        assert client.close is None or client.close.code == 1006
        assert box.server.n_connections == 0


# --- bad manners --------------------------------------------------------------------------------


async def test_a_message_of_bytes_is_read_as_the_text_that_it_spells() -> None:
    async with open_box() as box:
        client = await box.client()
        await client.send(BytesMessage(data=b'{"method":"pi', message_finished=False))
        await client.send(BytesMessage(data=b'ng"}'))
        await client.send(BytesMessage(data=b"\xff\x00"))

        assert await client.frames(2) == [
            {"channel": "pong"},
            {"channel": "error", "data": NOT_A_REQUEST + "\ufffd\x00"},
        ]


async def test_a_message_in_many_pieces_is_one_message_even_with_a_ping_inside() -> None:
    async with open_box() as box:
        client = await box.client()
        text = '{"method":"subscribe","subscription":{"type":"bbo","coin":"@107"}}'
        for i, letter in enumerate(text):
            await client.send(TextMessage(data=letter, message_finished=i == len(text) - 1))
            if i == 5:
                await client.send(Ping(payload=b"?"))

        assert [frame["channel"] for frame in await client.frames(2)] == ["subscriptionResponse", "bbo"]


@pytest.mark.parametrize("n_pieces", [1, 7])
async def test_a_message_beyond_any_size_ends_the_connection_with_1009(n_pieces: int) -> None:
    async with open_box() as box:
        client = await box.client()
        piece = "x" * (MAX_MESSAGE // n_pieces + 1)
        for i in range(n_pieces):
            await client.send(TextMessage(data=piece, message_finished=i == n_pieces - 1))

        assert await client.until_end() == [GREETING]

        assert client.close is not None
        assert (client.close.code, client.close.reason) == (1009, "Message too big")
        await client.stream.aclose()
        await until(lambda: box.server.n_connections == 0)


@pytest.mark.parametrize(
    "data, code",
    [
        (b"\x81\x02hi", 1002),  # not masked
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # no such opcode
        (b"\xc1\x80\x00\x00\x00\x00", 1002),  # a reserved bit
        (b"\x81\x82\x00\x00\x00\x00\xc3\x28", 1007),  # not UTF-8
        (b"\x80\x80\x00\x00\x00\x00", 1002),  # goes on with nothing
        (b"\x89\xfe\x00\x80\x00\x00\x00\x00", 1002),  # a ping of 128 bytes
    ],
)
async def test_what_breaks_the_protocol_is_told_and_ends_the_connection(data: bytes, code: int) -> None:
    async with open_box() as box:
        client, other = await box.client(), await box.client()
        await client.stream.send_all(data)

        await client.until_end()

        assert client.close is not None
        assert client.close.code == code
        await client.stream.aclose()
        await other.say({"method": "ping"})
        assert await other.frame() == {"channel": "pong"}
        await until(lambda: box.server.n_connections == 1)


async def test_nonsense_at_full_speed_delays_nobody_else() -> None:
    """Two thousand complaints are written while another client's fill is on its way."""
    async with open_box(replace(Limits(), ws_messages_per_minute=None)) as box:
        noisy, quiet = await box.client(), await box.client()
        await quiet.subscribe(type="userFills", user=MAKER)
        await quiet.frames(2)
        packet = b"".join(noisy.protocol.send(TextMessage(data="nonsense")) for _ in range(1500))
        await noisy.stream.send_all(packet)
        await trio.lowlevel.checkpoint()
        began_s = time.process_time()  # our own: what others do on the machine is no delay of ours
        box.trade()

        fills = (await quiet.frame())["data"]["fills"]

        assert time.process_time() - began_s < 2.5
        assert fills[0]["sz"] == "1.0"
        assert all(frame["channel"] == "error" for frame in await noisy.frames(1500))


async def test_a_client_that_never_reads_is_cut_and_the_others_hear_every_fill() -> None:
    """Each snapshot of fills has half a megabyte, so it is the bytes that are too many."""
    async with open_box(replace(Limits(), ws_messages_per_minute=None)) as box:
        for _ in range(2000):
            box.trade("0.5")
        deaf, other = await box.client(), await box.client()
        await other.subscribe(type="userFills", user=TAKER)
        assert len((await other.frames(2))[1]["data"]["fills"]) == 2000
        with trio.move_on_after(DEADLINE_S):
            while box.server.n_connections == 2:
                for method in ("subscribe", "unsubscribe"):
                    wish = {"type": "userFills", "user": MAKER}
                    try:
                        await deaf.say({"method": method, "subscription": wish})
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        break

        assert box.server.n_connections == 1
        box.trade()
        assert len((await other.frame())["data"]["fills"]) == 1


async def test_a_socket_that_ends_in_the_middle_of_everything_leaves_nothing_behind() -> None:
    async with open_box() as box:
        for end in range(6):
            client = await box.client()
            await client.subscribe(type="userFills", user=TAKER)
            await client.stream.send_all(client.protocol.send(TextMessage(data='{"method":"ping"}'))[:end])
            await client.stream.aclose()
            box.trade()

        await until(lambda: box.server.n_connections == 0)
        fresh: Client = await box.client()
        await fresh.say({"method": "ping"})
        assert await fresh.frame() == {"channel": "pong"}
