"""Past of one grid for the page: its fills, what it earned, and the prices then, from ledger and record.

The figures are those of `mm-trio pnl`, the fills those of `mm-trio fills`: the same functions read them. All of it
blocks.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mm_trio.earnings.exact import exactly
from mm_trio.earnings.period import WHOLE
from mm_trio.history.earnings_reader import Asked, read_earnings
from mm_trio.history.fill_rows import find_seen, take_last
from mm_trio.history.ledger_reader import LedgerReader
from mm_trio.history.prices import PriceHistory
from mm_trio.history.quoting_reader import QuotingReader
from mm_trio.model.errors import RecordError
from mm_trio.pages.timeline import Extremes, Point, Timeline
from mm_trio.recorder.record_file import RecordFile
from mm_trio.reports.trading import TradingSeries

__all__ = ["SPANS_MS", "Past", "read_past"]

MOST_FILLS = 200
# At three points a bin a line has twice as many points as a wide screen has pixels for.
MOST_BINS = 240
HOUR_MS = 3_600_000
# What can be chosen on the page. None: since the ledger began.
SPANS_MS: Mapping[str, int | None] = {
    "15m": HOUR_MS // 4,
    "1h": HOUR_MS,
    "6h": 6 * HOUR_MS,
    "24h": 24 * HOUR_MS,
    "7d": 7 * 24 * HOUR_MS,
    "all": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was read, as the text of a JSON object. It was so at `at_ms` of the machine's calendar."""

    at_ms: int
    text: bytes


def read_past(folder: Path, span: str, *, now_ms: int | None = None) -> Past:
    """Read the past of the grid whose state folder this is; `now_ms` None: by the machine. Errors: JournalError."""
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    earnings = read_earnings(folder, Asked(period=WHOLE, now_ms=now_ms))
    with LedgerReader.open(folder) as ledger:
        kept, totals = take_last(ledger.read_fills(), limit=MOST_FILLS)
        began_ms = min((at_ms for at_ms, _ in ledger.read_terms()), default=now_ms)
    rows, unseen = find_seen(folder, kept)
    width_ms = SPANS_MS[span]
    from_ms = began_ms if width_ms is None else max(began_ms, now_ms - width_ms)
    timeline = Timeline.of(from_ms, max(now_ms, from_ms + 1), most=MOST_BINS)
    series, no_record = _read_series(folder, timeline)
    values = {
        "at_ms": now_ms,
        "fills": [row.to_json() for row in reversed(rows)],
        "totals": totals.to_json(),
        "earnings": earnings.figures.to_json(),
        "unseen_because": no_record or unseen,
        "from_ms": from_ms,
        "until_ms": now_ms,
        **series,
    }
    return Past(at_ms=now_ms, text=json.dumps(values, allow_nan=False, separators=(",", ":")).encode())


def _read_series(folder: Path, timeline: Timeline) -> tuple[dict[str, object], str | None]:
    """Read the lines of the pictures; a record that is missing or damaged costs the prices, and says why."""
    try:
        return _read_with(folder, timeline, with_record=True), None
    except RecordError as error:
        return _read_with(folder, timeline, with_record=False), str(error)


def _read_with(folder: Path, timeline: Timeline, *, with_record: bool) -> dict[str, object]:
    with ExitStack() as opened:
        quoting = opened.enter_context(closing(QuotingReader(folder)))
        record = opened.enter_context(closing(RecordFile.open_to_read(folder))) if with_record else None
        prices = opened.enter_context(closing(PriceHistory(record)))
        trading = TradingSeries(timeline, prices.find_mid)
        with exactly():
            for trade, _ in quoting.read_fills(timeline.from_ms, timeline.until_ms):
                trading.add(trade)
            trading.finish()
        boundary = _hold(quoting.read_boundaries(timeline.until_ms), timeline)
        mids = () if record is None else _read_mids(record, timeline)
        base, quote = trading.held
        return {
            "earned": {name: _to_columns(points) for name, points in trading.earned.items()},
            "boundary": _to_columns(boundary),
            "mids": _to_columns(mids),
            "held": {"base": _to_columns(base.points), "quote": _to_columns(quote.points)},
            "marks": {side: _to_columns(trading.marks(side)) for side in ("buy", "sell")},
        }


def _read_mids(record: RecordFile, timeline: Timeline) -> tuple[Point, ...]:
    """Read the middle of the book; where a side was empty, or nobody watched, the line breaks."""
    line = Extremes(timeline)
    seen = record.read_coverage("market", timeline.from_ms, timeline.until_ms)
    ends_ms = deque(span.until_ms for span in seen)
    for time_ms, bid, ask in record.read_price_texts(timeline.from_ms, timeline.until_ms):
        while ends_ms and ends_ms[0] < time_ms:
            line.add(ends_ms.popleft(), None)
        line.add(max(time_ms, timeline.from_ms), None if bid is None or ask is None else (float(bid) + float(ask)) / 2)
    return line.points


def _hold(steps: Iterable[tuple[int, Any]], timeline: Timeline) -> tuple[Point, ...]:
    """Make the line of a price that holds until the next one, from what held when the period began."""
    line = Extremes(timeline)
    held: float | None = None
    for at_ms, price in steps:
        if at_ms > timeline.from_ms:
            if held is not None:
                line.add(timeline.from_ms, held)
            held = None
            line.add(at_ms, float(price))
        else:
            held = float(price)
    if held is not None:
        line.add(timeline.from_ms, held)
    return line.points


def _to_columns(points: Iterable[Point]) -> list[list[float | None]]:
    """Return times in seconds and values, as the pictures take them; None where a line breaks."""
    listed = list(points)
    times: list[float | None] = [at_ms / 1000 for at_ms, _ in listed]
    return [times, [None if math.isnan(value) else value for _, value in listed]]
