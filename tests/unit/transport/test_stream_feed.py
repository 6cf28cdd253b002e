"""Feeds on a socket of the loop: who applies them reads them, and an ended connection leaves no trace."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from stream_kit import ROUTE, Venue, WebSocketEnd
from wsproto.events import TextMessage

from mm_trio.model.errors import Unreachable
from mm_trio.transport.stream_feed import CONNECT_WITHIN_S, StreamFeed
from mm_trio.venue.socket import PING

ACCOUNT = "0x" + "a1" * 20


class Desk:
    """A feed, its venue, and what its inbox gave out."""

    def __init__(self, *, lockstep: bool = False) -> None:
        self.venue = Venue(WebSocketEnd, lockstep=lockstep)
        self.feed = StreamFeed(ROUTE, address=ACCOUNT, open_wire=self.venue.open_wire)
        self.applied: list[tuple[str, int, Any]] = []

    async def apply_forever(self) -> None:
        while True:
            self.applied.append(await self.feed.inbox.receive())

    async def connect(self) -> WebSocketEnd:
        """Open a connection; its other end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.feed.reopen)
            end: WebSocketEnd = await self.venue.next_end()
            await end.greet()
        return end


@asynccontextmanager
async def open_desk(**options: bool) -> AsyncIterator[tuple[Desk, WebSocketEnd]]:
    """A feed that is connected and applied, and the other end of its connection."""
    desk = Desk(**options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.apply_forever)
        yield desk, await desk.connect()
        nursery.cancel_scope.cancel()
    desk.feed.discard()


def fills(number: int) -> TextMessage:
    return TextMessage(json.dumps({"channel": "userFills", "data": {"user": ACCOUNT.upper(), "fills": [number]}}))


def acknowledged(feed: str) -> TextMessage:
    data = {"method": "subscribe", "subscription": {"type": feed}}
    return TextMessage(json.dumps({"channel": "subscriptionResponse", "data": data}))


async def listen(desk: Desk, end: WebSocketEnd, number: int) -> None:
    await desk.feed.subscribe("userFills", desk.feed.inbox.callback("userFills", number))
    await end.hear()


async def test_a_subscription_is_worded_as_the_sdk_does() -> None:
    async with open_desk() as (desk, end):
        for feed in ("userFills", "allMids"):
            await desk.feed.subscribe(feed, lambda _: None)
        await desk.feed.subscribe_market("bbo", "@107", lambda _: None)
        said = [json.loads((await end.hear()).data) for _ in range(3)]

    assert {message["method"] for message in said} == {"subscribe"}
    assert [message["subscription"] for message in said] == [
        {"type": "userFills", "user": ACCOUNT},
        {"type": "allMids"},
        {"type": "bbo", "coin": "@107"},
    ]


async def test_frames_reach_the_task_that_applies_them_in_their_order() -> None:
    async with open_desk() as (desk, end):
        await listen(desk, end, 7)
        await end.say(fills(1), TextMessage("nonsense"), TextMessage("[1]"), fills(2))
        await trio.testing.wait_all_tasks_blocked()

        assert desk.feed.count_frames() == 4
        assert [(feed, n, body["data"]["fills"]) for feed, n, body in desk.applied] == [
            ("userFills", 7, [1]),
            ("userFills", 7, [2]),
        ]


async def test_nothing_is_read_while_nobody_receives() -> None:
    """The venue's end waits until what it sent was read, which stands for a full buffer of the kernel."""
    desk = Desk(lockstep=True)
    end = await desk.connect()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.feed.subscribe, "userFills", desk.feed.inbox.callback("userFills", 1))
        await end.hear()
        sent = trio.Event()

        async def send() -> None:
            await end.say(fills(1))
            sent.set()

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert not sent.is_set()
        message = await desk.feed.inbox.receive()
        await sent.wait()
    desk.feed.discard()

    assert message.body == json.loads(fills(1).data)


async def test_an_end_is_known_at_once_and_another_connection_is_read() -> None:
    async with open_desk() as (desk, end):
        await listen(desk, end, 1)
        await end.say(fills(1))
        await end.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert not desk.feed.is_alive()
        assert desk.feed.count_frames() is None

        fresh = await desk.connect()
        await listen(desk, fresh, 2)
        await fresh.say(fills(2))
        await trio.testing.wait_all_tasks_blocked()

        assert desk.feed.is_alive()
        assert [message[1] for message in desk.applied] == [1, 2]


async def test_a_connection_that_is_replaced_ends_and_says_nothing_any_more() -> None:
    async with open_desk() as (desk, end):
        await listen(desk, end, 1)
        fresh = await desk.connect()
        await listen(desk, fresh, 2)
        await end.wait_ended()
        await fresh.say(fills(2))
        await trio.testing.wait_all_tasks_blocked()

        assert desk.feed.is_alive()
        assert [message[1] for message in desk.applied] == [2]


async def test_subscriptions_count_once_the_venue_acknowledged_them(autojump_clock: trio.testing.MockClock) -> None:
    async with open_desk() as (desk, end):
        await end.say(acknowledged("userFills"), acknowledged("orderUpdates"))

        await desk.feed.wait_acknowledged(["userFills", "orderUpdates"], within_s=1)


async def test_a_subscription_that_is_not_acknowledged_is_named(autojump_clock: trio.testing.MockClock) -> None:
    async with open_desk() as (desk, end):
        await end.say(acknowledged("userFills"))

        with pytest.raises(Unreachable, match=r"not acknowledged in 1 s: orderUpdates$"):
            await desk.feed.wait_acknowledged(["userFills", "orderUpdates"], within_s=1)


async def test_a_connection_that_ends_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    async with open_desk() as (desk, end):
        await end.stream.aclose()
        began_s = trio.current_time()

        with pytest.raises(Unreachable, match="closed"):
            await desk.feed.wait_acknowledged(["userFills"], within_s=10)
        assert trio.current_time() < began_s + 1


async def test_a_venue_that_does_not_shake_hands_is_unreachable_in_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    desk = Desk()
    began_s = trio.current_time()
    with pytest.raises(Unreachable, match=r"connect to venue\.test: took longer than 10 s"):
        await desk.feed.reopen()
    await (await desk.venue.next_end()).wait_ended()

    assert trio.current_time() == began_s + CONNECT_WITHIN_S
    assert not desk.feed.is_alive()


async def test_a_venue_that_refuses_connections_is_unreachable() -> None:
    desk = Desk()
    desk.venue.failure = ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(Unreachable, match="Connection refused"):
        await desk.feed.reopen()


async def test_without_a_connection_nothing_can_be_said() -> None:
    with pytest.raises(Unreachable, match="subscribe userFills: not connected"):
        await Desk().feed.subscribe("userFills", lambda _: None)


async def test_a_ping_is_the_venues_own() -> None:
    async with open_desk() as (desk, end):
        await desk.feed.ping()

        assert (await end.hear()).data == PING


async def test_a_ping_that_the_venue_does_not_take_ends_the_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_desk(lockstep=True) as (desk, _):
        with pytest.raises(Unreachable, match="ping"):
            await desk.feed.ping()

        assert not desk.feed.is_alive()


async def test_discarding_twice_does_no_harm() -> None:
    async with open_desk() as (desk, end):
        desk.feed.discard()
        desk.feed.discard()
        await end.wait_ended()

        assert not desk.feed.is_alive()
