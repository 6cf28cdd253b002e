"""Answers end in time and in size: R4, R5 and R7 of the fault table, at the one place that posts."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests
from rogue_kit import Peer, forever, one_by_one, open_rogue

from mm_trio.venue.bounded_response import MOST_BYTES, MOST_LEVELS, MOST_VALUES, parse_json
from mm_trio.venue.http_session import VENUE_FAILURES, JsonSession, may_be_sent_again

WITHIN_S = 0.4
SLACK_S = 5.0  # for a machine that is busy; what drips here would take minutes
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = bytes(2**20)


def open_session(url: str) -> JsonSession:
    return JsonSession(url + "/info", {"Content-Type": "application/json"}, direct=True)


def ask(session: JsonSession, *, within_s: float = WITHIN_S) -> Any:
    return session.post(session._request.url, json={"type": "spotMeta"}, timeout=within_s)


def drip(head: bytes, body: Callable[[], Any]) -> Callable[[Peer], None]:
    def answer(peer: Peer) -> None:
        peer.read_request()
        peer.send(head)
        peer.drip(body())

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(drip(b"", lambda: one_by_one(HEAD * 100)), id="status line"),
        pytest.param(drip(HEAD, lambda: forever(b"X-A: b\r\n")), id="headers"),
        pytest.param(drip(HEAD + b"X-A: ", lambda: forever(b"b")), id="one header"),
        pytest.param(drip(b"", lambda: forever(b"HTTP/1.1 100 Continue\r\n\r\n")), id="continue"),
        pytest.param(drip(HEAD + b"Content-Length: 500\r\n\r\n", lambda: forever(b" ")), id="body"),
        pytest.param(drip(HEAD + b"\r\n", lambda: forever(b" ")), id="body until the end"),
        pytest.param(drip(CHUNKED, lambda: forever(b"1\r\n \r\n")), id="chunks"),
        pytest.param(drip(CHUNKED + b"ff", lambda: forever(b"f")), id="length of a chunk"),
        pytest.param(drip(CHUNKED + b"0\r\n", lambda: forever(b"X-A: b\r\n")), id="trailers"),
        pytest.param(lambda peer: None, id="silence"),
    ],
)
def test_r4_an_answer_that_drips_ends_with_its_deadline(answer: Callable[[Peer], None]) -> None:
    with open_rogue(answer) as rogue:
        began_s = time.monotonic()
        with pytest.raises(VENUE_FAILURES) as caught:
            ask(open_session(rogue.url))

        assert time.monotonic() - began_s < WITHIN_S + SLACK_S
        assert may_be_sent_again(caught.value)
        rogue.wait_until_hung_up()


def test_r4_a_tls_handshake_that_drips_ends_with_the_deadline() -> None:
    with open_rogue(lambda peer: peer.drip(one_by_one(b"\x16\x03\x03\x40\x00" + bytes(0x4000)))) as rogue:
        began_s = time.monotonic()
        with pytest.raises(VENUE_FAILURES):
            ask(open_session(rogue.url.replace("http", "https")))

        assert time.monotonic() - began_s < WITHIN_S + SLACK_S
        rogue.wait_until_hung_up()


def test_r4_several_addresses_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two take no connection, whose queue is full; the last one answers."""
    look_up = socket.getaddrinfo

    def find_more(host: str, port: int, *more: Any, **options: Any) -> Any:
        if host != "localhost":
            return look_up(host, port, *more, **options)
        (where,) = look_up("127.0.0.1", port, *more, **options)
        return [(*where[:4], (address, port)) for address in ("127.0.0.2", "127.0.0.3", "127.0.0.1")]

    def answer(peer: Peer) -> None:
        peer.read_request()
        peer.send_answer(b"{}")

    with open_rogue(answer) as rogue, full_queues("127.0.0.2", "127.0.0.3", port=rogue.port):
        monkeypatch.setattr("socket.getaddrinfo", find_more)
        began_s = time.monotonic()

        assert ask(open_session(f"http://localhost:{rogue.port}"), within_s=1.5).json() == {}
        assert time.monotonic() - began_s > 0.9


@contextmanager
def full_queues(*addresses: str, port: int) -> Iterator[None]:
    """Listen and accept nothing, so that a further connection waits for ever."""
    with ExitStack() as opened:
        for address in addresses:
            opened.enter_context(socket.create_server((address, port), backlog=0))
            for _ in range(4):
                waiting = opened.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((address, port))
        yield


def test_r4_a_deadline_names_itself() -> None:
    with open_rogue(lambda peer: None) as rogue, pytest.raises(requests.Timeout, match=r"no whole answer in 0\.4 s"):
        ask(open_session(rogue.url))


