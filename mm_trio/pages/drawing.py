"""Frame of every picture: size, axes, colours; matplotlib draws and this module decides how.

matplotlib is imported when the first picture is drawn: a report as JSON or CSV does without it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any

from mm_trio.model.errors import ConfigError
from mm_trio.pages.scales import Tick
from mm_trio.pages.svg import clean_svg, make_printable

__all__ = [
    "BUY",
    "GOOD",
    "INK",
    "MUTED",
    "NARROW",
    "OTHER",
    "PALETTE",
    "SELL",
    "SHAPES",
    "WIDE",
    "Box",
    "Chart",
    "Shape",
    "check_library",
    "draw",
]

# Colours by their part in a picture. Blue and orange, teal and violet stay apart for every kind of colour blindness,
# and lines differ by their dashes too.
INK, MUTED, GRID = "#1f2933", "#5f6b7a", "#e3e7ec"
BUY, SELL, GOOD, OTHER = "#1f6fb2", "#c4570b", "#0b7a6b", "#7a4fa3"
PALETTE = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    BUY: "var(--buy)",
    SELL: "var(--sell)",
    GOOD: "var(--good)",
    OTHER: "var(--other)",
}
POINTS_PER_INCH = 72
# Left, bottom, width and height, in the units of the axes.
Box = tuple[float, float, float, float]
CHAR_WIDTH = 0.67
LONGEST_LABEL = 16
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mm_trio",
    "font.size": 12.0,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "path.simplify": False,
}
# The creator's line would name the version of the library.
_METADATA = {"Date": None, "Creator": None, "Type": None, "Format": None}


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a picture in pixels, and how many labels its axis of time has room for."""

    name: str
    width: int
    height: int
    n_times: int

    def stretch(self, height: int) -> Shape:
        """Return the same shape with another height."""
        return Shape(self.name, self.width, height, self.n_times)


WIDE, NARROW = Shape("wide", 920, 300, 9), Shape("narrow", 350, 250, 4)
SHAPES = (WIDE, NARROW)


class Chart:
    """One pair of axes in a figure, with its room for labels taken before anything is drawn."""

    def __init__(self, figure: Any, shape: Shape, *, unit: str, ticks: Sequence[Tick]) -> None:
        self.shape = shape
        size = figure.get_size_inches() * POINTS_PER_INCH
        self.font = 12.0
        left = 8 + CHAR_WIDTH * self.font * max((len(_make_label(label)) for _, label in ticks), default=1)
        right, top, bottom = 14, 26, 26
        box = (left / size[0], bottom / size[1], (size[0] - left - right) / size[0], (size[1] - top - bottom) / size[1])
        self.axes = figure.add_axes(box)
        self.axes.set_frame_on(False)
        self.axes.tick_params(length=0, pad=6, labelsize=self.font, labelcolor=MUTED)
        self.axes.set_yticks([value for value, _ in ticks], [_make_label(label) for _, label in ticks])
        self.axes.set_axisbelow(True)
        self.axes.grid(visible=True, axis="y", color=GRID, linewidth=1)
        self.axes.text(
            0,
            1 - 16 / size[1],
            make_printable(unit),
            transform=figure.transFigure,
            color=MUTED,
            fontsize=self.font,
            ha="left",
        )

    def set_range(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Set what both axes show."""
        self.axes.set_xlim(*x)
        self.axes.set_ylim(*y)

    def set_columns(self, ticks: Sequence[Tick], *, is_time: bool = False) -> None:
        """Set the labels below; those of times at the ends stay inside the picture."""
        self.axes.set_xticks([value for value, _ in ticks], [_make_label(label) for _, label in ticks])
        low, high = self.axes.get_xlim()
        if not is_time:
            return
        for label, (value, _) in zip(self.axes.get_xticklabels(), ticks, strict=True):
            part = (value - low) / (high - low)
            label.set_horizontalalignment("left" if part < 0.03 else "right" if part > 0.97 else "center")

    def draw_line(
        self, points: Sequence[tuple[float, float]], colour: str, *, dash: str = "-", width: float = 1.6
    ) -> None:
        """Draw values that hold until the next one."""
        x, y = [at for at, _ in points], [value for _, value in points]
        self.axes.plot(x, y, color=colour, linestyle=dash, linewidth=width, drawstyle="steps-post", clip_on=False)

    def fill(self, points: Sequence[tuple[float, float]], colour: str, *, base: float = 0.0) -> None:
        """Fill the area between values and a base."""
        x, y = [at for at, _ in points], [value for _, value in points]
        self.axes.fill_between(x, y, base, color=colour, alpha=0.16, linewidth=0, step="post", clip_on=False)

    def draw_marks(self, points: Sequence[tuple[float, float]], colour: str, *, mark: str, size: float = 30) -> None:
        """Draw a mark at each point."""
        x, y = [at for at, _ in points], [value for _, value in points]
        self.axes.scatter(x, y, s=size, marker=mark, color=colour, alpha=0.85, linewidth=0, clip_on=False, zorder=5)

    def draw_boxes(self, boxes: Sequence[Box], colour: str, *, opacity: float = 1.0) -> None:
        """Draw boxes as one path."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if not boxes:
            return
        corners = [
            Path([(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)], closed=True)
            for x, y, width, height in boxes
        ]
        path = Path.make_compound_path(*corners)
        self.axes.add_patch(PathPatch(path, facecolor=colour, alpha=opacity, linewidth=0, clip_on=False))

    def write(self, x: float, y: float, words: str) -> None:
        """Write words beside the end of a bar."""
        is_left = x < 0
        self.axes.annotate(
            words,
            (x, y),
            (-5 if is_left else 5, 0),
            textcoords="offset points",
            ha="right" if is_left else "left",
            va="center_baseline",
            color=INK,
            fontsize=self.font,
        )

    def draw_zero(self) -> None:
        """Draw the line at zero."""
        self.axes.axhline(0, color=MUTED, linewidth=1, clip_on=False)


def _make_label(text: str) -> str:
    shown = make_printable(text)
    return shown if len(shown) <= LONGEST_LABEL else f"{shown[: LONGEST_LABEL - 1]}…"


def check_library() -> None:
    """Refuse to draw where the library is missing. Errors: ConfigError."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"pictures need matplotlib, which is not installed ({error}); install it with "
            "`pip install mm-trio[report]`, or ask for the figures alone with --json or --csv"
        ) from None


@contextmanager
def _own_style() -> Iterator[None]:
    """Draw alike on every machine, whatever its settings of matplotlib are."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # Its font lacks signs that the reader's has; it only measures with it.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def draw(shape: Shape, label: str, paint: Callable[[Any], None]) -> str:
    """Draw a picture and return its SVG; `paint` gets the figure. Errors: ConfigError."""
    check_library()
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with _own_style():
        figure = Figure(figsize=(shape.width / POINTS_PER_INCH, shape.height / POINTS_PER_INCH))
        figure.patch.set_visible(False)
        FigureCanvasSVG(figure)
        paint(figure)
        text = StringIO()
        figure.savefig(text, format="svg", metadata=_METADATA)
    return clean_svg(text.getvalue(), label=label, palette=PALETTE)
