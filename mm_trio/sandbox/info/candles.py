"""Candles made of trades: the venue's intervals, one candle's life, and its row.

What the exchange keeps of trades are its accounts' fills, so a candle reaches back as far as they do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from mm_trio.sandbox.info.rows import Json, number
from mm_trio.sandbox.matching.exchange import Exchange

__all__ = ["INTERVALS", "Candle", "Dealt", "build_candles", "candle_row", "find_dealt", "find_span"]

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


class Dealt(Protocol):
    """What a candle needs of a trade; a public trade and a taker's fill have it."""

    @property
    def time_ms(self) -> int: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def size(self) -> Decimal: ...


def find_span(interval: str, time_ms: int) -> tuple[int, int]:
    """First and last millisecond of the candle that holds `time_ms`.

    Source: docs *Subscriptions* for the names; that spans count from 1970 (weeks begin on a Thursday) and months
    are those of the UTC calendar is decided here. Errors: KeyError for a name that is not in `INTERVALS`.
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
    """One span of one pair. `volume` is in base; without a trade its four prices are the last one before."""

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
        """The candle of that moment, without a trade yet."""
        begin_ms, end_ms = find_span(interval, time_ms)
        return cls(coin, interval, begin_ms, end_ms, price, price, price, price)

    def add(self, price: Decimal, size: Decimal) -> None:
        """One trade more; the first one sets the opening price."""
        if not self.n_trades:
            self.open = self.high = self.low = price
        self.close = price
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += size
        self.n_trades += 1


def candle_row(candle: Candle) -> Json:
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


def find_dealt(exchange: Exchange, coin: str, *, since_ms: int) -> list[Dealt]:
    """The trades of a pair from that time on, oldest first, as far as fills are kept.

    Every trade has one taker, so his fill stands for it. Dust that the system sold is no trade.
    """
    found: list[Dealt] = []
    for address in exchange.addresses():
        for fill in reversed(exchange.fills(address)):
            if fill.time_ms < since_ms:
                break
            if fill.coin == coin and fill.crossed and not fill.is_dust:
                found.append(fill)
    found.reverse()
    return sorted(found, key=lambda dealt: dealt.time_ms)


def build_candles(coin: str, interval: str, dealt: Iterable[Dealt]) -> list[Candle]:
    """The candles of these trades, oldest first, with flat ones where nobody traded in between."""
    candles: list[Candle] = []
    for each in dealt:
        while candles and candles[-1].end_ms < each.time_ms:
            last = candles[-1]
            candles.append(Candle.begin(coin, interval, time_ms=last.end_ms + 1, price=last.close))
        if not candles:
            candles.append(Candle.begin(coin, interval, time_ms=each.time_ms, price=each.price))
        candles[-1].add(each.price, each.size)
    return candles
