"""What a guard tells of its maker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Never

import trio

from mm_trio.alerts.conditions import Conditions
from mm_trio.alerts.message import Severity
from mm_trio.alerts.rules import Finding
from mm_trio.alerts.sender import Sender
from mm_trio.guard.silence import Watched
from mm_trio.guard.watcher import NOT_POLLED, Watcher

__all__ = ["GuardLook", "find_guard_news", "tell_guard_news"]

LOOK_EVERY_S = 1.0
# The first cancels, and two polls that prove what became of them.
RESTS_AFTER_S = 20.0
SHOWN_ORDERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLook:
    """A guard at one moment. `words` say how long the maker is silent. `verified` counts proofs that nothing rests."""

    is_silent: bool
    words: str
    after_s: float
    cancelled: int
    verified: int
    may_rest: tuple[str, ...]

    @classmethod
    def of(cls, watcher: Watcher, *, after_s: float) -> GuardLook:
        """Look at a guard."""
        report = watcher.report
        return cls(
            is_silent=watcher.silence.state is Watched.SILENT,
            words=watcher.silence.describe(),
            after_s=after_s,
            cancelled=report.cancelled,
            verified=report.verified,
            may_rest=report.may_rest,
        )


def find_guard_news(look: GuardLook) -> Iterator[Finding]:
    """Find what is to be told of a maker that its guard watches. Pure."""
    remedy = "Look at the maker's log, and start it again."
    if look.is_silent:
        yield Finding(
            key="silent",
            severity=Severity.CRITICAL,
            title="the maker is silent, its orders are being cancelled",
            text=f"{look.words} (limit {look.after_s:g} s); {look.cancelled} orders cancelled so far. {remedy}",
            cleared="the maker is heard of again",
        )
    rests = tuple(name for name in look.may_rest if name != NOT_POLLED)
    if look.is_silent and rests:
        listed = ", ".join(rests[:SHOWN_ORDERS])
        yield Finding(
            key="rests",
            severity=Severity.CRITICAL,
            title="orders of the silent maker still rest",
            text=f"{len(rests)} rest (allowed: 0): {listed}. Cancel them with `mm-trio cancel-all --config FILE`, or "
            "in the venue's web page.",
            cleared="no order of the silent maker rests any more",
            after_s=RESTS_AFTER_S,
        )
    if look.verified:
        yield Finding(
            key=f"verified:{look.verified}",
            severity=Severity.INFO,
            title="nothing of the silent maker rests",
            text=f"{look.cancelled} orders were cancelled, and two polls in a row found none. {remedy}",
            is_event=True,
        )


async def tell_guard_news(watcher: Watcher, sender: Sender, *, after_s: float, remind_after_h: int) -> Never:
    """Look at a guard each second, and tell what is new."""
    conditions = Conditions(remind_after_h)
    while True:
        findings = find_guard_news(GuardLook.of(watcher, after_s=after_s))
        for message in conditions.judge(findings, now_s=trio.current_time()):
            sender.put(message)
        await trio.sleep(LOOK_EVERY_S)
