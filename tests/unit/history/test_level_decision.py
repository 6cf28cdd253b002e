"""Which order a level should have had, and the reason in words."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from past_kit import START_MS, place, quote_at, write_ledger

from mm_trio.history.level_decision import Decision, decide
from mm_trio.history.past_state import read_past_state
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Entry, Sent


def decide_on(folder: Path, level: int) -> Decision:
    journal = Journal.open_to_read(folder)
    try:
        return decide(read_past_state(journal), level)
    finally:
        journal.close()


def told(decision: Decision) -> tuple[str | None, Decimal | None]:
    order = decision.order
    return (None, None) if order is None else (order.side, order.size)


# 17 tokens in orders of 5 are 3 whole ones (levels 5 to 7) and 2 for level 4.
@pytest.mark.parametrize(
    ("level", "side", "size", "because"),
    [
        (7, "sell", "5", "3 whole orders of 5, which fill the levels 5 to 7"),
        (5, "sell", "5", "this one among them"),
        (4, "sell", "2", "2 of the 17 offered are left for this level, and no bid of ours rests on it"),
        (3, "buy", "5", "the levels below level 4 buy, and the quote offered reaches down to this one"),
    ],
)
def test_a_level_of_a_whole_ladder(tmp_path: Path, level: int, side: str, size: str, because: str) -> None:
    decision = decide_on(write_ledger(tmp_path), level)

    assert told(decision) == (side, Decimal(size))
    assert because in decision.because


def test_a_bid_on_the_remainders_level_stays_as_it_is(tmp_path: Path) -> None:
    decision = decide_on(write_ledger(tmp_path, place("buy", 4, "3.3", oid=1), boundary=5), 4)

    assert told(decision) == ("buy", Decimal("3.3"))
    assert "a level changes side only once its order is filled whole" in decision.because


def test_a_remainder_too_small_to_sell_leaves_its_level_to_a_bid(tmp_path: Path) -> None:
    decision = decide_on(write_ledger(tmp_path, token="15.2"), 4)

    assert told(decision) == ("buy", Decimal("4.8"))
    assert "an ask of them is too small" in decision.because


def test_the_last_bid_is_what_the_quote_still_pays_for(tmp_path: Path) -> None:
    decision = decide_on(write_ledger(tmp_path, quote="120"), 2)

    assert told(decision) == ("buy", Decimal("0.94"))
    assert "used up here, so this last bid is a smaller one" in decision.because


def test_levels_below_the_last_bid_are_told_how_far_the_quote_reaches(tmp_path: Path) -> None:
    decision = decide_on(write_ledger(tmp_path, quote="120"), 1)

    assert told(decision) == (None, None)
    assert "they reach down to level 2" in decision.because


@pytest.mark.parametrize(
    ("level", "side", "size", "because"),
    [
        (4, "sell", "2", "2 of the 17 offered are left for this level"),
        (3, None, None, "left empty by the gap: what level 3 could buy is sold 2 levels higher"),
        (2, "buy", "3", "this bid pairs with the remainder's ask"),
        (1, "buy", "5", "the levels 2 levels and more below level 4 buy"),
    ],
)
def test_a_gap_leaves_levels_empty(
    tmp_path: Path, level: int, side: str | None, size: str | None, because: str
) -> None:
    decision = decide_on(write_ledger(tmp_path, gap_levels="2"), level)

    assert told(decision) == (side, None if size is None else Decimal(size))
    assert because in decision.because


@pytest.mark.parametrize(("level", "verb"), [(7, "sell"), (0, "buy")])
def test_levels_outside_of_the_window_say_so(tmp_path: Path, level: int, verb: str) -> None:
    decision = decide_on(write_ledger(tmp_path, active_levels="2"), level)

    assert told(decision) == (None, None)
    assert f"only the 2 levels nearest to the boundary {verb} at once" in decision.because


def test_an_order_without_an_answer_locks_its_level(tmp_path: Path) -> None:
    sent: list[Entry] = [Sent("0x" + "5" * 32, quote_at("sell", 5), None, START_MS, START_MS + 10_000)]
    decision = decide_on(write_ledger(tmp_path, sent), 5)

    assert "no definite answer yet" in decision.because
