"""Prices of the past: what a fill's own marks say, what the record says, and where nobody looked."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from earnings_kit import T0, write_record

from mm_trio.earnings.period import WHOLE, Period
from mm_trio.history.prices import HOUR_MS, PriceHistory
from mm_trio.model.observations import BestPrices, Coverage, Mark, Observed
from mm_trio.recorder.record_file import RecordFile

ONE = Decimal(1)


def price(at_ms: int, mid: int) -> BestPrices:
    return BestPrices(at_ms, mid - ONE, ONE, mid + ONE, ONE)


def mark(fill_ms: int, after_ms: int, mid: int) -> Mark:
    return Mark(fill_ms, after_ms, mid - ONE, mid + ONE)


@pytest.fixture
def records() -> Iterator[list[RecordFile]]:
    opened: list[RecordFile] = []
    yield opened
    for record in opened:
        record.close()


def history(folder: Path, records: list[RecordFile], *observed: Observed) -> PriceHistory:
    write_record(folder, *observed)
    records.append(RecordFile.open_to_read(folder))
    return PriceHistory(records[-1])


WATCHED = Coverage("market", T0, T0 + 2 * HOUR_MS)
CHANGES = (price(T0, 20), price(T0 + 500, 21), price(T0 + 2_000, 22), price(T0 + HOUR_MS, 23))


def test_each_horizon_has_the_price_that_held_then(tmp_path: Path, records: list[RecordFile]) -> None:
    found = history(tmp_path, records, WATCHED, *CHANGES).find_mids(T0 + 500)

    assert list(found) == [20, 21, 22, 22, 22, 23]


def test_the_price_of_the_moment_of_a_fill_is_not_the_one_before(tmp_path: Path, records: list[RecordFile]) -> None:
    assert history(tmp_path, records, WATCHED, *CHANGES).find_mids(T0 + 2_000)[0] == 21


def test_marks_of_a_fill_win(tmp_path: Path, records: list[RecordFile]) -> None:
    prices = history(tmp_path, records, WATCHED, *CHANGES, mark(T0 + 500, 0, 70), mark(T0 + 500, 10_000, 71))

    assert list(prices.find_mids(T0 + 500)) == [70, 21, 71, 22, 22, 23]


def test_a_mark_without_a_side_is_absent(tmp_path: Path, records: list[RecordFile]) -> None:
    prices = history(tmp_path, records, WATCHED, *CHANGES, Mark(T0 + 500, 1_000, ONE, None))

    assert prices.find_mids(T0 + 500)[1] is None


def test_where_nobody_looked_there_is_no_price(tmp_path: Path, records: list[RecordFile]) -> None:
    seen = Coverage("market", T0, T0 + 11_000)

    assert list(history(tmp_path, records, seen, *CHANGES).find_mids(T0 + 500)) == [20, 21, 22, None, None, None]


def test_fills_may_come_late(tmp_path: Path, records: list[RecordFile]) -> None:
    prices = history(tmp_path, records, *(mark(T0 + n, 0, 30 + n) for n in range(5)))

    assert [prices.find_mids(T0 + n)[0] for n in (0, 3, 1, 1, 4)] == [30, 33, 31, 31, 34]


def test_without_a_record_the_reason_is_told() -> None:
    prices = PriceHistory(None, absent="there is no record")

    assert prices.find_mids(T0) == (None,) * 6
    assert prices.mark_at(T0).absent == "there is no record"
    assert prices.end_mark(WHOLE, last_fill_ms=None, now_ms=T0).absent == "there is no record"


def test_the_mark_of_a_day_that_is_over_is_the_last_before_its_end(tmp_path: Path, records: list[RecordFile]) -> None:
    day = Period(T0, T0 + 2_000)
    prices = history(tmp_path, records, WATCHED, *CHANGES)

    assert prices.end_mark(day, last_fill_ms=T0, now_ms=T0 + 2_000).price == 21
    assert prices.end_mark(day, last_fill_ms=T0, now_ms=T0 + 1_999).price == 23


def test_a_fill_that_is_younger_than_the_record_leaves_no_mark(tmp_path: Path, records: list[RecordFile]) -> None:
    prices = history(tmp_path, records, WATCHED, *CHANGES)

    def find(last_fill_ms: int) -> Decimal | None:
        return prices.end_mark(WHOLE, last_fill_ms=last_fill_ms, now_ms=T0).price

    assert find(WATCHED.until_ms + 60_000) == 23
    assert find(WATCHED.until_ms + 60_001) is None


EMPTY_MS = T0 + 3_000
EMPTIED = (
    *CHANGES[:3],
    BestPrices(EMPTY_MS, None, None, Decimal(23), ONE),
    BestPrices(EMPTY_MS + 1, None, None, None, None),
)


def test_a_book_that_its_maker_left_empty_keeps_its_last_mark(tmp_path: Path, records: list[RecordFile]) -> None:
    found = history(tmp_path, records, WATCHED, *EMPTIED).end_mark(WHOLE, last_fill_ms=T0, now_ms=WATCHED.until_ms)

    assert (found.price, found.at_ms) == (Decimal(22), EMPTY_MS - 1)


def test_a_maker_that_stopped_leaves_its_day_the_last_mark(tmp_path: Path, records: list[RecordFile]) -> None:
    day = Period(T0, T0 + 86_400_000)
    prices = history(tmp_path, records, WATCHED, *CHANGES)

    found = prices.end_mark(day, last_fill_ms=T0, now_ms=T0 + 2 * 86_400_000)

    assert (found.price, found.at_ms) == (Decimal(23), WATCHED.until_ms)


def test_a_price_from_before_the_period_is_not_its_mark(tmp_path: Path, records: list[RecordFile]) -> None:
    period = Period(EMPTY_MS, None)
    prices = history(tmp_path, records, WATCHED, *EMPTIED)

    assert prices.end_mark(period, last_fill_ms=EMPTY_MS + 5, now_ms=WATCHED.until_ms).price is None


def test_fills_in_a_book_with_one_side_alone_leave_no_mark(tmp_path: Path, records: list[RecordFile]) -> None:
    prices = history(tmp_path, records, WATCHED, *EMPTIED)

    found = prices.end_mark(WHOLE, last_fill_ms=EMPTY_MS + 60_000, now_ms=WATCHED.until_ms)

    assert found.price is None
    assert "and fills came later" in str(found.absent)


@pytest.mark.parametrize("before_ms, found", [(0, 20), (60_000, 20), (60_001, None)])
def test_the_beginning_may_wait_a_minute_for_its_price(
    tmp_path: Path, records: list[RecordFile], before_ms: int, found: int | None
) -> None:
    assert history(tmp_path, records, WATCHED, *CHANGES).opening_mark(T0 - before_ms).price == found


def test_marks_of_other_horizons_stand_in_for_none(tmp_path: Path, records: list[RecordFile]) -> None:
    marks = [mark(T0, after_ms, 30) for after_ms in (0, 1_000, 5_000, 10_000, 60_000, 300_000)]

    assert list(history(tmp_path, records, *marks).find_mids(T0)) == [30, 30, 30, 30, 30, None]


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_marks_that_are_not_read_to_the_end_are_given_up_quietly(tmp_path: Path) -> None:
    write_record(tmp_path, *(mark(T0 + n, 0, 30) for n in range(3)))
    record = RecordFile.open_to_read(tmp_path)
    prices = PriceHistory(record)
    prices.find_mids(T0)

    prices.close()
    record.close()
    del prices
