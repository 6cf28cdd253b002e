"""Earnings of a period, and of each of its days, from ledger and record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from mm_trio.earnings.exact import NOTHING, Linear, exactly
from mm_trio.earnings.figures import EndMark, Figures, Setting, compute_figures
from mm_trio.earnings.period import DAY_MS, WHOLE, Period
from mm_trio.earnings.tally import Holdings, Tally
from mm_trio.earnings.trade import Trade
from mm_trio.history.ledger_reader import LedgerReader
from mm_trio.history.prices import PriceHistory
from mm_trio.model.errors import RecordError
from mm_trio.model.journal_entries import EXPLAINED_LATE, Adjusted, Allocated, Began, Entry, Moved, Summed
from mm_trio.recorder.record_file import RECORD_NAME, RecordFile

__all__ = ["Asked", "Earnings", "read_earnings"]

# The caller is told of the progress each time so many fills were read.
PROGRESS_EVERY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for.

    `mark` is a price to value holdings at, in place of the last recorded one; it says nothing of days that are over.
    `fee_share` is that of a token's deployer. `now_ms` tells which days are over.
    """

    period: Period
    now_ms: int
    by_day: bool = False
    mark: Decimal | None = None
    fee_share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Earnings:
    """Figures of a period, and those of each of its UTC days where they were asked for."""

    folder: Path
    coin: str | None
    figures: Figures
    days: tuple[Figures, ...]


@dataclass(slots=True)
class _Ledger:
    """What one pass over a ledger leaves: sums of before, of the period, and of its days."""

    asked: Asked
    prices: PriceHistory
    before: Tally = field(default_factory=Tally)
    within: Tally = field(default_factory=Tally)
    days: dict[int, Tally] = field(default_factory=dict)
    terms: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)
    allotted: list[tuple[int, Allocated]] = field(default_factory=list)
    # What fills brought whose entries were lost: an allotment has moved by it.
    lost: Linear = field(default_factory=Linear)
    opening_ms: int | None = None
    # Time of the latest movement that was recorded last, by the venue's time.
    moved_ms: int = 0

    def add_trade(self, trade: Trade) -> None:
        """Add a fill to the sums that it belongs to."""
        time_ms = trade[0]
        tallies = self._find_tallies(time_ms)
        mids = None
        if tallies and tallies[0] is self.within and not self.prices.is_empty:
            mids = self.prices.find_mids(time_ms)
        if len(tallies) > 1:
            # Markouts of the period are those of its days, which are merged at the end.
            tallies[0].add_trade(trade, None)
        if tallies:
            tallies[-1].add_trade(trade, mids)

    def finish(self) -> None:
        """Sum up what the days have alone."""
        for tally in self.days.values():
            self.within.markouts.merge(tally.markouts)

    def add_other(self, recorded_ms: int, entry: Entry) -> None:
        """Add what is no fill; a movement without a time of the venue counts when it was recorded."""
        match entry:
            case Began(_, parameters) if parameters:
                self.terms.append((recorded_ms, parameters))
            case Allocated():
                self.allotted.append((recorded_ms, entry))
            case Summed(token, usdc, _, _):
                for _, first in self.allotted[:1]:
                    self.lost = Linear(_find_change(first.usdc, usdc), _find_change(first.token, token))
            case Moved():
                self.moved_ms = entry.time_ms
                for tally in self._find_tallies(entry.time_ms):
                    tally.add_moved(entry.kind, entry.token, entry.usdc)
            case Adjusted():
                is_first, self.opening_ms = self.opening_ms is None, self.opening_ms or recorded_ms
                # The opposite of movements counts where they do, or it would take amounts from another period.
                is_opposite = entry.why == EXPLAINED_LATE
                for tally in self._find_tallies(self.moved_ms if is_opposite else recorded_ms):
                    (tally.opening if is_first else tally.unexplained).add(entry.token, entry.usdc)
            case _:
                pass

    def _find_tallies(self, time_ms: int) -> tuple[Tally, ...]:
        asked = self.asked
        if asked.period is not WHOLE:
            if asked.period.is_before(time_ms):
                return (self.before,)
            if not asked.period.contains(time_ms):
                return ()
        if not asked.by_day:
            return (self.within,)
        number = time_ms // DAY_MS
        day = self.days.get(number)
        if day is None:
            day = self.days[number] = Tally()
        return self.within, day


def read_earnings(folder: Path, asked: Asked, *, on_progress: Callable[[int], None] | None = None) -> Earnings:
    """Read what was earned in a period.

    Fills count by the venue's time, and are streamed. `on_progress` is told how many were read. Errors: JournalError.
    """
    record, absent = _open_record(folder)
    if record is not None:
        try:
            with closing(record), closing(PriceHistory(record)) as prices:
                return _read(folder, asked, prices, on_progress)
        except RecordError as error:
            # A damaged record costs the figures that need prices, and no other.
            absent = str(error)
    return _read(folder, asked, PriceHistory(None, absent=absent), on_progress)


