"""Messages leave in order, are tried again, and never hold up the maker: on a virtual clock."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from mm_trio.alerts.message import Message, Severity
from mm_trio.alerts.sender import ATTEMPT_WITHIN_S, MOST_WAITING, PAUSES_S, Sender
from mm_trio.concurrency.blocking_calls import NoFreeThread

DAY_S = 86_400.0


@dataclass
class Told:
    """A channel that a test steers. `answer` is what each attempt gives, from its number on."""

    name: str = "1:json://127.0.0.1"
    answer: Callable[[int], str | None] = lambda _: None
    hangs: bool = False
    got: list[tuple[float, str]] = field(default_factory=list)
    n_attempts: int = 0

    async def deliver(self, message: Message) -> str | None:
        self.n_attempts += 1
        if self.hangs:
            await trio.sleep_forever()
        fault = self.answer(self.n_attempts)
        if fault is None:
            self.got.append((trio.current_time(), message.title))
        return fault


def message(title: str, severity: Severity = Severity.WARNING) -> Message:
    return Message(key=title, severity=severity, title=title, text="x")


@asynccontextmanager
async def sending(*channels: Told, most_an_hour: int = 1000) -> AsyncIterator[Sender]:
    sender = Sender(channels, subject="sandbox @107", most_an_hour=most_an_hour)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.send_forever)
        yield sender
        nursery.cancel_scope.cancel()


async def test_messages_leave_in_order_and_name_the_maker(autojump_clock: MockClock) -> None:
    channel = Told()

    async with sending(channel) as sender:
        for title in ("a", "b", "c"):
            sender.put(message(title))
        await trio.sleep(1)

    assert [title for _, title in channel.got] == [f"WARNING sandbox @107: {title}" for title in "abc"]
    assert sender.reports[0].sent == 3


async def test_a_message_that_is_refused_is_tried_again(autojump_clock: MockClock) -> None:
    channel = Told(answer=lambda n: None if n == 3 else "the connection was refused")

    async with sending(channel) as sender:
        sender.put(message("a"))
        began_s = trio.current_time()
        await trio.sleep(60)

    assert [round(at - began_s, 3) for at, _ in channel.got] == [sum(PAUSES_S[:2])]
    assert (sender.reports[0].failed_attempts, sender.reports[0].fault) == (2, None)


async def test_a_message_is_given_up_and_named(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    channel = Told(answer=lambda _: "the service answered HTTP 403")

    with caplog.at_level(logging.ERROR):
        async with sending(channel) as sender:
            sender.put(message("a"))
            await trio.sleep(sum(PAUSES_S) + 1)

    assert channel.n_attempts == len(PAUSES_S) + 1
    assert sender.reports[0].given_up == 1
    assert "alert not delivered: channel=1:json://127.0.0.1 alert=a reason=the service answered HTTP 403" in caplog.text


async def test_a_channel_that_hangs_holds_up_itself_alone(autojump_clock: MockClock) -> None:
    stuck, well = Told(hangs=True), Told(name="2:json://127.0.0.1")

    async with sending(stuck, well) as sender:
        began_s = trio.current_time()
        for _ in range(5):
            sender.put(message("a"))
        await trio.sleep(ATTEMPT_WITHIN_S + 1)

    assert [at - began_s for at, _ in well.got] == [0.0] * 5
    assert sender.reports[0].fault == f"it took more than {ATTEMPT_WITHIN_S:g} s"


async def test_a_hung_channel_never_delays_a_tick(autojump_clock: MockClock) -> None:
    """In virtual time a tick is late only if the sender waits in it, or in the tick's way."""
    stuck, late_s = Told(hangs=True), list[float]()

    async with sending(stuck) as sender:
        due_s = trio.current_time()
        for _ in range(2_000):
            await trio.sleep_until(due_s)
            late_s.append(trio.current_time() - due_s)
            sender.put(message("a"))
            late_s.append(trio.current_time() - due_s)
            due_s += 3

    assert max(late_s) == 0.0
    assert sender.reports[0].sent == 0


async def test_what_waits_has_a_bound(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    channel = Told(hangs=True)

    with caplog.at_level(logging.ERROR):
        async with sending(channel, most_an_hour=1000) as sender:
            for n in range(MOST_WAITING + 10):
                sender.put(message(f"m{n}"))

    assert sender.reports[0].given_up == 10
    assert "alert=m9 reason=more than 100 wait" in caplog.text


async def test_a_storm_becomes_one_message(autojump_clock: MockClock) -> None:
    channel = Told()

    async with sending(channel, most_an_hour=4) as sender:
        for _ in range(100):
            sender.put(message("feed"))
        await trio.sleep(DAY_S)

    titles = [title.partition(": ")[2] for _, title in channel.got]
    assert titles == ["feed"] * 3 + ["97 more messages"]


@pytest.mark.parametrize("error", [NoFreeThread("all"), RuntimeError("a secret token")])
async def test_a_channel_that_raises_is_tried_again(error: Exception, autojump_clock: MockClock) -> None:
    def fail(n: int) -> str | None:
        if n == 1:
            raise error
        return None

    channel = Told(answer=fail)

    async with sending(channel) as sender:
        sender.put(message("a"))
        await trio.sleep(60)

    assert len(channel.got) == 1


# --- The end ----------------------------------------------------------------------------------


async def test_the_end_waits_for_what_is_left(autojump_clock: MockClock) -> None:
    channel = Told(answer=lambda n: None if n > 1 else "the connection was refused")

    async with sending(channel, most_an_hour=1) as sender:
        sender.put(message("a", Severity.CRITICAL))
        sender.put(message("b"))
        await trio.sleep(0.1)
        began_s = trio.current_time()
        await sender.drain(within_s=5)
        took_s = trio.current_time() - began_s

    assert [title.partition(": ")[2] for _, title in channel.got] == ["a", "1 more message"]
    assert took_s < 1


async def test_the_end_does_not_wait_for_ever(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with sending(Told(hangs=True)) as sender:
            sender.put(message("a"))
            began_s = trio.current_time()
            await sender.drain(within_s=5)
            assert trio.current_time() - began_s == 5.0

    assert "alert=a reason=it hangs, and the program ends" in caplog.text


async def test_an_end_with_nothing_to_tell_takes_no_time(autojump_clock: MockClock) -> None:
    async with sending(Told()) as sender:
        began_s = trio.current_time()
        await sender.drain(within_s=5)

        assert trio.current_time() == began_s
