"""Ticks of axes: round numbers and round times, written in plain digits."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from mm_trio.pages.timeline import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

__all__ = ["MINUS", "Tick", "choose_ticks", "choose_time_ticks", "format_share", "format_time", "shorten"]

Tick = tuple[float, str]
TIME_STEPS_MS = (
    *(SECOND_MS * n for n in (1, 2, 5, 10, 20, 30)),
    *(MINUTE_MS * n for n in (1, 2, 5, 10, 15, 20, 30)),
    *(HOUR_MS * n for n in (1, 2, 3, 4, 6, 12)),
    *(DAY_MS * n for n in (1, 2, 3, 5, 7, 10, 14, 30, 60, 120, 365)),
)
MOST_DECIMALS = 12
# The sign of arithmetic, as wide as a digit.
MINUS = "\u2212"
# Larger numbers are written in thousands, millions or billions.
UNITS = ((1e9, "bn"), (1e6, "m"), (1e3, "k"))


def choose_ticks(low: float, high: float, *, n: int = 5) -> list[Tick]:
    """Choose at most about `n` round numbers between two."""
    if not high > low:
        return [(low, shorten(low))]
    rough = (high - low) / n
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    values = [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
    unit, name = next(((unit, name) for unit, name in UNITS if max(abs(low), abs(high)) >= 10 * unit), (1.0, ""))
    decimals = _count_decimals(step / unit)
    return [(value, _write(value / unit, decimals) + name) for value in values]


def _count_decimals(step: float) -> int:
    """Count the decimals that tell neighbours apart."""
    for decimals in range(MOST_DECIMALS):
        if abs(round(step, decimals) - step) < step * 1e-6:
            return decimals
    return MOST_DECIMALS


def _write(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    # A zero has no sign.
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def shorten(value: float) -> str:
    """Write a number with three figures, for a label beside a mark."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "unknown"
    unit, name = next(((unit, name) for unit, name in UNITS if abs(value) >= 10 * unit), (1.0, ""))
    decimals = min(MOST_DECIMALS, max(0, 2 - math.floor(math.log10(abs(value / unit)))))
    return _write(value / unit, decimals) + name


def format_share(share: float) -> str:
    """Write a share as per cent."""
    return f"{100 * share:.0f} %"


def choose_time_ticks(from_ms: int, until_ms: int, *, n: int = 8) -> list[Tick]:
    """Choose at most `n` round times; the label of a midnight is its date."""
    span = max(1, until_ms - from_ms)
    step = next((step for step in TIME_STEPS_MS if span / step <= n), TIME_STEPS_MS[-1])
    first = -(-from_ms // step) * step
    return [(float(time_ms), _label_time(time_ms, step)) for time_ms in range(first, until_ms + 1, step)]


def _label_time(time_ms: int, step: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, tz=UTC)
    if time_ms % DAY_MS == 0:
        return f"{moment.day} {moment:%b}"
    return f"{moment:%H:%M:%S}" if step < MINUTE_MS else f"{moment:%H:%M}"


def format_time(time_ms: int) -> str:
    """Write a time of the venue as UTC, to the second."""
    return f"{datetime.fromtimestamp(time_ms // 1000, tz=UTC):%Y-%m-%d %H:%M:%S}"
