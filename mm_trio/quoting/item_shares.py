"""Shares of the request budget between the grids of an account. Pure.

The budget counts items of the address: one for each order or cancel. Where it does not cover what all grids need,
cancels of all grids come first, then orders at their insides, then their far ends. Within a class comes first who waits
longest, and whoever waits too long moves up a class with one item, so that no grid starves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import NamedTuple

from mm_trio.model.orders import OrderDiff, TrackedOrder
from mm_trio.refusals.distance import measure_from_inside

__all__ = [
    "INSIDE_LEVELS",
    "NO_NEED",
    "PATIENCE_S",
    "SILENT_AFTER_S",
    "ItemShares",
    "Need",
    "Share",
    "Urgency",
    "measure_need",
]

# Levels a side that count as the inside: the best one, and the one that a fill makes the best one.
INSIDE_LEVELS = 2
# A need that was not served for so long counts one class higher, with one item.
PATIENCE_S = 60.0
# A grid that stated nothing for so long holds nothing back: three ticks of the default.
SILENT_AFTER_S = 10.0


class Urgency(IntEnum):
    """Classes of items, the most urgent one first."""

    CANCEL = 0
    INSIDE = 1
    FAR = 2


@dataclass(frozen=True, slots=True)
class Need:
    """How many items of each class a grid would send now."""

    cancels: int = 0
    inside: int = 0
    far: int = 0


NO_NEED = Need()


@dataclass(frozen=True, slots=True)
class Share:
    """What a grid may send now.

    `items` is to the grid what the remaining budget is to one that is alone. `may_use_slot`: it may send the one item
    that the venue takes although the budget is used up.
    """

    items: int
    may_use_slot: bool


def measure_need(diff: OrderDiff, resting: Iterable[TrackedOrder]) -> Need:
    """Count the items of a diff by their class.

    `resting` are the orders that it starts from: together with the wanted ones they show where each side begins.
    """
    wanted = [*(order for _, order in diff.modifies), *diff.places]
    distance = measure_from_inside([*wanted, *(order for order in resting if order.oid not in diff.cancels)])
    inside = sum(distance(order)[0] < INSIDE_LEVELS for order in wanted)
    return Need(len(diff.cancels), inside, len(wanted) - inside)


class _Claim(NamedTuple):
    """Items of one class that a grid waits for; claims are served in this order."""

    rank: int
    turn: int
    coin: str
    urgency: Urgency
    n_items: int


class _Grid:
    """What one grid needs, since when it waits for it, and what it was granted last."""

    def __init__(self) -> None:
        self._needs = dict.fromkeys(Urgency, 0)
        # When a need arose or was served last, and the number of that event.
        self._since_s = dict.fromkeys(Urgency, 0.0)
        self._turns = dict.fromkeys(Urgency, 0)
        self._stated_s = self._granted_s = float("-inf")
        self._granted = 0

    @property
    def n_needed(self) -> int:
        return sum(self._needs.values())

    def is_silent(self, now_s: float, *, after_s: float) -> bool:
        return now_s - self._stated_s > after_s

    def find_granted(self, now_s: float, *, after_s: float) -> int:
        return 0 if now_s - self._granted_s > after_s else self._granted

    def state(self, need: Need, *, now_s: float, turns: Iterator[int]) -> None:
        self._stated_s = now_s
        for urgency, n_items in zip(Urgency, (need.cancels, need.inside, need.far), strict=True):
            if n_items and not self._needs[urgency]:
                self._since_s[urgency], self._turns[urgency] = now_s, next(turns)
            self._needs[urgency] = n_items

    def serve(self, urgency: Urgency, n_items: int, *, now_s: float, turns: Iterator[int]) -> None:
        """Take items off a need; what is left of it waits at the end of the queue."""
        self._needs[urgency] -= n_items
        self._since_s[urgency], self._turns[urgency] = now_s, next(turns)

    def grant(self, n_items: int, *, now_s: float) -> None:
        self._granted, self._granted_s = n_items, now_s

    def find_claims(self, coin: str, *, now_s: float) -> Iterator[_Claim]:
        for urgency, n_items in self._needs.items():
            if not n_items:
                continue
            turn, n_up = self._turns[urgency], int((now_s - self._since_s[urgency]) // PATIENCE_S)
            rank = max(0, urgency - n_up)
            if rank < urgency:
                yield _Claim(rank, turn, coin, urgency, 1)
                n_items -= 1
            if n_items:
                yield _Claim(urgency, turn, coin, urgency, n_items)


class ItemShares:
    """Arbiter of the items that an address may still send.

    Each grid states its need when it ticks, asks for its share, sends, and says that it has sent: until then its share
    is taken off what others may have. Grids tick at different times, so what a grid needed last is kept for it.
    `silent_after_s` has to be longer than the slowest grid's interval.
    """

    def __init__(self, *, silent_after_s: float = SILENT_AFTER_S) -> None:
        self._silent_after_s = silent_after_s
        self._grids: dict[str, _Grid] = {}
        self._turns = count(1)
        # Who may use the venue's slot now, and since when.
        self._slot: tuple[str, float] | None = None

    def state_need(self, coin: str, need: Need, *, now_s: float) -> None:
        """Note what a grid would send now."""
        self._grids.setdefault(coin, _Grid()).state(need, now_s=now_s, turns=self._turns)

    def allot(self, coin: str, *, remaining: int, now_s: float, slot_is_free: bool = False) -> Share:
        """Return what a grid may send of the remaining budget.

        A grid that is alone gets everything. One of several gets its turn of what does not suffice; where there is
        enough for all it gets as much again, because a modify may have to become a cancel and a place. `slot_is_free`
        is what the budget says of the venue's slot.
        """
        if len(self._grids) == 1:
            return Share(remaining, slot_is_free and remaining <= 0)
        grid = self._grids[coin]
        self.on_sent(coin)
        if remaining <= 0:
            return Share(remaining, slot_is_free and self._take_slot(coin, now_s))
        n_needed = grid.n_needed
        left = max(0, remaining - self._count_granted(now_s))
        items = 0
        for claim in self._line_up(now_s):
            n_items = min(claim.n_items, left)
            left -= n_items
            if claim.coin == coin and n_items:
                grid.serve(claim.urgency, n_items, now_s=now_s, turns=self._turns)
                items += n_items
        items += min(left, n_needed)
        grid.grant(items, now_s=now_s)
        return Share(items, may_use_slot=False)

    def on_sent(self, coin: str) -> None:
        """End a grid's share: what it sent is off the remaining budget now."""
        if (grid := self._grids.get(coin)) is not None:
            grid.grant(0, now_s=float("-inf"))
        if self._slot is not None and self._slot[0] == coin:
            self._slot = None

    def forget(self, coin: str) -> None:
        """Forget a grid that was removed."""
        self.on_sent(coin)
        self._grids.pop(coin, None)

    def _count_granted(self, now_s: float) -> int:
        """Count the items that grids may be sending now."""
        return sum(grid.find_granted(now_s, after_s=self._silent_after_s) for grid in self._grids.values())

    def _line_up(self, now_s: float) -> list[_Claim]:
        """Return the claims of all grids that still speak, in the order in which they are served."""
        return sorted(
            claim
            for coin, grid in self._grids.items()
            if not grid.is_silent(now_s, after_s=self._silent_after_s)
            for claim in grid.find_claims(coin, now_s=now_s)
        )

    def _take_slot(self, coin: str, now_s: float) -> bool:
        """Give the venue's slot to a grid if it is its turn, and no other has it."""
        if self._slot is not None and now_s - self._slot[1] <= self._silent_after_s:
            return False
        first = next(iter(self._line_up(now_s)), None)
        if first is None or first.coin != coin:
            return False
        # It may use the slot for whatever it needs most, so all its needs go to the end of the queue.
        for urgency in Urgency:
            self._grids[coin].serve(urgency, 0, now_s=now_s, turns=self._turns)
        self._slot = coin, now_s
        return True
