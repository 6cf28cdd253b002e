"""What fits beside orders that are there, and what it takes away from the next one."""

from __future__ import annotations

import pytest
from core_kit import dec, desired, intent, tracked

from mm_trio.model import DesiredOrder
from mm_trio.room import Present, Room


@pytest.mark.parametrize(
    "order, fits",
    [
        (desired("sell", 6), True),
        (desired("sell", 6, "5.01"), False),  # more than the tokens left
        (desired("sell", 5), False),  # a level that is taken, on its own side
        (desired("buy", 5), False),  # and on the other
        (desired("sell", 2), False),  # meets the bid above it
        (desired("buy", 6), False),  # meets the ask below it
        (desired("buy", 4), True),
        (desired("buy", 4, "5.01"), False),  # more than the quote left
    ],
)
def test_an_order_fits_where_nothing_is_meets_nothing_and_is_paid_for(order: DesiredOrder, fits: bool) -> None:
    present: list[Present] = [tracked(1, "sell", 5), intent("buy", 3)]
    spent = present[1].size * present[1].price

    room = Room(present, tokens=dec(10), quote=spent + 5 * desired("buy", 4).price)

    assert room.take(order) is fits


def test_what_is_taken_is_gone_and_what_did_not_fit_takes_nothing() -> None:
    room = Room([], tokens=dec(7), quote=dec(0))

    assert [room.take(desired("sell", level, size)) for level, size in [(5, 5), (6, 5), (5, 1), (7, 2), (8, 1)]] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert (room.tokens, room.quote) == (dec(0), dec(0))


@pytest.mark.parametrize("side, free", [("sell", (-5, 0)), ("buy", (0, -100))])
def test_orders_that_are_there_may_cost_more_than_is_owned(side: str, free: tuple[int, int]) -> None:
    room = Room([tracked(1, side, 0)], tokens=dec(0), quote=dec(0))  # type: ignore[arg-type]

    assert (room.tokens, room.quote) == (dec(free[0]), dec(free[1]))


def test_an_order_grows_only_into_what_is_free_and_frees_what_it_gives_up() -> None:
    room = Room([desired("sell", 8, 2), desired("buy", 5, 1)], tokens=dec(5), quote=dec(1000))

    assert not room.resize(desired("sell", 8, 2), desired("sell", 8, 6))  # 3 are free, 4 are wanted
    assert room.resize(desired("sell", 8, 2), desired("sell", 8, 1))
    assert room.resize(desired("sell", 9, 1), desired("sell", 9, 5))
    assert room.tokens == 0
    assert room.resize(desired("buy", 5, 1), desired("buy", 5, 2))
