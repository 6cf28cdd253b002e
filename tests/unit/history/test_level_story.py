"""Story of a level, and the level that words mean."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from past_kit import DIGEST, GRID, START_MS, place, quote_at, write_ledger

from mm_trio.history.explanation import Explanation, explain_level, find_level
from mm_trio.model.errors import ConfigError
from mm_trio.model.journal_entries import Adopted, Booked, Checkpoint, Ended, NeverPlaced, Sent
from mm_trio.model.observations import BestPrices, Coverage, OwnBook
from mm_trio.recorder.record_file import RecordFile


def kinds(found: Explanation) -> list[str]:
    return [event.kind for event in found.events]


def fill(oid: int, level: int, size: str = "5") -> Booked:
    return Booked(oid, 77, START_MS + 500, "@107", quote_at("buy", level, size), Decimal("0.002"), "base")


def test_an_order_is_told_from_its_request_to_its_end(tmp_path: Path) -> None:
    write_ledger(tmp_path, place("buy", 3, oid=1), [fill(1, 3, "2")], [Ended(1, "canceled", Decimal(3))])

    found = explain_level(tmp_path, "3", at_ms=None)

    assert kinds(found) == ["session began", "sent", "arrived", "filled", "ended"]


def test_an_order_carries_the_request_that_was_signed_for_it(tmp_path: Path) -> None:
    write_ledger(tmp_path, place("buy", 3, oid=1))

    (sent,) = (event for event in explain_level(tmp_path, "3", at_ms=None).events if event.kind == "sent")

    assert sent.values["request"] == {
        "method": "bulk_orders",
        "nonce": START_MS + 1,
        "n_items": 1,
        "digest": DIGEST,
        "expires_ms": START_MS + 10_001,
    }


def test_other_levels_are_left_out(tmp_path: Path) -> None:
    write_ledger(tmp_path, place("buy", 2, oid=1), [fill(1, 2)])

    assert kinds(explain_level(tmp_path, "3", at_ms=None)) == ["session began"]


def test_a_refused_order_says_why(tmp_path: Path) -> None:
    sent = Sent("0x" + "5" * 32, quote_at("buy", 3), None, START_MS, START_MS + 10_000)
    write_ledger(tmp_path, [sent, NeverPlaced(sent.cloid, "Post only order would have matched")])

    event = explain_level(tmp_path, "3", at_ms=None).events[-1]

    assert (event.kind, event.values["why"]) == ("never placed", "Post only order would have matched")


def test_answers_within_a_minute_after_the_time_are_told(tmp_path: Path) -> None:
    first, *answer = place("buy", 3, oid=1)
    write_ledger(tmp_path, [first], answer)

    found = explain_level(tmp_path, "3", at_ms=START_MS + 1_000)

    assert kinds(found) == ["session began", "sent", "arrived"]
    assert [order.phase for order in found.resting] == ["in flight"]


def test_what_rested_at_a_checkpoint_begins_the_story(tmp_path: Path) -> None:
    rests = Adopted(1, quote_at("buy", 3), None, Decimal(0))
    left = Adopted(2, quote_at("buy", 3), None, Decimal(0))
    write_ledger(tmp_path, [Checkpoint((left, Ended(2, "left", None), rests))])

    assert [event.values["oid"] for event in explain_level(tmp_path, "3", at_ms=None).events] == [1]


def test_market_and_maker_come_from_the_record(tmp_path: Path) -> None:
    write_ledger(tmp_path, place("buy", 3, oid=1))
    record = RecordFile.open(tmp_path)
    watched = (Coverage("market", START_MS, START_MS + 9_000), Coverage("own", START_MS, START_MS + 9_000))
    prices = BestPrices(START_MS, Decimal(20), Decimal(1), Decimal(21), Decimal(2))
    record.append([*watched, prices, OwnBook(START_MS, (), "paused", "feed lost")])
    record.close()

    market = explain_level(tmp_path, "3", at_ms=None).market

    assert market.prices == prices
    assert market.book is not None
    assert (market.book.state, market.book.reason) == ("paused", "feed lost")


def test_without_a_record_market_and_maker_are_unknown_with_the_reason(tmp_path: Path) -> None:
    market = explain_level(write_ledger(tmp_path), "3", at_ms=None).market

    assert (market.prices, market.book) == (None, None)
    assert "there is no record" in (market.prices_unknown_because or "")


@pytest.mark.parametrize(("wanted", "level"), [("0", 0), ("7", 7), ("20.0", 0), ("20.421", 7), ("20.19", 3)])
def test_a_level_is_an_index_or_a_price(wanted: str, level: int) -> None:
    assert find_level(GRID, wanted) == level


@pytest.mark.parametrize("wanted", ["8", "-1", "19.5", "21.0", "x", "nan", "inf", "1e400", "", "9" * 30, "٣"])
def test_a_level_outside_of_the_ladder_is_refused_with_what_is_allowed(wanted: str) -> None:
    with pytest.raises(ConfigError, match=r"from 0 to 7, a price .* from 20 to 20\.421"):
        find_level(GRID, wanted)
