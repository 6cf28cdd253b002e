"""Router of feed messages: each grid gets the rows of its own coin.

One message is about a whole account. It is split before it is read, so that a row that cannot be read is of one grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mm_trio.concurrency.log_subject import speaking_of
from mm_trio.engine.feed_reader import FeedReader
from mm_trio.grids.grid import Grid
from mm_trio.grids.shared_look import SharesBalances

__all__ = ["FeedRouter"]

# Where a message has its rows, and a row its coin.
_ROWS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "orderUpdates": (("data",), ("order", "coin")),
    "userFills": (("data", "fills"), ("coin",)),
}


class FeedRouter:
    """Readers of all grids, and the split of messages between them.

    `share` is how grids share balances; `wall_ms` is our clock of the venue's calendar.
    """

    def __init__(self, grids: Sequence[Grid], *, share: SharesBalances, wall_ms: Callable[[], int]) -> None:
        self._share = share
        self._wall_ms = wall_ms
        self._readers: dict[str, FeedReader] = {}
        for grid in grids:
            self.join(grid)

    def join(self, grid: Grid) -> None:
        """Give a grid the rows of its coin from here on."""
        self._readers[grid.coin] = FeedReader(
            grid.state,
            grid.quoter.stats,
            on_balances=grid.note_balances,
            on_trouble=grid.events.on_trouble,
            share=self._share,
            wall_ms=self._wall_ms,
        )

    def leave(self, coin: str) -> None:
        """Let nobody read the rows of a coin any more."""
        self._readers.pop(coin, None)

    def apply(self, feed: str, body: object, *, now_s: float) -> int | None:
        """Apply one message; return its last event's time.

        The time is the venue's, in ms; None where the message reports nothing that just happened. What cannot be read
        is counted and logged, never raised.
        """
        if len(self._readers) == 1:
            (coin,) = self._readers
            return self._apply(coin, feed, body, now_s=now_s)
        where = _ROWS.get(feed)
        if where is None:
            times = [self._apply(coin, feed, body, now_s=now_s) for coin in self._readers]
        else:
            parts = self._split(body, *where)
            times = [self._apply(coin, feed, part, now_s=now_s) for coin, part in parts.items()]
        return max((time_ms for time_ms in times if time_ms is not None), default=None)

    def _apply(self, coin: str, feed: str, body: object, *, now_s: float) -> int | None:
        with speaking_of(coin):
            return self._readers[coin].apply(feed, body, now_s=now_s)

    def _split(self, body: object, path: Sequence[str], coin_path: Sequence[str]) -> dict[str, object]:
        """Return the message of each grid that has rows in it.

        What has no coin that can be read, or no rows, is read by the first grid: it tells what is wrong.
        """
        rows = body
        for name in path:
            rows = rows.get(name) if isinstance(rows, Mapping) else None
        if not isinstance(rows, list):
            return {next(iter(self._readers)): body}
        by_coin: dict[str, list[Any]] = {}
        for row in rows:
            coin = row
            for name in coin_path:
                coin = coin.get(name) if isinstance(coin, Mapping) else None
            if not isinstance(coin, str):
                by_coin.setdefault(next(iter(self._readers)), []).append(row)
            elif coin in self._readers:
                by_coin.setdefault(coin, []).append(row)
        return {coin: _put(body, path, some) for coin, some in by_coin.items()}


def _put(body: Any, path: Sequence[str], rows: list[Any]) -> Any:
    """Return a copy of a message with other rows."""
    name, *rest = path
    return {**body, name: _put(body[name], rest, rows) if rest else rows}
