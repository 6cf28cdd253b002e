"""Facts of a report, read from ledger and record; streamed, so that memory does not grow with the period."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from mm_trio.earnings.exact import exactly
from mm_trio.earnings.figures import Figures
from mm_trio.history.earnings_reader import Asked, Earnings, read_earnings
from mm_trio.history.ledger_reader import LedgerReader
from mm_trio.history.prices import PriceHistory
from mm_trio.history.quoting_reader import QuotingReader
from mm_trio.model.errors import RecordError
from mm_trio.model.observations import Watched
from mm_trio.pages.pictures import Span
from mm_trio.pages.timeline import Extremes, Timeline
from mm_trio.recorder.record_file import RECORD_NAME, RecordFile
from mm_trio.reports.counterparties import Counterparties
from mm_trio.reports.facts import Facts, RequestBin, make_names
from mm_trio.reports.observe import Sampler
from mm_trio.reports.observe_beside import Finish, Samples, begin_observing
from mm_trio.reports.trading import TradingSeries

__all__ = ["OnProgress", "read_facts"]

# At four points a bin no picture has more than 2,000.
MOST_BINS = 480
PROGRESS_EVERY = 5_000
# A recorder writes each second.
RECORDED_WITHIN_MS = 5_000
WATCHED: tuple[Watched, ...] = ("own", "market")
LAST_MS = 2**62
# What is done, as a share of the whole, and its name.
OnProgress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class _Places:
    """Opened files; `record` None: there is none, and `absent` says why."""

    ledger: LedgerReader
    quoting: QuotingReader
    record: RecordFile | None
    absent: str | None


def read_facts(folder: Path, asked: Asked, sampler: Sampler, on_progress: OnProgress) -> Facts:
    """Read the facts of a period; a record that is damaged is left out. Errors: JournalError."""
    on_progress(0.0, "fills")
    earnings = read_earnings(folder, asked, on_progress=lambda n: on_progress(0.0, f"{n} fills"))
    try:
        return _read_facts(folder, earnings, sampler, on_progress)
    except RecordError as error:
        # Damage costs the sections that need the record, and no other.
        return _read_facts(folder, earnings, sampler, on_progress, absent=str(error))


def _read_facts(
    folder: Path, earnings: Earnings, sampler: Sampler, on_progress: OnProgress, *, absent: str | None = None
) -> Facts:
    with ExitStack() as opened:
        places = _open(folder, opened, absent=absent)
        span = _find_span(earnings.figures, places)
        timeline = Timeline.of(*span, most=MOST_BINS)
        prices = PriceHistory(places.record, absent=places.absent)
        finish: Finish | None = None
        if places.record is not None:
            until_ms = _find_recorded_end(earnings.figures, places.record, span[1])
            samples = Samples(folder, sampler, timeline, until_ms)
            finish = opened.enter_context(begin_observing(places.record, samples))
        trading, parties = _read_trading(places, timeline, prices, earnings.figures, on_progress)
        on_progress(0.4, "requests")
        requests = _read_requests(places, timeline)
        boundary = _read_boundary(places, timeline)
        on_progress(0.5, "record")
        seen = None if finish is None else finish(lambda part: on_progress(0.5 + 0.4 * part, "record"))
        return Facts(
            names=make_names(earnings.coin, folder),
            span=span,
            timeline=timeline,
            earnings=earnings.figures,
            days=earnings.days,
            trading=trading,
            boundary=boundary,
            requests=requests,
            parties=parties,
            mids=() if seen is None else seen.mids,
            presence=None if seen is None else seen.series,
            liquidity=None if seen is None else seen.figures,
            no_record=places.absent,
        )


def _open(folder: Path, opened: ExitStack, *, absent: str | None) -> _Places:
    ledger, quoting = (
        opened.enter_context(LedgerReader.open(folder)),
        opened.enter_context(closing(QuotingReader(folder))),
    )
    if absent is not None:
        return _Places(ledger, quoting, None, absent)
    if not (folder / RECORD_NAME).is_file():
        return _Places(ledger, quoting, None, f"nothing was recorded (there is no {RECORD_NAME} beside the ledger)")
    try:
        return _Places(ledger, quoting, opened.enter_context(closing(RecordFile.open_to_read(folder))), None)
    except RecordError as error:
        return _Places(ledger, quoting, None, str(error))


def _find_span(figures: Figures, places: _Places) -> Span:
    """Return the asked period; where it has no ends, what ledger and record reach over."""
    period, times = figures.setting.period, figures.tally.times_ms
    begins = [] if times is None else [times[0]]
    ends = [] if times is None else [times[1] + 1]
    if places.record is not None:
        for watched in WATCHED:
            for seen in places.record.read_coverage(watched, 0, LAST_MS):
                begins.append(seen.from_ms)
                ends.append(seen.until_ms)
    begins += [at_ms for at_ms, _ in places.ledger.read_adjustments()][:1]
    from_ms = period.from_ms if period.from_ms is not None else min(begins, default=0)
    until_ms = period.until_ms if period.until_ms is not None else max(ends, default=from_ms + 1)
    return from_ms, max(until_ms, from_ms + 1)


def _find_recorded_end(figures: Figures, record: RecordFile, until_ms: int) -> int:
    """Return the end of the samples: that of the period, or where a record that is being written ends so far.

    The market and our own book are not written in the same moment. What is not there yet is no outage.
    """
    if figures.setting.period.until_ms is not None:
        return until_ms
    ends = [max((span.until_ms for span in record.read_coverage(each, 0, LAST_MS)), default=0) for each in WATCHED]
    whole_ms = (min(ends) // 1000 + 1) * 1000
    return min(whole_ms, until_ms) if min(ends) >= until_ms - RECORDED_WITHIN_MS else until_ms


def _read_trading(
    places: _Places, timeline: Timeline, prices: PriceHistory, figures: Figures, on_progress: OnProgress
) -> tuple[TradingSeries, Counterparties | None]:
    takers = None if places.record is None else places.record.read_takers(timeline.from_ms, timeline.until_ms)
    parties = None if takers is None else Counterparties(takers)
    # Prices at the ends of bins are asked for out of order, and so have an eye of their own.
    series = TradingSeries(timeline, PriceHistory(places.record).find_mid)
    total = max(1, figures.tally.n_fills)
    others = deque(_read_others(places, timeline))
    with exactly():
        for n, (trade, tid) in enumerate(places.quoting.read_fills(timeline.from_ms, timeline.until_ms)):
            if n % PROGRESS_EVERY == 0:
                on_progress(0.2 + 0.2 * min(1.0, n / total), "pictures")
            while others and others[0][0] <= trade.time_ms:
                series.add_moved(*others.popleft())
            series.add(trade)
            if parties is not None:
                parties.add((trade.time_ms, tid), trade.base, trade.price, prices.find_mids(trade.time_ms) or ())
        for other in others:
            series.add_moved(*other)
        series.finish()
    return series, parties


def _read_others(places: _Places, timeline: Timeline) -> list[tuple[int, Decimal, Decimal]]:
    """Return (time, base, quote) of what moved funds and is no fill, the first balance apart."""
    from_ms, until_ms = timeline.from_ms, timeline.until_ms
    adjusted = list(places.ledger.read_adjustments())[1:]
    lost = [(at_ms, each.token, each.usdc) for at_ms, each in adjusted if from_ms <= at_ms < until_ms]
    moved = [(move.time_ms, move.token, move.usdc) for move in places.ledger.read_moves(from_ms, until_ms)]
    return sorted(lost + moved)


def _read_requests(places: _Places, timeline: Timeline) -> dict[int, RequestBin]:
    bins: dict[int, RequestBin] = {}
    width_ms = timeline.width_ms
    for number, n_items in places.ledger.count_requests_per(width_ms, timeline.from_ms, timeline.until_ms).items():
        bins.setdefault(timeline.find(number * width_ms), RequestBin()).items += n_items
    return bins


def _read_boundary(places: _Places, timeline: Timeline) -> tuple[tuple[int, float], ...]:
    line = Extremes(timeline)
    held: Decimal | None = None
    for at_ms, price in places.quoting.read_boundaries(timeline.until_ms):
        if at_ms < timeline.from_ms:
            held = price
            continue
        if held is not None:
            line.add(timeline.from_ms, float(held))
            held = None
        line.add(at_ms, float(price))
    if held is not None:
        line.add(timeline.from_ms, float(held))
    return line.points
