"""Whose an order is, and which order in flight a row shows."""

from __future__ import annotations

import pytest
from core_kit import OURS, THEIRS, desired, intent, row

from mm_trio.model.replies import OpenOrder
from mm_trio.state.ownership import Owner, Ownership, find_epochs, read_quote

SECOND = "0x6d6d7472000000010000000000000002"
RIVAL = "0x6d6d7472000000020000000000000001"  # of this program, of session 2


def owner_rules(*, keep_foreign: bool = False, knows_all_sessions: bool = True) -> Ownership:
    """Rules of a ledger whose only session is 1."""
    return Ownership("@107", keep_foreign=keep_foreign, epochs={1}, knows_all_sessions=knows_all_sessions)


# --- whose it is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cloid, keep_foreign, owner",
    [
        (OURS, False, Owner.OURS),
        (OURS, True, Owner.OURS),
        (OURS.upper().replace("X", "x"), True, Owner.OURS),
        (RIVAL, False, Owner.RIVAL),
        (RIVAL, True, Owner.RIVAL),
        (None, False, Owner.OURS),
        (THEIRS, False, Owner.OURS),
        (None, True, Owner.FOREIGN),
        (THEIRS, True, Owner.FOREIGN),
    ],
)
def test_an_order_is_ours_a_rival_s_or_foreign_by_its_cloid(
    cloid: str | None, keep_foreign: bool, owner: Owner
) -> None:
    assert owner_rules(keep_foreign=keep_foreign).classify(row(9, cloid=cloid)) is owner


def test_without_a_durable_ledger_every_order_of_this_program_is_ours() -> None:
    assert owner_rules(knows_all_sessions=False).classify(row(9, cloid=RIVAL)) is Owner.OURS


@pytest.mark.parametrize("cloid", [None, OURS, RIVAL, THEIRS])
def test_an_order_of_another_coin_is_foreign(cloid: str | None) -> None:
    assert owner_rules().classify(row(9, coin="@207", cloid=cloid)) is Owner.FOREIGN


def test_rivals_are_found_among_the_rows_of_our_coin() -> None:
    rows = [row(1, cloid=OURS), row(2, cloid=RIVAL), row(3), row(4, coin="@207", cloid=RIVAL)]

    assert [found.oid for found in owner_rules().find_rivals(rows)] == [2]


@pytest.mark.parametrize("cloid, is_own", [(OURS, True), (RIVAL, False), (THEIRS, False), (None, False)])
def test_a_cloid_is_read_only_of_a_session_of_this_ledger(cloid: str | None, is_own: bool) -> None:
    assert (owner_rules().read_own_cloid(cloid) is not None) is is_own


def test_the_sessions_named_by_cloids_are_those_of_this_program() -> None:
    assert find_epochs([OURS, SECOND, RIVAL, THEIRS, None]) == {1, 2}


def test_a_row_of_this_program_gives_its_first_size_on_the_level_of_its_cloid() -> None:
    assert read_quote(row(9, size=2, original=5, cloid=OURS)) == desired("buy", 0, 5, "20")
    assert read_quote(row(9, cloid=THEIRS)) is None


# --- the order in flight that a row shows -------------------------------------------------------


@pytest.mark.parametrize(
    "seen, is_ours",
    [
        (row(9, cloid=OURS), True),
        (row(9, cloid=OURS.upper().replace("X", "x")), True),
        (row(9, cloid=THEIRS), False),
        (row(9), True),
        (row(9, size=2, original=5), True),
        (row(9, size=5, original=7), False),
        (row(9, price="20.001"), False),
        (row(9, side="sell"), False),
    ],
)
def test_a_row_is_matched_by_cloid_and_without_one_by_side_price_and_first_size(seen: OpenOrder, is_ours: bool) -> None:
    assert (owner_rules(keep_foreign=False).match_intent([intent("buy", 0)], seen) is not None) is is_ours


def test_a_row_without_cloid_that_could_be_either_of_two_is_neither() -> None:
    assert (
        owner_rules(keep_foreign=False).match_intent([intent("buy", 0), intent("buy", 0, cloid=SECOND)], row(9)) is None
    )


def test_where_others_orders_are_kept_a_row_without_a_cloid_is_none_of_ours_however_alike() -> None:
    assert owner_rules(keep_foreign=True).match_intent([intent("buy", 0)], row(9)) is None
    assert owner_rules(keep_foreign=True).match_intent([intent("buy", 0)], row(9, cloid=OURS)) is not None
