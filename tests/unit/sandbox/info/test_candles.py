from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sandbox_kit import HYPE, MAKER, PURR_ASSET, TAKER, buy, make_exchange, place, sell

from mm_trio.sandbox.info.candles import INTERVALS, build_candles, candle_row, find_span, find_trades


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True)
class TradeLike:
    time_ms: int
    price: Decimal
    size: Decimal


def trade(time_ms: int, price: str, size: str = "1") -> TradeLike:
    return TradeLike(time_ms, Decimal(price), Decimal(size))


@pytest.mark.parametrize(
    "interval, begin, end",
    [
        ("1m", "2025-12-04T10:07:00", "2025-12-04T10:08:00"),
        ("15m", "2025-12-04T10:00:00", "2025-12-04T10:15:00"),
        ("8h", "2025-12-04T08:00:00", "2025-12-04T16:00:00"),
        ("1d", "2025-12-04T00:00:00", "2025-12-05T00:00:00"),
        ("1w", "2025-12-04T00:00:00", "2025-12-11T00:00:00"),
        ("1M", "2025-12-01T00:00:00", "2026-01-01T00:00:00"),
    ],
)
def test_a_span_is_the_part_of_the_calendar_that_holds_the_moment(interval: str, begin: str, end: str) -> None:
    moment = ms("2025-12-04T10:07:53") + 555

    assert find_span(interval, moment) == (ms(begin), ms(end) - 1)


@pytest.mark.parametrize("interval", INTERVALS)
def test_spans_follow_each_other_without_a_gap(interval: str) -> None:
    begin, end = find_span(interval, ms("2024-02-29T23:59:59"))

    assert find_span(interval, begin) == find_span(interval, end) == (begin, end)
    assert find_span(interval, begin - 1)[1] == begin - 1
    assert find_span(interval, end + 1)[0] == end + 1


def test_an_unknown_interval_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        find_span("7m", 0)


def test_a_candle_has_the_first_last_highest_and_lowest_price_and_all_of_the_volume() -> None:
    (candle,) = build_candles("@1", "1m", [trade(1, "5", "1.5"), trade(2, "7"), trade(3, "4"), trade(59_999, "6")])

    assert candle_row(candle) == {
        "t": 0,
        "T": 59_999,
        "s": "@1",
        "i": "1m",
        "o": "5.0",
        "c": "6.0",
        "h": "7.0",
        "l": "4.0",
        "v": "4.5",
        "n": 4,
    }


def test_a_span_without_a_trade_is_flat_at_the_last_price() -> None:
    candles = build_candles("@1", "1m", [trade(0, "5"), trade(120_000, "9")])

    shown = [[candle_row(candle)[name] for name in "tohcn"] for candle in candles]
    assert shown == [[0, "5.0", "5.0", "5.0", 1], [60_000, "5.0", "5.0", "5.0", 0], [120_000, "9.0", "9.0", "9.0", 1]]


def test_the_trades_of_a_pair_are_its_takers_fills_in_order_of_time() -> None:
    exchange = make_exchange()
    for now_ms, (maker, taker) in enumerate([(MAKER, TAKER), (TAKER, MAKER), (MAKER, TAKER)]):
        place(exchange, maker, sell("20", f"{now_ms + 1}"), now_ms=1000 * now_ms)
        place(exchange, taker, buy("20", f"{now_ms + 1}", "Ioc"), now_ms=1000 * now_ms)
    place(exchange, MAKER, sell("5", "10", asset=PURR_ASSET), now_ms=3000)
    place(exchange, TAKER, buy("5", "10", "Ioc", asset=PURR_ASSET), now_ms=3000)

    found = find_trades(exchange, HYPE, since_ms=1000)

    assert [(each.time_ms, int(each.size)) for each in found] == [(1000, 2), (2000, 3)]
