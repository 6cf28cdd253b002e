"""What a running maker says beside what its ledger has, and the status of one that does not run."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from past_kit import GRID, START_MS, TERMS, place, quote_at, write_ledger

from mm_trio.cli.control_programs.show_status import LedgerStatus, StatusReport
from mm_trio.cli.earnings_programs.fills_program import list_fills, list_running
from mm_trio.cli.earnings_programs.orders_program import list_orders
from mm_trio.cli.earnings_programs.running_maker import RunningFills, RunningOrders
from mm_trio.earnings.period import WHOLE, Period
from mm_trio.halts.standing import ACTIVE, Standing, State
from mm_trio.history.past_grids import read_past_grids
from mm_trio.history.past_state import MayRest
from mm_trio.history.withheld import Offer, find_withheld
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Adjusted, Allocated, Began, Booked, Checkpoint, Entry, Of, Quoted
from mm_trio.model.settings import QuoteSettings
from mm_trio.views.account_orders import GridOrders


def make_fill(tid: int, at_ms: int, *, oid: int = 1) -> Booked:
    return Booked(oid, tid, START_MS + at_ms, "@107", quote_at("sell", 5, "1"), Decimal("0.01"), "quote")


def make_orders(*orders: MayRest) -> RunningOrders:
    settings = QuoteSettings(
        order_size=Decimal(5),
        min_notional=Decimal(10),
        active_levels=None,
        window_slack=0,
        gap_levels=0,
        dead_zone_bps=Decimal(0),
        price_tolerance_bps=Decimal(0),
        size_tolerance_pct=Decimal(0),
    )
    offer = Offer.of(GRID, settings, token=Decimal(12), quote=Decimal(900))
    grid = GridOrders(
        name="HYPE/USDC",
        coin="@107",
        boundary_level=5,
        boundary_price=GRID.levels[5],
        orders=orders,
        offer=offer,
        withheld=find_withheld(GRID, settings, offer, [order.quote for order in orders]),
    )
    return RunningOrders(now_ms=START_MS + 60_000, grid=grid, standing=ACTIVE)


def test_orders_are_the_makers_with_the_ledgers_ages(tmp_path: Path) -> None:
    write_ledger(tmp_path, place("sell", 5, oid=2), place("buy", 3, oid=3))
    resting = MayRest(quote=quote_at("sell", 5), phase="resting", oid=2, cloid="0x2", since_ms=None)
    new = MayRest(quote=quote_at("sell", 6), phase="in flight", oid=None, cloid="0x9", since_ms=START_MS + 59_000)

    found = list_orders(tmp_path, make_orders(new, resting))

    values = found.to_json()
    assert (values["source"], values["boundary"], values["running"]) == ("maker", 5, True)
    assert [(order.oid, order.since_ms) for order in found.orders] == [(None, START_MS + 59_000), (2, START_MS + 1_000)]
    assert "@107: a maker runs, active; as it says itself" in found.to_text()
    assert "boundary: level 5 (20.3): asks from there up" in found.to_text()


def test_fills_that_are_not_written_yet_are_added(tmp_path: Path) -> None:
    write_ledger(tmp_path, [make_fill(1, 1_000)], [make_fill(2, 2_000)])
    running = RunningFills(fills=(make_fill(2, 2_000), make_fill(3, 3_000), make_fill(4, 4_000)), is_whole=True)

    found = list_fills(tmp_path, WHOLE, limit=100, running=running)
    early = list_fills(tmp_path, Period(None, START_MS + 3_500), limit=100, running=running)
    last = list_fills(tmp_path, WHOLE, limit=1, running=running)

    assert [row.fill.tid for row in found.rows] == [1, 2, 3, 4]
    assert (found.n_fresh, found.totals.n, found.totals.sold) == (2, 4, Decimal(4))
    assert "; 2 of them are not in the ledger yet" in found.to_text()
    assert [row.fill.tid for row in early.rows] == [1, 2, 3]
    assert ([row.fill.tid for row in last.rows], last.totals.n) == ([4], 4)
    assert list_fills(tmp_path, WHOLE, limit=100).n_fresh == 0


def test_fills_of_a_shared_ledger_are_those_of_the_session(tmp_path: Path) -> None:
    running = RunningFills(fills=(make_fill(3, 3_000), make_fill(4, 4_000)), is_whole=False)

    found = list_running(tmp_path, Period(START_MS + 3_500, None), limit=100, running=running)

    values = found.to_json()
    assert (values["source"], values["whole"], [row.fill.tid for row in found.rows]) == ("maker", False, [4])
    assert "of the session that runs now, as its maker says; older ones of it are in the ledger" in found.to_text()


def write_shared(folder: Path, *groups: tuple[Entry, ...]) -> None:
    journal = Journal.open(folder)
    for number, group in enumerate(groups):
        journal.append(group, at_ms=START_MS + 1_000 * number)
    journal.close()


@pytest.mark.parametrize("is_summed_up", [False, True])
def test_each_market_of_a_shared_ledger_is_replayed_by_itself(tmp_path: Path, is_summed_up: bool) -> None:
    def of(coin: str, *entries: Entry) -> tuple[Entry, ...]:
        return tuple(Of(coin, entry) for entry in entries)

    opening = [
        entry
        for coin, token in (("@107", "17"), ("@142", "3"))
        for entry in of(
            coin,
            Began(7, TERMS | {"coin": coin}),
            Allocated(None, None),
            Adjusted(Decimal(token), Decimal(1000), "balance"),
            Quoted(4),
        )
    ]
    first = (Checkpoint(tuple(opening)),) if is_summed_up else tuple(opening)
    write_shared(tmp_path, first, of("@142", *place("sell", 7, "3", oid=5)))

    found = read_past_grids(tmp_path, now_ms=START_MS + 60_000)

    assert set(found) == {"@107", "@142"}
    assert [(order.oid, order.phase) for order in found["@142"].orders] == [(5, "resting")]
    assert found["@107"].orders == ()
    assert found["@107"].recovered.inventory.effective_token == 17
    assert found["@142"].last_ms == START_MS + 1_000
    assert found["@142"].terms is not None
    assert found["@142"].terms.grid.levels == GRID.levels


def test_a_report_without_a_maker_says_what_is_on_disk(tmp_path: Path) -> None:
    paused = Standing(state=State.PAUSED, since_ms=START_MS, why="lunch")
    known = LedgerStatus(
        name="HYPE/USDC",
        folder=tmp_path,
        standing=paused,
        unread=None,
        last_entry_ms=START_MS,
        boundary_level=4,
        boundary_price=Decimal("20.24"),
        asks=2,
        bids=3,
        in_doubt=1,
        token=Decimal(17),
        quote=Decimal(1000),
    )
    blank = LedgerStatus(name="@1", folder=tmp_path, standing=ACTIVE, unread=None)
    report = StatusReport(folder=tmp_path, now_ms=START_MS + 5_000, is_running=False, ledger=(known, blank))
    hung = StatusReport(folder=tmp_path, now_ms=START_MS, is_running=True, unanswered="no answer within 3 s")

    text = report.to_text()
    assert text.startswith(f"no maker runs; its folder is {tmp_path}\n")
    assert "HYPE/USDC: paused since 2026-09-21 00:00:00 UTC: lunch" in text
    assert "(5 s ago); boundary 4 at 20.24" in text
    assert "2 asks and 3 bids may rest, 1 of them in doubt; offered are 17 base and 1000 quote" in text
    assert "@1: active\n  no maker has run with it yet" in text
    assert (report.is_ok, hung.is_ok) == (True, False)
    assert "a maker runs, and it does not answer: no answer within 3 s" in hung.to_text()
