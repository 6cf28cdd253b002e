"""Memory of refusals, a guard of the request budget. Pure: time is handed in.

What was refused is not sent again as it was at the next emit. From the second refusal alike on its level pauses, and
where more than five levels are refused alike, the kind of refusal pauses. A success clears it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mm_trio.model.orders import OrderDiff, Quote, Side, TrackedOrder
from mm_trio.model.replies import WHOLE_BATCH, Answer, Refusal, Refused
from mm_trio.refusals.distance import measure_from_inside
from mm_trio.refusals.kind_pauses import KindPauses, PauseNews, find_refusal

__all__ = ["RefusalMemory", "halve"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Cancel:
    """Cancel of one order; its place is its oid."""

    slot: int


class RefusalMemory:
    """Memory of refused orders, by level, and of refused cancels, by order."""

    def __init__(self) -> None:
        self._orders = KindPauses("orders")
        self._cancels = KindPauses("cancels")
        # Sides that wait for balances to be read.
        self._unread: set[Side] = set()

    # --- Choice of items ----------------------------------------------------------------------------

    def choose(
        self, diff: OrderDiff, orders: Mapping[int, TrackedOrder], *, now_s: float, insists: bool = False
    ) -> OrderDiff:
        """Leave out what has to wait; it counts as one emit.

        `insists`: cancels are sent whatever was refused before, as a shutdown has no time to wait.
        """
        wanted = [*(order for _, order in diff.modifies), *diff.places]
        from_inside = sorted(wanted, key=measure_from_inside(wanted))
        self._orders.choose(from_inside, now_s=now_s)
        self._cancels.choose([_Cancel(oid) for oid in diff.cancels], now_s=now_s)
        if not self._orders and not self._cancels and not self._unread:
            return diff
        return OrderDiff(
            [
                (oid, order)
                for oid, order in diff.modifies
                if not self.holds_back(order, now_s=now_s, instead_of=orders.get(oid))
            ],
            [order for order in diff.places if not self.holds_back(order, now_s=now_s)],
            [oid for oid in diff.cancels if insists or not self._cancels.holds_back(_Cancel(oid), now_s=now_s)],
        )

    def holds_back(self, order: Quote, *, now_s: float, instead_of: TrackedOrder | None = None) -> bool:
        """Check if an item has to wait, that replaces `instead_of`."""
        if order.side in self._unread and _needs_more(order, instead_of):
            return True
        return self._orders.holds_back(order, now_s=now_s)

    def is_split(self, answers: Sequence[Answer]) -> bool:
        """Check if a batch that was refused whole has to be split.

        Once more than five levels were refused for the same reason one by one, the rest waits for probes.
        """
        first = answers[0]
        if len(answers) < 2 or not isinstance(first, Refused) or first.refusal not in WHOLE_BATCH:
            return False
        return first.untouched and not self._orders.is_whole(first.refusal)

    # --- Answers ------------------------------------------------------------------------------------

    def on_answers(self, quotes: Sequence[Quote], answers: Sequence[Answer], *, now_s: float) -> None:
        """Remember the answers to the orders of one action."""
        if Refusal.BALANCE in self._orders.on_answers(quotes, answers, now_s=now_s):
            for quote, answer in zip(quotes, answers, strict=True):
                if (found := find_refusal(answer)) is not None and found[0] is Refusal.BALANCE:
                    self._unread.add(quote.side)

    def on_cancel_answers(self, oids: Sequence[int], answers: Sequence[Answer], *, now_s: float) -> None:
        """Remember the answers to the cancels of one action."""
        self._cancels.on_answers([_Cancel(oid) for oid in oids], answers, now_s=now_s)

    def on_balances_read(self, *, is_changed: bool) -> None:
        """Let the sides go on that waited for balances.

        With a changed ledger the plan is another one, so what was refused is tried again at once.
        """
        self._unread.clear()
        if is_changed:
            self._orders.try_again(Refusal.BALANCE)

    # --- What is told -------------------------------------------------------------------------------

    @property
    def pausing(self) -> tuple[PauseNews, ...]:
        """Return what pauses now."""
        return (*self._orders.pausing, *self._cancels.pausing)

    def is_told(self, refusal: Refusal) -> bool:
        """Check if the operator knows that a kind pauses."""
        return self._orders.is_told(refusal) or self._cancels.is_told(refusal)

    def take_news(self, *, now_s: float) -> tuple[PauseNews, ...]:
        """Return the pauses that began or ended since the last call."""
        return (*self._orders.take_news(now_s=now_s), *self._cancels.take_news(now_s=now_s))


def halve(items: Sequence[_T], sides: Sequence[Side]) -> tuple[Sequence[_T], Sequence[_T]]:
    """Halve a batch, between its sides if it has both."""
    asks = [item for item, side in zip(items, sides, strict=True) if side == "sell"]
    if 0 < len(asks) < len(items):
        return asks, [item for item, side in zip(items, sides, strict=True) if side == "buy"]
    middle = len(items) // 2
    return items[:middle], items[middle:]


def _needs_more(order: Quote, present: TrackedOrder | None) -> bool:
    if present is None or present.side != order.side:
        return True
    if order.side == "sell":
        return order.size > present.size
    return order.size * order.price > present.size * present.price
