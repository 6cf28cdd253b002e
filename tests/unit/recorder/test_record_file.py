"""The file of observations: what is written is read again, exactly, and nothing is told of times without a look."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from mm_trio.model.errors import RecordError
from mm_trio.model.observations import BestPrices, Coverage, Mark, MarketTrade, OwnBook, RestingSize
from mm_trio.recorder.mark_texts import read_marks_of
from mm_trio.recorder.record_file import RECORD_NAME, RecordFile

D = Decimal
PRICES = BestPrices(1_000, D("20.06"), D(5), D("20.12"), D("3.50"))
EMPTY_SIDE = BestPrices(3_000, None, None, D("20.12"), D(1))
TRADE = MarketTrade(1_500, 77, D("20.12"), D("0.25"), "buy", "0xa", None)
BID, ASK = RestingSize("buy", D("20.06"), D(5)), RestingSize("sell", D("20.12"), D(5))


def open_with(folder: Path, *observed: object) -> RecordFile:
    record = RecordFile.open(folder)
    record.append(observed)  # type: ignore[arg-type]
    return record


def test_prices_are_read_from_the_ones_that_hold_on(tmp_path: Path) -> None:
    record = open_with(tmp_path, PRICES, EMPTY_SIDE)

    assert list(record.read_best_prices(2_000, 5_000)) == [PRICES, EMPTY_SIDE]
    assert list(record.read_best_prices(3_500, 5_000)) == [EMPTY_SIDE]
    assert list(record.read_best_prices(0, 999)) == []


def test_a_price_is_told_only_where_somebody_watched(tmp_path: Path) -> None:
    record = open_with(tmp_path, PRICES, Coverage("market", 1_000, 2_000))

    assert record.find_prices_at(1_999) == PRICES
    assert record.find_prices_at(2_001) is None


def test_a_trade_that_is_repeated_counts_once(tmp_path: Path) -> None:
    record = open_with(tmp_path, TRADE)
    record.append([TRADE])

    assert list(record.read_trades(0, 9_999)) == [TRADE]


def test_books_are_read_whole_although_differences_are_written(tmp_path: Path) -> None:
    smaller = RestingSize("sell", D("20.12"), D("2.5"))
    books = [
        OwnBook(1_000, (BID, ASK), "quoting"),
        OwnBook(2_000, (BID, smaller), "quoting"),
        OwnBook(3_000, (BID,), "paused", "no feed"),
    ]
    record = open_with(tmp_path, *books)

    assert list(record.read_own_books(0, 9_999)) == books
    assert list(record.read_own_books(2_500, 9_999)) == books[1:]


def test_steps_of_books_tell_what_differs_alone(tmp_path: Path) -> None:
    record = open_with(tmp_path, OwnBook(1_000, (BID, ASK), "quoting"), OwnBook(2_000, (BID,), "paused", "no feed"))

    first, second = record.read_book_steps(1_500, 9_999)

    assert (first.time_ms, first.is_whole, first.state, first.reason) == (1_000, True, "quoting", None)
    assert [":".join(row) for row in first.sizes] == ["buy:20.06:5", "sell:20.12:5"]
    assert (second.time_ms, second.is_whole, second.state, second.reason) == (2_000, False, "paused", "no feed")
    assert [":".join(row) for row in second.sizes] == ["sell:20.12:0"]


def test_prices_as_texts_are_those_of_the_prices(tmp_path: Path) -> None:
    record = open_with(tmp_path, PRICES, EMPTY_SIDE)

    assert list(record.read_price_texts(2_000, 5_000)) == [(1_000, "20.06", "20.12"), (3_000, None, "20.12")]


def test_takers_are_the_side_that_came(tmp_path: Path) -> None:
    sold = MarketTrade(1_600, 78, D("20.06"), D(1), "sell", "0xb", "0xc")
    record = open_with(tmp_path, TRADE, sold)

    assert list(record.read_takers(0, 9_999)) == [(1_500, 77, "0xa"), (1_600, 78, "0xc")]


def test_a_new_writer_begins_with_a_whole_book(tmp_path: Path) -> None:
    open_with(tmp_path, OwnBook(1_000, (BID, ASK), "quoting")).close()
    after = OwnBook(5_000, (BID,), "quoting")
    record = open_with(tmp_path, after)

    assert list(record.read_own_books(5_000, 9_999)) == [after]


@pytest.mark.parametrize("time_ms", [3_000, 2_500, 2_000, 1_500])
def test_books_after_a_clock_was_put_back_are_read_as_they_were(tmp_path: Path, time_ms: int) -> None:
    """A difference that is put before, or in place of, the book that it differs from would change others."""
    first, second = OwnBook(1_000, (BID, ASK), "quoting"), OwnBook(2_000, (BID,), "quoting")
    third, back = OwnBook(3_000, (ASK,), "quoting"), OwnBook(time_ms, (ASK,), "paused", "no feed")
    after = OwnBook(time_ms + 500, (ASK, BID), "quoting")
    record = open_with(tmp_path, first, second, third, back, after)

    kept = [book for book in (first, second) if book.time_ms < time_ms]
    assert list(record.read_own_books(0, 9_999)) == [*kept, back, after]


def test_a_clock_that_is_put_back_by_much_removes_no_book(tmp_path: Path) -> None:
    late, back = OwnBook(9_000_000, (BID, ASK), "quoting"), OwnBook(1_000, (BID,), "quoting")
    record = open_with(tmp_path, late, back, OwnBook(2_000, (), "quoting"))

    assert list(record.read_own_books(0, 9_999_999)) == [back, OwnBook(2_000, (), "quoting"), late]


def test_marks_keep_an_empty_side(tmp_path: Path) -> None:
    marks = [Mark(1_000, 0, D("20.06"), D("20.12")), Mark(1_000, 10_000, None, D("20.12"))]

    assert list(open_with(tmp_path, *marks).read_marks(0, 9_999)) == marks


def test_marks_of_a_fill_are_one_text(tmp_path: Path) -> None:
    record = open_with(tmp_path, Mark(1_000, 0, D("20.06"), D("20.12")), Mark(1_000, 10_000, None, D("20.13")))

    assert list(record.read_marks_of_fills(0, 9_999)) == [(1_000, "0,20.06,20.12;10000,,20.13;")]


def test_a_mark_that_is_made_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    record = open_with(tmp_path, Mark(1_000, 10_000, D(1), D(2)), Mark(1_000, 0, D(1), D(2)))
    record.append([Mark(1_000, 10_000, D(3), D(4))])

    assert list(record.read_marks(0, 9_999)) == [Mark(1_000, 0, D(1), D(2)), Mark(1_000, 10_000, D(3), D(4))]


@pytest.mark.parametrize("text", ["0,20.06;", "0,cheap,20.12;", "soon,20.06,20.12;"])
def test_a_damaged_mark_is_an_error_of_the_record(text: str) -> None:
    with pytest.raises(RecordError, match="is not a valid mark"):
        list(read_marks_of(1_000, text))


def test_spans_that_join_are_one(tmp_path: Path) -> None:
    record = open_with(tmp_path, Coverage("own", 1_000, 2_000), Coverage("own", 2_000, 3_000))
    record.append([Coverage("own", 5_000, 6_000)])

    assert list(record.read_coverage("own", 0, 9_999)) == [Coverage("own", 1_000, 3_000), Coverage("own", 5_000, 6_000)]


def test_what_is_written_together_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    record = RecordFile.open(tmp_path)

    def break_off() -> Iterator[BestPrices]:
        yield PRICES
        raise KeyError

    with pytest.raises(KeyError):
        record.append(break_off())
    assert list(record.read_best_prices(0, 9_999)) == []


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / RECORD_NAME).write_bytes(b"not a database, but a text of somebody" * 40)

    with pytest.raises(RecordError, match="cannot be used"):
        RecordFile.open(tmp_path)


def test_where_no_record_is_the_error_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="there is no record at"):
        RecordFile.open_to_read(tmp_path)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_reader_that_is_given_up_after_the_end_says_nothing(tmp_path: Path) -> None:
    record = open_with(tmp_path, TRADE, MarketTrade(1_600, 78, D("20.12"), D("0.25"), "buy", "0xa", None))
    trades = record.read_trades(0, 5_000)

    assert next(trades) == TRADE
    record.close()
    del trades
