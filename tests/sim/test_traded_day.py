"""A whole traded day: what the files tell of it, against what the exchange itself wrote down."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from builders import TAKER
from day_kit import FILLS_FILE, TRADES_FILE, TradedDay

from mm_trio.cli.main import main
from mm_trio.history.explanation import explain_level
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Adjusted, Booked, Moved
from mm_trio.sandbox.model.records import Fill

# Of a test: it signs for nobody.
AGENT_KEY = "0x" + "11" * 32
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


# --- What the commands make of it --------------------------------------------------------------


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The object that a command prints, which has to end well."""
    capsys.readouterr()
    code = main([*words, "--json"])
    out, err = capsys.readouterr()
    assert code == 0, f"{words}: {out} {err}"
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def span_of(day: TradedDay) -> tuple[str, ...]:
    """The day in whole minutes, as a certificate wants it."""
    return ("--folder", str(day.folder), "--from", str(day.from_ms), "--to", str(day.until_ms // 60_000 * 60_000))


def total(fills: Iterable[Fill], *, is_buy: bool) -> Decimal:
    return sum((fill.price * fill.size for fill in fills if fill.is_buy is is_buy), Decimal(0))


def test_pnl_counts_and_values_what_the_exchange_did(day: TradedDay, capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "pnl", "--folder", str(day.folder))
    earned = [after - before - moved for after, before, moved in zip(day.closing, day.opening, day.moved, strict=True)]

    assert found["fills"]["n"] == len(day.fills)
    assert Decimal(found["fills"]["bought_quote"]) == total(day.fills, is_buy=True)
    assert Decimal(found["fills"]["sold_quote"]) == total(day.fills, is_buy=False)
    assert [Decimal(found["earned_base"]), Decimal(found["earned_quote"])] == earned


def test_pnl_is_the_same_in_both_ways_at_the_last_mark(day: TradedDay, capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "pnl", "--folder", str(day.folder))
    mark, parts = Decimal(found["end"]["mark"]["price"]), [Decimal(found["realised"]), Decimal(found["open"])]

    gain = Decimal(found["earned_base"]) * mark + Decimal(found["earned_quote"])

    assert Decimal(found["pnl_vs_hold"]) == gain == sum(parts) - Decimal(found["fees"]["in_quote"])


def test_fills_and_pnl_tell_the_same_sums(day: TradedDay, capsys: pytest.CaptureFixture[str]) -> None:
    fills = ask(capsys, "fills", "--folder", str(day.folder), "--limit", "1")["totals"]
    pnl = ask(capsys, "pnl", "--folder", str(day.folder))

    assert (fills["n"], fills["bought"], fills["sold"]) == tuple(
        pnl["fills"][name] for name in ("n", "bought_base", "sold_base")
    )
    assert {token: Decimal(fee) for token, fee in fills["fees"].items()} == {
        token: Decimal(pnl["fees"][token]) for token in ("base", "quote")
    }


def test_every_fill_has_its_taker_where_somebody_watched(day: TradedDay, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ask(capsys, "fills", "--folder", str(day.folder), "--limit", "0")["fills"]
    began, ended = day.outage_ms
    watched = [row for row in rows if not began <= row["time_ms"] <= ended]

    assert {row["counterparty"] for row in watched} == {TAKER}
    assert all(row["mark_before"] is not None for row in watched)


@pytest.mark.parametrize("witness", [FILLS_FILE, TRADES_FILE])
def test_the_certificate_fits_itself_and_the_exchange(
    day: TradedDay,
    witness: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MM_TRIO_PRIVATE_KEY", AGENT_KEY)
    file = tmp_path / "certificate.json"
    made = ask(capsys, "certificate", *span_of(day), "--out", str(file))
    verdict = ask(capsys, "verify", str(file), "--fills", str(day.folder / witness), "--account", day.address)
    volume = made["period"]["volume"]
    trades = json.loads((day.folder / TRADES_FILE).read_text(encoding="utf-8"))

    fills = [fill for fill in day.fills if fill.time_ms < day.until_ms // 60_000 * 60_000]
    assert (verdict["ok"], verdict["fills"], volume["fills"]) == (True, len(fills), len(fills))
    assert Decimal(volume["ours"]) == total(fills, is_buy=True) + total(fills, is_buy=False)
    assert Decimal(volume["market"]) <= sum(Decimal(row["px"]) * Decimal(row["sz"]) for row in trades)


def test_the_report_has_the_figures_of_pnl(day: TradedDay, capsys: pytest.CaptureFixture[str]) -> None:
    pnl = ask(capsys, "pnl", *span_of(day))
    report = ask(capsys, "report", *span_of(day))["pnl"]
    names = ("fills", "earned_base", "earned_quote", "pnl_vs_hold", "realised", "open", "fees", "moved", "requests")

    assert {name: report[name] for name in names} == {name: pnl[name] for name in names}


def test_the_report_has_the_figures_of_the_certificate(day: TradedDay, capsys: pytest.CaptureFixture[str]) -> None:
    certified = ask(capsys, "certificate", *span_of(day))["period"]
    report = ask(capsys, "report", *span_of(day))["liquidity"]["period"]
    names = ("samples", "known", "uptime_bid", "uptime_ask", "uptime_two_sided", "sold_out_s", "down_s")

    assert {name: report[name] for name in names} == {name: certified[name] for name in names}


def test_the_sold_out_side_and_the_outage_are_seen(day: TradedDay, capsys: pytest.CaptureFixture[str]) -> None:
    period = ask(capsys, "certificate", *span_of(day))["period"]

    assert period["sold_out_s"]["ask"] >= day.plan.sold_out_s * 0.9
    assert sum(period["down_s"].values()) >= (day.plan.outage_s + day.plan.down_s) * 0.9


def test_every_level_has_what_is_due_on_it_at_a_calm_moment(day: TradedDay) -> None:
    """The planner decides from the replayed ledger, and what rested is the ledger's too; both are in one place."""
    at_ms = day.until_ms - int(2000 * day.plan.tick_s)
    found = [explain_level(day.folder, str(level), at_ms=at_ms) for level in range(0, 40, 6)]

    due = [None if each.decision.order is None else each.decision.order for each in found]
    rested = [each.resting[0].quote if each.resting else None for each in found]

    assert due == rested
    assert [order for order in rested if order is not None]
