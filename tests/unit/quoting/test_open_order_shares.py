"""Who may have how many orders open where the account's cap does not suffice for all grids."""

from __future__ import annotations

import pytest
from core_kit import tracked

from mm_trio.quoting.open_order_shares import find_far_ends, share_open_orders


@pytest.mark.parametrize(
    "room, shares",
    [
        (1000, {"A": 40, "B": 10, "C": 40}),
        (90, {"A": 40, "B": 10, "C": 40}),
        (80, {"A": 35, "B": 10, "C": 35}),
        (31, {"A": 10, "B": 10, "C": 11}),
        (2, {"A": 1, "B": 0, "C": 1}),
        (-5, {"A": 0, "B": 0, "C": 0}),
    ],
)
def test_the_widest_windows_shrink_first(room: int, shares: dict[str, int]) -> None:
    assert share_open_orders({"C": 40, "A": 40, "B": 10}, room=room) == shares


def test_far_ends_of_both_sides_make_room() -> None:
    asks = [tracked(10 + level, "sell", level) for level in (5, 6, 7)]
    bids = [tracked(10 + level, "buy", level) for level in (4, 3, 2)]

    assert set(find_far_ends({order.oid: order for order in (*asks, *bids)}, most=4)) == {17, 12}


@pytest.mark.parametrize("most", [1, 5])
def test_a_share_that_suffices_costs_no_order(most: int) -> None:
    assert find_far_ends({15: tracked(15, "sell", 5)}, most=most) == ()
