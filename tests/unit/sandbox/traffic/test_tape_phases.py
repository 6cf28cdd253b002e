"""Outcomes of a tape by the phase of HIP-2's clock."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.sandbox.traffic.ladder_search import compute_ladder
from mm_trio.sandbox.traffic.tape import TapeRow
from mm_trio.sandbox.traffic.tape_phases import compare_oids, find_start

LEVELS = compute_ladder(Decimal("1"), 12, step=Decimal("0.003"), sz_decimals=2)
LOT = Decimal("0.01")


def row(at_ms: int, side: str, level: int, size: str, *, oid: int | None = None, balance: str | None = None) -> TapeRow:
    return TapeRow(
        time_ms=5_000_000 + at_ms,
        is_buy=side == "buy",
        price=LEVELS[level],
        size=Decimal(size),
        fee=Decimal(0),
        fee_token="USDC",
        oid=oid,
        balance=None if balance is None else Decimal(balance),
    )


def test_a_tape_with_long_pauses_has_one_outcome() -> None:
    tape = find_start([row(0, "sell", 4, "10"), row(9000, "buy", 4, "10")], LEVELS, lot=LOT)

    assert len(tape.phases) == 1
    assert (tape.n_matched, tape.rows_by_phase, tape.rows_unexplained) == (2, (), ())


def test_a_row_soon_after_another_depends_on_the_phase() -> None:
    """The level flips at an update: 2 s after it was emptied, in two thirds of the phases."""
    tape = find_start([row(0, "sell", 4, "10"), row(2000, "buy", 4, "10")], LEVELS, lot=LOT)

    assert [(phase.first_ms, phase.last_ms, len(phase.fills[1])) for phase in tape.phases] == [
        (1, 2000, 1),
        (2001, 3000, 0),
    ]
    assert (tape.rows_by_phase, tape.rows_unexplained) == ((1,), ())
    assert tape.best.last_ms == 2000


def test_a_row_that_no_phase_explains_is_named() -> None:
    tape = find_start([row(0, "sell", 4, "10"), row(9000, "buy", 7, "10")], LEVELS, lot=LOT)

    assert tape.rows_unexplained == (1,)
    assert tape.rows_by_phase == ()


def test_the_balance_tells_the_remainder() -> None:
    rows = [row(0, "sell", 4, "3", balance="53.0000000001"), row(0, "sell", 5, "10", balance="50")]

    start = find_start(rows, LEVELS, lot=LOT).start

    assert start.tokens % start.order_size == 3
    assert (start.remainder_level, start.boundary, start.bid_left) == (4, 4, None)


def test_a_bid_from_before_the_tape_is_found() -> None:
    """The first taker sells past the remainder's level: what he left of its bid was all that rested there."""
    rows = [
        row(0, "sell", 4, "2", balance="54", oid=1),
        row(9000, "buy", 3, "1.5", balance="52", oid=2),
        row(9000, "buy", 2, "4", balance="53.5", oid=3),
    ]

    tape = find_start(rows, LEVELS, lot=LOT, order_size=Decimal(10))

    assert (tape.start.remainder_level, tape.start.bid_left, tape.start.boundary) == (3, Decimal("1.5"), 4)
    assert tape.rows_unexplained == ()


def test_a_larger_order_size_is_found_where_no_whole_level_was_taken() -> None:
    rows = [
        row(0, "sell", 4, "0.5", balance="60.5"),
        row(0, "sell", 5, "7.9", balance="60"),
        row(2000, "buy", 3, "8.3", balance="52.1"),
        row(99_000, "sell", 4, "0.4", balance="60.4"),
        row(99_000, "sell", 5, "8", balance="60"),
    ]

    tape = find_start(rows, LEVELS, lot=Decimal("0.1"))

    assert tape.start.order_size == 10
    assert tape.n_matched == 5


def test_an_order_size_below_a_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="an order size of 5 is too small: one order was filled 10"):
        find_start([row(0, "sell", 4, "10")], LEVELS, lot=LOT, order_size=Decimal(5))


def test_identities_are_compared_by_side_and_price() -> None:
    rows = [row(0, "sell", 4, "1", oid=7), row(1, "buy", 4, "1", oid=8), row(2, "sell", 4, "1", oid=7)]

    assert compare_oids(rows, [1, 2, 1]) == [True]
    assert compare_oids(rows, [1, 2, 3]) == [False]


@pytest.mark.parametrize("balance", [None, "123"])
def test_a_tape_that_begins_on_the_lowest_level_has_no_bid_below(balance: str | None) -> None:
    rows = [row(0, "sell", 0, "3", balance=balance), row(9000, "sell", 1, "10")]

    tape = find_start(rows, LEVELS, lot=LOT, order_size=Decimal(10))

    assert tape.start.bid_left is None
    assert tape.start.boundary == 0


def test_a_long_tape_is_replayed_in_seconds_and_whole() -> None:
    """Its takers come at a thousand different phases."""
    rows = [row(7001 * n, "sell" if n % 2 else "buy", 4, "10") for n in range(1, 1001)]

    tape = find_start(rows, LEVELS, lot=LOT)

    assert (len(tape.rows), tape.n_matched) == (1000, 1000)
