"""Looks at a running maker, and tells what is wrong with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Never

import trio

from mm_trio.alerts.budget_trend import BudgetTrend
from mm_trio.alerts.conditions import Conditions
from mm_trio.alerts.look import GridLook, MakerLook
from mm_trio.alerts.rules import AlertTerms, find_trouble
from mm_trio.alerts.sender import Sender
from mm_trio.engine.grid_face import GridFace
from mm_trio.halts.standing import Standing, State
from mm_trio.views.account_status import AccountStatus, GridStatus, StatusSource

__all__ = ["LOOK_EVERY_S", "Observer"]

LOOK_EVERY_S = 5.0
# By then a maker without a guard has noticed that there is none.
GUARD_KNOWN_AFTER_S = 15.0
_DAY_MS = 86_400_000


class Observer:
    """Observer of one maker. `budget_floor`: requests that its limits keep for cancels."""

    def __init__(self, source: StatusSource, terms: AlertTerms, *, remind_after_h: int, budget_floor: int) -> None:
        self._source = source
        self._terms = terms
        self._conditions = Conditions(remind_after_h)
        self._trend, self._budget_floor = BudgetTrend(), budget_floor
        # When a guard was there last, None where none ever was.
        self._guarded_s: float | None = None

    @property
    def raised(self) -> tuple[str, ...]:
        """Return what is wrong and was told."""
        return self._conditions.raised

    async def tell_forever(self, sender: Sender) -> Never:
        """Look every few seconds, and tell what is new."""
        while True:
            self.tell(sender)
            await trio.sleep(LOOK_EVERY_S)

    def tell(self, sender: Sender) -> None:
        """Look once, and tell what is new."""
        for message in self._conditions.judge(find_trouble(self.look(), self._terms), now_s=trio.current_time()):
            sender.put(message)

    def look(self) -> MakerLook:
        """Look at the maker, in the event loop."""
        maker, status = self._source.maker, self._source.take()
        faces = maker.faces
        grids = tuple(_look_at_grid(grid, faces[grid.name]) for grid in status.grids)
        vitals, is_quoting = maker.vitals, any(grid.is_quoting for grid in grids)
        # The standing of the only grid is told as the grid's.
        standing = status.standing if status.identity.mode == "several" else None
        now_s, budget_left = trio.current_time(), status.budget.remaining
        if is_quoting:
            self._trend.on_seen(budget_left, now_s=now_s)
        return MakerLook(
            grids=grids,
            halted=_describe(standing, halted=True),
            stopped=_describe(standing, halted=False),
            feed_silent_s=status.uptime_s if status.last_frame_age_s is None else status.last_frame_age_s,
            # Before the start it is not known.
            budget_left=budget_left if is_quoting else None,
            budget_hours=self._trend.find_hours(budget_left, now_s=now_s),
            budget_floor=self._budget_floor,
            key_days=None if status.key_ends_ms is None else (status.key_ends_ms - status.at_ms) / _DAY_MS,
            is_key_listed=not vitals.is_key_lost,
            guard_silent_s=self._find_guard_silence(status),
        )

    def _find_guard_silence(self, status: AccountStatus) -> float | None:
        """Return since when a guard that was there is silent."""
        now_s = trio.current_time()
        if status.has_guard and status.uptime_s >= GUARD_KNOWN_AFTER_S:
            self._guarded_s = now_s
        return None if self._guarded_s is None else now_s - self._guarded_s


def _look_at_grid(grid: GridStatus, face: GridFace) -> GridLook:
    is_named = grid.name == grid.pair_name
    return GridLook(
        coin=grid.name if is_named else f"{grid.pair_name} ({grid.name})",
        is_quoting=grid.last_tick_age_s is not None,
        halted=f"it ended: {face.failure}" if face.failure is not None else _describe(grid.standing, halted=True),
        stopped=_describe(grid.standing, halted=False),
        waits_for=grid.health.why,
        n_asks=grid.asks.orders,
        n_bids=grid.bids.orders,
        difference=face.difference,
        unexplained=_round_off(face),
    )


def _round_off(face: GridFace) -> tuple[Decimal, Decimal]:
    """Return what nothing explains, without the zeros at the ends of its digits."""
    token, usdc = face.inventory.unexplained
    return token.normalize(), usdc.normalize()


def _describe(standing: Standing | None, *, halted: bool) -> str | None:
    """Explain a standing that is a halt, or that is another stop; None for any other one."""
    if standing is None or standing.state is State.ACTIVE or (standing.state is State.HALTED) is not halted:
        return None
    return standing.describe()
