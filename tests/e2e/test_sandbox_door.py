"""What the sandbox's port does not answer, or not for ever: other sites' pages, half requests, too many at once."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_kit import MAKER
from socket_kit import DEADLINE_S, Box, Client, open_box, until

from mm_trio.sandbox.server.ws_session import SocketHabits

pytestmark = pytest.mark.e2e

QUESTION = b'{"type":"spotMeta"}'
HEAD = b"POST /info HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 19\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Room:
    """A control room that answers everybody."""

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Any:
        raise AssertionError("asked")


async def connect(box: Box) -> trio.SocketStream:
    host, _, port = box.server.url.removeprefix("http://").rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


async def receive_all(stream: trio.SocketStream) -> bytes:
    """What comes until the server closes."""
    data = b""
    with trio.fail_after(DEADLINE_S):
        try:
            while part := await stream.receive_some():
                data += part
        except trio.BrokenResourceError:
            # The server closed while something of ours was unread.
            pass
    return data


async def say(box: Box, *parts: bytes) -> bytes:
    """The answer to these bytes, up to the end of the connection."""
    stream = await connect(box)
    async with stream:
        for part in parts:
            await stream.send_all(part)
        return await receive_all(stream)


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Origin: https://evil.example\r\n",
        HEAD + b"Origin: null\r\n",
        HEAD.replace(b"/info", b"/exchange") + b"Origin: https://evil.example\r\n",
        HEAD.replace(b"/info", b"/sandbox/faults") + b"Origin: https://evil.example\r\n",
        HEAD.replace(b"POST", b"OPTIONS") + b"Origin: https://evil.example\r\n",
        HEAD.replace(b"127.0.0.1", b"evil.example:3001"),
        UPGRADE % b"127.0.0.1" + b"Origin: https://evil.example\r\n",
        UPGRADE % b"127.0.0.1" + b"Origin: null\r\n",
        UPGRADE % b"evil.example",
    ],
)
async def test_r11_a_page_of_another_site_is_refused(head: bytes) -> None:
    async with open_box(control=Room()) as box:
        answer = await say(box, head + b"\r\n" + (QUESTION if b"Content-Length" in head else b""))

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("more", [b"", b"Origin: http://localhost:3001\r\n", b"Origin: http://[::1]\r\n"])
async def test_a_client_of_this_machine_is_answered(more: bytes) -> None:
    async with open_box() as box:
        answer = await say(box, HEAD + more + b"Connection: close\r\n\r\n" + QUESTION)

    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("half", [b"", b"POST /in", HEAD, HEAD + b"\r\n" + QUESTION[:5], UPGRADE % b"localhost"])
async def test_r11_half_a_request_is_not_waited_for(half: bytes) -> None:
    async with open_box(habits=SocketHabits(request_within_s=0.2)) as box:
        answer = await say(box, half)

    assert answer.startswith(b"HTTP/1.1 408 ") or (half, answer) == (b"", b"")


async def test_r11_a_request_that_drips_is_not_waited_for() -> None:
    async with open_box(habits=SocketHabits(request_within_s=0.3)) as box, trio.open_nursery() as nursery:
        stream = await connect(box)

        async def drip() -> None:
            while True:
                await stream.send_all(b"x")
                await trio.sleep(0.02)

        await stream.send_all(HEAD)
        nursery.start_soon(drip)
        answer = await receive_all(stream)
        nursery.cancel_scope.cancel()

    assert answer.startswith(b"HTTP/1.1 408 ") or answer == b""


async def test_r11_a_connection_that_asks_nothing_more_is_closed() -> None:
    async with open_box(habits=SocketHabits(idle_at_most_s=0.2)) as box:
        answer = await say(box, HEAD + b"\r\n" + QUESTION)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


async def test_the_time_of_a_request_does_not_run_between_requests() -> None:
    async with open_box(habits=SocketHabits(request_within_s=5.0, idle_at_most_s=0.2)) as box:
        stream = await connect(box)
        await stream.send_all(HEAD)
        await trio.sleep(0.4)
        await stream.send_all(b"\r\n" + QUESTION)

        assert (await receive_all(stream)).startswith(b"HTTP/1.1 200 ")


async def test_r11_one_connection_too_many_is_closed_until_another_ends() -> None:
    async with open_box(habits=SocketHabits(most_connections=2)) as box:
        first, second = await box.client(), await connect(box)
        assert await say(box) == b""

        await second.aclose()
        await first.stream.aclose()
        await until(lambda: box.server.n_connections == 0)
        answer = await say(box, HEAD + b"Connection: close\r\n\r\n" + QUESTION)

    assert answer.startswith(b"HTTP/1.1 200 ")


ODD = st.binary(max_size=40).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))
NAMES = st.sampled_from(
    [
        *(b"Host", b"Origin", b"Connection", b"Upgrade", b"Content-Length", b"Authorization", b"Expect"),
        *(b"Sec-WebSocket-Key", b"Sec-WebSocket-Version", b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions"),
    ]
)


@settings(max_examples=150)
@given(data=st.data())
def test_r11_no_bytes_end_the_server(data: st.DataObject) -> None:
    """A bug in the exchange ends the server, so whatever passes unexpectedly would end this test."""
    headers = data.draw(st.lists(st.tuples(NAMES, ODD), max_size=4))
    base = data.draw(st.sampled_from([UPGRADE % b"localhost", HEAD, b"GET /ws HTTP/1.1\r\n", b"\xff /ws HTTP/1.0\r\n"]))
    head = base + b"".join(b"%s: %s\r\n" % header for header in headers) + b"\r\n"

    async def send() -> None:
        async with open_box(habits=SocketHabits(request_within_s=0.05, idle_at_most_s=0.05)) as box:
            stream = await connect(box)
            async with stream:
                await stream.send_all(head + data.draw(st.binary(max_size=30)))
                await stream.send_eof()
                with trio.move_on_after(0.5):
                    await receive_all(stream)
            answer = await say(box, HEAD + b"Connection: close\r\n\r\n" + QUESTION)
            assert answer.startswith(b"HTTP/1.1 200 ")

    trio.run(send)


@pytest.mark.parametrize(
    "more",
    [b"Connection: \xff, Upgrade\r\n", b"Sec-WebSocket-Protocol: \xff\r\n", b"Sec-WebSocket-Extensions: \xe9\r\n"],
)
async def test_r11_a_handshake_that_cannot_be_read_is_400(more: bytes) -> None:
    async with open_box() as box:
        answer = await say(box, UPGRADE % b"localhost" + more + b"\r\n")
        client = await Client.open(box.server.url)
        await client.subscribe(type="userFills", user=MAKER)
        told = await client.frame()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert told["channel"] == "subscriptionResponse"
