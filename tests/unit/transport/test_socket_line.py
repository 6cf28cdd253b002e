"""One WebSocket connection: whole messages, answered pings, and an end whenever something has no end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from stream_kit import ROUTE, Venue, WebSocketEnd
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, RejectConnection, TextMessage

from mm_trio.transport.socket_line import LINE_FAILURES, MOST_PIECES, SENT_WITHIN_S, SILENCE_S, SocketLine
from mm_trio.transport.wire import WIRE_FAILURES
from mm_trio.venue.bounded_response import MOST_BYTES
from mm_trio.venue.socket import PING

OVER = (*WIRE_FAILURES, *LINE_FAILURES)


async def shake_hands(line: SocketLine) -> None:
    await line.shake_hands(host="venue.test", target="/ws")


async def receive_forever(line: SocketLine) -> None:
    while True:
        await line.receive()


@asynccontextmanager
async def open_line(*, lockstep: bool = False) -> AsyncIterator[tuple[SocketLine, WebSocketEnd]]:
    """A line after its handshake, and the venue's end of it."""
    venue = Venue(WebSocketEnd, lockstep=lockstep)
    line = SocketLine(await venue.open_wire(ROUTE))
    end: WebSocketEnd = await venue.next_end()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shake_hands, line)
        await end.greet()
    yield line, end
    line.close()


async def test_messages_come_whole_and_in_order_however_they_are_cut() -> None:
    async with open_line() as (line, end):
        await end.say(
            TextMessage("a", message_finished=False), TextMessage("b"), TextMessage("c"), BytesMessage(b"\xff")
        )
        assert await line.receive() == ["ab", "c", b"\xff"]

        frame = end.protocol.send(TextMessage("x" * 1000))
        async with trio.open_nursery() as nursery:
            received: list[str | bytes] = []

            async def receive() -> None:
                received.extend(await line.receive())

            nursery.start_soon(receive)
            for i in range(0, len(frame), 7):
                await end.send(frame[i : i + 7])
                await trio.testing.wait_all_tasks_blocked()

    assert received == ["x" * 1000]


async def test_what_comes_with_the_answer_to_the_handshake_is_not_lost() -> None:
    venue = Venue(WebSocketEnd)
    line = SocketLine(await venue.open_wire(ROUTE))
    end: WebSocketEnd = await venue.next_end()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shake_hands, line)
        await end.hear()
        await end.say(AcceptConnection(), TextMessage("hello"))

    assert await line.receive() == ["hello"]
    line.close()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda end: end.say(RejectConnection(status_code=502)), id="refused"),
        pytest.param(lambda end: end.stream.aclose(), id="closed"),
        pytest.param(lambda end: end.send(b"HTTP/1.1 101 Switching\r\n\r\n"), id="wrong"),
        pytest.param(lambda end: end.send(b"HTTP/1.1 101 " + b"x" * 100_000), id="long"),
        pytest.param(lambda end: end.send(b"\x00" * 100), id="garbage"),
    ],
)
async def test_a_handshake_without_its_answer_ends_the_line(
    answer: Callable[[WebSocketEnd], Awaitable[None]],
) -> None:
    venue = Venue(WebSocketEnd)
    line = SocketLine(await venue.open_wire(ROUTE))
    end: WebSocketEnd = await venue.next_end()
    async with trio.open_nursery() as nursery:

        async def fail() -> None:
            with pytest.raises(OVER):
                await shake_hands(line)

        nursery.start_soon(fail)
        await end.hear()
        await answer(end)


async def test_a_ping_of_the_venue_is_answered() -> None:
    async with open_line() as (line, end):
        await end.say(Ping(b"abc"), TextMessage("x"))
        await line.receive()

        answer = await end.hear()

    assert answer == Pong(b"abc")


async def test_after_a_goodbye_the_messages_before_it_are_read_and_then_the_line_is_over() -> None:
    async with open_line() as (line, end):
        await end.say(TextMessage("last"), CloseConnection(1001, "going away"))

        assert await line.receive() == ["last"]
        with pytest.raises(ConnectionError, match="closed by the venue: 1001 going away"):
            await line.receive()


async def test_a_silence_is_broken_by_our_ping_and_ends_the_line_if_nothing_answers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_line() as (line, end), trio.open_nursery() as nursery:
        began_s = trio.current_time()

        async def fail() -> None:
            with pytest.raises(ConnectionError, match="in spite of a ping"):
                await line.receive()
            assert trio.current_time() == began_s + 2 * SILENCE_S

        nursery.start_soon(fail)
        assert (await end.hear()).data == PING
        assert trio.current_time() == began_s + SILENCE_S


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda end: end.say(TextMessage(" " * (MOST_BYTES + 1))), id="frame"),
        pytest.param(
            lambda end: end.say(*[TextMessage("", message_finished=False)] * (MOST_PIECES + 1)), id="fragments"
        ),
        pytest.param(lambda end: end.send(b"\x81\x7f" + b"\xff" * 8), id="length"),
        pytest.param(lambda end: end.send(b"\xc1\x01x"), id="compressed"),
        pytest.param(lambda end: end.send(b"\x81\x01\xff"), id="not UTF-8"),
        pytest.param(lambda end: end.send(b"\x83\x01x"), id="unknown kind"),
        pytest.param(lambda end: end.stream.aclose(), id="cut"),
    ],
)
async def test_a_message_without_bound_or_sense_ends_the_line(
    send: Callable[[WebSocketEnd], Awaitable[None]],
) -> None:
    async with open_line() as (line, end), trio.open_nursery() as nursery:

        async def fail() -> None:
            with pytest.raises(OVER):
                await receive_forever(line)

        nursery.start_soon(fail)
        await send(end)


async def test_a_frame_that_the_venue_does_not_take_ends_the_line(autojump_clock: trio.testing.MockClock) -> None:
    async with open_line(lockstep=True) as (line, _):
        with pytest.raises(ConnectionError, match=f"no frame within {SENT_WITHIN_S:g} s"):
            await line.send("a")

        with pytest.raises(OVER):
            await line.receive()


async def test_a_frame_that_is_cut_off_ends_the_line(autojump_clock: trio.testing.MockClock) -> None:
    async with open_line(lockstep=True) as (line, _):
        with trio.move_on_after(1):
            await line.send("a")

        with pytest.raises(OVER):
            await line.receive()


async def test_who_gives_up_waiting_for_its_turn_to_send_does_no_harm(autojump_clock: trio.testing.MockClock) -> None:
    async with open_line(lockstep=True) as (line, end), trio.open_nursery() as nursery:
        nursery.start_soon(line.send, "first")
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await line.send("second")
        first = await end.hear()
        nursery.start_soon(line.send, "third")

        assert (first.data, (await end.hear()).data) == ("first", "third")


async def test_closing_wakes_who_reads() -> None:
    async with open_line() as (line, _), trio.open_nursery() as nursery:

        async def fail() -> None:
            with pytest.raises(OVER):
                await line.receive()

        nursery.start_soon(fail)
        await trio.testing.wait_all_tasks_blocked()
        line.close()
