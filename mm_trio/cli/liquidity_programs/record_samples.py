"""Samples of a record: what is known at each whole second, as changes.

A book is never made whole for a change: only what differs is read, converted and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias, TypeVar

from mm_trio.liquidity.bodies import MOST_TEXT
from mm_trio.liquidity.figures import DAY_S
from mm_trio.liquidity.samples import KEPT, BookChange, Change, Kept, MarketPrices, Volume
from mm_trio.liquidity.units import to_units
from mm_trio.model.observations import Coverage, MarketTrade
from mm_trio.model.orders import Side
from mm_trio.recorder.book_differences import BookStep
from mm_trio.recorder.record_file import RecordFile

__all__ = ["read_changes", "read_volumes"]

# Time, bid, ask.
_Prices: TypeAlias = tuple[int, str | None, str | None]
_NEVER_S = 2**62
_END = (_NEVER_S, None)
_Seen = TypeVar("_Seen", _Prices, BookStep)


def read_changes(record: RecordFile, from_s: int, until_s: int) -> Iterator[Change]:
    """Yield what changes between the samples from `from_s` to `until_s`, the latter not included."""
    span = (from_s * 1000, (until_s - 1) * 1000)
    book = _Book()
    prices, steps = record.read_price_texts(*span), record.read_book_steps(*span)
    market = _sample(prices, record.read_coverage("market", *span), from_s, until_s)
    own = _sample(steps, record.read_coverage("own", *span), from_s, until_s, take=book.take)
    last: MarketPrices | None = None
    new_market, new_own = next(market, _END), next(own, _END)
    while (second := min(new_market[0], new_own[0])) < _NEVER_S:
        change_market: MarketPrices | Kept | None = KEPT
        change_own: BookChange | Kept | None = KEPT
        if new_market[0] == second:
            best = _to_prices(new_market[1])
            change_market = KEPT if best == last else best
            last, new_market = best, next(market, _END)
        if new_own[0] == second:
            # Before the next step is taken.
            change_own = book.find_change(is_known=new_own[1] is not None)
            new_own = next(own, _END)
        if change_market is not KEPT or change_own is not KEPT:
            yield Change(second, change_market, change_own)


def _sample(
    values: Iterator[_Seen],
    spans: Iterable[Coverage],
    from_s: int,
    until_s: int,
    *,
    take: Callable[[_Seen], None] | None = None,
) -> Iterator[tuple[int, _Seen | None]]:
    """Yield (second, value) where a value may have changed, once a second.

    None: nobody watched at that sample, or nothing was seen before it. `take` is given every value, before the sample
    that it holds at.
    """
    pending = next(values, None)
    current: _Seen | None = None
    first_unknown: int | None = None
    for span in spans:
        begin, end = max(from_s, -(-span.from_ms // 1000)), min(until_s - 1, span.until_ms // 1000)
        if begin > end:
            continue
        if first_unknown is not None and first_unknown < begin:
            yield first_unknown, None
        second = begin
        while True:
            # The last value of a second is the one that holds at the sample after it.
            while pending is not None and pending[0] <= second * 1000:
                if take is not None:
                    take(pending)
                current, pending = pending, next(values, None)
            yield second, current
            if pending is None or (following := -(-pending[0] // 1000)) > end:
                break
            second = following
        first_unknown = end + 1
    if first_unknown is not None and first_unknown < until_s:
        yield first_unknown, None


def _to_prices(seen: _Prices | None) -> MarketPrices | None:
    if seen is None:
        return None
    _, bid, ask = seen
    return MarketPrices(None if bid is None else _read_units(bid), None if ask is None else _read_units(ask))


@lru_cache(maxsize=65_536)
def _read_units(text: str) -> int:
    return to_units(Decimal(text))


class _Book:
    """Our book while its steps are taken, and what was told of it."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[Side, int], int] = {}
        # None: unknown at the last sample.
        self._told: dict[tuple[Side, int], int] | None = None
        self._touched: set[tuple[Side, int]] = set()
        self._state: tuple[str, str | None] = ("", None)
        self._told_state: tuple[str, str | None] = ("", None)

    def take(self, step: BookStep) -> None:
        """Take a step."""
        sizes, touched = self._sizes, self._touched
        if step.is_whole:
            touched.update(sizes)
            sizes.clear()
        for side, price, size in step.sizes:
            slot = side, _read_units(price)
            touched.add(slot)
            if units := _read_units(size):
                sizes[slot] = units
            else:
                sizes.pop(slot, None)
        self._state = step.state, step.reason

    def find_change(self, *, is_known: bool) -> BookChange | Kept | None:
        """Return what is new since the last sample."""
        told, sizes = self._told, self._sizes
        if not is_known:
            self._told = None
            return KEPT if told is None else None
        slots: Iterable[tuple[Side, int]] = self._touched
        is_new = told is None or self._state != self._told_state
        if told is None:
            told, slots = {}, sizes
        rows = sorted([(*slot, sizes.get(slot, 0)) for slot in slots if sizes.get(slot, 0) != told.get(slot, 0)])
        for side, price, size in rows:
            if size:
                told[side, price] = size
            else:
                del told[side, price]
        self._told, self._told_state = told, self._state
        self._touched = set()
        if not rows and not is_new:
            return KEPT
        state, reason = self._state
        return BookChange(state, None if reason is None else reason[:MOST_TEXT], tuple(rows))


def read_volumes(record: RecordFile, from_s: int, until_s: int, *, account: str) -> Iterator[Volume]:
    """Yield the market's trades of each UTC day of a period, also of those without any."""
    trades = record.read_trades(from_s * 1000, until_s * 1000 - 1)
    pending = next(trades, None)
    for day_s in range(from_s - from_s % DAY_S, until_s, DAY_S):
        sums = [0, 0, 0, 0, 0]
        while pending is not None and pending.time_ms < (day_s + DAY_S) * 1000:
            _add(sums, pending, account)
            pending = next(trades, None)
        yield Volume(day_s, *sums)


def _add(sums: list[int], trade: MarketTrade, account: str) -> None:
    price, size = to_units(trade.price), to_units(trade.size)
    is_own = account in {party.lower() for party in (trade.buyer, trade.seller) if party is not None}
    added = (1, size, price * size, int(is_own), price * size * is_own)
    sums[:] = [before + more for before, more in zip(sums, added, strict=True)]
