"""Comparison with a snapshot: it proves presence, never absence."""

from __future__ import annotations

import pytest
from core_kit import OURS, THEIRS, intent, rest, row, tracked

from mm_trio.model.replies import OpenOrder
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.snapshot_diff import FRESH_S, VANISHING_S, Findings, read_snapshot

SECOND = "0x6d6d7472000000010000000000000002"


def read(state: OrderState, *rows: OpenOrder, asked_s: float = 100.0, keep_foreign: bool = False) -> Findings:
    return read_snapshot(rows, state, asked_s=asked_s, ownership=Ownership("@107", keep_foreign=keep_foreign))


def oids(rows: tuple[OpenOrder, ...]) -> list[int]:
    return [found.oid for found in rows]


def test_a_book_as_we_believe_it_gives_no_findings() -> None:
    state = rest(OrderState(), tracked(1, "buy", 0))

    assert read(state, row(1)) == Findings((), (), (), (), ())


@pytest.mark.parametrize(
    "cloid, keep_foreign, is_orphan",
    [
        (None, False, True),
        (THEIRS, False, True),
        (OURS, False, True),
        (None, True, False),
        (THEIRS, True, False),
        (OURS, True, True),
    ],
)
def test_a_row_nobody_explains_is_an_orphan_and_with_keep_only_if_it_carries_our_tag(
    cloid: str | None, keep_foreign: bool, is_orphan: bool
) -> None:
    found = read(OrderState(), row(9, cloid=cloid), keep_foreign=keep_foreign)

    assert oids(found.orphans) == ([9] if is_orphan else [])


def test_an_order_in_flight_that_is_seen_has_arrived_and_is_no_orphan() -> None:
    state = OrderState()
    state.on_sent(intent("buy", 0))
    state.on_sent(intent("buy", 1, cloid=SECOND))

    found = read(state, row(9, cloid=OURS))

    assert [(sent.cloid, seen.oid) for sent, seen in found.arrived] == [(OURS, 9)]
    assert [sent.cloid for sent in found.unseen] == [SECOND]
    assert found.orphans == ()


@pytest.mark.parametrize(
    "touched_s, asked_s, in_doubt, is_missing",
    [
        (0.0, 100.0, False, True),
        (98.0, 100.0, False, True),
        (98.1, 100.0, False, False),  # touched less than 2 s before we asked: no verdict
        (100.5, 100.0, False, False),  # touched since we asked
        (100.5, 100.0, True, True),  # in doubt: whatever is said helps
    ],
)
def test_absence_is_only_suspected_of_an_order_not_touched_lately(
    touched_s: float, asked_s: float, in_doubt: bool, is_missing: bool
) -> None:
    state = OrderState()
    state.on_place_confirmed(1, "buy", 0, 20, 5, now_s=touched_s)
    if in_doubt:
        state.on_doubt(1, now_s=touched_s)

    found = read(state, asked_s=asked_s)

    assert found.missing == ((1,) if is_missing else ())
    assert state.find(1) is not None  # a suspicion changes nothing
    assert FRESH_S == 2


def test_an_order_in_doubt_that_is_seen_rests() -> None:
    state = rest(OrderState(), tracked(1, "buy", 0), tracked(2, "buy", 1))
    state.on_doubt(1)

    assert read(state, row(1), row(2)).resting == (1,)


@pytest.mark.parametrize("age_s, is_orphan", [(VANISHING_S - 0.1, False), (VANISHING_S, True)])
def test_an_order_that_left_may_linger_in_snapshots_for_a_while(age_s: float, is_orphan: bool) -> None:
    state = rest(OrderState(), tracked(1, "buy", 0))
    state.on_cancel_confirmed(1, now_s=50.0)

    found = read(state, row(1), asked_s=50.0 + age_s)

    assert oids(found.orphans) == ([1] if is_orphan else [])
