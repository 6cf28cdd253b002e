"""Kinds of pictures: lines over time, heat map, bars, strips.

A picture is a value that can be drawn in every shape. Its numbers are floats: they are for the eye, and the tables
beside it have the exact ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mm_trio.pages.drawing import BUY, GOOD, MUTED, SELL, Box, Chart, Shape, draw
from mm_trio.pages.scales import choose_ticks, choose_time_ticks, shorten
from mm_trio.pages.timeline import Point

__all__ = ["Bars", "HeatMap", "Key", "Line", "Lines", "Marks", "Picture", "Span", "Strips"]

Span = tuple[int, int]
# More shades than these cannot be told apart.
SHADES = (0.15, 0.3, 0.5, 0.75, 1.0)
ROW_HEIGHT = 22
# More marks than these are drawn small, or they hide the line.
MANY_MARKS = 300


@dataclass(frozen=True, slots=True)
class Key:
    """Entry of a legend: what is drawn in this colour, and how."""

    name: str
    colour: str
    kind: str = "line"


class Picture(Protocol):
    """What a section may show."""

    @property
    def label(self) -> str: ...

    @property
    def keys(self) -> tuple[Key, ...]: ...

    def draw(self, shape: Shape) -> str: ...


@dataclass(frozen=True, slots=True)
class Line:
    """Line over time; `dash` as matplotlib writes it."""

    name: str
    colour: str
    points: Sequence[Point]
    dash: str = "-"
    width: float = 1.6
    is_filled: bool = False

    @property
    def key(self) -> Key:
        """Return the entry of the legend."""
        return Key(self.name, self.colour, {"--": "dashed", ":": "dotted"}.get(self.dash, "line"))


@dataclass(frozen=True, slots=True)
class Marks:
    """Points over time, each with a mark."""

    name: str
    colour: str
    points: Sequence[Point]
    mark: str

    @property
    def key(self) -> Key:
        """Return the entry of the legend."""
        return Key(self.name, self.colour, "up" if self.mark == "^" else "down")


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines and marks over time."""

    label: str
    unit: str
    span: Span
    lines: tuple[Line, ...]
    marks: tuple[Marks, ...] = ()
    has_zero: bool = False
    most: float | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        """Return the legend."""
        return (*(line.key for line in self.lines), *(marks.key for marks in self.marks if marks.points))

    def draw(self, shape: Shape) -> str:
        """Draw it."""
        drawn = [*(line.points for line in self.lines), *(marks.points for marks in self.marks)]
        low, high = _find_range((value for points in drawn for _, value in points), has_zero=self.has_zero)
        high = high if self.most is None else self.most
        ticks = choose_ticks(low, high)
        n_marks = sum(len(marks.points) for marks in self.marks)

        def paint(figure: Any) -> None:
            chart = Chart(figure, shape, unit=self.unit, ticks=ticks)
            chart.set_range((float(self.span[0]), float(self.span[1])), (low, high))
            chart.set_columns(choose_time_ticks(*self.span, n=shape.n_times), is_time=True)
            if self.has_zero and low <= 0 <= high:
                chart.draw_zero()
            for line in self.lines:
                points = _reach(line.points, self.span[1])
                if line.is_filled:
                    chart.fill(points, line.colour)
                chart.draw_line(points, line.colour, dash=line.dash, width=line.width)
            for marks in self.marks:
                chart.draw_marks(marks.points, marks.colour, mark=marks.mark, size=30 if n_marks < MANY_MARKS else 9)

        return draw(shape, self.label, paint)


def _find_range(values: Iterable[float], *, has_zero: bool) -> tuple[float, float]:
    """Return the lowest and highest value with a margin; a flat line lies in the middle."""
    known = [value for value in values if math.isfinite(value)] + ([0.0] if has_zero else [])
    low, high = min(known, default=0.0), max(known, default=1.0)
    margin = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
    return (low if has_zero and low == 0 and high > 0 else low - margin), high + margin


