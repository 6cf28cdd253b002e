"""Earnings of a period from files: what belongs to it, and what was there when it began."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from earnings_kit import BASE_CASE, START, T0, TERMS, book, make_ledger, trade, write_ledger, write_record

from mm_trio.earnings.period import DAY_MS, Period
from mm_trio.earnings.tally import Holdings
from mm_trio.history.earnings_reader import Asked, Earnings, read_earnings
from mm_trio.journal.sqlite_journal import JOURNAL_NAME
from mm_trio.model.journal_entries import (
    EXPLAINED_LATE,
    Adjusted,
    Allocated,
    Began,
    Checkpoint,
    Moved,
    MoveKind,
    Requested,
    Summed,
)
from mm_trio.model.observations import BestPrices, Coverage
from mm_trio.recorder.record_file import RECORD_NAME

FIRST_MS = T0 // DAY_MS * DAY_MS
NEXT_MS = FIRST_MS + DAY_MS
LATER_MS = FIRST_MS + 10 * DAY_MS


def read(folder: Path, period: Period | None = None, *, now_ms: int = LATER_MS, mark: str | None = "20.03") -> Earnings:
    given = None if mark is None else Decimal(mark)
    return read_earnings(folder, Asked(period=period or Period(), now_ms=now_ms, by_day=True, mark=given))


def test_the_base_case_from_a_file(tmp_path: Path) -> None:
    found = read(make_ledger(tmp_path))

    assert found.figures.pnl_vs_hold == Decimal("0.21982")
    assert found.coin == "@107"
    assert found.figures.setting.start == START


def test_a_period_begins_with_what_there_was(tmp_path: Path) -> None:
    """The sale was the day before, and so was a deposit."""
    sold, bought = BASE_CASE[0], BASE_CASE[1]._replace(time_ms=NEXT_MS)
    deposit = Moved(Decimal(0), Decimal(500), MoveKind.DEPOSIT, T0, "a")
    make_ledger(tmp_path, [sold, bought], deposit)

    figures = read(tmp_path, Period(NEXT_MS, None)).figures

    assert figures.setting.start == Holdings(Decimal(95), Decimal("1600.25988"))
    assert figures.tally.n_fills == 1
    assert figures.tally.moved == {}
    assert figures.earned.base == Decimal("4.998")


def test_a_ledger_without_its_archives_begins_with_what_its_checkpoint_sums_up(tmp_path: Path) -> None:
    """A rebuilt one: its fills before, and its first balance, are lost; a later loss is no first balance."""
    sums = Summed(Decimal(40), None, START.base, START.quote)
    lost = Checkpoint((Began(1, TERMS), Allocated(Decimal(50), None), sums))
    booked = [book(one, tid=n) for n, one in enumerate(BASE_CASE)]
    write_ledger(tmp_path, lost, *booked, Adjusted(Decimal(-1), Decimal(0), "balance"))

    found = read(tmp_path)

    figures = found.figures
    assert (found.coin, figures.setting.start, figures.setting.quoted) == (
        "@107",
        START,
        Holdings(Decimal(40), START.quote),
    )
    assert figures.tally.unexplained.base == -1
    assert figures.pnl_vs_hold == Decimal("0.21982")


def test_what_is_explained_late_counts_on_its_own_day(tmp_path: Path) -> None:
    """A deposit just before midnight whose reason was told after it: the day after begins and ends with it once."""
    paid, none = Decimal(500), Decimal(0)
    make_ledger(tmp_path, (), Adjusted(none, paid, "balance"))
    told = Moved(none, paid, MoveKind.DEPOSIT, NEXT_MS - 5_000, "a")
    write_ledger(tmp_path, told, Adjusted(none, -paid, EXPLAINED_LATE), at_ms=NEXT_MS + 5_000)

    first = read(tmp_path, Period(None, NEXT_MS)).figures
    second = read(tmp_path, Period(NEXT_MS, None)).figures

    assert (first.end, second.setting.start) == (Holdings(START.base, START.quote + paid),) * 2
    assert (second.tally.unexplained.n, second.tally.moved) == (0, {})


def test_a_checkpoint_further_on_adds_nothing(tmp_path: Path) -> None:
    make_ledger(tmp_path, BASE_CASE, Checkpoint((Began(1, TERMS), Summed(None, None, Decimal(1), Decimal(1)))))

    assert read(tmp_path).figures.setting.start == START


def test_what_comes_after_a_period_is_not_in_it(tmp_path: Path) -> None:
    late = [one._replace(time_ms=NEXT_MS) for one in BASE_CASE]
    make_ledger(tmp_path, [*BASE_CASE, *late], Moved(Decimal(1), Decimal(1), MoveKind.DEPOSIT, NEXT_MS, "a"))

    figures = read(tmp_path, Period(None, NEXT_MS)).figures

    assert (figures.tally.n_fills, figures.tally.moved) == (2, {})
    assert figures.pnl_vs_hold == Decimal("0.21982")


def test_days_have_figures_of_their_own(tmp_path: Path) -> None:
    make_ledger(tmp_path, [*BASE_CASE, trade("sell", "5", "20.06", at_ms=NEXT_MS)])

    days = read(tmp_path).days

    assert [day.tally.n_fills for day in days] == [2, 1]
    assert days[1].setting.start == days[0].end


def test_a_fill_that_was_booked_late_counts_on_its_day(tmp_path: Path) -> None:
    make_ledger(tmp_path, [trade("sell", "5", "20.06", at_ms=NEXT_MS), *BASE_CASE])

    assert [day.tally.n_fills for day in read(tmp_path).days] == [2, 1]


PRICES: tuple[BestPrices | Coverage, ...] = (
    Coverage("market", FIRST_MS, NEXT_MS + 5_000),
    BestPrices(FIRST_MS, Decimal(20), None, Decimal("20.06"), None),
    BestPrices(NEXT_MS, Decimal(30), None, Decimal(31), None),
)


def test_a_later_price_changes_no_day_that_is_over(tmp_path: Path) -> None:
    make_ledger(tmp_path)
    write_record(tmp_path, *PRICES)
    before = read(tmp_path, mark=None).days[0].to_json()
    write_record(
        tmp_path,
        Coverage("market", NEXT_MS + 5_000, LATER_MS),
        BestPrices(NEXT_MS + 6_000, Decimal(50), None, Decimal(51), None),
    )

    assert read(tmp_path, mark="99").days[0].to_json() == read(tmp_path, mark=None).days[0].to_json() == before
    assert before["pnl_vs_hold"] == "0.21982"


def test_a_day_that_nobody_watched_to_its_end_has_its_last_mark(tmp_path: Path) -> None:
    make_ledger(tmp_path)
    write_record(tmp_path, Coverage("market", FIRST_MS, T0 + 2_000), *PRICES[1:])

    figures = read(tmp_path, mark=None).days[0]

    assert (figures.mark, figures.setting.end_mark.at_ms) == (Decimal("20.03"), T0 + 2_000)


def test_a_day_that_nobody_watched_at_its_last_fills_has_no_mark(tmp_path: Path) -> None:
    make_ledger(tmp_path, [*BASE_CASE, trade("sell", "5", "20.06", at_ms=T0 + 62_001)])
    write_record(tmp_path, Coverage("market", FIRST_MS, T0 + 2_000), *PRICES[1:])

    figures = read(tmp_path, mark=None).days[0]

    assert figures.pnl_vs_hold is None
    assert "and fills came later" in figures.absent["pnl_vs_hold"]


def test_the_day_that_is_not_over_takes_the_last_price(tmp_path: Path) -> None:
    make_ledger(tmp_path)
    write_record(tmp_path, *PRICES)

    assert read(tmp_path, mark=None, now_ms=NEXT_MS - 1).days[0].mark == Decimal("30.5")


def test_what_nothing_explains_is_apart(tmp_path: Path) -> None:
    make_ledger(tmp_path)
    write_ledger(tmp_path, Adjusted(Decimal(-1), Decimal(0), "balance"))

    figures = read(tmp_path).figures

    assert (figures.tally.unexplained.n, figures.tally.unexplained.base) == (1, Decimal(-1))
    assert (figures.pnl_vs_hold, figures.end.base) == (Decimal("0.21982"), Decimal("98.998"))


@pytest.mark.parametrize(
    "allotted, capital",
    [
        ([Allocated(Decimal(50), Decimal(300))], Decimal("1301.5")),
        ([Allocated(None, Decimal(300))], Decimal("2303")),
        ([Allocated(None, None)], Decimal("3003")),
        ([Allocated(None, None), Allocated(Decimal(50), Decimal(300))], Decimal("3003")),
    ],
)
def test_capital_is_what_the_maker_could_use(tmp_path: Path, allotted: Sequence[Allocated], capital: Decimal) -> None:
    make_ledger(tmp_path, BASE_CASE, *allotted)
    write_record(tmp_path, Coverage("market", FIRST_MS, LATER_MS), PRICES[1])

    assert read(tmp_path).figures.capital == capital


def test_an_allotment_moves_by_fills_alone(tmp_path: Path) -> None:
    """Before the second day it sold 5 of its 50 tokens; the deposit is not its."""
    deposit = Moved(Decimal(10), Decimal(0), MoveKind.DEPOSIT, T0, "a")
    make_ledger(tmp_path, [BASE_CASE[0]], Allocated(Decimal(50), Decimal(300)), deposit)

    quoted = read(tmp_path, Period(NEXT_MS, None)).figures.setting.quoted

    assert quoted == Holdings(Decimal(45), Decimal("400.25988"))


def test_requests_are_counted_by_day(tmp_path: Path) -> None:
    make_ledger(tmp_path, BASE_CASE, Requested(1, "order", 4, "", 0), Requested(2, "order", 3, "", 0))

    found = read(tmp_path)

    assert (found.figures.setting.n_requests, found.days[0].setting.n_requests) == (7, 7)


# --- The ladder -----------------------------------------------------------------------------------


SOLD = BASE_CASE[0]._replace(level=1, price=Decimal("20.06"))


def test_turns_are_told_where_the_ladder_is_known(tmp_path: Path) -> None:
    """Sold at level 1 and bought at level 0, while the ladder would have bought at level 1."""
    bought = BASE_CASE[1]._replace(level=0)
    write_ledger(tmp_path, Began(1, TERMS), Adjusted(Decimal(245), Decimal(1000), "balance"))
    write_ledger(tmp_path, book(SOLD, tid=1), book(bought, tid=2))

    assert read(tmp_path).figures.turns.income == Decimal("0.30")


@pytest.mark.parametrize(
    "entry, reason",
    [
        (Began(2, TERMS | {"order_sz": "6"}), "the ladder changed"),
        (Moved(Decimal(1), Decimal(0), MoveKind.DEPOSIT, T0, "a"), "base came or went"),
        (book(trade("buy", "5", "20.05"), tid=9), "not at a price of the ladder"),
    ],
)
def test_turns_are_absent_with_the_reason(tmp_path: Path, entry: Began | Moved, reason: str) -> None:
    write_ledger(tmp_path, Began(1, TERMS), Adjusted(Decimal(245), Decimal(1000), "balance"), entry)

    figures = read(tmp_path).figures

    assert figures.turns.income is None
    assert reason in figures.absent["turn_income"]


def test_a_ladder_of_an_earlier_session_is_in_force(tmp_path: Path) -> None:
    write_ledger(tmp_path, Began(1, TERMS | {"order_sz": "6"}), at_ms=T0 - 2 * DAY_MS)
    write_ledger(tmp_path, Adjusted(Decimal(245), Decimal(1000), "balance"), Began(2, TERMS), at_ms=T0 - DAY_MS)
    write_ledger(tmp_path, book(SOLD, tid=1))

    assert read(tmp_path, Period(FIRST_MS, None)).figures.turns.income == 0


def test_a_record_that_cannot_be_read_costs_marks_alone(tmp_path: Path) -> None:
    make_ledger(tmp_path)
    (tmp_path / RECORD_NAME).write_bytes(b"not a record" * 100)

    figures = read(tmp_path, mark=None).figures

    assert figures.earned.quote == Decimal("0.25988")
    assert RECORD_NAME in figures.absent["pnl_vs_hold"]


def test_a_record_that_is_damaged_inside_costs_marks_alone(tmp_path: Path) -> None:
    make_ledger(tmp_path)
    write_record(tmp_path, *PRICES)
    path = tmp_path / RECORD_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))

    figures = read(tmp_path, mark=None).figures

    assert figures.earned.quote == Decimal("0.25988")
    assert RECORD_NAME in figures.absent["pnl_vs_hold"]


def test_reading_changes_nothing(tmp_path: Path) -> None:
    make_ledger(tmp_path)
    before = (tmp_path / JOURNAL_NAME).read_bytes()
    read(tmp_path)

    assert (tmp_path / JOURNAL_NAME).read_bytes() == before
