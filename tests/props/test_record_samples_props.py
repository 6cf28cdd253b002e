"""Samples of a record against a plain second reading: whole books, looked up second by second."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias, TypeVar

from certificate_kit import DAY_S
from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_trio.cli.liquidity_programs.record_samples import read_changes
from mm_trio.liquidity.samples import Change, Kept, MarketPrices
from mm_trio.liquidity.units import to_units
from mm_trio.model.observations import BestPrices, Coverage, OwnBook, RestingSize
from mm_trio.model.orders import Side
from mm_trio.recorder.record_file import RecordFile

_T = TypeVar("_T", BestPrices, OwnBook)
N, FROM_MS = 30, DAY_S * 1000
# State, reason, and sizes; None: unknown.
Sample: TypeAlias = tuple[str, str | None, dict[tuple[Side, int], int]] | None

sides: st.SearchStrategy[Side] = st.sampled_from(["buy", "sell"])
prices = st.sampled_from(["19.9", "20", "20.00", "20.1", "2E+1"]).map(Decimal)
sizes = st.sampled_from(["5", "5.00", "0.25", "0"]).map(Decimal)
orders = st.lists(st.builds(RestingSize, sides, prices, sizes), max_size=6).map(tuple)
times = st.integers(FROM_MS - 4_000, FROM_MS + N * 1000)
books = st.builds(
    OwnBook, times, orders, st.sampled_from(["quoting", "paused"]), st.sampled_from([None, "socket closed"])
)
best = st.one_of(st.none(), prices)
quotes = st.builds(BestPrices, times, best, best, best, best)
# Milliseconds without and with somebody who watched, in turn.
spans = st.lists(st.tuples(st.integers(1, 9_000), st.integers(0, 15_000)), max_size=4)


def cover(lengths: Sequence[tuple[int, int]], watched: str) -> Iterator[Coverage]:
    end_ms = FROM_MS - 5_000
    for pause_ms, length_ms in lengths:
        begin_ms = end_ms + pause_ms
        end_ms = begin_ms + length_ms
        yield Coverage("own" if watched == "own" else "market", begin_ms, end_ms)


def look_up(seen: Sequence[_T], covered: Sequence[Coverage], second: int) -> _T | None:
    """Return what held at a second; None where nobody watched."""
    at_ms = second * 1000
    if not any(span.from_ms <= at_ms <= span.until_ms for span in covered):
        return None
    return max((each for each in seen if each.time_ms <= at_ms), key=lambda each: each.time_ms, default=None)


def to_sample(book: OwnBook | None) -> Sample:
    if book is None:
        return None
    summed: dict[tuple[Side, int], int] = {}
    for order in book.orders:
        slot = order.side, to_units(order.price)
        summed[slot] = summed.get(slot, 0) + to_units(order.size)
    return book.state, book.reason, {slot: size for slot, size in summed.items() if size}


def to_market(seen: BestPrices | None) -> MarketPrices | None:
    if seen is None:
        return None
    return MarketPrices(*(None if price is None else to_units(price) for price in (seen.bid, seen.ask)))


def replay(changes: Sequence[Change]) -> Iterator[tuple[MarketPrices | None, Sample]]:
    """Yield what the changes say of each second, and check that each says something new."""
    market: MarketPrices | None = None
    own: Sample = None
    by_second = {change.second: change for change in changes}
    assert len(by_second) == len(changes)
    for second in range(DAY_S, DAY_S + N):
        change = by_second.pop(second, None)
        if change is not None:
            before = market, own
            market = market if isinstance(change.market, Kept) else change.market
            if change.own is None:
                own = None
            elif not isinstance(change.own, Kept):
                resting = {} if own is None else dict(own[2])
                assert list(change.own.sizes) == sorted(change.own.sizes)
                resting.update({(side, price): size for side, price, size in change.own.sizes})
                own = change.own.state, change.own.reason, {slot: size for slot, size in resting.items() if size}
            assert (market, own) != before
        yield market, own
    assert not by_second


@given(st.lists(books, max_size=12), st.lists(quotes, max_size=8), spans, spans)
@settings(max_examples=60 * FACTOR)
def test_samples_are_those_of_whole_books(
    own: list[OwnBook], market: list[BestPrices], own_spans: list[tuple[int, int]], market_spans: list[tuple[int, int]]
) -> None:
    own = list({book.time_ms: book for book in sorted(own, key=lambda book: book.time_ms)}.values())
    market = list({each.time_ms: each for each in market}.values())
    watched = [*cover(own_spans, "own"), *cover(market_spans, "market")]
    with tempfile.TemporaryDirectory() as folder, closing(RecordFile.open(Path(folder))) as record:
        record.append([*own, *market, *watched])
        changes = list(read_changes(record, DAY_S, DAY_S + N))
    covered = {name: [span for span in watched if span.watched == name] for name in ("own", "market")}
    seconds = range(DAY_S, DAY_S + N)

    assert list(replay(changes)) == [
        (
            to_market(look_up(market, covered["market"], second)),
            to_sample(look_up(own, covered["own"], second)),
        )
        for second in seconds
    ]