def _reach(points: Sequence[Point], until_ms: int) -> list[Point]:
    """Draw the last value on to the end."""
    if not points or not math.isfinite(points[-1][1]) or points[-1][0] >= until_ms:
        return list(points)
    return [*points, (until_ms, points[-1][1])]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Cells of rows and columns, each with what was bought on its left and what was sold on its right.

    `rows` come from the bottom up. `bought` and `sold` have a value for each (row, column) that is not empty.
    """

    label: str
    unit: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    bought: dict[tuple[int, int], float]
    sold: dict[tuple[int, int], float]

    @property
    def keys(self) -> tuple[Key, ...]:
        """Return the legend."""
        return Key("bought", BUY, "box"), Key("sold", SELL, "box")

    def draw(self, shape: Shape) -> str:
        """Draw it; rows are as high as the shape allows."""
        every = max(1, -(-len(self.rows) // 12))
        ticks = [(number + 0.5, name) for number, name in enumerate(self.rows) if number % every == 0]
        skipped = max(1, -(-len(self.columns) // (3 * shape.n_times)))
        columns = [(number + 0.5, name) for number, name in enumerate(self.columns) if number % skipped == 0]
        most = max((*self.bought.values(), *self.sold.values()), default=0.0)

        def paint(figure: Any) -> None:
            chart = Chart(figure, sized, unit=self.unit, ticks=ticks)
            chart.set_range((0, len(self.columns)), (0, len(self.rows)))
            chart.set_columns(columns)
            for cells, colour, shift in ((self.bought, BUY, 0.06), (self.sold, SELL, 0.52)):
                for shade, boxes in _shade(cells, most, shift).items():
                    chart.draw_boxes(boxes, colour, opacity=shade)

        sized = shape.stretch(max(140, min(460, 60 + ROW_HEIGHT * len(self.rows))))
        return draw(sized, self.label, paint)


def _shade(cells: dict[tuple[int, int], float], most: float, shift: float) -> dict[float, list[Box]]:
    shaded: dict[float, list[Box]] = {}
    for (row, column), value in sorted(cells.items()):
        if value > 0:
            shade = SHADES[min(len(SHADES) - 1, int(len(SHADES) * math.sqrt(value / most)))]
            shaded.setdefault(shade, []).append((column + shift, row + 0.08, 0.42, 0.84))
    return shaded


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars that go right for a gain and left for a loss, each with its number; None: not known."""

    label: str
    unit: str
    rows: tuple[tuple[str, float | None], ...]

    @property
    def keys(self) -> tuple[Key, ...]:
        """Return the legend."""
        return Key("gain", GOOD, "box"), Key("loss", SELL, "box")

    def draw(self, shape: Shape) -> str:
        """Draw it, one row a bar, the first on top."""
        n = len(self.rows)
        low, high = _find_range((value for _, value in self.rows if value is not None), has_zero=True)
        # Room for the numbers beside the bars.
        room = (high - low) * (0.1 if shape.name == "wide" else 0.3)
        low, high = low - room * (low < 0), high + room

        def paint(figure: Any) -> None:
            chart = Chart(
                figure, sized, unit=self.unit, ticks=[(n - i - 0.5, row[0]) for i, row in enumerate(self.rows)]
            )
            chart.set_range((low, high), (0, n))
            chart.set_columns(choose_ticks(low, high, n=shape.n_times))
            chart.axes.grid(visible=False, axis="y")
            chart.axes.axvline(0, color=MUTED, linewidth=1, clip_on=False)
            for i, (_, value) in enumerate(self.rows):
                number = value or 0.0
                chart.draw_boxes([(0, n - i - 0.8, number, 0.6)], GOOD if number >= 0 else SELL)
                chart.write(number, n - i - 0.5, "not known" if value is None else shorten(value))

        sized = shape.stretch(56 + ROW_HEIGHT * n)
        return draw(sized, self.label, paint)


@dataclass(frozen=True, slots=True)
class Strips:
    """Rows over time with the spans in which something holds."""

    label: str
    unit: str
    span: Span
    rows: tuple[tuple[str, str, tuple[Span, ...]], ...]
    keys: tuple[Key, ...] = ()

    def draw(self, shape: Shape) -> str:
        """Draw it; a span is at least as wide as a pixel."""
        n, least = len(self.rows), (self.span[1] - self.span[0]) / shape.width

        def paint(figure: Any) -> None:
            chart = Chart(
                figure, sized, unit=self.unit, ticks=[(n - i - 0.5, row[0]) for i, row in enumerate(self.rows)]
            )
            chart.set_range((float(self.span[0]), float(self.span[1])), (0, n))
            chart.set_columns(choose_time_ticks(*self.span, n=shape.n_times), is_time=True)
            for i, (_, colour, spans) in enumerate(self.rows):
                boxes = [(float(low), n - i - 0.8, max(least, high - low), 0.6) for low, high in spans]
                chart.draw_boxes(boxes, colour)

        sized = shape.stretch(56 + ROW_HEIGHT * n)
        return draw(sized, self.label, paint)
