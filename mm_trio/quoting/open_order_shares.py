"""Shares of the account's cap of open orders between its grids. Pure.

The windows of the grids shrink from their far ends until all of them fit: the widest ones first, so that no grid has
fewer orders than it wants while another one has more than it.
"""

from __future__ import annotations

from collections.abc import Mapping

from mm_trio.model.orders import TrackedOrder
from mm_trio.refusals.distance import measure_from_inside

__all__ = ["find_far_ends", "share_open_orders"]


def share_open_orders(wanted: Mapping[str, int], *, room: int) -> dict[str, int]:
    """Compute how many orders each grid may have open.

    `wanted` is how many its settings let it have at most, by coin. It is not how many it has at this moment: shares
    that move with each fill would cost a cancel and a place each time. `room` is the account's cap less what other
    programs have open. Of what cannot be shared evenly, the grids that want most, and of those the last ones by name,
    get one more.
    """
    shares, left = {}, max(0, room)
    by_size = sorted(wanted, key=lambda coin: (wanted[coin], coin))
    for n_before, coin in enumerate(by_size):
        shares[coin] = min(max(0, wanted[coin]), left // (len(by_size) - n_before))
        left -= shares[coin]
    return shares


def find_far_ends(resting: Mapping[int, TrackedOrder], *, most: int) -> tuple[int, ...]:
    """Find the orders beyond a grid's share, by oid: the farthest from the inside, both sides alike.

    `resting` are the grid's open orders by oid. Cancel them, so that another grid has room.
    """
    distance = measure_from_inside(resting.values())
    from_inside = sorted(resting, key=lambda oid: distance(resting[oid]))
    return tuple(from_inside[max(0, most) :])
