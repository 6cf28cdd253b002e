"""What the frames of all kinds are made from: the exchange, its time, and how often frames may come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mm_trio.sandbox.feeds.subscriptions import Subscription
from mm_trio.sandbox.matching.exchange import Exchange

__all__ = ["DOCUMENTED", "MEASURED", "Bodies", "PushSchedule", "View"]

Bodies = list[object]  # of frames, their `data`; empty where there is nothing to say


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSchedule:
    """The least time between two frames of a subscription, in ms."""

    book_ms: int
    fast_book_ms: int
    web_data2_ms: int = 0


DOCUMENTED = PushSchedule(book_ms=500, fast_book_ms=500)  # docs *Subscriptions*, WsBook
MEASURED = PushSchedule(book_ms=5_400, fast_book_ms=540, web_data2_ms=15_000)  # on mainnet in 2026


@dataclass(frozen=True, slots=True)
class View:
    """One exchange, as frames show it. `now_ms` is its clock."""

    exchange: Exchange
    now_ms: Callable[[], int]
    cadence: PushSchedule = DOCUMENTED

    def is_due(self, subscription: Subscription, every_ms: int) -> bool:
        """Whether so much time has passed since the last frame."""
        last_sent_ms = subscription.last_sent_ms
        return last_sent_ms is None or self.now_ms() - last_sent_ms >= every_ms
