"""Marks of a fill as one text, to which a mark is added when it is made.

A mark is "milliseconds after the fill,bid,ask;", and an empty side is empty. It is one text for each fill and no row
for each mark, because a report reads those of a million fills.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mm_trio.model.errors import RecordError
from mm_trio.model.observations import Mark

__all__ = ["parse_mark", "read_marks_of", "split_marks", "write_mark"]


def write_mark(mark: Mark) -> str:
    """Return the text of a mark, to be added to those of its fill."""
    bid, ask = ("" if price is None else str(price) for price in (mark.bid, mark.ask))
    return f"{mark.after_ms},{bid},{ask};"


def split_marks(text: str) -> list[str]:
    """Return the texts of single marks, in the order in which they were made."""
    return text.split(";")[:-1]


def parse_mark(fill_ms: int, text: str) -> Mark:
    """Return the mark of a text that `split_marks` gave. Errors: RecordError."""
    try:
        after, bid, ask = text.split(",")
        return Mark(fill_ms, int(after), Decimal(bid) if bid else None, Decimal(ask) if ask else None)
    except (ValueError, ArithmeticError) as error:
        raise RecordError(f"{text!r} is not a valid mark of the fill at {fill_ms} ms") from error


def read_marks_of(fill_ms: int, text: str) -> Iterator[Mark]:
    """Yield the marks of a fill by their times, of two for one time the later made. Errors: RecordError."""
    marks = [parse_mark(fill_ms, part) for part in split_marks(text)]
    for _, mark in sorted({mark.after_ms: mark for mark in marks}.items()):
        yield mark
