"""Explanation of one level at one time: inputs, decision, requests, answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import count
from pathlib import Path

from mm_trio.history.level_decision import Decision, decide
from mm_trio.history.level_story import LevelEvent, LevelStory
from mm_trio.history.past_state import MayRest, PastState, read_past_state, read_terms
from mm_trio.history.withheld import Offer
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import ConfigError, RecordError
from mm_trio.model.observations import BestPrices, OwnBook, Watched
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.recorder.record_file import RecordFile

__all__ = ["Explanation", "MarketThen", "explain_level", "find_level"]

# A maker at work writes its record each second, and the ledger at once.
BEHIND_MS = 5_000
LAST_MS = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketThen:
    """Best prices and our book at a time; None with the reason where nobody looked.

    `recorded_until_ms`: the prices are those of this time, because the record reached no further yet.
    """

    prices: BestPrices | None
    book: OwnBook | None
    prices_unknown_because: str | None = None
    book_unknown_because: str | None = None
    recorded_until_ms: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        prices, book = self.prices, self.book
        return {
            "market": None
            if prices is None
            else {
                "since_ms": prices.time_ms,
                "bid": None if prices.bid is None else f"{prices.bid:f}",
                "bid_size": None if prices.bid_size is None else f"{prices.bid_size:f}",
                "ask": None if prices.ask is None else f"{prices.ask:f}",
                "ask_size": None if prices.ask_size is None else f"{prices.ask_size:f}",
                "recorded_until_ms": self.recorded_until_ms,
            },
            "market_unknown_because": self.prices_unknown_because,
            "maker": None
            if book is None
            else {"since_ms": book.time_ms, "state": book.state, "reason": book.reason, "n_orders": len(book.orders)},
            "maker_unknown_because": self.book_unknown_because,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that is known of a level at `state.at_ms`."""

    folder: Path
    level: int
    state: PastState
    offer: Offer
    decision: Decision
    resting: tuple[MayRest, ...]
    events: tuple[LevelEvent, ...]
    n_left_out: int
    market: MarketThen

    @property
    def price(self) -> Decimal:
        """Return the price of the level."""
        return self.state.terms.grid.levels[self.level]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        state, offer = self.state, self.offer
        return {
            "folder": str(self.folder),
            "at_ms": state.at_ms,
            "last_entry_ms": state.last_ms,
            "read_from_ms": state.read_from_ms,
            "level": self.level,
            "price": f"{self.price:f}",
            "inputs": {
                "token": f"{offer.token:f}",
                "quote": f"{offer.quote:f}",
                "k": offer.full,
                "p": f"{offer.remainder:f}",
                "u": offer.level,
                "boundary": state.boundary_level,
                "terms": state.terms.to_json(),
            },
            "decision": self.decision.to_json(),
            "rests": [order.to_json(now_ms=state.at_ms) for order in self.resting],
            "events": [event.to_json() for event in self.events],
            "events_left_out": self.n_left_out,
            **self.market.to_json(),
        }


def explain_level(
    folder: Path, wanted: str, *, at_ms: int | None, tell_progress: Callable[[int], None] = lambda n: None
) -> Explanation:
    """Explain a level, an index or a price, at a time; None: at the last entry.

    `tell_progress` is told how many entries were read. Errors: ConfigError for a level that is not on the ladder,
    JournalError.
    """
    journal = Journal.open_to_read(folder)
    try:
        grid = read_terms(journal, at_ms=at_ms).grid
        level = find_level(grid, wanted)
        story = LevelStory(grid.levels[level])
        state = read_past_state(journal, at_ms=at_ms, on_row=_both(story, tell_progress))
    finally:
        journal.close()
    return Explanation(
        folder=folder,
        level=level,
        state=state,
        offer=Offer.of(state.terms.grid, state.terms.settings, token=state.token, quote=state.quote),
        decision=decide(state, level),
        resting=tuple(order for order in state.list_orders(now_ms=state.at_ms) if order.quote.level_index == level),
        events=story.list_events(),
        n_left_out=story.n_left_out,
        market=_find_market_then(folder, state.at_ms),
    )


def _both(story: LevelStory, tell_progress: Callable[[int], None]) -> Callable[[JournalRow], None]:
    read = count(1)

    def on_row(row: JournalRow) -> None:
        story.on_row(row)
        tell_progress(next(read))

    return on_row


def find_level(grid: PricingGrid, wanted: str) -> int:
    """Find the level that an index (digits alone) or a price means. Errors: ConfigError."""
    allowed = (
        f"a level is from 0 to {grid.n_orders - 1}, a price (with a decimal point) from {grid.levels[0]:f} to "
        f"{grid.levels[-1]:f}; give one of these"
    )
    if wanted.isascii() and wanted.isdigit():
        if len(wanted) > 6 or int(wanted) >= grid.n_orders:
            raise ConfigError(f"level {wanted} is not on the ladder: {allowed}")
        return int(wanted)
    try:
        price = Decimal(wanted)
        level = grid.level_for_price(price) if price.is_finite() else None
    except (InvalidOperation, ValueError):
        raise ConfigError(f"{wanted!r} is not a valid level: {allowed}") from None
    if level is None:
        raise ConfigError(f"{wanted} is not on the ladder: {allowed}")
    return level


def _find_market_then(folder: Path, at_ms: int) -> MarketThen:
    """Look up the record in `folder`; without one everything is unknown."""
    try:
        record = RecordFile.open_to_read(folder)
    except RecordError as error:
        return MarketThen(prices=None, book=None, prices_unknown_because=str(error), book_unknown_because=str(error))
    try:
        seen_ms, own_ms = _find_recorded(record, "market", at_ms), _find_recorded(record, "own", at_ms)
        prices = None if seen_ms is None else record.find_prices_at(seen_ms)
        book = None if own_ms is None else next(record.read_own_books(own_ms, own_ms), None)
    except RecordError as error:
        return MarketThen(prices=None, book=None, prices_unknown_because=str(error), book_unknown_because=str(error))
    finally:
        record.close()
    return MarketThen(
        prices=prices,
        book=book,
        prices_unknown_because="nobody watched the market's prices then" if prices is None else None,
        book_unknown_because="no maker recorded its own orders then" if book is None else None,
        recorded_until_ms=None if prices is None or seen_ms == at_ms else seen_ms,
    )


def _find_recorded(record: RecordFile, watched: Watched, at_ms: int) -> int | None:
    """Return the time, or the end of a record that is a moment behind it; None where nobody watched then."""
    spans = list(record.read_coverage(watched, at_ms - BEHIND_MS, LAST_MS))
    if any(span.from_ms <= at_ms <= span.until_ms for span in spans):
        return at_ms
    return spans[-1].until_ms if spans and spans[-1].until_ms < at_ms else None
