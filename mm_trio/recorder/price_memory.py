"""Best prices of the last minute, and the time in which the market was watched without a break.

It decides what of it goes to the file: at most one row a second. Times are the venue's ms.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from operator import attrgetter

from mm_trio.model.observations import BestPrices, Coverage

__all__ = ["PriceMemory"]

# The mark a minute after a fill needs the prices of just then, and is made a few seconds later.
KEPT_MS = 70_000
# A market with more changes than 280 a second is remembered for a shorter time.
MOST_KEPT = 20_000
# Between two rows of the file.
ROW_EVERY_MS = 1_000
# The first prices of a connection may be old; they hold from the time on that somebody looked.
LOOKED_WITHIN_MS = 1_000

_by_time = attrgetter("time_ms")


class PriceMemory:
    """Recent best prices of one market, and the present span of coverage.

    A span begins with the first prices of a connection and ends with the connection.
    """

    def __init__(self) -> None:
        self._recent: list[BestPrices] = []
        self._unwritten: list[BestPrices] = []
        self._from_ms: int | None = None
        self._until_ms = 0
        # The first row of a span says what holds from there on, so it is never left out.
        self._first: BestPrices | None = None

    @property
    def span(self) -> Coverage | None:
        """Return the present span; None while nobody watches."""
        return None if self._from_ms is None else Coverage("market", self._from_ms, self._until_ms)

    def cut(self) -> None:
        """End the span: what holds is unknown until the next prices."""
        self._from_ms = self._first = None

    def begin_again(self) -> None:
        """Begin another span with the prices that hold: what was not written yet is lost."""
        if self._from_ms is None:
            return
        last, self._from_ms = self._recent[-1], self._until_ms
        self._first = BestPrices(self._until_ms, last.bid, last.bid_size, last.ask, last.ask_size)
        self._recent, self._unwritten = [self._first], [self._first]

    def on_prices(self, prices: BestPrices, *, now_ms: int) -> None:
        """Take in prices that came about now."""
        if self._from_ms is None:
            begin_ms = max(prices.time_ms, now_ms - LOOKED_WITHIN_MS, self._until_ms)
            prices = BestPrices(begin_ms, prices.bid, prices.bid_size, prices.ask, prices.ask_size)
            self._from_ms, self._first = begin_ms, prices
            # Those of an earlier connection say nothing about the time between.
            self._recent.clear()
        insort(self._recent, prices, key=_by_time)
        self._unwritten.append(prices)
        self._forget()
        self.on_heard(prices.time_ms)

    def on_heard(self, heard_ms: int) -> None:
        """Extend the span: all prices until then have come."""
        if self._from_ms is not None:
            self._until_ms = max(self._until_ms, heard_ms)

    def _forget(self) -> None:
        oldest_ms = self._recent[-1].time_ms - KEPT_MS
        # The prices that hold at the oldest time stay.
        n_old = max(bisect_right(self._recent, oldest_ms, key=_by_time) - 1, len(self._recent) - MOST_KEPT, 0)
        del self._recent[:n_old]

    def find_at(self, time_ms: int) -> BestPrices | None:
        """Return the prices that held then; None where this memory does not know them."""
        if self._from_ms is None or not self._from_ms <= time_ms < self._until_ms:
            return None
        place = bisect_right(self._recent, time_ms, key=_by_time)
        return self._recent[place - 1] if place else None

    def take_rows(self) -> list[BestPrices]:
        """Return what the file shall have of the prices since the last call, oldest first.

        The last ones are among them, and others at least a second apart.
        """
        rows: list[BestPrices] = []
        self._unwritten.sort(key=_by_time)
        # Of prices of one moment the last ones hold.
        for prices in self._unwritten[::-1]:
            if not rows or prices is self._first or prices.time_ms <= rows[-1].time_ms - ROW_EVERY_MS:
                rows.append(prices)
        self._unwritten.clear()
        return rows[::-1]
