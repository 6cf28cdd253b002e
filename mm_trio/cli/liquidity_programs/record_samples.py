"""Samples of a record: what is known at each whole second, as changes."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TypeVar

from mm_trio.liquidity.bodies import MOST_TEXT
from mm_trio.liquidity.figures import DAY_S
from mm_trio.liquidity.samples import KEPT, BookChange, Change, Kept, MarketPrices, Volume
from mm_trio.liquidity.units import to_units
from mm_trio.model.observations import BestPrices, Coverage, MarketTrade, OwnBook
from mm_trio.recorder.record_file import RecordFile

__all__ = ["read_changes", "read_volumes"]

_Seen = TypeVar("_Seen", BestPrices, OwnBook)


def read_changes(record: RecordFile, from_s: int, until_s: int) -> Iterator[Change]:
    """Yield what changes between the samples from `from_s` to `until_s`, the latter not included."""
    span = (from_s * 1000, (until_s - 1) * 1000)
    prices, books = record.read_best_prices(*span), record.read_own_books(*span)
    market = _sample(prices, record.read_coverage("market", *span), from_s, until_s, is_market=True)
    own = _sample(books, record.read_coverage("own", *span), from_s, until_s, is_market=False)
    last_market: MarketPrices | None = None
    last_own: OwnBook | None = None
    for second, news in groupby(heapq.merge(market, own, key=_first), key=_first):
        change_market: MarketPrices | Kept | None = KEPT
        change_own: BookChange | Kept | None = KEPT
        for _, seen, is_market in news:
            if is_market:
                best = _to_prices(seen)
                change_market = KEPT if best == last_market else best
                last_market = best
            elif seen is None or isinstance(seen, OwnBook):
                change_own = _find_change(last_own, seen)
                last_own = seen
        if change_market is not KEPT or change_own is not KEPT:
            yield Change(second, change_market, change_own)


def _first(sample: tuple[int, object, bool]) -> int:
    return sample[0]


def _sample(
    values: Iterator[_Seen], spans: Iterable[Coverage], from_s: int, until_s: int, *, is_market: bool
) -> Iterator[tuple[int, _Seen | None, bool]]:
    """Yield (second, value, whether it is of the market) where a value may have changed, once a second.

    None: nobody watched at that sample, or nothing was seen before it.
    """
    pending = next(values, None)
    current: _Seen | None = None
    first_unknown: int | None = None
    for span in spans:
        begin, end = max(from_s, -(-span.from_ms // 1000)), min(until_s - 1, span.until_ms // 1000)
        if begin > end:
            continue
        if first_unknown is not None and first_unknown < begin:
            yield first_unknown, None, is_market
        second = begin
        while True:
            # The last value of a second is the one that holds at the sample after it.
            while pending is not None and pending.time_ms <= second * 1000:
                current, pending = pending, next(values, None)
            yield second, current, is_market
            if pending is None or (following := -(-pending.time_ms // 1000)) > end:
                break
            second = following
        first_unknown = end + 1
    if first_unknown is not None and first_unknown < until_s:
        yield first_unknown, None, is_market


def _to_prices(seen: object) -> MarketPrices | None:
    if not isinstance(seen, BestPrices):
        return None
    return MarketPrices(
        None if seen.bid is None else to_units(seen.bid), None if seen.ask is None else to_units(seen.ask)
    )


def _find_change(before: OwnBook | None, after: OwnBook | None) -> BookChange | Kept | None:
    if after is None or before is None:
        return KEPT if after is before else None if after is None else _describe(after, {}, _to_sizes(after))
    if before.orders is after.orders and (before.state, before.reason) == (after.state, after.reason):
        return KEPT
    old, new = _to_sizes(before), _to_sizes(after)
    change = _describe(after, old, new)
    return change if change.sizes or (before.state, before.reason) != (after.state, after.reason) else KEPT


def _to_sizes(book: OwnBook) -> dict[tuple[str, int], int]:
    """Return our sizes by side and price; several orders at one price count together."""
    sizes: dict[tuple[str, int], int] = {}
    for order in book.orders:
        slot = order.side, to_units(order.price)
        sizes[slot] = sizes.get(slot, 0) + to_units(order.size)
    return {slot: size for slot, size in sizes.items() if size}


def _describe(book: OwnBook, old: dict[tuple[str, int], int], new: dict[tuple[str, int], int]) -> BookChange:
    changed = sorted(slot for slot in old.keys() | new.keys() if old.get(slot) != new.get(slot))
    reason = None if book.reason is None else book.reason[:MOST_TEXT]
    rows = tuple((slot[0], slot[1], new.get(slot, 0)) for slot in changed)
    return BookChange(book.state, reason, rows)  # type: ignore[arg-type] # sides come from orders


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
