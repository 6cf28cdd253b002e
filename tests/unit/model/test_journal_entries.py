"""Journal entries: each kind survives a round trip through JSON, other values are refused."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from core_kit import OURS, dec, desired, intent

from mm_trio.model import journal_entries as module
from mm_trio.model.entry_codec import decode_entry, encode_entry
from mm_trio.model.journal_entries import (
    Accounted,
    Adjusted,
    Adopted,
    Allocated,
    Arrived,
    Began,
    Booked,
    Checkpoint,
    Ended,
    Entry,
    LookedUp,
    Moved,
    MoveKind,
    NeverPlaced,
    Numbered,
    Of,
    Peaked,
    Quoted,
    Released,
    Remembered,
    Requested,
    Reserved,
    Sent,
    Summed,
    forget,
)
from mm_trio.model.orders import Quote
from mm_trio.model.replies import FillKey

BOOKED = Booked(9, 77, 1000, "@107", Quote("buy", 3, dec("20.180"), dec("1.50")), dec("-0.00000001"), "base")
PARTS: tuple[Entry, ...] = (
    Began(0xFFFFFFFF, {"coin": "@107", "n_orders": "40"}),
    Began(0, {}),
    Numbered(0xFFFFFFFF, (1 << 48) - 1),
    Reserved(0xFFFFFFFF, 9, 1_790_000_000_000, 1_790_000_014_000),
    Released(0xFFFFFFFF),
    Allocated(dec("1e-8"), None),
    Allocated(None, None),
    Quoted(0),
    Sent(OURS, Quote("sell", 7, dec("20.42"), dec(5)), 8, 1_790_000_000_000, 1_790_000_010_000),
    Sent(OURS, Quote("buy", 0, dec("20.42"), dec(5)), None, None, 0),
    Requested(1_790_000_000_000, "bulk_orders", 3, "ab" * 32, 1_790_000_010_000),
    NeverPlaced(OURS, 'Order has "invalid" price | \ud800 ü'),
    Arrived(OURS, 9),
    Adopted(9, Quote("sell", 7, dec("20.42"), dec("4.99")), None, dec("0.01")),
    Adopted(9, Quote("buy", 7, dec("20.42"), dec(0)), OURS, dec(0)),
    Ended(9, "canceled", dec("0.0")),
    Ended(9, "ghost", None),
    BOOKED,
    Booked(9, 77, None, None, Quote("sell", 3, dec(20), dec(1)), dec(0), None),
    Adjusted(dec("-12345678901234567890.123456789"), dec("0E-8"), "balance"),
    Moved(dec("-1.5"), dec("0E-8"), MoveKind.HAND_TRADE.value, 1_790_000_000_000, "77:9"),
    Accounted(1_790_000_000_000, ("0xab", "77:9"), (1_790_000_000_001, 1_790_000_000_002), dec("0.5"), dec(0)),
    Accounted(0, (), (), None, None),
    Summed(None, None, dec(1), dec(2)),
    Summed(dec("1.10"), dec("-2"), dec("3E+2"), dec(4)),
    LookedUp(1_790_000_000_000),
    Peaked(dec("12.345678901")),
    Remembered(-1, (FillKey(1000, "@107", 77, 9), FillKey(1001, "@107", 0, 9))),
    Remembered(0, ()),
    Of("@107", Quoted(7)),
    Of("A:B", BOOKED),
)
ALL = (*PARTS, Checkpoint(()), Checkpoint(PARTS))


def through_json(entry: Entry) -> tuple[str, Any]:
    kind, values = encode_entry(entry)
    return kind, json.loads(json.dumps(values))


def test_every_kind_of_entry_has_an_example_here() -> None:
    assert {type(entry) for entry in ALL} == set(get_args(module.Entry))


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: type(entry).__name__)
def test_an_entry_comes_back_from_json_as_it_was(entry: Entry) -> None:
    back = decode_entry(*through_json(entry))

    assert back == entry
    assert type(back) is type(entry)
    assert repr(back) == repr(entry)  # to the last zero of an amount


def test_amounts_are_kept_as_exact_text_and_numbers_as_numbers() -> None:
    _, values = encode_entry(BOOKED)

    assert values == [9, 77, 1000, "@107", "buy", 3, "20.180", "1.50", "-1E-8", "base"]


def test_an_entry_that_came_back_can_be_told_apart_in_a_set_where_the_first_can() -> None:
    remembered = Remembered(5, (FillKey(1000, "@107", 77, 9),))

    assert {decode_entry(*through_json(remembered)), remembered} == {remembered}


def test_an_intent_is_written_down_whole() -> None:
    told = intent("sell", 3, "4.5", replaces=8)

    sent = Sent.of(told)

    assert (sent.cloid, sent.quote, sent.replaces) == (told.cloid, desired("sell", 3, "4.5"), 8)
    assert (sent.nonce, sent.expires_ms) == (told.nonce, told.expires_ms)


@pytest.mark.parametrize(
    "kind, values",
    [
        ("invented", []),
        ("", []),
        ("Booked", encode_entry(BOOKED)[1]),
        ("arrived", [OURS]),
        ("arrived", [OURS, 9, 9]),
        ("arrived", 7),
        ("arrived", None),
        ("accounted", [0, [["0xab"]], [1], None, None]),
        ("accounted", [0, ["0xab"], ["1"], None, None]),
        ("adjusted", ["1", "many", ""]),
        ("adjusted", ["1", {}, ""]),
        ("adjusted", ["1", ["0", "1"], ""]),
        ("checkpoint", [["invented", []]]),
        ("checkpoint", [["arrived"]]),
        ("checkpoint", [7]),
        ("remembered", [1]),
        ("remembered", [1, [[1000, "@107", 77]]]),
        ("remembered", [1, 7]),
    ],
)
def test_what_no_entry_was_ever_written_as_is_refused(kind: str, values: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_entry(kind, values)


def test_a_kind_of_a_newer_release_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"'minted' is not a valid kind of entry .* use that release"):
        decode_entry("minted", [])


def test_who_keeps_no_journal_forgets() -> None:
    for entry in ALL:
        forget(entry)
