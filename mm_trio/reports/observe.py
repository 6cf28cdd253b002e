"""Liquidity of a period, read from the record: figures, series, and the price of the market."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from mm_trio.liquidity.figures import Calculator, Figures
from mm_trio.liquidity.samples import Change, Kept, MarketPrices
from mm_trio.liquidity.terms import PERCENT_DIGITS, Terms
from mm_trio.liquidity.units import AMOUNT_DIGITS
from mm_trio.pages.timeline import Extremes, Point, Timeline
from mm_trio.recorder.record_file import RecordFile
from mm_trio.reports.presence import PresenceSeries

__all__ = ["Observations", "Sampler", "observe"]

SECOND_MS = 1_000
UNITS = float(10**AMOUNT_DIGITS)
PROGRESS_EVERY = 5_000
# What counts as being there, where no agreement says it: any order within 2 % of the middle, at 30 bps.
NO_TERMS = Terms(within_pct=2 * 10**PERCENT_DIGITS, target_bps=30 * 10**PERCENT_DIGITS, clauses=())


# Reader of what changes between the samples from a second up to another.
Sampler: TypeAlias = Callable[[RecordFile, int, int], Iterator[Change]]
OF_FILLS = ("volume", "requote_s")


@dataclass(frozen=True, slots=True)
class Observations:
    """What was observed in a period."""

    figures: Figures
    series: PresenceSeries
    mids: tuple[Point, ...]


def observe(
    record: RecordFile,
    sampler: Sampler,
    timeline: Timeline,
    *,
    on_progress: Callable[[float], None],
    until_ms: int,
) -> Observations | None:
    """Sum up the samples of a period before `until_ms`; None where it holds no whole second.

    `on_progress` gets the part that is done.
    """
    from_s, until_s = -(-timeline.from_ms // SECOND_MS), until_ms // SECOND_MS
    if from_s >= until_s:
        return None
    series, mids = PresenceSeries(timeline), Extremes(timeline)
    calculator = Calculator(NO_TERMS, from_s=from_s, until_s=until_s, on_samples=series.add)
    for n, change in enumerate(sampler(record, from_s, until_s)):
        if n % PROGRESS_EVERY == 0:
            on_progress((change.second - from_s) / (until_s - from_s))
        if not isinstance(change.market, Kept):
            mids.add(change.second * SECOND_MS, _find_mid(change.market))
        calculator.apply(change)
    return Observations(_drop_fills(calculator.finish(())), series, mids.points)


def _drop_fills(figures: Figures) -> Figures:
    """Leave out what is about fills, which were not counted here: the certificate has it, and the rest of a report."""

    def drop(part: Mapping[str, object]) -> dict[str, object]:
        return {name: value for name, value in part.items() if name not in OF_FILLS}

    return replace(figures, days=tuple(map(drop, figures.days)), period=drop(figures.period))


def _find_mid(market: MarketPrices | None) -> float | None:
    if market is None or market.bid is None or market.ask is None:
        return None
    return float(market.bid + market.ask) / 2.0 / UNITS
