"""A made-up history for reports: a ledger and a record whose sums are known, without a maker that ran.

The price walks at random, a ladder with a gap of one level trades at every level it crosses, and takers of a few
addresses trade. An hour of it takes a tenth of a second.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from mm_trio.cli.liquidity_programs.record_samples import read_changes
from mm_trio.earnings.period import Period
from mm_trio.history.earnings_reader import Asked
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Adjusted, Began, Booked, Entry, Moved, MoveKind, Quoted, Requested
from mm_trio.model.observations import BestPrices, Coverage, Mark, MarketTrade, Observed, OwnBook, RestingSize
from mm_trio.model.orders import Quote, Side
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.recorder.record_file import RecordFile
from mm_trio.reports.collect import read_facts
from mm_trio.reports.report import Report, make_report

__all__ = ["FROM_MS", "HOUR_MS", "History", "make_history", "make_report_of"]

HOUR_MS = 3_600_000
# A midnight.
FROM_MS = 1_789_948_800_000
N_LEVELS, SIZE, FEE = 60, Decimal(5), Decimal("0.0004")
AFTER_MS = (0, 1_000, 10_000, 60_000, 300_000, 3_600_000)


@dataclass
class History:
    """What is written, and what it adds up to."""

    folder: Path
    coin: str = "@107"
    n_seconds: int = 4 * 3600
    fills: list[Booked] = field(default_factory=list)
    takers: list[str] = field(default_factory=list)
    entries: list[tuple[int, Entry]] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)
    hole_s: tuple[int, int] = (7_000, 7_900)

    @property
    def until_ms(self) -> int:
        """The end, which is not in it."""
        return FROM_MS + 1000 * self.n_seconds


def make_history(
    folder: Path, *, seed: int = 1, hours: float = 4, has_record: bool = True, names: tuple[str, ...] = ()
) -> History:
    """Make up some hours and write them to `folder`; `names` are takers beside those that are drawn."""
    history = History(folder, n_seconds=int(3600 * hours))
    rng = random.Random(seed)
    takers = [*names, *(f"0x{rng.getrandbits(160):040x}" for _ in range(30 - len(names)))]
    _Walk(history, rng, takers).go()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(Journal.open(folder)) as journal:
        for at_ms, entry in history.entries:
            journal.append([entry], at_ms=at_ms)
        journal.mark_end()
    if has_record:
        with closing(RecordFile.open(folder)) as record:
            record.append(history.observed)
    return history


class _Walk:
    """A price under way, and the ladder in it."""

    def __init__(self, history: History, rng: random.Random, takers: list[str]) -> None:
        self.history, self.rng, self.takers = history, rng, takers
        self.grid = PricingGrid("20", N_LEVELS, sz_decimals=2)
        self.boundary = N_LEVELS // 2
        self.mids: list[Decimal] = []
        self.n_fills = 0

    def go(self) -> None:
        """Write down everything, in the order of time."""
        history = self.history
        shape = {"start_px": "20", "n_orders": str(N_LEVELS), "tick_size": "0.003", "order_sz": str(SIZE)}
        terms = {"coin": history.coin, **shape, "ladder": "hip2", "sz_decimals": "2", "gap_levels": "1"}
        n_asks = N_LEVELS - self.boundary
        self._note(0, Began(1, terms), Adjusted(SIZE * n_asks, Decimal(9_000), "opening balance"))
        self._note(0, Quoted(self.boundary))
        self.mids = list(self._walk())
        for second, mid in enumerate(self.mids):
            self._pass(second, mid)
        self._watch()
        self._mark()

    def _walk(self) -> Iterator[Decimal]:
        price, middle = float(self.grid.levels[self.boundary]), float(self.grid.levels[N_LEVELS // 2])
        for _ in range(self.history.n_seconds):
            price *= 1 + self.rng.gauss(0, 0.00025) - 0.00002 * (price / middle - 1)
            yield Decimal(f"{price:.4f}")

    def _pass(self, second: int, mid: Decimal) -> None:
        """Trade at the levels that the price crossed, and write the best prices down."""
        levels, hole = self.grid.levels, self.history.hole_s
        half = mid * Decimal("0.0012")
        is_watched = not hole[0] <= second < hole[1]
        while self.boundary < N_LEVELS and mid > levels[self.boundary]:
            self._fill(second, "sell", self.boundary)
            self.boundary += 1
        while self.boundary > 1 and mid < levels[self.boundary - 2]:
            self.boundary -= 1
            self._fill(second, "buy", self.boundary - 1)
        if is_watched and second % 2 == 0:
            one = Decimal(100)
            self._observe(BestPrices(self._ms(second), mid - half, one, mid + half, one))
        if is_watched and second % 60 == 0:
            self._observe_book(second)
        if second == self.history.n_seconds // 2:
            self._note(second, Moved(Decimal(0), Decimal(500), MoveKind.DEPOSIT, self._ms(second), "0xhash"))

    def _fill(self, second: int, side: Side, level: int) -> None:
        self.n_fills += 1
        time_ms, tid, price = self._ms(second), 1_000 + self.n_fills, self.grid.levels[level]
        fee = FEE * (SIZE if side == "buy" else SIZE * price)
        quote = Quote(side, level, price, SIZE)
        fill = Booked(
            10 + self.n_fills, tid, time_ms, self.history.coin, quote, fee, "base" if side == "buy" else "quote"
        )
        taker = self.takers[min(len(self.takers) - 1, int(self.rng.expovariate(0.2)))]
        self.history.fills.append(fill)
        self.history.takers.append(taker)
        self._note(second, fill, Quoted(self.boundary), Requested(time_ms, "order", 2, "0x00", time_ms + 1))
        us, taker_side = "0x" + "11" * 20, "buy" if side == "sell" else "sell"
        buyer, seller = (taker, us) if taker_side == "buy" else (us, taker)
        self._observe(MarketTrade(time_ms, tid, price, SIZE, "buy" if taker_side == "buy" else "sell", buyer, seller))

    def _observe_book(self, second: int) -> None:
        """Our orders; for ten minutes the maker is paused."""
        levels, is_paused = self.grid.levels, 3_000 <= second < 3_600
        asks = [RestingSize("sell", levels[i], SIZE) for i in range(self.boundary, N_LEVELS)]
        bids = [RestingSize("buy", levels[i], SIZE) for i in range(self.boundary - 1)]
        state, reason = ("paused", "the operator asked for it") if is_paused else ("quoting", None)
        self._observe(OwnBook(self._ms(second), () if is_paused else (*asks, *bids), state, reason))

    def _watch(self) -> None:
        first, last = self.history.hole_s
        spans = [(0, self.history.n_seconds)]
        if last < self.history.n_seconds:
            spans = [(0, first), (last, self.history.n_seconds)]
        for begin, end in spans:
            self._observe(Coverage("own", self._ms(begin), self._ms(end) - 1))
            self._observe(Coverage("market", self._ms(begin), self._ms(end) - 1))

    def _mark(self) -> None:
        for time_ms in sorted({fill.time_ms for fill in self.history.fills if fill.time_ms is not None}):
            for after_ms in AFTER_MS:
                second = (time_ms + after_ms - FROM_MS) // 1000 - (after_ms == 0)
                if 0 <= second < len(self.mids):
                    mid = self.mids[second]
                    self._observe(Mark(time_ms, after_ms, mid - Decimal("0.01"), mid + Decimal("0.01")))

    def _ms(self, second: int) -> int:
        return FROM_MS + 1000 * second

    def _note(self, second: int, *entries: Entry) -> None:
        self.history.entries += [(self._ms(second), entry) for entry in entries]

    def _observe(self, value: Observed) -> None:
        self.history.observed.append(value)


def make_report_of(history: History, *, period: Period | None = None) -> Report:
    """Make the report of a history, as the command does."""
    asked = Asked(period=period or Period(), now_ms=history.until_ms, by_day=True)
    return make_report(read_facts(history.folder, asked, read_changes, lambda part, what: None))
