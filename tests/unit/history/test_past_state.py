"""State of a ladder in the past: orders, terms, and where the reading begins."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from day_kit import TradedDay
from past_kit import START_MS, TERMS, place, quote_at, write_ledger

from mm_trio.history.past_state import PastState, read_past_state
from mm_trio.history.quoting_reader import QuotingReader
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import ConfigError
from mm_trio.model.journal_entries import Adopted, Allocated, Began, Checkpoint, Ended, Quoted, Sent, Summed


def read(folder: Path, at_ms: int | None = None) -> PastState:
    journal = Journal.open_to_read(folder)
    try:
        return read_past_state(journal, at_ms=at_ms)
    finally:
        journal.close()


def list_phases(state: PastState, *, now_ms: int) -> list[tuple[int | None, str]]:
    return [(order.oid, order.phase) for order in state.list_orders(now_ms=now_ms)]


def test_an_order_rests_from_its_arrival_to_its_end(tmp_path: Path) -> None:
    write_ledger(tmp_path, place("buy", 3, oid=1), [Ended(1, "canceled", Decimal(5))])

    oids = [[order.oid for order in read(tmp_path, START_MS + ms).list_orders(now_ms=0)] for ms in (999, 1000, 2000)]

    assert oids == [[], [1], []]


def test_an_order_without_an_answer_is_in_doubt_after_its_deadline(tmp_path: Path) -> None:
    sent = Sent("0x" + "5" * 32, quote_at("sell", 5), None, START_MS, START_MS + 10_000)
    state = read(write_ledger(tmp_path, [sent]))

    assert list_phases(state, now_ms=START_MS + 9_999) == [(None, "in flight")]
    assert list_phases(state, now_ms=START_MS + 10_000) == [(None, "in doubt")]


def test_an_order_has_rested_since_it_was_recorded_to_arrive(tmp_path: Path) -> None:
    (order,) = read(write_ledger(tmp_path, place("buy", 3, oid=1))).list_orders(now_ms=0)

    assert order.since_ms == START_MS + 1_000


def test_orders_come_from_the_highest_price_down(tmp_path: Path) -> None:
    state = read(write_ledger(tmp_path, place("buy", 1, oid=1), place("sell", 6, oid=2), place("buy", 3, oid=3)))

    assert [order.quote.level_index for order in state.list_orders(now_ms=0)] == [6, 3, 1]


def test_a_ledger_without_its_archives_has_the_terms_of_its_checkpoint(tmp_path: Path) -> None:
    """A rebuilt one, before its next session."""
    with closing(Journal.open(tmp_path)) as journal:
        parts = (Began(7, TERMS), Allocated(None, None), Summed(None, None, Decimal(10), Decimal(100)))
        journal.append([Checkpoint(parts), Quoted(3)], at_ms=START_MS)

    assert read(tmp_path).terms.epoch == 7
    with closing(QuotingReader(tmp_path)) as reader:
        assert [at_ms for at_ms, _ in reader.read_boundaries(START_MS + 1)] == [START_MS]


def test_the_terms_are_those_of_the_session_at_the_time(tmp_path: Path) -> None:
    write_ledger(tmp_path, [Began(8, TERMS | {"order_sz": "6"})])

    sizes = [read(tmp_path, START_MS + ms).terms.settings.order_size for ms in (999, 1000)]

    assert sizes == [5, 6]


def test_terms_without_a_minimum_are_read_with_the_usual_one(tmp_path: Path) -> None:
    terms = read(write_ledger(tmp_path)).terms

    assert (terms.settings.min_notional, terms.is_minimum_known) == (Decimal(10), False)


def test_a_time_before_the_first_session_is_refused_in_one_line(tmp_path: Path) -> None:
    write_ledger(tmp_path)

    with pytest.raises(ConfigError, match=r"the first began at 2026-09-21T00:00:00.000\+00:00: name a later time"):
        read(tmp_path, START_MS - 1)


def test_a_ledger_without_a_session_says_so(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()

    with pytest.raises(ConfigError, match="no maker has begun a session there yet"):
        read(tmp_path)


def test_the_reading_begins_at_the_last_checkpoint_before_the_time(tmp_path: Path) -> None:
    def checkpoint(oid: int) -> Checkpoint:
        sums = Summed(None, None, Decimal(17), Decimal(1000))
        rests = Adopted(oid, quote_at("buy", 3), None, Decimal(0))
        return Checkpoint((Began(7, TERMS), Allocated(None, None), sums, Quoted(4), rests))

    write_ledger(tmp_path, place("buy", 3, oid=1), [checkpoint(1)], place("buy", 2, oid=2), [checkpoint(9)])

    states = [read(tmp_path, START_MS + ms) for ms in (1500, 3500, 4500)]

    assert [state.read_from_ms for state in states] == [None, START_MS + 2000, START_MS + 4000]
    assert [[order.oid for order in state.list_orders(now_ms=0)] for state in states] == [[1], [1, 2], [9]]


def test_balances_at_a_time_are_those_of_the_exchange(quiet_hour: TradedDay) -> None:
    """At the end of the outage, with all that happened in it looked up again."""
    at_ms = quiet_hour.outage_ms[1]
    token, quote = Decimal(100), Decimal(5000)
    for fill in quiet_hour.fills:
        if fill.time_ms <= at_ms:
            sign = 1 if fill.is_buy else -1
            token += sign * fill.size - (fill.fee if fill.is_buy else 0)
            quote -= sign * fill.size * fill.price + (0 if fill.is_buy else fill.fee)

    state = read(quiet_hour.folder, at_ms)

    assert (state.token, state.quote) == (token, quote)


def test_entries_of_a_clock_that_was_set_back_are_not_lost(tmp_path: Path) -> None:
    rests = Adopted(1, quote_at("buy", 3), None, Decimal(0))
    sums = Summed(None, None, Decimal(17), Decimal(1000))
    write_ledger(tmp_path)
    journal = Journal.open(tmp_path)
    journal.append([Checkpoint((Began(7, TERMS), sums, Quoted(4), rests))], at_ms=START_MS + 5_000)
    journal.append(place("buy", 2, oid=2), at_ms=START_MS + 4_000)
    journal.close()

    assert [order.oid for order in read(tmp_path, START_MS + 5_500).list_orders(now_ms=0)] == [1, 2]
