"""Change of a ladder while it is quoted, tick by tick. Pure.

What is wanted moves with each fill on the way, so every tick plans its step anew, from what rests by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from mm_trio.migration.ladder_change import plan_step
from mm_trio.migration.terms import ITEMS_A_TICK, MigrationTerms, find_inside
from mm_trio.model.orders import DesiredOrder, OrderDiff, TrackedOrder

__all__ = ["MovingLadder"]


class MovingLadder:
    """Change under way, from what rested when it began.

    `n_before` orders rested then; `n_items` counts what its steps asked for.
    """

    def __init__(self, resting: Iterable[TrackedOrder]) -> None:
        before = tuple(resting)
        self.n_before = len(before)
        self._width_before = find_inside(before).width
        self.n_items = 0

    def plan(
        self, resting: Sequence[TrackedOrder], desired: Iterable[DesiredOrder], *, funds: tuple[Decimal, Decimal]
    ) -> OrderDiff | None:
        """Return what the next tick sends, None once only orders are left to place that no old one is in the way of.

        `resting` are the orders that certainly rest; `funds` are base and quote that may be offered.
        """
        target = tuple(desired)
        width = find_inside(target).width
        known = [each for each in (self._width_before, width) if each is not None]
        tokens, quote = funds
        terms = MigrationTerms(
            target=target,
            tokens=tokens,
            quote=quote,
            widest=max(known) if len(known) == 2 else None,
            items=ITEMS_A_TICK,
            most_open=max(len(resting), len(target), 1),
        )
        step = plan_step(resting, terms)
        if not step.cancels and not step.modifies and _has_inside(resting, target):
            # Every grid goes on from here as it always does: the far ends may have to wait, for funds or for the cap.
            return None
        self.n_items += step.n_items
        return OrderDiff(
            modifies=[(old.oid, new) for old, new in step.modifies],
            places=list(step.places),
            cancels=[order.oid for order in step.cancels],
        )


def _has_inside(resting: Iterable[TrackedOrder], target: Iterable[DesiredOrder]) -> bool:
    """Check if the best orders of a ladder rest."""
    now, wanted = find_inside(resting), find_inside(target)
    return wanted.bid in (None, now.bid) and wanted.ask in (None, now.ask)
