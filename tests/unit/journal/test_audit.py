"""Audit of a ledger: movements, explained differences, unexplained differences."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from core_kit import OURS, THEIRS, dec, fill, row

from mm_trio.journal.audit import Audit, compute_audit
from mm_trio.journal.ledger_sums import read_ledger
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.journal_entries import (
    REBUILT,
    Adjusted,
    Adopted,
    Allocated,
    Arrived,
    Began,
    Booked,
    Checkpoint,
    Entry,
    Moved,
    MoveKind,
    Numbered,
    Released,
    Remembered,
    Reserved,
)
from mm_trio.model.market import Balances
from mm_trio.model.orders import Quote
from mm_trio.model.replies import Fill, OpenOrder

OUR_EPOCH = 1
OPENING: tuple[tuple[int, Entry], ...] = (
    (500, Began(OUR_EPOCH, {})),
    (500, Allocated(dec(10), dec(100))),
    (500, Adjusted(dec(20), dec(200), "balance")),
    (600, Arrived(OURS, 7)),
)
SOLD = replace(fill(7, 1, 2, price="20", fee="0.1", fee_token="quote"), side="sell")  # at 1000 ms
AFTER = Balances(dec(18), dec(200) + 40 - dec("0.1"))


def booked(told: Fill) -> Booked:
    assert told.price is not None
    assert told.side is not None
    return Booked.of(told, Quote(told.side, 0, told.price, told.size))


def audit(
    *entries: Entry, fills: tuple[Fill, ...] = (), venue: Balances = AFTER, orders: tuple[OpenOrder, ...] = ()
) -> Audit:
    known = read_ledger([*OPENING, *((1001, entry) for entry in entries)])
    return compute_audit(known, fills, venue, orders=orders)


def test_a_ledger_that_agrees_has_no_gap() -> None:
    told = audit(booked(SOLD), fills=(SOLD,))

    assert told.is_ok
    assert told.gap == Balances(Decimal(0), Decimal(0))
    assert told.ledger == (dec(8), dec(100) + 40 - dec("0.1"))
    assert told.account == AFTER
    assert [(line.what, line.count) for line in told.movements] == [("first balance", 1), ("asks filled", 1)]


def test_a_movement_is_summed_by_its_cause_and_contains_the_trades_before_it() -> None:
    by_hand = replace(SOLD, oid=50, tid=9)
    moved = Moved(dec(-2), dec(40) - dec("0.1"), MoveKind.HAND_TRADE, 1000, "9:50")
    told = audit(moved, fills=(by_hand,))

    assert told.is_ok
    assert told.explained == ()
    assert [line.what for line in told.movements] == ["first balance", "hand trade"]


def test_a_rebate_of_a_buy_is_summed_in_quote() -> None:
    bought = replace(SOLD, side="buy", fee=dec("-0.001"), fee_token="quote")
    told = audit(booked(bought), fills=(bought,), venue=Balances(dec(22), dec("160.001")))

    assert told.is_ok
    assert told.ledger == (dec(12), dec("60.001"))


def test_a_fill_of_ours_that_is_not_booked_yet_explains_the_gap_by_oid_or_by_cloid() -> None:
    for told in (SOLD, replace(SOLD, oid=99, cloid=OURS)):
        found = audit(fills=(told,))

        assert not found.is_ok
        assert found.unexplained == Balances(dec(0), dec(0))
        assert found.unbooked == (told,)
        assert found.lost is None
        assert found.gap == Balances(dec(-2), dec(40) - dec("0.1"))
        assert [(line.count, line.token) for line in found.explained] == [(1, dec(-2))]
        assert "ours" in found.explained[0].what


def test_a_trade_by_hand_is_told_apart() -> None:
    bought = replace(fill(55, 2, 1, price="20", fee="0.001", fee_token="base", cloid=THEIRS), side="buy")
    found = audit(fills=(bought,), venue=Balances(dec("20.999"), dec(180)))

    assert found.is_ok
    assert [line.what for line in found.explained] == ["manual trades"]


# What was measured: 0.99019 at 4.5795 brought 3.04082091, and not 4.534575.
DUST = replace(fill(0, 0, "0.99019", price="4.5795"), side="sell", cloid=None, is_dust=True)


@pytest.mark.parametrize("credited, left", [("3.04082091", "0"), ("0", "0"), ("4.5346", "0.000024895"), ("-1", "-1")])
def test_a_dust_conversion_explains_up_to_its_worth(credited: str, left: str) -> None:
    worth = dec("0.99019") * dec("4.5795")
    found = audit(fills=(DUST,), venue=Balances(dec(20) - dec("0.99019"), dec(200) + dec(credited)))

    assert [line.what for line in found.explained] == ["dust conversions by the venue"]
    assert found.unexplained == Balances(dec(0), max(dec(left), dec(credited) - worth) if dec(left) > 0 else dec(left))


def test_a_transfer_beside_a_dust_conversion_stays_unexplained_in_the_token() -> None:
    found = audit(fills=(DUST,), venue=Balances(dec(18), dec(203)))

    assert found.unexplained == Balances(dec("-1.00981"), dec(0))


def test_a_transfer_that_nobody_told_stays_unexplained() -> None:
    found = audit(booked(SOLD), fills=(SOLD,), venue=Balances(AFTER.token - 3, AFTER.usdc))

    assert not found.is_ok
    assert found.unexplained == Balances(dec(-3), dec(0))


def test_a_change_that_was_taken_over_is_a_movement_and_no_gap() -> None:
    found = audit(
        booked(SOLD), Adjusted(dec(-3), dec(0), "balance"), fills=(SOLD,), venue=replace(AFTER, token=dec(15))
    )

    assert found.is_ok
    assert [line.what for line in found.movements][-1] == "balance changes without a fill of ours"


def test_a_fill_that_the_venue_does_not_list_is_no_good_sign() -> None:
    other = replace(SOLD, tid=2, time_ms=900)
    found = audit(booked(SOLD), booked(other), fills=(other,))

    assert not found.is_ok
    assert [entry.tid for entry in found.unlisted] == [1]


def test_fills_before_the_venue_s_oldest_are_not_held_against_it() -> None:
    newer = replace(SOLD, tid=2, time_ms=2000)
    after = Balances(AFTER.token - 2, AFTER.usdc + 40 - dec("0.1"))
    found = audit(booked(SOLD), booked(newer), fills=(newer,), venue=after)

    assert found.is_ok
    assert found.n_fills == 2


def test_what_traded_before_the_last_known_balance_is_in_it() -> None:
    early = replace(SOLD, time_ms=400)

    assert audit(fills=(early,), venue=Balances(dec(20), dec(200))).is_ok


def test_a_rebuilt_ledger_leaves_out_our_fills_until_a_start_books_them() -> None:
    """Its first balance is the account's without them; trades of others are in it."""
    foreign = replace(fill(55, 2, 1, price="20", cloid=THEIRS), side="buy", time_ms=900)
    rebuilt = Adjusted(dec(20), dec(200), REBUILT)

    entries: list[tuple[int, Entry]] = [(500, Began(OUR_EPOCH, {})), (600, Arrived(OURS, 7)), (2000, rebuilt)]
    found = compute_audit(read_ledger(entries), (SOLD, foreign), AFTER)

    assert found.unexplained == Balances(dec(0), dec(0))
    assert found.unbooked == (SOLD,)
    assert [(line.count, line.token) for line in found.explained] == [(1, dec(-2))]


