"""Counts of one run: for summaries, never for decisions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import inf

from mm_trio.model.orders import FillResult, Side
from mm_trio.model.replies import Answer, Refusal, Refused, Unknown

__all__ = ["RunStats", "forecast_budget_hours"]

# Before that, the places of the first ladder would be taken for the rate of use.
FORECAST_AFTER_S = 60.0
# A correct order can lose a race or come when the budget is spent; every other refusal is an error of ours.
_LOST_RACES = frozenset({Refusal.WOULD_CROSS, Refusal.GONE, Refusal.BUDGET})


@dataclass(slots=True)
class RunStats:
    """Counts since the start.

    `fill_volume` in quote; `items` is what the request budget charges. `errors`: requests unanswered, answers and
    messages not understood, refusals that a correct order cannot get.
    `empty_sides`: those for which there was nothing to offer at the last tick.
    `refusals_paused`: pauses that began because the venue kept refusing alike. `levels_left_out`: at the last tick, as
    outside the venue's price band or beyond its cap of open orders.
    `quoted_s`: seconds from the first tick to the last. `budget_left`: items, at the last tick.
    """

    ticks: int = 0
    fills: int = 0
    fill_volume: Decimal = Decimal(0)
    requests: int = 0
    items: int = 0
    reconciliations: int = 0
    reconnects: int = 0
    errors: int = 0
    refusals_paused: int = 0
    levels_left_out: int = 0
    quoted_s: float = 0.0
    budget_left: int | None = None
    empty_sides: tuple[Side, ...] = ()
    _first_tick_s: float | None = None

    def on_tick(self, now_s: float, *, budget_left: int) -> None:
        """Count a tick."""
        self.ticks += 1
        self._first_tick_s = now_s if self._first_tick_s is None else self._first_tick_s
        self.quoted_s = now_s - self._first_tick_s
        self.budget_left = budget_left

    def on_planned(self, empty_sides: tuple[Side, ...]) -> None:
        """Note the sides that have nothing to offer now."""
        self.empty_sides = empty_sides

    def on_fill(self, fill: FillResult) -> None:
        """Count a fill that was booked."""
        self.fills += 1
        self.fill_volume += fill.price * fill.size

    def on_error(self, n: int = 1) -> None:
        """Count what was not understood or not answered."""
        self.errors += n

    def on_refusals_paused(self) -> None:
        """Count a pause that began because of refusals."""
        self.refusals_paused += 1

    def on_left_out(self, n_levels: int) -> None:
        """Note how many levels the venue would refuse now."""
        self.levels_left_out = n_levels

    def on_reconciled(self) -> None:
        """Count a reconciliation that was answered."""
        self.reconciliations += 1

    def on_reconnect(self) -> None:
        """Count a connection that was replaced."""
        self.reconnects += 1

    def on_answers(self, answers: tuple[Answer, ...]) -> None:
        """Count one action that was sent, answered or not."""
        self.requests += 1
        self.items += len(answers)
        unanswered = any(isinstance(answer, Unknown) for answer in answers)
        wrong = [a for a in answers if isinstance(a, Refused) and a.refusal not in _LOST_RACES]
        self.errors += unanswered + len(wrong)

    @property
    def items_per_1000(self) -> float | None:
        """Return items sent per 1,000 of quote filled.

        None before the first fill.
        """
        return 1000 * self.items / float(self.fill_volume) if self.fill_volume else None

    def forecast_hours(self, remaining: int, run_s: float) -> float | None:
        """Forecast how long the budget lasts, in hours.

        At this run's mean use, less what its fills earned: inf where it does not shrink, None while it is too early.
        """
        return forecast_budget_hours(items=self.items, volume=self.fill_volume, remaining=remaining, run_s=run_s)

    def to_json(self) -> dict[str, object]:
        """Return the part of a summary that every run has.

        `budget_hours` is null where the budget does not shrink.
        """
        hours = None if self.budget_left is None else self.forecast_hours(self.budget_left, self.quoted_s)
        per_1000 = self.items_per_1000
        return {
            "ticks": self.ticks,
            "fills": self.fills,
            "fill_volume": float(self.fill_volume),
            "requests": self.requests,
            "items": self.items,
            "items_per_1000_filled": None if per_1000 is None else round(per_1000, 2),
            "budget_left": self.budget_left,
            "budget_hours": None if hours is None or hours == inf else round(hours, 1),
            "nothing_to_offer": list(self.empty_sides),
            "reconnects": self.reconnects,
            "reconciliations": self.reconciliations,
            "errors": self.errors,
            "refusals_paused": self.refusals_paused,
            "levels_left_out": self.levels_left_out,
        }


def forecast_budget_hours(*, items: int, volume: Decimal, remaining: int, run_s: float) -> float | None:
    """Forecast how long a request budget lasts, in hours, after a run that sent `items` and filled `volume` of quote.

    At the run's mean use, less what its fills earned: inf where it does not shrink, None while it is too early.
    """
    if run_s < FORECAST_AFTER_S:
        return None
    used_per_s = (items - float(volume)) / run_s
    return max(0, remaining) / used_per_s / 3600 if used_per_s > 0 else inf
