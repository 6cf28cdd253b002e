"""Difference between open and desired orders: tolerances, dead zone, each side by itself."""

from __future__ import annotations

import pytest
from core_kit import dec, desired, tracked

from mm_trio.model.orders import DesiredOrder, OrderDiff, TrackedOrder
from mm_trio.quoting.order_differ import compute_diff

DESIRED = [desired("sell", 5), desired("buy", 4)]
RESTING = [tracked(1, "sell", 5), tracked(2, "buy", 4)]


def test_equal_books_give_an_empty_diff() -> None:
    assert compute_diff(DESIRED, RESTING, 0, 0, 0) == OrderDiff()


def test_what_is_missing_is_placed_and_what_is_unwanted_is_cancelled() -> None:
    diff = compute_diff([desired("sell", 6), desired("buy", 4)], [*RESTING, tracked(9, "buy", 3)], 5, 1, 1)

    assert diff == OrderDiff(places=[desired("sell", 6)], cancels=[1, 9])


@pytest.mark.parametrize(
    "price, size, is_modified",
    [
        ("20.002", "5", False),  # 1 bp: not more than the tolerance
        ("20.0021", "5", True),
        ("20", "5.05", False),  # 1 % of the desired size
        ("20", "5.06", True),
        ("20", "4.95", False),
        ("20", "4.94", True),
    ],
)
def test_only_what_is_off_by_more_than_a_tolerance_is_modified(price: str, size: str, is_modified: bool) -> None:
    aim = desired("buy", 0)

    diff = compute_diff([aim], [tracked(1, "buy", 0, size, price)], 0, 1, 1)

    assert diff == (OrderDiff(modifies=[(1, aim)]) if is_modified else OrderDiff())


def test_a_level_that_changes_its_side_is_cancelled_and_placed_never_modified() -> None:
    diff = compute_diff([desired("buy", 5)], [tracked(1, "sell", 5)], 0, 0, 0)

    assert diff == OrderDiff(places=[desired("buy", 5)], cancels=[1])


@pytest.mark.parametrize(
    "dead_zone_bps, resting_price, is_held_back",
    [
        (5, "20.0099", True),  # mean off by less than 5 bps
        (5, "20.0100", False),  # exactly 5 bps: no longer less
        (0, "20.0021", False),  # off
    ],
)
def test_the_dead_zone_holds_back_a_small_move_of_the_mean_price(
    dead_zone_bps: int, resting_price: str, is_held_back: bool
) -> None:
    diff = compute_diff([desired("buy", 0, 5)], [tracked(1, "buy", 0, 5, resting_price)], dead_zone_bps, 1, 1)

    assert bool(diff) is not is_held_back


def test_the_mean_price_is_weighted_by_size() -> None:
    wanted = [desired("sell", 9, 1), desired("buy", 0, 99)]
    prices = [str(order.price * dec("1.002")) for order in wanted]

    assert not compute_diff(wanted, [tracked(1, "sell", 9, 1, prices[0]), tracked(2, "buy", 0, 99)], 5, 1, 1)
    assert compute_diff(wanted, [tracked(1, "sell", 9, 1), tracked(2, "buy", 0, 99, prices[1])], 5, 1, 1)


@pytest.mark.parametrize("resting", [("0.05", "0.05"), ("4.9", "4.9"), ("4.9", "5")])
def test_a_changed_size_is_never_held_back(resting: tuple[str, str]) -> None:
    """Sizes that change alike on both sides leave the mean price where it is: the inside stayed empty for ever."""
    wanted = [desired("sell", 9, 5), desired("buy", 0, 5)]

    diff = compute_diff(wanted, [tracked(1, "sell", 9, resting[0]), tracked(2, "buy", 0, resting[1])], 5, 1, 1)

    assert [oid for oid, _ in diff.modifies] == [n for n, size in enumerate(resting, 1) if size != "5"]


@pytest.mark.parametrize(
    "wanted, resting",
    [
        ([*DESIRED, desired("buy", 3)], RESTING),
        (DESIRED, [*RESTING, tracked(3, "buy", 3)]),
        ([desired("sell", 5), desired("buy", 3)], RESTING),
        ([], RESTING),
        (DESIRED, []),
    ],
)
def test_a_changed_set_of_levels_is_never_held_back(wanted: list[DesiredOrder], resting: list[TrackedOrder]) -> None:
    assert compute_diff(wanted, resting, 100_000, 1, 1)


def test_of_two_orders_on_one_level_the_oldest_stays() -> None:
    diff = compute_diff(DESIRED, [tracked(7, "sell", 5), *RESTING, tracked(5, "sell", 5)], 100_000, 1, 1)

    assert diff == OrderDiff(cancels=[5, 7])


def test_nothing_wanted_and_nothing_resting_is_nothing_to_do() -> None:
    assert not compute_diff([], [], 5, 1, 1)
