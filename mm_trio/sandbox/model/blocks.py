"""The order in which the venue runs the actions of one block, which is not the order in which they came."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from mm_trio.sandbox.model.commands import CANCELS, Command, ModifyOrders, PlaceOrders

__all__ = ["Rank", "rank_command", "sort_block"]

_MATCHING = ("Gtc", "Ioc")


class Rank(IntEnum):
    """The groups of a block, in the order in which they run."""

    WITHOUT_MATCHING = 0
    CANCELS = 1
    WITH_MATCHING = 2


def rank_command(command: Command) -> Rank:
    """The group of a command. One Gtc or Ioc among an action's orders puts the whole action into the last one.

    A modify counts as the orders it places. What is no action of a client's runs with the first group.
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
    """The commands of one block as the venue runs them: group by group, inside a group as they came."""
    return tuple(sorted(commands, key=rank_command))