def test_an_adopted_order_is_ours_as_well() -> None:
    found = audit(Adopted(31, Quote("sell", 0, dec(20), dec(2)), None, dec(0)), fills=(replace(SOLD, oid=31),))

    assert "ours" in found.explained[0].what


def test_the_report_is_plain_json_with_amounts_as_text() -> None:
    told = audit(booked(SOLD), fills=(SOLD,)).to_json()

    assert told["ok"] is True
    assert told["ledger"] == {"token": "8", "usdc": "139.9"}
    assert told["gap"] == {"token": "0", "usdc": "0.0"}
    assert (told["fills"], told["entries"]) == (1, 5)


# --- rows with our mark -----------------------------------------------------------------------


def mark(epoch: int, number: int) -> str:
    return encode_cloid(CloidParts(epoch, "sell", 0, number))


@pytest.mark.parametrize("cloid", [mark(OUR_EPOCH, 2), mark(99, 1)])
def test_r1_a_row_with_our_mark_is_never_a_trade_by_hand(cloid: str) -> None:
    """Of a session that the ledger does not know, or above the last order that it sent."""
    found = audit(fills=(replace(SOLD, oid=99, cloid=cloid),))

    assert not found.is_ok
    assert found.lost is not None
    assert found.lost.n_fills == 1
    assert found.unbooked == ()
    assert [line.what for line in found.explained] == ["fills of ours whose entries were lost"]
    assert found.unexplained == Balances(dec(0), dec(0))


