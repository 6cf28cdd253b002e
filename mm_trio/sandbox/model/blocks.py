"""Order in which the venue runs one block's actions.

It differs from the order in which they arrived.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from mm_trio.sandbox.model.commands import CANCELS, Command, ModifyOrders, PlaceOrders
from mm_trio.sandbox.model.records import IMMEDIATE_TIFS

__all__ = ["Rank", "rank_command", "sort_block"]

_MATCHING = ("Gtc", *IMMEDIATE_TIFS)


class Rank(IntEnum):
    """Groups of a block, in running order."""

    WITHOUT_MATCHING = 0
    CANCELS = 1
    WITH_MATCHING = 2


def rank_command(command: Command) -> Rank:
    """Return the group of a command.

    One Gtc or Ioc order puts its whole action into the last group. A modify counts as the orders it places.
    A command that is not a client's action runs with the first group.
    Source: docs *Order book* and *Optimizing latency*.
    """
    if isinstance(command, CANCELS):
        return Rank.CANCELS
    orders: Iterable[str] = ()
    if isinstance(command, PlaceOrders):
        orders = (order.tif for order in command.orders)
    elif isinstance(command, ModifyOrders):
        orders = (order.tif for _, order in command.modifies)
    return Rank.WITH_MATCHING if any(tif in _MATCHING for tif in orders) else Rank.WITHOUT_MATCHING


def sort_block(commands: Iterable[Command]) -> tuple[Command, ...]:
    """Sort a block's commands by group, then by arrival."""
    return tuple(sorted(commands, key=rank_command))
