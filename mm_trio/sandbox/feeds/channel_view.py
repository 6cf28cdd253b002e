"""Shared inputs for the frames of every channel.

These are the exchange, its clock, and how often frames may be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mm_trio.sandbox.feeds.subscriptions import Subscription
from mm_trio.sandbox.matching.exchange import Exchange

__all__ = ["DOCUMENTED", "MEASURED", "Bodies", "PushSchedule", "View"]

# The `data` of each frame to send; empty if there is none.
Bodies = list[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSchedule:
    """Minimum time between two frames of one subscription, in ms."""

    book_ms: int
    fast_book_ms: int
    web_data2_ms: int = 0


# Source: docs *Subscriptions*, WsBook.
DOCUMENTED = PushSchedule(book_ms=500, fast_book_ms=500)
# Source: measured on mainnet in 2026.
MEASURED = PushSchedule(book_ms=5_400, fast_book_ms=540, web_data2_ms=15_000)


@dataclass(frozen=True, slots=True)
class View:
    """Exchange as frames show it; `now_ms` is its clock."""

    exchange: Exchange
    now_ms: Callable[[], int]
    cadence: PushSchedule = DOCUMENTED

    def is_due(self, subscription: Subscription, every_ms: int) -> bool:
        """Return True if `every_ms` have passed since the last frame."""
        last_sent_ms = subscription.last_sent_ms
        return last_sent_ms is None or self.now_ms() - last_sent_ms >= every_ms
