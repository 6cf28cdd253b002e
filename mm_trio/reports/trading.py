"""Trading over time: what was earned, held and filled, bin by bin, at each level and hour.

Sums are those of `earnings`, so that a picture ends where the statement does. Floats are for pictures alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.earnings.exact import exactly
from mm_trio.earnings.tally import SideSums, Tally
from mm_trio.earnings.trade import Trade
from mm_trio.model.orders import Side
from mm_trio.pages.timeline import HOUR_MS, Extremes, Point, Timeline

__all__ = ["PARTS", "LevelSums", "TradingSeries"]

HOURS = 24
PARTS = ("against holding", "realised", "open", "fees")


@dataclass(slots=True)
class LevelSums:
    """Fills at one level or in one hour of the day, by side."""

    prices: tuple[Decimal, Decimal] | None = None
    buys: SideSums = field(default_factory=SideSums)
    sells: SideSums = field(default_factory=SideSums)

    def add(self, base: Decimal, price: Decimal) -> None:
        """Add a fill. Call it within `exactly()`."""
        low, high = self.prices or (price, price)
        self.prices = min(low, price), max(high, price)
        side, size = (self.buys, base) if base > 0 else (self.sells, -base)
        side.n += 1
        side.base += size
        side.quote += size * price

    def merge(self, other: LevelSums) -> None:
        """Add all fills of another one. Call it within `exactly()`."""
        for price in other.prices or ():
            low, high = self.prices or (price, price)
            self.prices = min(low, price), max(high, price)
        for mine, theirs in ((self.buys, other.buys), (self.sells, other.sells)):
            mine.n += theirs.n
            mine.base += theirs.base
            mine.quote += theirs.quote


class TradingSeries:
    """Series of a period; trades come in the order of their times.

    `mark_at` gives the middle of the book at a time, or None. Every method is called within `exactly()`.
    """

    def __init__(self, timeline: Timeline, mark_at: Callable[[int], Decimal | None]) -> None:
        self.tally = Tally()
        # By (level, hour of the day).
        self.cells: dict[tuple[int, int], LevelSums] = {}
        # Change since the beginning, of base and quote.
        self.held = Extremes(timeline), Extremes(timeline)
        self.earned: dict[str, list[Point]] = {part: [] for part in PARTS}
        self._timeline = timeline
        self._mark_at = mark_at
        self._n_closed = 0
        self._marks: dict[tuple[int, Side], list[Point]] = {}
        self._change = [0.0, 0.0]
        self._note_held(timeline.from_ms, 0.0, 0.0)

    def add(self, trade: Trade) -> None:
        """Add a fill."""
        time_ms, level, price, base, fee_base, fee_quote = trade[:6]
        number = self._timeline.find(time_ms)
        self._close_bins(number)
        self.tally.add_trade(trade, None)
        cell = level, time_ms // HOUR_MS % HOURS
        sums = self.cells.get(cell)
        if sums is None:
            sums = self.cells[cell] = LevelSums()
        sums.add(base, price)
        size, at = float(base), float(price)
        self._note_held(time_ms, size - float(fee_base), -size * at - float(fee_quote))
        self._note_mark(number, "buy" if size > 0 else "sell", (time_ms, at))

    def add_moved(self, time_ms: int, base: Decimal, quote: Decimal) -> None:
        """Add a movement of funds that is no fill, in its place among them."""
        self._note_held(time_ms, float(base), float(quote))

    @property
    def levels(self) -> dict[int, LevelSums]:
        """Return the fills by level."""
        return self._sum_up(0)

    @property
    def hours(self) -> dict[int, LevelSums]:
        """Return the fills by hour of the day."""
        return self._sum_up(1)

    def _sum_up(self, place: int) -> dict[int, LevelSums]:
        summed: dict[int, LevelSums] = {}
        with exactly():
            for cell, sums in sorted(self.cells.items()):
                summed.setdefault(cell[place], LevelSums()).merge(sums)
        return summed

    def finish(self) -> None:
        """Close the last bins."""
        self._close_bins(self._timeline.n)

    def marks(self, side: Side) -> tuple[Point, ...]:
        """Return fills of a side for a picture: of each bin the lowest and the highest price."""
        found = (point for (_, of), points in self._marks.items() if of == side for point in points)
        return tuple(sorted(set(found)))

    def _note_held(self, time_ms: int, base: float, quote: float) -> None:
        for place, amount in enumerate((base, quote)):
            self._change[place] += amount
            self.held[place].add(time_ms, self._change[place])

    def _note_mark(self, number: int, side: Side, point: Point) -> None:
        kept = self._marks.get((number, side))
        if kept is None:
            self._marks[number, side] = [point, point]
        elif point[1] < kept[0][1]:
            kept[0] = point
        elif point[1] > kept[1][1]:
            kept[1] = point

    def _close_bins(self, until: int) -> None:
        """Value what is there at the end of each bin that is over."""
        while self._n_closed < until:
            at_ms = self._timeline.end_of(self._n_closed)
            self._n_closed += 1
            mark = self._mark_at(at_ms)
            parts = (
                self.tally.earned().at(mark),
                self.tally.pairs.realised,
                self.tally.pairs.value_open().at(mark),
                self.tally.fees().at(mark),
            )
            for name, amount in zip(PARTS, parts, strict=True):
                value = float("nan") if amount is None else float(-amount if name == "fees" else amount)
                self.earned[name].append((at_ms, value))
