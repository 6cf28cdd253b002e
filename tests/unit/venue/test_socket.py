"""A socket's threads end, whatever its server does: R4 and R5 of the fault table."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable
from socket import SHUT_WR
from types import SimpleNamespace
from typing import Any

import pytest
from rogue_kit import DEADLINE_S, Peer, forever, one_by_one, open_rogue

from mm_trio.venue.bounded_response import MOST_BYTES
from mm_trio.venue.socket import MOST_FRAGMENTS, DisposableSocket, discard_socket

_TEXT, _CONTINUED, _LAST = 0x01, 0x00, 0x80


def frame(first: int, payload: bytes, *, length: int | None = None) -> bytes:
    """A frame of a server; `length`: what it says of its length, if that is a lie."""
    return struct.pack("!BBQ", first, 127, len(payload) if length is None else length) + payload


def greet(peer: Peer) -> None:
    """Answer the handshake as the protocol wants it."""
    asked = b""
    while not asked.endswith(b"\r\n\r\n"):
        asked += peer.sock.recv(1)
    key = asked.lower().split(b"sec-websocket-key:")[1].split(b"\r\n")[0].strip()
    # Lower case would be another key.
    at = asked.lower().index(key)
    digest = hashlib.sha1(asked[at : at + len(key)] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    peer.send(b"\r\n".join([*lines, b"Sec-WebSocket-Accept: " + base64.b64encode(digest), b"", b""]))


def after_greeting(go_on: Callable[[Peer], None]) -> Callable[[Peer], None]:
    def answer(peer: Peer) -> None:
        greet(peer)
        # The client's ping: its connection is open by then.
        peer.sock.recv(1)
        go_on(peer)

    return answer


def check_threads_end(socket: DisposableSocket) -> None:
    for thread in (socket, socket.ping_sender):
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda peer: None, id="silence"),
        pytest.param(lambda peer: peer.drip(one_by_one(b"HTTP/1.1 101 " + b"x" * 1000)), id="status line"),
        pytest.param(lambda peer: peer.drip(forever(b"X-A: b\r\n")), id="headers"),
    ],
)
def test_r4_a_handshake_without_an_end_leaves_no_thread(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[Peer], None]
) -> None:
    monkeypatch.setattr("mm_trio.venue.socket.CONNECT_TIMEOUT_S", 0.3)
    with open_rogue(answer) as rogue:
        socket = DisposableSocket(rogue.url)
        socket.start()

        with pytest.raises(ConnectionError, match="did not open"):
            socket.wait_open()
        check_threads_end(socket)


def open_socket(url: str) -> tuple[DisposableSocket, list[Any]]:
    """A connected socket, and the midpoints that it passes on."""
    socket, heard = DisposableSocket(url), list[Any]()
    socket.active_subscriptions["allMids"].append(SimpleNamespace(callback=heard.append))
    socket.start()
    socket.wait_open()
    socket.ping()
    return socket, heard


def send_fragments(peer: Peer) -> None:
    peer.send(frame(_TEXT, b"x"))
    while True:
        peer.send(frame(_CONTINUED, b"x") * 100)


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda peer: peer.send(frame(_TEXT | _LAST, b"x" * 10**6, length=2**40)), id="length"),
        pytest.param(lambda peer: peer.send(frame(_TEXT | _LAST, b" " * (MOST_BYTES + 1))), id="frame"),
        pytest.param(send_fragments, id="fragments"),
        pytest.param(lambda peer: [peer.send(frame(_TEXT, b" " * 2**22)) for _ in range(9)], id="illegal"),
    ],
)
def test_r5_a_message_without_bound_ends_the_connection(send: Callable[[Peer], None]) -> None:
    with open_rogue(after_greeting(send)) as rogue:
        socket, heard = open_socket(rogue.url)
        check_threads_end(socket)

    assert heard == []


def test_r5_messages_of_any_usual_size_are_read() -> None:
    mids = b'{"channel": "allMids", "data": {"mids": {"@1": "%s"}}}'

    def send(peer: Peer) -> None:
        for size in (1, 10**6):
            peer.send(frame(_TEXT | _LAST, mids % (b"1" * size)))
        peer.send(frame(_TEXT, (mids % b"2")[:10]))
        for _ in range(2 * MOST_FRAGMENTS):
            peer.send(frame(_CONTINUED | _LAST, (mids % b"2")[10:]) + frame(_TEXT, (mids % b"2")[:10]))
        peer.send(frame(_CONTINUED | _LAST, (mids % b"2")[10:]))
        peer.sock.shutdown(SHUT_WR)

    with open_rogue(after_greeting(send)) as rogue:
        socket, heard = open_socket(rogue.url)
        check_threads_end(socket)

    assert len(heard) == 2 + 2 * MOST_FRAGMENTS + 1


def test_the_heartbeat_is_passed_on_without_its_prices() -> None:
    """Hundreds of prices several times a second, which nobody reads: what follows the feed's name is not parsed."""

    def send(peer: Peer) -> None:
        peer.send(frame(_TEXT | _LAST, b'{"channel":"allMids","data":{"mids":{"@1":"20.5"}}}'))
        peer.send(frame(_TEXT | _LAST, b'{"channel":"allMids","data":{"mids":{"@1":'))
        peer.sock.shutdown(SHUT_WR)

    with open_rogue(after_greeting(send)) as rogue:
        socket, heard = open_socket(rogue.url)
        check_threads_end(socket)

    assert heard == 2 * [{"channel": "allMids", "data": {"mids": {}}}]


@pytest.mark.parametrize("first", [_TEXT | _LAST, 0x8, 0x70], ids=["message", "goodbye", "nonsense"])
def test_r4_a_discarded_connection_leaves_no_thread(first: int) -> None:
    """Whatever drips there, and also while the library says goodbye."""

    def send(peer: Peer) -> None:
        peer.send(frame(_TEXT | _LAST, b'{"channel": "allMids", "data": {}}'))
        peer.send(frame(first, b"x", length=10_000))
        peer.drip(forever(b"x"))

    with open_rogue(after_greeting(send)) as rogue:
        socket, _ = open_socket(rogue.url)
        discard_socket(SimpleNamespace(ws_manager=socket))

        check_threads_end(socket)