def test_r4_a_late_answer_is_not_taken_for_the_next_one() -> None:
    """The connection is closed with the question that it did not answer in time."""
    n_asked = threading.Semaphore(0)

    def answer(peer: Peer) -> None:
        while peer.read_request():
            n_asked.release()
            if not n_asked.acquire(timeout=0) or first.is_set():
                peer.send_answer(b'"right"')
                continue
            first.set()
            peer.over.wait(WITHIN_S * 1.5)
            peer.send_answer(b'"late"')

    first = threading.Event()
    with open_rogue(answer) as rogue:
        session = open_session(rogue.url)
        with pytest.raises(requests.Timeout):
            ask(session)

        assert ask(session, within_s=5.0).json() == "right"


def test_r4_a_connection_serves_many_questions_each_with_its_own_time() -> None:
    connections: list[Peer] = []

    def answer(peer: Peer) -> None:
        connections.append(peer)
        while peer.read_request():
            peer.over.wait(WITHIN_S / 2)
            peer.send_answer(b"{}")

    with open_rogue(answer) as rogue:
        session = open_session(rogue.url)
        assert [ask(session).json() for _ in range(4)] == [{}] * 4

    assert len(connections) == 1


def flood(head: bytes, piece: bytes) -> Callable[[Peer], None]:
    def answer(peer: Peer) -> None:
        peer.read_request()
        peer.send(head)
        for _ in range(300):
            peer.send(piece)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(flood(HEAD + b"Content-Length: 314572800\r\n\r\n", MEGABYTE), id="length"),
        pytest.param(flood(HEAD + b"\r\n", MEGABYTE), id="no length"),
        pytest.param(flood(HEAD + b"Content-Length: 1000000000000\r\n\r\n", b" "), id="length that lies"),
        pytest.param(flood(CHUNKED, b"100000\r\n" + MEGABYTE + b"\r\n"), id="chunks"),
        pytest.param(flood(CHUNKED + b"ffffffffffff\r\n", MEGABYTE), id="chunk that lies"),
        pytest.param(flood(CHUNKED, b"2\r\n  \r\n" * 100_000), id="small chunks"),
        pytest.param(flood(CHUNKED + b"-7\r\n", MEGABYTE), id="chunk below zero"),
        pytest.param(flood(HEAD, b"X-A: " + b"b" * 60_000 + b"\r\n"), id="headers"),
        pytest.param(flood(b"", MEGABYTE), id="no answer at all"),
        pytest.param(flood(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", b"123456789"), id="gzip"),
    ],
)
def test_r5_an_answer_without_bound_is_refused(answer: Callable[[Peer], None]) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open_rogue(answer) as rogue:
        with pytest.raises(VENUE_FAILURES):
            ask(open_session(rogue.url), within_s=10.0)
        rogue.wait_until_hung_up()

    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert grown_kb < 8 * MOST_BYTES / 1024


def test_r5_the_longest_answer_is_read() -> None:
    def answer(peer: Peer) -> None:
        peer.read_request()
        peer.send_answer(b"[%s]" % (b" " * (MOST_BYTES - 2)))

    with open_rogue(answer) as rogue:
        assert ask(open_session(rogue.url), within_s=10.0).json() == []


def test_r5_no_compression_is_asked_for() -> None:
    session = JsonSession("http://127.0.0.1:1/info", {"Accept-Encoding": "gzip, deflate"}, direct=True)

    assert session._request.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000, id="open"),
        pytest.param(b"[" * (MOST_LEVELS + 1) + b"]" * (MOST_LEVELS + 1), id="deep list"),
        pytest.param(b'{"a":' * 500 + b"1" + b"}" * 500, id="deep object"),
        pytest.param(b"[" + b"[]," * MOST_VALUES + b"[]]", id="too many values"),
        pytest.param(b"9" * 5_000, id="digits"),
        pytest.param(b"NaN", id="nan"),
        pytest.param(b'{"a":-Infinity}', id="infinity"),
        pytest.param(b'["\\ud800"]', id="half of a pair"),
        pytest.param(b"\xff\xfe", id="not utf-8"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_r7_json_that_no_venue_sends_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(body)


def test_r7_brackets_and_pairs_in_texts_are_no_trouble() -> None:
    assert parse_json(b'["[[[[", "}{", "\\ud83d\\ude00"]') == ["[[[[", "}{", "\U0001f600"]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'"x"', b'{"code": 1}', b"null", b"<html>", b"\xff"])
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_r7_the_body_of_an_error_is_not_parsed(status: int, body: bytes) -> None:
    def answer(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 %d Oops\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

    with open_rogue(answer) as rogue, pytest.raises(VENUE_FAILURES) as caught:
        ask(open_session(rogue.url), within_s=10.0)

    assert getattr(caught.value, "status_code", None) == status
    assert may_be_sent_again(caught.value) == (status >= 500)
