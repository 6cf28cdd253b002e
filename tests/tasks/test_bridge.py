"""Handover from the SDK's threads to the loop, with real threads and the real clock.

No test waits for time to pass.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio
from builders import MAKER, World, until

from mm_trio.venue.thread_bridge import BACKLOG_MESSAGES, Inbox

JOIN_S = 10.0  # a thread that is not free by then hangs


class Producer(threading.Thread):
    """An SDK thread: calls back with each body in turn, and keeps what came out of the callback."""

    def __init__(self, callback: Callable[[Any], None], bodies: Any) -> None:
        super().__init__(daemon=True)
        self._callback = callback
        self._bodies = bodies
        self.n_returned = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for body in self._bodies:
                self._callback(body)
                self.n_returned += 1
        except BaseException as error:  # noqa: BLE001 - whatever it is, no callback may raise it
            self.error = error


async def join(*threads: Producer) -> None:
    for thread in threads:
        await trio.to_thread.run_sync(thread.join, JOIN_S)
        assert not thread.is_alive()


def start(*threads: Producer) -> None:
    for thread in threads:
        thread.start()


async def test_eight_threads_at_once_keep_their_order_never_overlap_and_lose_nothing() -> None:
    inbox = Inbox()
    threads = [Producer(inbox.callback(str(i), i), range(200)) for i in range(8)]
    got: dict[str, list[int]] = {str(i): [] for i in range(8)}
    active = most_active = 0

    start(*threads)
    for _ in range(8 * 200):
        message = await inbox.receive()
        active += 1
        most_active = max(active, most_active)
        await trio.lowlevel.checkpoint()  # a handler that awaits would let another one in, if there were one
        assert isinstance(message.body, int)
        got[message.feed].append(message.body)
        active -= 1
    await join(*threads)
    inbox.close()

    assert got == {str(i): list(range(200)) for i in range(8)}
    assert most_active == 1
    assert [thread.error for thread in threads] == [None] * 8


async def test_a_message_comes_with_its_feed_and_connection() -> None:
    inbox = Inbox()
    thread = Producer(inbox.callback("userFills", 3), [{"data": 1}])

    start(thread)
    message = await inbox.receive()
    await join(thread)
    inbox.close()

    assert message == ("userFills", 3, {"data": 1})


async def test_a_producer_waits_until_its_message_is_taken() -> None:
    inbox = Inbox()
    thread = Producer(inbox.callback("orderUpdates", 1), range(100))
    returned_too_early = []

    start(thread)
    for n_taken in range(100):
        if thread.n_returned > n_taken:
            returned_too_early.append(n_taken)
        await inbox.receive()
    await join(thread)
    inbox.close()

    assert returned_too_early == []
    assert thread.n_returned == 100


async def test_threads_that_wait_are_freed_when_the_inbox_closes() -> None:
    inbox = Inbox()
    threads = [Producer(inbox.callback("userFills", i), range(5)) for i in range(8)]
    start(*threads)
    first = await inbox.receive()  # so at least one of them is in the middle of it

    inbox.close()
    await join(*threads)

    assert first.body == 0
    assert [thread.error for thread in threads] == [None] * 8
    assert [thread.n_returned for thread in threads] == [5] * 8


async def test_a_callback_after_the_inbox_closed_returns_quietly() -> None:
    inbox = Inbox()
    callback = inbox.callback("userFills", 1)
    inbox.close()
    thread = Producer(callback, range(3))

    callback("from the loop's own thread")
    start(thread)
    await join(thread)

    assert (thread.n_returned, thread.error) == (3, None)


@pytest.mark.parametrize("closed", [True, False])
def test_a_callback_after_the_run_returns_quietly(closed: bool) -> None:
    async def main() -> Callable[[Any], None]:
        inbox = Inbox()
        if closed:
            inbox.close()
        return inbox.callback("userFills", 1)

    callback = trio.run(main)
    thread = Producer(callback, range(3))

    callback("from the main thread")
    start(thread)
    thread.join(JOIN_S)

    assert (thread.n_returned, thread.error) == (3, None)


def test_threads_that_wait_are_freed_when_the_run_ends_without_closing() -> None:
    async def main() -> list[Producer]:
        inbox = Inbox()
        threads = [Producer(inbox.callback("userFills", i), range(5)) for i in range(8)]
        start(*threads)
        await inbox.receive()
        return threads

    threads = trio.run(main)
    for thread in threads:
        thread.join(JOIN_S)

    assert [thread.n_returned for thread in threads] == [5] * 8
    assert [thread.error for thread in threads] == [None] * 8


async def test_an_exception_inside_a_handler_never_reaches_the_sdks_thread() -> None:
    """It ends the nursery of whoever applies the messages; threads that come later are let go."""
    inbox = Inbox()
    threads = [Producer(inbox.callback("userFills", i), range(50)) for i in range(4)]

    async def apply() -> None:
        for _ in range(20):
            await inbox.receive()
        raise ZeroDivisionError("a bug of ours")

    with pytest.RaisesGroup(ZeroDivisionError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(apply)
            start(*threads)
    inbox.close()
    await join(*threads)

    assert [thread.error for thread in threads] == [None] * 4


async def test_a_cancelled_receiver_takes_no_message_along() -> None:
    inbox = Inbox()
    with trio.CancelScope() as scope:
        scope.cancel()
        await inbox.receive()
    thread = Producer(inbox.callback("userFills", 1), ["kept"])

    start(thread)
    message = await inbox.receive()
    await join(thread)
    inbox.close()

    assert scope.cancelled_caught
    assert message.body == "kept"


async def test_callbacks_on_the_loops_own_thread_keep_their_order_up_to_a_bound() -> None:
    inbox = Inbox()
    callback = inbox.callback("allMids", 1)

    for i in range(BACKLOG_MESSAGES + 7):
        callback(i)
    bodies = [(await inbox.receive()).body for _ in range(BACKLOG_MESSAGES)]
    inbox.close()

    assert bodies == list(range(BACKLOG_MESSAGES))
    assert inbox.n_overflown == 7


async def test_a_running_maker_counts_a_fill_once_that_eight_threads_bring_at_once() -> None:
    world = World()
    maker = world.maker(allocated_token=100, allocated_usdc=5000)
    callbacks: dict[str, Callable[[Any], None]] = {}
    subscribe = world.info.subscribe

    def listen(subscription: dict[str, Any], callback: Callable[[Any], None]) -> int:
        callbacks[subscription["type"]] = callback
        return subscribe(subscription, callback)

    world.info.subscribe = listen  # type: ignore[method-assign]
    async with world.running(maker):
        world.venue.hold_frames()
        world.buy("7")
        world.sell("3")
        fills = world.info.user_fills(MAKER)
        messages = [{"channel": "userFills", "data": {"user": MAKER, "fills": [fill]}} for fill in fills] * 10
        threads = [Producer(callbacks["userFills"], messages) for _ in range(8)]
        start(*threads)
        await join(*threads)
        await until(lambda: maker.stats.fills == 3)
        ledger = maker.inventory.virtual_token, maker.inventory.virtual_usdc
    late = Producer(callbacks["userFills"], messages)
    start(late)
    await join(late)

    assert ledger == world.ledger(100, 5000)
    assert maker.stats.fills == 3
    assert [thread.error for thread in (*threads, late)] == [None] * 9
    assert world.resting() == []
