"""Limits of counts within a time: actions an hour, fills a minute, outcomes that are not known. Pure."""

from __future__ import annotations

from collections import deque

from mm_trio.limits.nearness import LimitUse, measure_cap, measure_floor
from mm_trio.limits.terms import Breach, Reaction, RiskLimits

__all__ = ["PaceLimits", "SlidingCount"]

HOUR_S, MINUTE_S = 3600.0, 60.0
# Steps of a window. What is older than the window by less than a step still counts: a limit may be met too early.
N_STEPS = 60


class SlidingCount:
    """Count within the last `window_s`, in bounded memory."""

    def __init__(self, window_s: float) -> None:
        self._step_s = window_s / N_STEPS
        # Number of the step, and the count within it.
        self._steps: deque[tuple[int, int]] = deque()

    def add(self, n: int, *, now_s: float) -> None:
        """Count `n` more."""
        self._forget(now_s)
        step = int(now_s // self._step_s)
        if self._steps and self._steps[-1][0] == step:
            n += self._steps.pop()[1]
        self._steps.append((step, n))

    def count(self, now_s: float) -> int:
        """Return the count within the window before `now_s`."""
        self._forget(now_s)
        return sum(n for _, n in self._steps)

    def _forget(self, now_s: float) -> None:
        first = int(now_s // self._step_s) - N_STEPS
        while self._steps and self._steps[0][0] < first:
            self._steps.popleft()


class PaceLimits:
    """Counts that have a limit."""

    def __init__(self, limits: RiskLimits) -> None:
        self._limits = limits
        self._actions = SlidingCount(HOUR_S)
        self._fills = SlidingCount(MINUTE_S)

    def change(self, limits: RiskLimits) -> None:
        """Judge by other limits from here on; what was counted stays."""
        self._limits = limits

    def on_action(self, n_items: int, *, now_s: float) -> None:
        """Count the items of an action, as the venue does."""
        self._actions.add(n_items, now_s=now_s)

    def on_fill(self, *, now_s: float) -> None:
        """Count a fill of an order of ours."""
        self._fills.add(1, now_s=now_s)

    def find_breach(self, *, n_items: int, n_unknown: int, remaining: int, now_s: float) -> Breach | None:
        """Find the limit that is reached, or would be by `n_items` more, None where there is none.

        What stops everything comes before what only waits. `remaining` is what is left of the request budget.
        """
        limits = self._limits
        most = limits.max_fills_per_minute
        if most is not None and (n_fills := self._fills.count(now_s)) > most:
            return Breach("max_fills_per_minute", n_fills, most, "fills within a minute", Reaction.HALT)
        most = limits.max_unknown_outcomes
        if most is not None and n_unknown > most:
            return Breach("max_unknown_outcomes", n_unknown, most, "orders of unknown outcome", Reaction.HALT)
        most = limits.max_actions_per_hour
        if most is not None and (n_actions := self._actions.count(now_s) + n_items) > most:
            return Breach("max_actions_per_hour", n_actions, most, "actions within an hour", Reaction.WAIT)
        floor = limits.budget_floor
        if floor is not None and remaining - n_items < floor:
            return Breach("budget_floor", remaining - n_items, floor, "requests left for cancels", Reaction.WAIT)
        return None

    def measure(self, *, n_unknown: int, remaining: int, now_s: float) -> list[LimitUse]:
        """Measure the counts against the limits that are set."""
        limits, uses = self._limits, []
        if (most := limits.max_actions_per_hour) is not None:
            uses.append(measure_cap("max_actions_per_hour", self._actions.count(now_s), most, "actions within an hour"))
        if (most := limits.max_fills_per_minute) is not None:
            uses.append(measure_cap("max_fills_per_minute", self._fills.count(now_s), most, "fills within a minute"))
        if (most := limits.max_unknown_outcomes) is not None:
            uses.append(measure_cap("max_unknown_outcomes", n_unknown, most, "orders of unknown outcome"))
        if (floor := limits.budget_floor) is not None:
            uses.append(measure_floor("budget_floor", remaining, floor, "requests left for cancels"))
        return uses
