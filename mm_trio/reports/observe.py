"""Liquidity of a period, read from the record: figures, series, and the price of the market."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from mm_trio.history.ledger_reader import LedgerReader
from mm_trio.liquidity.certificate import get_key
from mm_trio.liquidity.figures import Calculator, Figures
from mm_trio.liquidity.samples import Change, Fill, Kept, MarketPrices, Volume
from mm_trio.liquidity.terms import PERCENT_DIGITS, Terms
from mm_trio.liquidity.units import AMOUNT_DIGITS, to_units
from mm_trio.model.journal_entries import Booked
from mm_trio.pages.timeline import Extremes, Point, Timeline
from mm_trio.recorder.record_file import RecordFile
from mm_trio.reports.presence import PresenceSeries

__all__ = ["Observations", "Sampler", "observe"]

SECOND_MS = 1_000
UNITS = float(10**AMOUNT_DIGITS)
PROGRESS_EVERY = 5_000
# What counts as being there, where no agreement says it: any order within 2 % of the middle, at 30 bps.
NO_TERMS = Terms(within_pct=2 * 10**PERCENT_DIGITS, target_bps=30 * 10**PERCENT_DIGITS, clauses=())


@dataclass(frozen=True, slots=True)
class Sampler:
    """Readers of samples: changes from a second up to another, and volumes of the market with an account."""

    read_changes: Callable[[RecordFile, int, int], Iterator[Change]]
    read_volumes: Callable[[RecordFile, int, int], Iterable[Volume]]


@dataclass(frozen=True, slots=True)
class Observations:
    """What was observed in a period."""

    figures: Figures
    series: PresenceSeries
    mids: tuple[Point, ...]


def observe(
    record: RecordFile, ledger: LedgerReader, sampler: Sampler, timeline: Timeline, on_progress: Callable[[float], None]
) -> Observations | None:
    """Sum up the samples of a period; None where it holds no whole second. `on_progress` gets the part that is done."""
    from_s, until_s = -(-timeline.from_ms // SECOND_MS), timeline.until_ms // SECOND_MS
    if from_s >= until_s:
        return None
    series, mids = PresenceSeries(timeline), Extremes(timeline)
    calculator = Calculator(NO_TERMS, from_s=from_s, until_s=until_s, on_samples=series.add)
    changes: Iterator[Change | Fill] = sampler.read_changes(record, from_s, until_s)
    fills: Iterator[Change | Fill] = _read_fills(ledger, from_s, until_s)
    for n, event in enumerate(heapq.merge(changes, fills, key=get_key)):
        if isinstance(event, Fill):
            calculator.apply_fill(event)
            continue
        if n % PROGRESS_EVERY == 0:
            on_progress((event.second - from_s) / (until_s - from_s))
        if not isinstance(event.market, Kept):
            mids.add(event.second * SECOND_MS, _find_mid(event.market))
        calculator.apply(event)
    figures = calculator.finish(sampler.read_volumes(record, from_s, until_s))
    return Observations(figures, series, mids.points)


def _find_mid(market: MarketPrices | None) -> float | None:
    if market is None or market.bid is None or market.ask is None:
        return None
    return float(market.bid + market.ask) / 2.0 / UNITS


def _read_fills(ledger: LedgerReader, from_s: int, until_s: int) -> Iterator[Fill]:
    """Yield fills with a time of the venue, in the one order of events."""
    booked = ledger.read_fills(from_s * SECOND_MS, until_s * SECOND_MS)
    fills = (_to_fill(fill, fill.time_ms) for fill in booked if fill.time_ms is not None)
    for _, alike in groupby(fills, key=lambda fill: fill.time_ms):
        yield from sorted(alike, key=lambda fill: fill.key)


def _to_fill(booked: Booked, time_ms: int) -> Fill:
    quote = booked.quote
    return Fill(time_ms, booked.tid, booked.oid, to_units(quote.price), to_units(quote.size), quote.side)
