"""Market and maker at a time of the past, from the record; what it cannot tell has a reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mm_trio.model.errors import RecordError
from mm_trio.model.observations import BestPrices, OwnBook
from mm_trio.recorder.record_file import RecordFile

__all__ = ["MarketThen", "find_market_then"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketThen:
    """Best prices and our book at a time; None with the reason where nobody looked."""

    prices: BestPrices | None
    book: OwnBook | None
    prices_unknown_because: str | None = None
    book_unknown_because: str | None = None

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
            },
            "market_unknown_because": self.prices_unknown_because,
            "maker": None
            if book is None
            else {"since_ms": book.time_ms, "state": book.state, "reason": book.reason, "n_orders": len(book.orders)},
            "maker_unknown_because": self.book_unknown_because,
        }


def find_market_then(folder: Path, at_ms: int) -> MarketThen:
    """Look up the record in `folder`; without one everything is unknown."""
    try:
        record = RecordFile.open_to_read(folder)
    except RecordError as error:
        return MarketThen(prices=None, book=None, prices_unknown_because=str(error), book_unknown_because=str(error))
    try:
        prices = record.find_prices_at(at_ms)
        is_seen = next(record.read_coverage("own", at_ms, at_ms), None) is not None
        book = next(record.read_own_books(at_ms, at_ms), None) if is_seen else None
    except RecordError as error:
        return MarketThen(prices=None, book=None, prices_unknown_because=str(error), book_unknown_because=str(error))
    finally:
        record.close()
    return MarketThen(
        prices=prices,
        book=book,
        prices_unknown_because="nobody watched the market's prices then" if prices is None else None,
        book_unknown_because="no maker recorded its own orders then" if book is None else None,
    )
