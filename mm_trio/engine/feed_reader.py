"""Reader that applies feed messages to the state.

Nothing here awaits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from mm_trio.grids.shared_look import SharesBalances, take_all
from mm_trio.model.errors import ProtocolError
from mm_trio.state.inventory import BalanceCheck
from mm_trio.state.maker_state import MakerState
from mm_trio.state.stats import RunStats
from mm_trio.venue import wire

__all__ = ["FeedReader"]

_log = logging.getLogger(__name__)


class FeedReader:
    """Reader of feed messages.

    `on_balances` gets the verdict on a pushed balance. `on_trouble` gets the reason for a reconciliation: a message
    that cannot be read, or a foreign order. `share` is how grids share balances. `wall_ms` is our clock of the venue's
    calendar; with it a fill of a time to come is not believed.
    """

    def __init__(
        self,
        state: MakerState,
        stats: RunStats,
        *,
        on_balances: Callable[[BalanceCheck], None],
        on_trouble: Callable[[str], None],
        share: SharesBalances = take_all,
        wall_ms: Callable[[], int] | None = None,
    ) -> None:
        self._state = state
        self._stats = stats
        self._on_balances = on_balances
        self._on_trouble = on_trouble
        self._share = share
        self._wall_ms = wall_ms
        self._reported_ms: int | None = None
        self._readers: dict[str, Callable[[object, float], None]] = {
            "orderUpdates": self._read_order_updates,
            "userFills": self._read_fills,
            "webData2": self._read_balances,
        }

    def apply(self, feed: str, body: object, *, now_s: float) -> int | None:
        """Apply one message; return its last event's time.

        The time is the venue's, in ms; None where the message reports nothing that just happened. Rows that cannot be
        read are counted and logged, never raised.
        """
        self._reported_ms = None
        try:
            self._readers[feed](body, now_s)
        except ProtocolError as error:
            self._report_unreadable(feed, [error])
        self._state.note_doubts(now_s)
        return self._reported_ms

    def _read_order_updates(self, body: object, now_s: float) -> None:
        updates, unreadable = wire.read_update_message(body, self._state.market)
        for update in updates:
            self._reported_ms = update.time_ms
            is_foreign = self._state.apply_order_update(update, now_s=now_s)
            if is_foreign:
                self._on_trouble(f"foreign order oid={update.order.oid} is open")
        self._report_unreadable("orderUpdates", unreadable)

    def _read_fills(self, body: object, now_s: float) -> None:
        fills, unreadable = wire.read_fill_message(
            body, self._state.market, whole=self._state.ownership.knows_all_sessions
        )
        is_news = not wire.is_snapshot(body)
        now_ms = None if self._wall_ms is None else self._wall_ms()
        for fill in fills:
            self._reported_ms = fill.time_ms if is_news else None
            self._state.apply_fill(fill, now_s=now_s, now_ms=now_ms)
        self._report_unreadable("userFills", unreadable)

    def _read_balances(self, body: object, now_s: float) -> None:
        balances = wire.read_balance_message(body, self._state.market)
        if balances is not None:
            balances = self._share(self._state.market, balances, asked_s=now_s, was_pushed=True)
            now_ms = 0 if self._wall_ms is None else self._wall_ms()
            self._on_balances(
                self._state.apply_balances(balances, asked_s=now_s, now_s=now_s, was_pushed=True, now_ms=now_ms)
            )

    def _report_unreadable(self, feed: str, unreadable: Sequence[ProtocolError]) -> None:
        if unreadable:
            self._stats.on_error(len(unreadable))
            _log.warning("unreadable message: feed=%s errors=%d first=%s", feed, len(unreadable), unreadable[0])
            self._on_trouble(f"unreadable {feed} message")
