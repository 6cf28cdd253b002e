"""Connection of the feeds on objects of the SDK's shape, with sockets that can tell more and less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from builders import run_inline

from mm_trio.model.errors import Unreachable
from mm_trio.venue.feed_connection import FeedConnection
from mm_trio.venue.rest_client import VenueClient


class PlainSocket:
    """Socket manager of the SDK's shape, which counts nothing."""

    def __init__(self) -> None:
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive


class TellingSocket(PlainSocket):
    """Socket manager that counts frames and keeps acknowledgements, as ours does."""

    acknowledged: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.n_frames = 0

    def ping(self) -> None:
        self.n_frames += 1


class Info:
    """Object of the SDK's shape that notes its subscriptions."""

    def __init__(self, manager: PlainSocket | None) -> None:
        self.ws_manager = manager
        self.subscriptions: list[dict[str, str]] = []

    def subscribe(self, subscription: dict[str, str], _callback: Callable[[Any], None]) -> int:
        if subscription in self.subscriptions:
            raise NotImplementedError(f"Cannot subscribe to {subscription['type']} multiple times")
        self.subscriptions.append(subscription)
        return len(self.subscriptions)


def connect(info: Info, *, reopen: Callable[[], object] | None = None) -> FeedConnection:
    client = VenueClient(info, address="0xa1", run_sync=run_inline)
    return FeedConnection(info, address="0xa1", ask=client.ask, reopen=reopen)


def test_without_a_socket_the_feed_is_not_alive() -> None:
    assert not connect(Info(None)).is_alive()


def test_a_socket_is_alive_until_its_thread_ends() -> None:
    socket = PlainSocket()
    feed = connect(Info(socket))
    was_alive = feed.is_alive()
    socket.alive = False

    assert (was_alive, feed.is_alive()) == (True, False)


async def test_a_pong_counts_as_a_frame() -> None:
    feed = connect(Info(TellingSocket()))

    await feed.ping()

    assert feed.count_frames() == 1


def test_a_socket_that_counts_nothing_says_so() -> None:
    assert connect(Info(PlainSocket())).count_frames() is None


async def test_feeds_of_the_account_carry_its_address_and_the_heartbeat_does_not() -> None:
    info = Info(PlainSocket())
    feed = connect(info)

    await feed.subscribe("userFills", print)
    await feed.subscribe("allMids", print)

    assert info.subscriptions == [{"type": "userFills", "user": "0xa1"}, {"type": "allMids"}]


async def test_a_feed_that_the_connection_has_already_is_an_error_of_the_venue() -> None:
    feed = connect(Info(PlainSocket()))
    await feed.subscribe("userFills", print)

    with pytest.raises(Unreachable, match="subscribe userFills"):
        await feed.subscribe("userFills", print)


async def test_missing_acknowledgements_are_named_at_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    socket = TellingSocket()
    socket.acknowledged = frozenset({"userFills"})
    began_s = trio.current_time()

    with pytest.raises(Unreachable, match=r"not acknowledged in 3 s: orderUpdates$"):
        await connect(Info(socket)).wait_acknowledged(["userFills", "orderUpdates"], within_s=3.0)
    assert trio.current_time() - began_s == pytest.approx(3.0)


async def test_a_socket_that_keeps_no_acknowledgements_is_not_waited_for() -> None:
    await connect(Info(PlainSocket())).wait_acknowledged(["userFills"], within_s=3.0)


async def test_a_socket_that_cannot_be_replaced_is_unreachable() -> None:
    def fail() -> None:
        raise ConnectionError("refused")

    with pytest.raises(Unreachable, match="refused"):
        await connect(Info(None), reopen=fail).reopen()
