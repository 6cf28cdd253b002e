"""A message of a feed -> what it changes. Where the socket's word becomes state; nothing here awaits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from mm_trio.model.errors import ProtocolError
from mm_trio.state.inventory import BalanceCheck
from mm_trio.state.maker_state import MakerState
from mm_trio.state.stats import RunStats
from mm_trio.venue import wire

__all__ = ["FeedReader"]

_log = logging.getLogger(__name__)


class FeedReader:
    """Applies messages to the state.

    `on_balances` gets the verdict on a pushed balance, `on_trouble` a reason to look at everything anew: a message
    that cannot be read, an order of a stranger.
    """

    def __init__(
        self,
        state: MakerState,
        stats: RunStats,
        *,
        on_balances: Callable[[BalanceCheck], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._state = state
        self._stats = stats
        self._on_balances = on_balances
        self._on_trouble = on_trouble
        self._told_ms: int | None = None
        self._readers: dict[str, Callable[[Any, float], None]] = {
            "orderUpdates": self._read_order_updates,
            "userFills": self._read_fills,
            "webData2": self._read_balances,
        }

    def apply(self, feed: str, body: Any, *, now_s: float) -> int | None:
        """Apply one message. What cannot be read of it is counted and told, never raised.

        Gives the venue's time (ms) of the last thing it told as it happened, if it told any.
        """
        self._told_ms = None
        try:
            self._readers[feed](body, now_s)
        except ProtocolError as error:
            self._report_unreadable(feed, [error])
        self._state.note_doubts(now_s)
        return self._told_ms

    def _read_order_updates(self, body: Any, now_s: float) -> None:
        updates, unreadable = wire.read_update_message(body, self._state.market)
        for update in updates:
            self._told_ms = update.time_ms
            is_stranger = self._state.apply_order_update(update, now_s=now_s)
            if is_stranger:
                self._on_trouble(f"oid={update.order.oid} rests and is not ours")
        self._report_unreadable("orderUpdates", unreadable)

    def _read_fills(self, body: Any, now_s: float) -> None:
        fills, unreadable = wire.read_fill_message(
            body, self._state.market, whole=self._state.ownership.knows_all_sessions
        )
        is_news = not wire.is_snapshot(body)
        for fill in fills:
            self._told_ms = fill.time_ms if is_news else None
            self._state.apply_fill(fill, now_s=now_s)
        self._report_unreadable("userFills", unreadable)

    def _read_balances(self, body: Any, now_s: float) -> None:
        balances = wire.read_balance_message(body, self._state.market)
        if balances is not None:
            self._on_balances(self._state.apply_balances(balances, asked_s=now_s, now_s=now_s))

    def _report_unreadable(self, feed: str, unreadable: Sequence[ProtocolError]) -> None:
        if unreadable:
            self._stats.errors += len(unreadable)
            _log.warning("%s: %d unreadable: %s", feed, len(unreadable), unreadable[0])
            self._on_trouble(f"{feed} unreadable")
