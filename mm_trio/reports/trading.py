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


class TradingSeries:
    """Series of a period; trades come in the order of their times.

    `mark_at` gives the middle of the book at a time, or None.
    """

    def __init__(self, timeline: Timeline, mark_at: Callable[[int], Decimal | None]) -> None:
        self.tally = Tally()
        self.levels: dict[int, LevelSums] = {}
        self.hours = [LevelSums() for _ in range(HOURS)]
        self.cells: dict[tuple[int, int], list[float]] = {}
        # Change since the beginning, of base and quote.
        self.held = Extremes(timeline), Extremes(timeline)
        self.earned: dict[str, list[Point]] = {part: [] for part in PARTS}
        self._timeline = timeline
        self._mark_at = mark_at
        self._n_closed = 0
        self._marks: dict[tuple[int, Side], list[Point]] = {}
        for line in self.held:
            line.add(timeline.from_ms, 0.0)

    def add(self, trade: Trade) -> None:
        """Add a fill."""
        time_ms, level, price, base = trade[:4]
        number = self._timeline.find(time_ms)
        self._close_bins(number)
        with exactly():
            self.tally.add_trade(trade, ())
            self.levels.setdefault(level, LevelSums()).add(base, price)
            hour = time_ms // HOUR_MS % HOURS
            self.hours[hour].add(base, price)
        self._note_held(time_ms)
        cell = self.cells.setdefault((level, hour), [0.0, 0.0])
        cell[base < 0] += abs(float(base)) * float(price)
        self._note_mark(number, "buy" if base > 0 else "sell", (time_ms, float(price)))

    def add_moved(self, time_ms: int, base: Decimal, quote: Decimal) -> None:
        """Add a movement of funds that is no fill, in its place among them."""
        with exactly():
            self.tally.add_moved("moved", base, quote)
        self._note_held(time_ms)

    def finish(self) -> None:
        """Close the last bins."""
        self._close_bins(self._timeline.n)

    def marks(self, side: Side) -> tuple[Point, ...]:
        """Return fills of a side for a picture: of each bin the lowest and the highest price."""
        found = (point for (_, of), points in self._marks.items() if of == side for point in points)
        return tuple(sorted(set(found)))

    def _note_held(self, time_ms: int) -> None:
        with exactly():
            base, quote = self.tally.change()
        self.held[0].add(time_ms, float(base))
        self.held[1].add(time_ms, float(quote))

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
            with exactly():
                parts = (
                    self.tally.earned().at(mark),
                    self.tally.pairs.realised,
                    self.tally.pairs.value_open().at(mark),
                    self.tally.fees().at(mark),
                )
            for name, amount in zip(PARTS, parts, strict=True):
                value = float("nan") if amount is None else float(-amount if name == "fees" else amount)
                self.earned[name].append((at_ms, value))
