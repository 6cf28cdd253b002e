"""A whole traded day: what the files tell of it, against what the exchange itself wrote down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from day_kit import FILLS_FILE, TradedDay

from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Adjusted, Booked, Moved

Row = tuple[int, int, Decimal, Decimal, bool, Decimal]


@pytest.fixture(params=["quiet_hour", pytest.param("full_day", marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
def day(request: pytest.FixtureRequest) -> TradedDay:
    """An hour, and where there is time for it a day of 10,000 fills."""
    found: TradedDay = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def journal(day: TradedDay) -> Iterator[Journal]:
    """The ledger of the day, opened to be read."""
    journal = Journal.open_to_read(day.folder)
    yield journal
    journal.close()


def list_booked(journal: Journal) -> list[Booked]:
    return [row.entry for row in journal.read_kinds(Booked) if isinstance(row.entry, Booked)]


def test_the_day_has_every_trouble_and_enough_fills(day: TradedDay) -> None:
    hours = day.plan.duration_s / 3600
    spans = (day.outage_ms, day.sold_out_ms, day.down_ms)

    assert len(day.fills) > 400 * hours
    assert all(day.from_ms < begin < end < day.until_ms for begin, end in spans)


def test_every_fill_of_the_exchange_is_in_the_ledger_once(day: TradedDay, journal: Journal) -> None:
    booked = sorted(
        (b.time_ms or 0, b.tid, b.quote.price, b.quote.size, b.quote.side == "buy", b.fee) for b in list_booked(journal)
    )
    told: list[Row] = sorted((f.time_ms, f.tid, f.price, f.size, f.is_buy, f.fee) for f in day.fills)

    assert booked == told


def test_fees_by_token_add_up_to_the_last_digit(day: TradedDay, journal: Journal) -> None:
    fees = {"base": Decimal(0), "quote": Decimal(0)}
    for entry in list_booked(journal):
        fees[entry.fee_token or ""] += entry.fee
    told = {"base": Decimal(0), "quote": Decimal(0)}
    for fill in day.fills:
        told["base" if fill.is_buy else "quote"] += fill.fee

    assert fees == told


def test_what_the_ledger_tells_leads_to_the_closing_balances(day: TradedDay, journal: Journal) -> None:
    token, quote = Decimal(0), Decimal(0)
    for row in journal.read_kinds(Adjusted, Moved, Booked):
        match row.entry:
            case Booked(quote=order, fee=fee, fee_token=fee_token):
                sign = 1 if order.side == "buy" else -1
                token += sign * order.size - (fee if fee_token == "base" else 0)
                quote -= sign * order.size * order.price + (fee if fee_token == "quote" else 0)
            case Adjusted() | Moved():
                token += row.entry.token
                quote += row.entry.usdc

    assert (token, quote) == day.closing


def test_the_file_of_fills_has_what_the_exchange_has(day: TradedDay) -> None:
    rows = json.loads((day.folder / FILLS_FILE).read_text(encoding="utf-8"))

    assert [(row["tid"], Decimal(row["px"]), Decimal(row["sz"])) for row in rows] == [
        (fill.tid, fill.price, fill.size) for fill in day.fills
    ]
