"""Prices of the last minute: what held when, what was watched, and what of it goes to the file."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from mm_trio.model.observations import BestPrices, Coverage
from mm_trio.recorder.price_memory import KEPT_MS, MOST_KEPT, PriceMemory


def at(time_ms: int, bid: int = 1) -> BestPrices:
    return BestPrices(time_ms, Decimal(bid), Decimal(1), Decimal(bid + 1), Decimal(1))


def with_prices(*times_ms: int) -> PriceMemory:
    memory = PriceMemory()
    for i, time_ms in enumerate(times_ms):
        memory.on_prices(at(time_ms, i + 1), now_ms=time_ms)
    return memory


def test_prices_hold_until_the_next_ones() -> None:
    memory = with_prices(1_000, 1_500)
    memory.on_heard(3_000)

    assert memory.find_at(1_499) == at(1_000, 1)
    assert memory.find_at(1_500) == memory.find_at(2_999) == at(1_500, 2)


def test_nothing_is_known_outside_of_the_span() -> None:
    memory = with_prices(1_000, 1_500)

    assert memory.find_at(999) is None
    assert memory.find_at(1_500) is None


def test_of_prices_of_one_moment_the_last_ones_hold() -> None:
    memory = with_prices(1_000, 1_000)
    memory.on_heard(2_000)

    assert memory.find_at(1_000) == at(1_000, 2)


def test_prices_that_come_late_are_put_in_their_place() -> None:
    memory = with_prices(1_000, 3_000)
    memory.on_prices(at(2_000, 9), now_ms=3_100)

    assert memory.find_at(2_500) == at(2_000, 9)


def test_a_span_begins_when_somebody_looked() -> None:
    """The first prices of a connection may have been set an hour ago."""
    memory = PriceMemory()
    memory.on_prices(at(1_000), now_ms=3_600_000)
    memory.on_heard(3_600_500)

    assert memory.span == Coverage("market", 3_599_000, 3_600_500)
    assert memory.take_rows() == [at(3_599_000)]


def test_a_cut_ends_the_span_and_the_next_prices_begin_another() -> None:
    memory = with_prices(1_000)
    memory.on_heard(5_000)
    memory.cut()
    memory.on_prices(at(9_000, 5), now_ms=9_000)
    memory.on_heard(10_000)

    assert memory.span == Coverage("market", 9_000, 10_000)
    assert memory.find_at(4_000) is None


def test_nothing_is_covered_after_a_cut() -> None:
    memory = with_prices(1_000)
    memory.cut()

    assert memory.span is None


def test_at_most_one_row_a_second_goes_to_the_file() -> None:
    memory = with_prices(*range(1_000, 11_000, 50))

    rows = [row.time_ms for row in memory.take_rows()]
    assert rows[0] == 1_000
    assert rows[-1] == 10_950
    assert all(later - earlier >= 1_000 for earlier, later in pairwise(rows[1:]))


def test_a_row_is_written_once() -> None:
    memory = with_prices(1_000)
    memory.take_rows()

    assert memory.take_rows() == []


def test_the_first_row_of_a_span_is_never_left_out() -> None:
    memory = with_prices(1_000, 1_100)

    assert memory.take_rows() == [at(1_000, 1), at(1_100, 2)]


def test_the_memory_is_bounded_in_time_and_number() -> None:
    memory = with_prices(*range(0, 10 * KEPT_MS, 10_000))
    assert len(memory._recent) <= KEPT_MS / 10_000 + 2

    memory = with_prices(*(1_000 + i // 1_000 for i in range(MOST_KEPT + 500)))
    assert len(memory._recent) == MOST_KEPT
