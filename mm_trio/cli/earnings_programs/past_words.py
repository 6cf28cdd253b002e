"""Words of commands about the past: times, ages, numbers, tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from mm_trio.history.withheld import plain

__all__ = ["lay_out", "say_age", "say_number", "say_time"]


def say_time(time_ms: int | None) -> str:
    """Write a time of the venue's calendar."""
    if time_ms is None:
        return "unknown"
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ms % 1000:03}"


def say_age(seconds: float | None) -> str:
    """Write a length of time in its two largest units."""
    if seconds is None:
        return "unknown"
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def say_number(value: Decimal | None) -> str:
    """Write a number in plain digits without idle zeros; "unknown" for None."""
    return "unknown" if value is None else plain(value)


def lay_out(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out a table in columns as wide as they need to be."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
