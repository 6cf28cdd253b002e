"""Prices of the market at given times, from the record."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from mm_trio.earnings.figures import EndMark
from mm_trio.earnings.markouts import AT_FILL_MS, HORIZONS_MS, Mids
from mm_trio.earnings.period import Period
from mm_trio.model.observations import BestPrices
from mm_trio.recorder.mark_texts import parse_mark, split_marks
from mm_trio.recorder.record_file import RecordFile

__all__ = ["PriceHistory"]

HOUR_MS = 3_600_000
# Hours of prices in memory: those of a fill and of the hour after it, for fills of two hours.
MOST_HOURS = 4
# So long after the ledger began, a first price still is that of the beginning: a recorder starts with the maker, and
# tells the first price when the feed stands.
OPENING_WITHIN_MS = 60_000
# A recorder writes every few seconds; a last fill may be younger than its last line.
BEHIND_MS = 60_000
LAST_MS = 2**62
NO_MIDS: Mids = (None,) * len(HORIZONS_MS)
# A mid that no mark of the fill tells; the mark of an empty side tells that there is none.
_LOOK_UP = Decimal("NaN")
# Behind the mids of all horizons is one place for marks of any other.
_NOWHERE = len(HORIZONS_MS)
_UNKNOWN: Sequence[Decimal | None] = (_LOOK_UP,) * (_NOWHERE + 1)
# About 10 MB of single marks, and as much of all marks of a fill.
MOST_TEXTS = 50_000


class PriceHistory:
    """Middle of the book over time; `record` None: there is none, and `absent` says why."""

    def __init__(self, record: RecordFile | None, *, absent: str | None = None) -> None:
        self._record = record
        self._absent = absent or "there is no record of prices"
        seen = () if record is None else record.read_coverage("market", 0, LAST_MS)
        self._spans = [(span.from_ms, span.until_ms) for span in seen]
        self._begins = [from_ms for from_ms, _ in self._spans]
        self._hours: OrderedDict[int, tuple[list[int], list[BestPrices]]] = OrderedDict()
        self._marks: Iterator[tuple[int, str]] = iter(())
        self._next: tuple[int, str] | None = None
        self._texts: dict[str, tuple[int, Decimal | None]] = {}
        # One object for each mid, so that sums know at a glance that the market stood still.
        self._mids: dict[str, Decimal] = {}
        # Mids of fills whose six marks are there; many a fill has the same, while the market stands still.
        self._known: dict[str, Mids] = {}
        # The first question is answered from where it is.
        self._last: tuple[int, Mids] = (LAST_MS, NO_MIDS)

    def close(self) -> None:
        """Give up what is not read yet; the record itself stays open."""
        if isinstance(self._marks, Generator):
            self._marks.close()

    @property
    def is_empty(self) -> bool:
        """Check if there is no record at all."""
        return self._record is None

    # --- Prices around fills --------------------------------------------------------------------

    def find_mids(self, time_ms: int) -> Mids:
        """Return the mids around a fill; quick where fills come in the order of their times."""
        if self._record is None:
            return NO_MIDS
        last_ms, mids = self._last
        if time_ms != last_ms:
            if time_ms < last_ms:
                self._rewind(time_ms)
            mids = self._read_mids(time_ms)
            self._last = time_ms, mids
        return mids

    def _rewind(self, time_ms: int) -> None:
        if self._record is not None:
            self._marks = self._record.read_marks_of_fills(time_ms, LAST_MS)
            self._next = next(self._marks, None)

    def _read_mids(self, time_ms: int) -> Mids:
        marks = self._next
        while marks is not None and marks[0] < time_ms:
            marks = next(self._marks, None)
        self._next = marks
        mids = list(_UNKNOWN)
        if marks is not None and marks[0] == time_ms:
            text = marks[1]
            if (found := self._known.get(text)) is not None:
                return found
            known = self._texts
            for part in split_marks(text):
                index, mid = known.get(part) or self._parse(part)
                mids[index] = mid
            if _LOOK_UP not in mids[:_NOWHERE]:
                if len(self._known) > MOST_TEXTS:
                    self._known.clear()
                self._known[text] = found = tuple(mids[:_NOWHERE])
                return found
        return [
            self._look_up(time_ms, after_ms) if mid is _LOOK_UP else mid
            for after_ms, mid in zip(HORIZONS_MS, mids[:_NOWHERE], strict=True)
        ]

    def _parse(self, text: str) -> tuple[int, Decimal | None]:
        """Parse a mark once; fills by the thousand have the same."""
        mark = parse_mark(0, text)
        index = HORIZONS_MS.index(mark.after_ms) if mark.after_ms in HORIZONS_MS else _NOWHERE
        if len(self._texts) > MOST_TEXTS:
            self._texts.clear()
            self._mids.clear()
        mid = mark.mid
        # Not by the number: 20.0 and 20.00 are equal, and are written differently.
        self._texts[text] = found = (index, None if mid is None else self._mids.setdefault(str(mid), mid))
        return found

    def _look_up(self, time_ms: int, after_ms: int) -> Decimal | None:
        # The price of the same moment may be that which the fill left behind.
        return self.find_mid(time_ms - 1 if after_ms == AT_FILL_MS else time_ms + after_ms)

    # --- Prices at any time ---------------------------------------------------------------------

    def find_mid(self, time_ms: int) -> Decimal | None:
        """Return the mid at a time; None where nobody watched the market, or a side was empty."""
        return None if not self.is_covered(time_ms) else self._find_held(time_ms)

    def is_covered(self, time_ms: int) -> bool:
        """Check if somebody watched the market at a time."""
        index = bisect_right(self._begins, time_ms) - 1
        return index >= 0 and time_ms <= self._spans[index][1]

    def _find_held(self, time_ms: int) -> Decimal | None:
        times, prices = self._read_hour(time_ms // HOUR_MS)
        index = bisect_right(times, time_ms) - 1
        return None if index < 0 else prices[index].mid

    def _read_hour(self, hour: int) -> tuple[Sequence[int], Sequence[BestPrices]]:
        """Read the prices of an hour, and the one that held when it began."""
        page = self._hours.get(hour)
        if page is None:
            assert self._record is not None
            first_ms = hour * HOUR_MS
            prices = list(self._record.read_best_prices(first_ms, first_ms + HOUR_MS - 1))
            page = self._hours[hour] = ([price.time_ms for price in prices], prices)
            if len(self._hours) > MOST_HOURS:
                self._hours.popitem(last=False)
        self._hours.move_to_end(hour)
        return page

    # --- Marks of a period ----------------------------------------------------------------------

    def mark_at(self, time_ms: int) -> EndMark:
        """Return the mark that held at a time, or why there is none."""
        if self._record is None:
            return EndMark(price=None, at_ms=time_ms, absent=self._absent)
        if not self.is_covered(time_ms):
            return EndMark(price=None, at_ms=time_ms, absent=f"nobody recorded the market at {_say_moment(time_ms)}")
        price = self._find_held(time_ms)
        absent = None if price is not None else f"one side of the book was empty at {_say_moment(time_ms)}"
        return EndMark(price=price, at_ms=time_ms, absent=absent)

    def _find_last(self, until_ms: int) -> tuple[int, Decimal] | None:
        """Find the last moment by a time at which both sides had a price and somebody watched, and the middle then."""
        found = None if self._record is None else self._record.find_last_two_sided(until_ms)
        if found is None:
            return None
        prices, held_ms = found
        index = bisect_right(self._begins, held_ms) - 1
        seen_ms = min(held_ms, self._spans[index][1]) if index >= 0 else -1
        return None if prices.mid is None or seen_ms < prices.time_ms else (seen_ms, prices.mid)

    def _last_mark(self, period: Period, until_ms: int, *, last_fill_ms: int | None) -> EndMark:
        if self._record is None:
            return EndMark(price=None, at_ms=until_ms, absent=self._absent)
        found = self._find_last(until_ms)
        if found is None or (period.from_ms is not None and found[0] < period.from_ms):
            return EndMark(price=None, absent="the record holds no price with both sides for that time")
        at_ms, price = found
        if last_fill_ms is not None and last_fill_ms > at_ms + BEHIND_MS:
            return EndMark(
                price=None,
                at_ms=at_ms,
                absent=f"the last price recorded with both sides is that of {_say_moment(at_ms)}, and fills came later",
            )
        return EndMark(price=price, at_ms=at_ms)

    def opening_mark(self, time_ms: int) -> EndMark:
        """Return the mark at the ledger's beginning, or the first one within a minute of it."""
        later = next((begin for begin in self._begins if time_ms <= begin <= time_ms + OPENING_WITHIN_MS), None)
        is_later = later is not None and not self.is_covered(time_ms)
        return self.mark_at(later if later is not None and is_later else time_ms)

    def end_mark(self, period: Period, *, last_fill_ms: int | None, now_ms: int) -> EndMark:
        """Return the last mark before the end of a period, or before now.

        A period that is over keeps it whatever comes later. It may be older than the end: a maker that stopped leaves
        an empty book, or a market that nobody watches. It is never much older than the last fill.
        """
        is_over = period.until_ms is not None and period.until_ms <= now_ms
        until_ms = period.until_ms - 1 if is_over and period.until_ms is not None else LAST_MS
        return self._last_mark(period, until_ms, last_fill_ms=last_fill_ms)


def _say_moment(time_ms: int) -> str:
    try:
        return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"
