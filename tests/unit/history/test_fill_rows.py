"""Fills beside the record: takers, marks, edge, sums."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from past_kit import START_MS, quote_at

from mm_trio.history.fill_rows import find_seen, take_last
from mm_trio.model.journal_entries import Booked
from mm_trio.model.observations import Mark, MarketTrade
from mm_trio.model.orders import Side
from mm_trio.recorder.record_file import RecordFile

TAKER = "0x" + "b2" * 20


def make_fill(tid: int, *, side: Side = "sell", size: str = "5", fee: str = "0.01") -> Booked:
    token = "quote" if side == "sell" else "base"
    return Booked(1, tid, START_MS + tid, "@107", quote_at(side, 3, size), Decimal(fee), token)


def record_of(folder: Path, tid: int, mid: str) -> None:
    record = RecordFile.open(folder)
    price = Decimal(mid)
    mark = Mark(START_MS + tid, 0, price - 1, price + 1)
    trade = MarketTrade(START_MS + tid, tid, Decimal("20.18"), Decimal(5), "buy", TAKER, "0x" + "a1" * 20)
    record.append([mark, trade])
    record.close()


def test_the_taker_and_the_mid_before_come_from_the_record(tmp_path: Path) -> None:
    record_of(tmp_path, 3, "20.1")

    (row,), because = find_seen(tmp_path, [make_fill(3)])

    assert because is None
    assert (row.seen.counterparty, row.mark_before) == (TAKER, Decimal("20.1"))


def test_the_edge_of_a_sale_is_what_it_got_above_the_mid(tmp_path: Path) -> None:
    record_of(tmp_path, 3, "20.1")

    (row,), _ = find_seen(tmp_path, [make_fill(3)])

    assert row.edge == Decimal("0.40")


def test_the_edge_of_a_purchase_above_the_mid_is_below_zero(tmp_path: Path) -> None:
    record_of(tmp_path, 3, "20.1")

    (row,), _ = find_seen(tmp_path, [make_fill(3, side="buy")])

    assert row.edge == Decimal("-0.40")


def test_a_fill_that_nobody_saw_has_no_edge_and_no_zero(tmp_path: Path) -> None:
    record_of(tmp_path, 3, "20.1")

    (row,), _ = find_seen(tmp_path, [make_fill(4)])

    assert (row.edge, row.to_json()["edge"], row.to_json()["counterparty"]) == (None, None, None)


def test_without_a_record_the_reason_is_given(tmp_path: Path) -> None:
    _, because = find_seen(tmp_path, [make_fill(3)])

    assert "there is no record" in (because or "")


def test_sums_are_of_all_fills_and_exact() -> None:
    fills = [make_fill(tid, side="buy", size="0.01", fee="0.00014975") for tid in range(10_000)]
    kept, totals = take_last(fills, limit=3)

    assert [fill.tid for fill in kept] == [9_997, 9_998, 9_999]
    assert totals.fees == {"base": Decimal("1.4975")}
    assert (totals.n, totals.bought, totals.paid) == (10_000, Decimal(100), Decimal(2018))
