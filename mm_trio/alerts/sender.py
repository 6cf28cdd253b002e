"""Sender of messages: a bounded queue and a task for each channel, which tries again.

Nothing here holds up the caller: `put` only appends. A channel that hangs holds up itself alone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Never, Protocol

import trio

from mm_trio.alerts.message import Message
from mm_trio.alerts.outflow import Outflow
from mm_trio.concurrency.blocking_calls import NoFreeThread

__all__ = ["ATTEMPT_WITHIN_S", "Channel", "ChannelReport", "Sender", "try_once"]

_log = logging.getLogger(__name__)

# Of one attempt: a connection and an answer of two seconds each, and what a service sleeps between two messages.
ATTEMPT_WITHIN_S = 10.0
# Pauses before further attempts. A service that does not come back in five minutes is told of, and given up.
PAUSES_S = (2.0, 8.0, 30.0, 120.0, 150.0)
# More than a channel is sent in five minutes, whatever `most_an_hour` is.
MOST_WAITING = 100
# What is held back is looked at so often.
SUMMARY_EVERY_S = 30.0


class Channel(Protocol):
    """Way to tell somebody. `name` may be shown; `deliver` returns why a message was not taken, None where it was."""

    @property
    def name(self) -> str: ...

    async def deliver(self, message: Message) -> str | None: ...


@dataclass(slots=True)
class ChannelReport:
    """What one channel did until now. `fault` is why the last attempt failed, None where it did not."""

    name: str
    sent: int = 0
    failed_attempts: int = 0
    given_up: int = 0
    fault: str | None = None


class _Queue:
    """Messages that wait for one channel, oldest first."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.report = ChannelReport(channel.name)
        self.waiting: deque[Message] = deque()
        self.news = trio.Event()
        # Set once there is no time left to wait for a service.
        self.hurry = trio.Event()
        # Set while nothing waits.
        self.emptied = trio.Event()
        self.emptied.set()

    def put(self, message: Message) -> None:
        """Append a message; the oldest gives way where too many wait."""
        if len(self.waiting) >= MOST_WAITING:
            self.give_up(self.waiting.popleft(), f"more than {MOST_WAITING} wait")
        self.waiting.append(message)
        if self.emptied.is_set():
            self.emptied = trio.Event()
        self.news.set()

    def give_up(self, message: Message, reason: str) -> None:
        """Count and log a message that is not told."""
        self.report.given_up += 1
        _log.error(
            "alert not delivered: channel=%s alert=%s reason=%s; nobody was told by it",
            self.channel.name,
            message.key,
            reason,
        )

    async def send_forever(self) -> Never:
        """Send what waits, one after another."""
        while True:
            while self.waiting:
                await self._send(self.waiting[0])
            self.emptied.set()
            self.news = trio.Event()
            await self.news.wait()

    async def _send(self, message: Message) -> None:
        """Send the first message that waits, or give it up."""
        for pause_s in (0.0, *PAUSES_S):
            with trio.move_on_after(pause_s):
                await self.hurry.wait()
            self.report.fault = await try_once(self.channel, message)
            if self.report.fault is None:
                self.report.sent += 1
                break
            self.report.failed_attempts += 1
        else:
            self.give_up(message, f"{self.report.fault}, {len(PAUSES_S) + 1} times")
        # A queue that was full has let go of it already.
        if self.waiting and self.waiting[0] is message:
            self.waiting.popleft()


async def try_once(channel: Channel, message: Message) -> str | None:
    """Try to send a message, within a bounded time; return why it was not taken."""
    with trio.move_on_after(ATTEMPT_WITHIN_S):
        try:
            return await channel.deliver(message)
        except NoFreeThread:
            return "an earlier message hangs"
        except Exception as error:  # noqa: BLE001 - whatever a channel does wrong, the others go on
            return f"the channel failed with {type(error).__name__}"
    return f"it took more than {ATTEMPT_WITHIN_S:g} s"


class Sender:
    """Sender to all channels. `subject` stands before each title: it says whose message it is."""

    def __init__(self, channels: Sequence[Channel], *, subject: str, most_an_hour: int) -> None:
        self._queues = tuple(_Queue(channel) for channel in channels)
        self._subject = subject
        self._outflow = Outflow(most_an_hour)

    @property
    def reports(self) -> tuple[ChannelReport, ...]:
        """Return what each channel did until now."""
        return tuple(queue.report for queue in self._queues)

    def put(self, message: Message) -> None:
        """Send a message as soon as that is possible. Returns at once."""
        if self._outflow.admit(message, now_s=trio.current_time()):
            self._put(message)

    def _put(self, message: Message) -> None:
        titled = Message(
            key=message.key,
            severity=message.severity,
            title=f"{message.severity.upper()} {self._subject}: {message.title}",
            text=message.text,
        ).shorten()
        _log.info(
            "alert: severity=%s alert=%s title=%s; sent to %d channels",
            message.severity,
            message.key,
            message.title,
            len(self._queues),
        )
        for queue in self._queues:
            queue.put(titled)

    async def send_forever(self) -> Never:
        """Send what is put here, and what was held back once it may leave. Ends only by cancellation."""
        async with trio.open_nursery() as nursery:
            for queue in self._queues:
                nursery.start_soon(queue.send_forever)
            while True:
                await trio.sleep(SUMMARY_EVERY_S)
                self._tell_held(is_last=False)

    async def drain(self, *, within_s: float) -> None:
        """Tell what was held back, and wait until everything was sent or the time is over."""
        self._tell_held(is_last=True)
        for queue in self._queues:
            queue.hurry.set()
        with trio.move_on_after(within_s):
            for queue in self._queues:
                await queue.emptied.wait()
        for queue in self._queues:
            for message in queue.waiting:
                queue.give_up(message, f"{queue.report.fault or 'it hangs'}, and the program ends")

    def _tell_held(self, *, is_last: bool) -> None:
        summary = self._outflow.take_summary(now_s=trio.current_time(), is_last=is_last)
        if summary is not None:
            self._put(summary)
