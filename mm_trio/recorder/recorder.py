"""Recorder of one market and of our own book.

What is observed is handed over without waiting, on any thread; one caller at a time writes it. Nothing that happens
to the file reaches who hands over: what finds no room is counted and lost. Times are the venue's ms.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from mm_trio.messages.market_messages import MARKET_FEEDS, read_best_prices, read_trades
from mm_trio.model.errors import ProtocolError, RecordError
from mm_trio.model.observations import BestPrices, Coverage, Mark, Observed, OwnBook, Watched
from mm_trio.recorder.due_marks import MARKED_AFTER_MS, DueMark, DueMarks
from mm_trio.recorder.kept_file import KeptFile, RecordBounds
from mm_trio.recorder.price_memory import PriceMemory
from mm_trio.recorder.record_file import RecordFile

__all__ = ["Look", "Recorder"]

_log = logging.getLogger(__name__)

# Frames, looks and fills that wait for the writer: two minutes of a busy market, while a disk hangs.
MOST_WAITING = 3_000
# Observations that wait for a file that cannot be used: more than the minute until it is tried again.
MOST_UNWRITTEN = 10_000
# Frames sent before a heartbeat came before it. The margin is for the error of our clock.
HEARD_MARGIN_MS = 1_000
# Two looks this far apart are two spans, in which nobody looked between.
LOOKS_WITHIN_MS = 3_000
# A loop that stood still for longer, as in a machine that slept, knows nothing of the market of that time either.
STALL_MS = 5_000
# A frame of a time to come is no observation.
FUTURE_MS = 60_000
MOST_MARKS_A_STEP = 500
WAIT_TO_CLOSE_S = 2.0
COUNTED = ("prices", "trades", "books", "marks", "unreadable", "lost")


class Look(NamedTuple):
    """Look of the loop: at the connection, and at our own book, if there is one.

    `heard_ms` is the time of the last sign of life of this connection, None before the first.
    """

    now_ms: int
    connection: int
    heard_ms: int | None
    own: OwnBook | None = None


class _Frame(NamedTuple):
    feed: str
    connection: int
    body: Any


class _Fill(NamedTuple):
    time_ms: int


class Recorder:
    """Recorder of `coin`, into the record of `folder`.

    `take_…` may be called on any thread and never wait; `write` and `close` block.
    """

    def __init__(self, folder: Path, *, coin: str, bounds: RecordBounds | None = None) -> None:
        self.coin = coin
        self._counts = dict.fromkeys(COUNTED, 0)
        self._file = KeptFile(folder, bounds or RecordBounds())
        self._waiting: deque[Look | _Frame | _Fill] = deque()
        # Counted by whoever hands over; the writer remembers how many it has seen.
        self._n_without_room = self._n_seen_without_room = 0
        self._writing = threading.Lock()
        self._prices = PriceMemory()
        self._due = DueMarks()
        self._last: Look | None = None
        self._own_from_ms: int | None = None
        self._unwritten: list[Observed] = []
        self._spans: dict[tuple[Watched, int], Coverage] = {}
        self._new_fills: list[int] = []
        self._is_closed = False

    @property
    def counts(self) -> dict[str, int]:
        """Return how much was recorded, by name, and what was not."""
        return dict(self._counts)

    @property
    def fault(self) -> RecordError | None:
        """Return why nothing reaches the file, None while it does."""
        return self._file.fault

    @property
    def is_open(self) -> bool:
        """Check if observations reach the file."""
        return self._file.is_open

    # --- Handing over, on any thread ----------------------------------------------------------

    def take_frame(self, feed: str, connection: int, body: Any) -> None:
        """Take a frame of the market's feeds."""
        self._take(_Frame(feed, connection, body))

    def take_look(self, look: Look) -> None:
        """Take a look of the loop, about once a second."""
        self._take(look)

    def take_fill(self, time_ms: int) -> None:
        """Take the time of a fill of ours, which wants marks."""
        self._take(_Fill(time_ms))

    def _take(self, item: Look | _Frame | _Fill) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._n_without_room += 1
        else:
            self._waiting.append(item)

    # --- Writing ------------------------------------------------------------------------------

    def write(self) -> None:
        """Write what was handed over. Blocks."""
        with self._writing:
            if not self._is_closed:
                self._write()

    def close(self) -> None:
        """Write the rest and close the file for good. Blocks; where a write hangs, only a moment."""
        if self._writing.acquire(timeout=WAIT_TO_CLOSE_S):
            try:
                if not self._is_closed:
                    self._is_closed = True
                    self._write()
                self._file.close()
            finally:
                self._writing.release()

    def _write(self) -> None:
        for _ in range(len(self._waiting)):
            item = self._waiting.popleft()
            match item:
                case Look():
                    self._on_look(item)
                case _Frame():
                    self._on_frame(item)
                case _Fill():
                    self._on_fill(item.time_ms)
        if (n_lost := self._n_without_room - self._n_seen_without_room) > 0:
            # A price may be among them.
            self._n_seen_without_room += n_lost
            self._counts["lost"] += n_lost
            self._prices.cut()
        if self._last is None:
            return
        rows = self._prices.take_rows()
        self._counts["prices"] += len(rows)
        self._unwritten += rows
        if self._prices.span is not None:
            self._note_span(self._prices.span)
        due = self._take_due()
        self._unwritten += self._make_from_memory(due)
        self._append(self._last.now_ms)
        self._make_from_file([mark for mark in due if self._prices.find_at(mark.at_ms) is None])

    def _append(self, now_ms: int) -> None:
        was_open = self._file.is_open
        observed = [*self._unwritten, *self._spans.values()]
        if self._file.append(observed, fills_ms=self._new_fills, now_ms=now_ms):
            self._unwritten.clear()
            self._spans.clear()
            self._new_fills.clear()
            if not was_open:
                self._resume_marks(now_ms)
        elif len(self._unwritten) + len(self._spans) + len(self._new_fills) > MOST_UNWRITTEN:
            self._counts["lost"] += len(self._unwritten)
            self._unwritten.clear()
            self._spans.clear()
            self._new_fills.clear()
            self._own_from_ms = None
            self._prices.begin_again()

    # --- Taking in ----------------------------------------------------------------------------

    def _on_look(self, look: Look) -> None:
        last, self._last = self._last, look
        passed_ms = None if last is None else look.now_ms - last.now_ms
        has_stalled = passed_ms is None or not 0 <= passed_ms <= STALL_MS
        if has_stalled or last is None or look.connection != last.connection:
            self._prices.cut()
        elif look.heard_ms is not None:
            self._prices.on_heard(min(look.heard_ms, look.now_ms) - HEARD_MARGIN_MS)
        if look.own is None:
            return
        book = last.own if last is not None else None
        if self._own_from_ms is None or passed_ms is None or not 0 <= passed_ms <= LOOKS_WITHIN_MS:
            self._own_from_ms, book = look.now_ms, None
        if book is None or not _is_same(book, look.own):
            self._counts["books"] += 1
            self._unwritten.append(look.own)
        self._note_span(Coverage("own", self._own_from_ms, look.now_ms))

    def _note_span(self, span: Coverage) -> None:
        """Keep the newest end of a span until it is written."""
        self._spans[span.watched, span.from_ms] = span

    def _on_frame(self, frame: _Frame) -> None:
        last = self._last
        if last is None or frame.connection != last.connection:
            return
        try:
            if frame.feed == MARKET_FEEDS[0]:
                self._on_prices(read_best_prices(frame.body, self.coin), now_ms=last.now_ms)
                return
            trades, unreadable = read_trades(frame.body, self.coin)
        except ProtocolError as error:
            self._on_unreadable(error)
            if frame.feed == MARKET_FEEDS[0]:
                # What holds from here on is in the message that cannot be read.
                self._prices.cut()
            return
        known = [trade for trade in trades if trade.time_ms <= last.now_ms + FUTURE_MS]
        self._counts["trades"] += len(known)
        self._counts["unreadable"] += len(trades) - len(known)
        self._unwritten += known
        for unread in unreadable:
            self._on_unreadable(unread)

    def _on_prices(self, prices: BestPrices, *, now_ms: int) -> None:
        if prices.time_ms > now_ms + FUTURE_MS:
            self._counts["unreadable"] += 1
            self._prices.cut()
            return
        self._prices.on_prices(prices, now_ms=now_ms)

    def _on_unreadable(self, error: ProtocolError) -> None:
        """Count what cannot be read; the first is told."""
        if not self._counts["unreadable"]:
            _log.warning("record: unreadable message of the market: %s; it is left out, and so are further ones", error)
        self._counts["unreadable"] += 1

    def _on_fill(self, time_ms: int) -> None:
        if self._due.on_fill(time_ms):
            self._new_fills.append(time_ms)

    # --- Marks --------------------------------------------------------------------------------

    def _take_due(self) -> list[DueMark]:
        span = self._prices.span
        # While nobody watches, it is not known yet whether a time will have been watched.
        return [] if span is None else self._due.take_due(span.until_ms, most=MOST_MARKS_A_STEP)

    def _make_from_memory(self, due: list[DueMark]) -> list[Mark]:
        found = [(mark, self._prices.find_at(mark.at_ms)) for mark in due]
        marks = [_make(mark, prices) for mark, prices in found if prices is not None]
        self._counts["marks"] += len(marks)
        return marks

    def _make_from_file(self, due: list[DueMark]) -> None:
        """Make marks of times that only the file knows: before this connection, or before this process."""
        if not due or self._last is None:
            return

        def find(file: RecordFile) -> list[Mark]:
            found = [(mark, file.find_prices_at(mark.at_ms)) for mark in due]
            return [_make(mark, prices) for mark, prices in found if prices is not None]

        marks = self._file.use(find, now_ms=self._last.now_ms)
        if marks is None:
            self._due.put_back(due)
            return
        self._counts["marks"] += len(marks)
        self._unwritten += marks

    def _resume_marks(self, now_ms: int) -> None:
        """Want the marks that an earlier process could not make yet."""
        since_ms = now_ms - MARKED_AFTER_MS[-1]

        def read(file: RecordFile) -> dict[int, set[int]]:
            made: dict[int, set[int]] = {fill_ms: set() for fill_ms in file.read_marked_fills(since_ms)}
            for mark in file.read_marks(since_ms, now_ms):
                made.setdefault(mark.fill_ms, set()).add(mark.after_ms)
            return made

        for fill_ms, made in (self._file.use(read, now_ms=now_ms) or {}).items():
            self._due.on_fill(fill_ms, made=made)


def _make(mark: DueMark, prices: BestPrices) -> Mark:
    return Mark(mark.fill_ms, mark.after_ms, prices.bid, prices.ask)


def _is_same(book: OwnBook, other: OwnBook) -> bool:
    return (book.orders, book.state, book.reason) == (other.orders, other.state, other.reason)
