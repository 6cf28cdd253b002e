"""Actions by HTTP/1.1 on kept connections: one answer each, and no connection used that may be out of step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from hyperliquid.utils.error import ClientError, ServerError
from stream_kit import ROUTE, End, Venue

from mm_trio.transport.action_poster import MOST_KEPT, ActionPoster
from mm_trio.venue.bounded_response import MOST_BYTES, MOST_CHUNKS
from mm_trio.venue.http_session import IDLE_AT_MOST_S, VENUE_FAILURES, may_be_sent_again
from mm_trio.venue.signer import SignedRequest

SIGNED = SignedRequest(b'{"action": 1}')
HEAD = b"HTTP/1.1 200 OK\r\n"


class Desk:
    """A poster, the venue it posts to, and what became of its posts."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.venue = Venue()
        self.poster = ActionPoster(ROUTE, open_wire=self.venue.open_wire)
        self.outcomes: list[Any] = []
        self._nursery = nursery

    async def post(self) -> None:
        try:
            self.outcomes.append(await self.poster.post_signed(SIGNED))
        except VENUE_FAILURES as error:
            self.outcomes.append(error)

    async def exchange(self, answer: Callable[[End], Awaitable[None]], end: End | None = None) -> tuple[Any, End]:
        """One post, answered by `answer` on `end`, or on a fresh connection; its outcome."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.post)
            end = end or await self.venue.next_end()
            await answer(end)
        return self.outcomes.pop(), end


@asynccontextmanager
async def open_desk() -> AsyncIterator[Desk]:
    async with trio.open_nursery() as nursery:
        desk = Desk(nursery)
        yield desk
        desk.poster.close()
        nursery.cancel_scope.cancel()


async def say_ok(end: End) -> None:
    await end.answer(b'{"status": "ok"}')


async def test_the_signed_bytes_are_posted_as_they_are_and_the_answer_is_read() -> None:
    async with open_desk() as desk, trio.open_nursery() as nursery:
        nursery.start_soon(desk.post)
        end = await desk.venue.next_end()
        head, body = await end.read_request()
        await end.send(HEAD + b'Content-Length: 16\r\n\r\n{"status": "ok"}')

    assert desk.outcomes == [{"status": "ok"}]
    assert body == SIGNED.body
    assert head.split(b"\r\n") == [
        *(b"POST /exchange HTTP/1.1", b"Host: venue.test", b"Content-Type: application/json"),
        *(b"Accept-Encoding: identity", b"Content-Length: 13"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n", id="chunked"),
        pytest.param(HEAD + b"Content-Length: 5\r\n\r\n[1,2]", id="length"),
        pytest.param(HEAD + b"Content-Length: 5\r\nContent-Encoding: identity\r\n\r\n[1,2]", id="identity"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + b"Content-Length: 5\r\n\r\n[1,2]", id="interim"),
    ],
)
async def test_an_answer_is_read_however_it_is_framed_and_cut(answer: bytes) -> None:
    async def drip(end: End) -> None:
        await end.read_request()
        for i in range(len(answer)):
            await end.send(answer[i : i + 1])

    async with open_desk() as desk:
        outcome, end = await desk.exchange(drip)
        again, _ = await desk.exchange(say_ok, end)

    assert (outcome, again, desk.venue.n_opened) == ([1, 2], {"status": "ok"}, 1)


async def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    async def send_and_end(end: End) -> None:
        await end.read_request()
        await end.send(HEAD + b"\r\n[1,2]")
        await end.stream.send_eof()

    async with open_desk() as desk:
        outcome, _ = await desk.exchange(send_and_end)
        await desk.exchange(say_ok)

    assert outcome == [1, 2]
    assert desk.venue.n_opened == 2


async def test_what_is_not_json_says_nothing_of_the_outcome() -> None:
    async with open_desk() as desk:
        outcome, _ = await desk.exchange(lambda end: end.answer(b"<html>"))

    assert outcome is None


@pytest.mark.parametrize(
    ("status", "kind", "again"),
    [("429 Too Many", ClientError, False), ("422 No", ClientError, False), ("502 Bad Gateway", ServerError, True)],
)
async def test_a_status_of_an_error_is_the_error_of_the_sdk(status: str, kind: type[Exception], again: bool) -> None:
    async with open_desk() as desk:
        outcome, end = await desk.exchange(lambda end: end.answer(b"why", status=status))
        await desk.exchange(say_ok, end)

    assert isinstance(outcome, kind)
    assert may_be_sent_again(outcome) is again


@pytest.mark.parametrize("header", ["Connection: close", "Content-Encoding: gzip"])
async def test_a_connection_that_the_venue_ends_or_misuses_is_not_used_again(header: str) -> None:
    async with open_desk() as desk:
        _, end = await desk.exchange(lambda end: end.answer(b"[]", header))
        await end.wait_ended()
        outcome, _ = await desk.exchange(say_ok)

    assert outcome == {"status": "ok"}


async def test_a_connection_that_ended_while_idle_is_replaced_and_nothing_is_sent_on_it() -> None:
    async with open_desk() as desk:
        _, stale = await desk.exchange(say_ok)
        stale.has_news = True
        outcome, _ = await desk.exchange(say_ok)
        await stale.wait_ended()

    assert (outcome, desk.venue.n_opened) == ({"status": "ok"}, 2)


async def test_a_connection_that_was_idle_for_long_is_replaced(autojump_clock: trio.testing.MockClock) -> None:
    async with open_desk() as desk:
        _, stale = await desk.exchange(say_ok)
        await trio.sleep(IDLE_AT_MOST_S + 1)
        await desk.exchange(say_ok)
        await stale.wait_ended()

    assert desk.venue.n_opened == 2


def make_long(n_bytes: int) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % n_bytes + b" " * n_bytes


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]", "compressed", id="gzip"),
        pytest.param(make_long(MOST_BYTES + 1), "more than 8388608 bytes", id="long"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * (MOST_CHUNKS + 1), "chunks", id="chunks"
        ),
        pytest.param(HEAD + b"X-A: b\r\n" * 20_000, "", id="headers"),
        pytest.param(b"HTTP/1.1 100 Go On\r\n\r\n" * 20, "interim", id="interim"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", "", id="garbage"),
        pytest.param(HEAD + b"Content-Length: x\r\n\r\n", "", id="length"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "", id="chunk"),
    ],
)
async def test_an_answer_without_bound_or_sense_is_refused_and_its_connection_ends(answer: bytes, told: str) -> None:
    async def send(end: End) -> None:
        await end.read_request()
        await end.send(answer)
        await end.wait_ended()

    async with open_desk() as desk:
        outcome, _ = await desk.exchange(send)

    assert isinstance(outcome, ConnectionError)
    assert told in str(outcome)


@pytest.mark.parametrize(
    "sent", [b"", HEAD[:9], HEAD + b"Content-Length: 9\r\n\r\n[1"], ids=["nothing", "status", "body"]
)
async def test_an_answer_that_is_cut_leaves_the_outcome_open_and_the_connection_ends(sent: bytes) -> None:
    async def cut(end: End) -> None:
        await end.read_request()
        await end.send(sent)
        await end.stream.send_eof()
        await end.wait_ended()

    async with open_desk() as desk:
        outcome, _ = await desk.exchange(cut)

    assert isinstance(outcome, ConnectionError)
    assert may_be_sent_again(outcome)


@pytest.mark.parametrize("every_s", [1000.0, 0.5], ids=["silence", "a drip"])
async def test_an_answer_that_takes_long_ends_in_time_however_it_comes(
    autojump_clock: trio.testing.MockClock, every_s: float
) -> None:
    async with open_desk() as desk:
        async with trio.open_nursery() as nursery:
            began_s = trio.current_time()
            nursery.start_soon(desk.post)
            end = await desk.venue.next_end()
            await end.read_request()

            async def drip() -> None:
                while True:
                    await trio.sleep(every_s)
                    await end.send(b"X")

            nursery.start_soon(drip)
            await end.wait_ended()
            nursery.cancel_scope.cancel()

        assert trio.current_time() == began_s + 5
    assert str(desk.outcomes[0]) == "no whole answer in 5 s"
    assert may_be_sent_again(desk.outcomes[0])


async def test_a_post_that_is_cut_off_takes_its_connection_with_it() -> None:
    async with open_desk() as desk:
        _, kept = await desk.exchange(say_ok)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.post)
            await kept.read_request()
            nursery.cancel_scope.cancel()
        await kept.wait_ended()
        outcome, _ = await desk.exchange(say_ok)

    assert (outcome, desk.venue.n_opened) == ({"status": "ok"}, 2)


async def test_an_answer_that_came_with_another_behind_it_ends_the_connection() -> None:
    async def send_two(end: End) -> None:
        await end.read_request()
        await end.send(2 * (HEAD + b"Content-Length: 2\r\n\r\n[]"))
        await end.wait_ended()

    async with open_desk() as desk:
        outcome, _ = await desk.exchange(send_two)

    assert outcome == []


async def test_posts_beside_each_other_have_a_connection_each_and_few_are_kept() -> None:
    n_posts = MOST_KEPT + 1
    async with open_desk() as desk:
        async with trio.open_nursery() as nursery:
            for _ in range(n_posts):
                nursery.start_soon(desk.post)
            ends = [await desk.venue.next_end() for _ in range(n_posts)]
            for end in ends:
                await end.answer(b"[]")
        await ends[-1].wait_ended()
        n_kept = n_posts - 1
        async with trio.open_nursery() as nursery:
            for _ in range(n_kept):
                nursery.start_soon(desk.post)
            for end in ends[:n_kept]:
                await end.answer(b"[]")

    assert desk.outcomes == [[]] * (n_posts + n_kept)
    assert desk.venue.n_opened == n_posts


async def test_a_venue_that_cannot_be_reached_is_told_in_the_words_of_the_system() -> None:
    async with open_desk() as desk:
        desk.venue.failure = ConnectionRefusedError(111, "Connection refused")
        await desk.post()

    assert str(desk.outcomes[0]) == "[Errno 111] Connection refused"