def _read(folder: Path, asked: Asked, prices: PriceHistory, on_progress: Callable[[int], None] | None) -> Earnings:
    with LedgerReader.open(folder) as ledger, exactly():
        read = _Ledger(asked, prices)
        for n, trade in enumerate(ledger.read_trades(read.add_other)):
            read.add_trade(trade)
            if on_progress is not None and n % PROGRESS_EVERY == 0:
                on_progress(n)
        read.finish()
        return _finish(folder, ledger, read)


def _open_record(folder: Path) -> tuple[RecordFile | None, str | None]:
    if not (folder / RECORD_NAME).is_file():
        return None, f"no prices were recorded (there is no {RECORD_NAME} beside the ledger)"
    try:
        return RecordFile.open_to_read(folder), None
    except RecordError as error:
        return None, str(error)


def _finish(folder: Path, ledger: LedgerReader, read: _Ledger) -> Earnings:
    period = read.asked.period
    requests = ledger.count_requests_by_day(period.from_ms, period.until_ms)
    start = _Start(read)
    whole = start.describe(period, read.within, mark=read.asked.mark, n_requests=sum(requests.values()))
    figures = compute_figures(read.within, whole)
    days: list[Figures] = []
    for number, tally in sorted(read.days.items()):
        day = Period.of_day(number * DAY_MS).meet(period)
        is_over = day.until_ms is not None and day.until_ms <= read.asked.now_ms
        mark = None if is_over else read.asked.mark
        setting = start.describe(day, tally, mark=mark, n_requests=requests.get(number, 0))
        days.append(compute_figures(tally, setting))
        start.go_on(tally)
    coin = read.terms[-1][1].get("coin") if read.terms else None
    return Earnings(folder, coin, figures, tuple(days))


class _Start:
    """What there was when a period begins."""

    def __init__(self, read: _Ledger) -> None:
        self._read = read
        opening, change = read.before.opening, read.before.change()
        self._account = Holdings(opening.base, opening.quote).plus(*change)
        # What fills brought since the ledger began; an allotment moves by them alone.
        self._earned = read.lost + read.before.earned()

    def go_on(self, tally: Tally) -> None:
        """Step over a period, to its end."""
        self._account = self._account.plus(tally.opening.base, tally.opening.quote).plus(*tally.change())
        self._earned += tally.earned()

    def describe(self, period: Period, tally: Tally, *, mark: Decimal | None, n_requests: int) -> Setting:
        """Return what the figures of a period need besides its fills."""
        read = self._read
        # The first balance is what the ledger began with, and no gain.
        start = self._account.plus(tally.opening.base, tally.opening.quote)
        prices, first_ms = read.prices, period.from_ms
        if first_ms is None or (read.opening_ms is not None and first_ms < read.opening_ms):
            first_ms = read.opening_ms
        end = EndMark(price=mark, source="given")
        if mark is None:
            last_fill_ms = None if tally.times_ms is None else tally.times_ms[1]
            end = prices.end_mark(period, last_fill_ms=last_fill_ms, now_ms=read.asked.now_ms)
        opening = EndMark(price=None, absent="the ledger has no first balance")
        if first_ms is not None:
            find = prices.opening_mark if first_ms == read.opening_ms else prices.mark_at
            opening = find(first_ms)
        return Setting(
            period=period,
            start=start,
            quoted=self._find_quoted(start, first_ms or 0),
            start_mark=opening,
            end_mark=end,
            terms=tuple(self._list_terms(period)),
            n_requests=n_requests,
            fee_share=read.asked.fee_share,
        )

    def _find_quoted(self, start: Holdings, time_ms: int) -> Holdings:
        """Return what the maker could use: the allotment with its fills, or the account where there is none."""
        allotted = self._read.allotted
        base = _find_allotted([(at_ms, entry.token) for at_ms, entry in allotted], time_ms)
        quote = _find_allotted([(at_ms, entry.usdc) for at_ms, entry in allotted], time_ms)
        return Holdings(
            start.base if base is None else base + self._earned.base,
            start.quote if quote is None else quote + self._earned.quote,
        )

    def _list_terms(self, period: Period) -> Iterator[Mapping[str, str]]:
        """Yield the terms in force at the beginning, then those of later sessions of the period."""
        terms = self._read.terms
        before = [parameters for at_ms, parameters in terms if period.is_before(at_ms)]
        yield from before[-1:]
        yield from (parameters for at_ms, parameters in terms if period.contains(at_ms))


def _find_allotted(allotted: list[tuple[int, Decimal | None]], time_ms: int) -> Decimal | None:
    """Return the allotment in force at a time, without its fills; None where it was not there all the time."""
    amounts = [amount for _, amount in allotted]
    if not amounts or any(amount is None for amount in amounts):
        return None
    before = [amount for at_ms, amount in allotted if at_ms <= time_ms]
    return (before or amounts[:1])[-1] or NOTHING


def _find_change(before: Decimal | None, after: Decimal | None) -> Decimal:
    return NOTHING if before is None or after is None else after - before
