"""Candles of the venue's intervals, built from trades.

The exchange keeps trades only as its accounts' fills, so candles reach back as far as those do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from mm_trio.sandbox.info.rows import Json, number
from mm_trio.sandbox.matching.exchange import Exchange

__all__ = ["INTERVALS", "Candle", "TradeLike", "build_candles", "candle_row", "find_span", "find_trades"]

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
_FIXED_MS = {
    **{f"{n}m": n * _MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * _HOUR_MS for n in (1, 2, 4, 8, 12)},
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
}
INTERVALS = (*_FIXED_MS, "1M")


class TradeLike(Protocol):
    """Trade, as far as a candle needs it.

    Public trades and takers' fills match it.
    """

    @property
    def time_ms(self) -> int:
        """Time of the trade."""

    @property
    def price(self) -> Decimal:
        """Price of the trade."""

    @property
    def size(self) -> Decimal:
        """Size in base."""


def find_span(interval: str, time_ms: int) -> tuple[int, int]:
    """Find the first and last millisecond of a candle.

    It is the candle that contains `time_ms`. Source: docs *Subscriptions* for the names. Decided here: spans count
    from 1970, so weeks begin on a Thursday, and months are those of the UTC calendar.
    Errors: KeyError for a name that is not in `INTERVALS`.
    """
    if interval == "1M":
        return _find_month(time_ms)
    length_ms = _FIXED_MS[interval]
    begin_ms = time_ms - time_ms % length_ms
    return begin_ms, begin_ms + length_ms - 1


def _find_month(time_ms: int) -> tuple[int, int]:
    moment = datetime.fromtimestamp(time_ms // 1000, tz=UTC)
    begin = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = (begin.year + 1, 1) if begin.month == 12 else (begin.year, begin.month + 1)
    end = begin.replace(year=year, month=month)
    return int(begin.timestamp()) * 1000, int(end.timestamp()) * 1000 - 1


@dataclass(slots=True)
class Candle:
    """Candle of one pair and span.

    `volume` is in base. Without a trade its four prices are the last price before the span.
    """

    coin: str
    interval: str
    begin_ms: int
    end_ms: int
    open: Decimal
    close: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal = Decimal(0)
    n_trades: int = 0

    @classmethod
    def begin(cls, coin: str, interval: str, *, time_ms: int, price: Decimal) -> Candle:
        """Create the candle of a time, without a trade."""
        begin_ms, end_ms = find_span(interval, time_ms)
        return cls(coin, interval, begin_ms, end_ms, price, price, price, price)

    def add(self, price: Decimal, size: Decimal) -> None:
        """Add a trade; the first sets the opening price."""
        if not self.n_trades:
            self.open = self.high = self.low = price
        self.close = price
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += size
        self.n_trades += 1


def candle_row(candle: Candle) -> Json:
    """Encode a candle in the venue's JSON."""
    return {
        "t": candle.begin_ms,
        "T": candle.end_ms,
        "s": candle.coin,
        "i": candle.interval,
        "o": number(candle.open),
        "c": number(candle.close),
        "h": number(candle.high),
        "l": number(candle.low),
        "v": number(candle.volume),
        "n": candle.n_trades,
    }


def find_trades(exchange: Exchange, coin: str, *, since_ms: int) -> list[TradeLike]:
    """Find a pair's trades since a time, oldest first.

    They reach back as far as fills are kept. Every trade has one taker, so the taker's fill stands for it. Dust that
    the system sold is not a trade.
    """
    found: list[TradeLike] = []
    for address in exchange.addresses():
        for fill in reversed(exchange.fills(address)):
            if fill.time_ms < since_ms:
                break
            if fill.coin == coin and fill.crossed and not fill.is_dust:
                found.append(fill)
    found.reverse()
    return sorted(found, key=lambda trades: trades.time_ms)


def build_candles(coin: str, interval: str, trades: Iterable[TradeLike]) -> list[Candle]:
    """Build candles from trades, oldest first.

    Spans without a trade in between have flat candles.
    """
    candles: list[Candle] = []
    for each in trades:
        while candles and candles[-1].end_ms < each.time_ms:
            last = candles[-1]
            candles.append(Candle.begin(coin, interval, time_ms=last.end_ms + 1, price=last.close))
        if not candles:
            candles.append(Candle.begin(coin, interval, time_ms=each.time_ms, price=each.price))
        candles[-1].add(each.price, each.size)
    return candles
