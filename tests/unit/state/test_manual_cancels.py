"""Orders that the owner cancelled by hand: what counts as that, and how long their slot pauses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_kit import tracked

from mm_trio.model.orders import Phase, TrackedOrder
from mm_trio.state import manual_cancels as module
from mm_trio.state.manual_cancels import ManualCancels

BID = tracked(1, "buy", 3)


def watch(pause_s: float = 10.0) -> tuple[ManualCancels, list[TrackedOrder]]:
    seen: list[TrackedOrder] = []
    return ManualCancels(pause_s=pause_s, on_detected=seen.append), seen


def test_a_cancel_that_we_did_not_ask_for_pauses_the_slot_for_a_while() -> None:
    cancels, seen = watch()

    cancels.note_end(BID, "canceled", now_s=100.0)

    assert seen == [BID]
    assert [cancels.is_paused(BID.slot, now_s=s) for s in (100.0, 109.9, 110.0)] == [True, True, False]
    assert not cancels.is_paused(("sell", 3), now_s=100.0)


@pytest.mark.parametrize(
    "order, status",
    [
        (BID, "filled"),
        (BID, "selfTradeCanceled"),
        (None, "canceled"),
        (replace(BID, status=Phase.IN_DOUBT), "canceled"),
    ],
    ids=["filled", "by the venue", "unknown", "in doubt"],
)
def test_another_end_is_not_the_owner_s(order: TrackedOrder | None, status: str) -> None:
    cancels, seen = watch()

    cancels.note_end(order, status, now_s=100.0)

    assert seen == []


@pytest.mark.parametrize("now_s, is_by_hand", [(100.0, False), (100.1, True)])
def test_a_cancel_counts_as_ours_until_its_deadline(now_s: float, is_by_hand: bool) -> None:
    cancels, seen = watch()
    cancels.expect_ends([1], until_s=100.0)

    cancels.note_end(BID, "canceled", now_s=now_s)

    assert bool(seen) is is_by_hand


def test_what_is_remembered_of_our_own_cancels_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDS_REMEMBERED", 2)
    cancels, seen = watch()
    cancels.expect_ends([1, 2, 3], until_s=100.0)

    for oid in (1, 2, 3):
        cancels.note_end(tracked(oid, "buy", oid), "canceled", now_s=50.0)

    assert [order.oid for order in seen] == [1]
