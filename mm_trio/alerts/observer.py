"""Looks at a running maker, and tells what is wrong with it."""

from __future__ import annotations

from collections import Counter
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
from mm_trio.views.account_status import StatusSource
from mm_trio.views.snapshot import take_health

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
        """Look at the maker, in the event loop. Nothing is summed up: there may be hundreds of grids."""
        source, now_s = self._source, trio.current_time()
        maker, signs, uptime_s = source.maker, source.maker.signs, now_s - source.started_s
        is_quoting = any(face.ticked_s is not None for face in maker.faces.values())
        # The standing of the only grid is told as the grid's.
        standing = maker.standing if source.identity.mode == "several" else None
        budget_left = maker.rate_limit.remaining()
        if is_quoting:
            self._trend.on_seen(budget_left, now_s=now_s)
        return MakerLook(
            grids=tuple(_look_at_grid(name, face) for name, face in maker.faces.items()),
            halted=_describe(standing, halted=True),
            stopped=_describe(standing, halted=False),
            feed_silent_s=uptime_s if signs.framed_s is None else now_s - signs.framed_s,
            # Before the start it is not known.
            budget_left=budget_left if is_quoting else None,
            budget_hours=self._trend.find_hours(budget_left, now_s=now_s),
            budget_floor=self._budget_floor,
            key_days=None if signs.key_ends_ms is None else (signs.key_ends_ms - source.wall_ms()) / _DAY_MS,
            is_key_listed=not signs.is_key_lost,
            guard_silent_s=self._find_guard_silence(signs.has_guard, uptime_s),
        )

    def _find_guard_silence(self, has_guard: bool | None, uptime_s: float) -> float | None:
        """Return since when a guard that was there is silent."""
        now_s = trio.current_time()
        if has_guard and uptime_s >= GUARD_KNOWN_AFTER_S:
            self._guarded_s = now_s
        return None if self._guarded_s is None else now_s - self._guarded_s


def _look_at_grid(name: str, face: GridFace) -> GridLook:
    market, sides = face.market, Counter(order.side for order in face.order_state.get_current_orders())
    pair_name = name if market is None else f"{market.base.name}/{market.quote.name}"
    is_whole = sides["sell"] > 0 and sides["buy"] > 0
    return GridLook(
        coin=name if name == pair_name else f"{pair_name} ({name})",
        is_quoting=face.ticked_s is not None,
        halted=f"it ended: {face.failure}" if face.failure is not None else _describe(face.standing, halted=True),
        stopped=_describe(face.standing, halted=False),
        # Only asked for where it is told.
        waits_for=None if is_whole else take_health(face, started=face.boundary_level is not None).why,
        n_asks=sides["sell"],
        n_bids=sides["buy"],
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
