"""Who may send how much of a request budget that several grids share."""

from __future__ import annotations

import pytest
from core_kit import desired, tracked

from mm_trio.model.orders import OrderDiff
from mm_trio.quoting.item_shares import PATIENCE_S, SILENT_AFTER_S, ItemShares, Need, Share, measure_need


def make_shares(**needs: Need) -> ItemShares:
    """Needs that were stated at 0 s, in this order."""
    shares = ItemShares()
    for coin, need in needs.items():
        shares.state_need(coin, need, now_s=0)
    return shares


def allot_all(shares: ItemShares, coins: str, *, remaining: int) -> list[int]:
    """Ask for each grid while nothing was sent."""
    return [shares.allot(coin, remaining=remaining, now_s=0).items for coin in coins]


@pytest.mark.parametrize("remaining", [-3, 0, 1, 9000])
@pytest.mark.parametrize("slot_is_free", [True, False])
def test_one_grid_has_the_whole_budget(remaining: int, slot_is_free: bool) -> None:
    shares = make_shares(A=Need(1, 2, 3))

    share = shares.allot("A", remaining=remaining, now_s=0, slot_is_free=slot_is_free)

    assert share == Share(remaining, slot_is_free and remaining <= 0)


def test_a_large_budget_covers_everybody_twice() -> None:
    """A modify may have to become a cancel and a place."""
    shares = make_shares(A=Need(1, 2, 3), B=Need(0, 4, 0), C=Need())

    assert allot_all(shares, "ABC", remaining=9000) == [12, 8, 0]


@pytest.mark.parametrize("remaining, items", [(3, [2, 1]), (4, [2, 2]), (6, [4, 2]), (7, [4, 3]), (9, [4, 5])])
def test_cancels_of_all_come_before_insides_of_all(remaining: int, items: list[int]) -> None:
    """A needs two cancels and two of the inside, B two cancels, one of the inside and two far ends."""
    assert allot_all(make_shares(A=Need(2, 2, 0), B=Need(2, 1, 2)), "AB", remaining=remaining) == items


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_who_asks_first_does_not_matter(order: str) -> None:
    shares = make_shares(A=Need(inside=2), B=Need(inside=2))

    assert dict(zip(order, allot_all(shares, order, remaining=3), strict=True)) == {"A": 2, "B": 1}


def test_the_longest_unserved_grid_comes_first() -> None:
    shares = make_shares(A=Need(inside=1), B=Need(inside=1))
    shares.allot("A", remaining=1, now_s=0)
    shares.on_sent("A")
    shares.state_need("A", Need(inside=1), now_s=1)

    assert [shares.allot(coin, remaining=1, now_s=1).items for coin in "AB"] == [0, 1]


def test_what_a_grid_is_sending_is_not_given_to_another() -> None:
    shares = make_shares(A=Need(far=3), B=Need(far=3))
    shares.allot("A", remaining=4, now_s=0)

    shares.state_need("B", Need(cancels=3), now_s=1)

    assert shares.allot("B", remaining=4, now_s=1).items == 1


def test_what_a_grid_did_not_send_is_there_for_others() -> None:
    shares = make_shares(A=Need(far=3), B=Need(far=3))
    shares.allot("A", remaining=4, now_s=0)

    shares.on_sent("A")

    assert shares.allot("B", remaining=4, now_s=1).items == 4


def test_a_silent_grid_holds_nothing_back() -> None:
    shares = make_shares(A=Need(cancels=3), B=Need(far=3))
    later_s = SILENT_AFTER_S + 0.1
    shares.state_need("B", Need(far=3), now_s=later_s)

    assert shares.allot("B", remaining=3, now_s=later_s).items == 3


def test_a_removed_grid_holds_nothing_back() -> None:
    shares = make_shares(A=Need(cancels=3), B=Need(far=3))
    shares.allot("A", remaining=3, now_s=0)

    shares.forget("A")

    assert shares.allot("B", remaining=3, now_s=0) == Share(3, may_use_slot=False)


def test_a_removed_grid_may_still_end_its_sending() -> None:
    shares = make_shares(A=Need(cancels=3))
    shares.forget("A")

    shares.on_sent("A")


@pytest.mark.parametrize("waited_s, items", [(PATIENCE_S - 0.1, 0), (PATIENCE_S, 1)])
def test_a_far_end_that_waited_long_counts_as_inside(waited_s: float, items: int) -> None:
    shares = make_shares(A=Need(far=5))
    shares.state_need("B", Need(inside=2), now_s=1)
    for coin, need in (("A", Need(far=5)), ("B", Need(inside=2))):
        shares.state_need(coin, need, now_s=waited_s)

    assert shares.allot("A", remaining=2, now_s=waited_s).items == items


def test_one_item_that_waited_long_counts_once() -> None:
    shares = make_shares(A=Need(far=2), B=Need())
    shares.state_need("A", Need(far=2), now_s=PATIENCE_S)

    assert shares.allot("A", remaining=9000, now_s=PATIENCE_S).items == 4


def test_a_need_waits_from_when_it_arose() -> None:
    shares = make_shares(A=Need(), B=Need())
    for now_s in (1000, 1000 + PATIENCE_S - 1):
        shares.state_need("A", Need(far=2), now_s=now_s)
        shares.state_need("B", Need(inside=2), now_s=now_s)

    assert shares.allot("A", remaining=2, now_s=now_s).items == 0


@pytest.mark.parametrize("coin, has_slot", [("A", False), ("B", True), ("C", False)])
def test_the_slot_of_an_empty_budget_goes_to_the_most_urgent(coin: str, has_slot: bool) -> None:
    shares = make_shares(A=Need(inside=2), B=Need(cancels=1), C=Need(far=2))

    assert shares.allot(coin, remaining=0, now_s=0, slot_is_free=True).may_use_slot is has_slot


def test_the_slot_goes_round() -> None:
    shares, turns = make_shares(A=Need(inside=2), B=Need(inside=2), C=Need(inside=2)), []
    for now_s in range(12):
        for coin in "ABC":
            shares.state_need(coin, Need(inside=2), now_s=now_s)
            if shares.allot(coin, remaining=-1, now_s=now_s, slot_is_free=now_s % 2 == 0).may_use_slot:
                turns.append(coin)
                break

    assert turns == [*"ABCABC"]


def test_only_one_grid_uses_the_slot() -> None:
    """It is taken when the answer is there."""
    shares = make_shares(A=Need(inside=2), B=Need(inside=2))
    shares.allot("A", remaining=0, now_s=0, slot_is_free=True)

    assert not shares.allot("B", remaining=0, now_s=0, slot_is_free=True).may_use_slot


def test_a_diff_is_counted_by_the_distance_from_the_inside() -> None:
    """The ask on 5 rests, the one on 4 is cancelled; bids begin at 2."""
    diff = OrderDiff([(7, desired("sell", 6))], [desired("sell", 7), desired("buy", 2), desired("buy", 0)], [8])
    resting = [tracked(9, "sell", 5), tracked(8, "sell", 4)]

    assert measure_need(diff, resting) == Need(cancels=1, inside=2, far=2)