def test_r1_a_balance_taken_over_later_hides_no_lost_fill() -> None:
    """The wrong ledger went on, and took what it had lost for a transfer."""
    told = replace(SOLD, oid=99, cloid=mark(99, 1))
    taken_over = Adjusted(dec(-2), dec(40) - dec("0.1"), "balance")
    found = audit(taken_over, fills=(told,))

    assert not found.is_ok
    assert found.lost is not None
    assert found.unexplained == Balances(dec(0), dec(0))


def test_r1_a_fill_that_is_listed_with_another_amount_is_a_difference() -> None:
    found = audit(booked(SOLD), fills=(replace(SOLD, size=dec(1)),))

    assert not found.is_ok
    assert [fill.tid for fill in found.differing] == [1]


def test_r1_an_open_order_of_an_unknown_session_is_evidence_too() -> None:
    found = audit(booked(SOLD), fills=(SOLD,), orders=(row(31, cloid=mark(99, 1)),))

    assert not found.is_ok
    assert found.lost is not None
    assert found.lost.n_orders == 1


def test_fills_that_the_first_balance_contains_are_named_and_no_difference() -> None:
    """A ledger that took over deliberately."""
    early = replace(SOLD, time_ms=900, oid=55, cloid=mark(99, 4))
    older = replace(SOLD, time_ms=300, oid=54, cloid=mark(98, 4))
    remembered = Remembered(800, (early.key,))
    found = audit(remembered, booked(SOLD), fills=(older, early, SOLD))

    assert found.is_ok
    assert found.n_contained == 2


@pytest.mark.parametrize("is_released", [False, True])
def test_a_reserved_number_proves_no_lost_end_until_it_is_released(is_released: bool) -> None:
    released = [(1002, Released(OUR_EPOCH))] if is_released else []
    known = read_ledger([*OPENING, (1001, Reserved(OUR_EPOCH, 9, 0, 0)), *released])
    told = replace(SOLD, oid=99, cloid=mark(OUR_EPOCH, 9))

    assert (known.find_lost((told,), ()) is not None) is is_released


def test_numbers_in_a_checkpoint_count_as_sent() -> None:
    checkpoint = Checkpoint((Began(OUR_EPOCH, {}), Numbered(OUR_EPOCH, 9)))
    told = replace(SOLD, oid=99, cloid=mark(OUR_EPOCH, 9))

    assert audit(checkpoint, fills=(told,)).unbooked == (told,)


def test_recent_fills_that_nobody_can_name_are_not_passed_over() -> None:
    unnamed = replace(SOLD, oid=77, time_ms=5000)
    known = read_ledger(OPENING)

    assert not compute_audit(known, (), Balances(dec(20), dec(200)), unnamed=(unnamed,)).is_ok
    assert compute_audit(known, (), Balances(dec(20), dec(200)), unnamed=(replace(unnamed, time_ms=400),)).is_ok


def test_fills_from_before_the_venue_s_history_are_summed_up_and_not_kept() -> None:
    """A million of them would take a gigabyte."""
    rows = [*OPENING, *((1001, booked(replace(SOLD, tid=tid, time_ms=tid))) for tid in range(1, 6))]

    known, whole = read_ledger(rows, reach_ms=4), read_ledger(rows)

    assert [told.tid for told in known.fills.values()] == [4, 5]
    assert known.n_fills == whole.n_fills == 5
    assert (known.sums, known.oids) == (whole.sums, whole.oids)
