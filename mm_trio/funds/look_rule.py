"""Rule by which looks at a balance prove that something other than our fills moved it. Pure.

A balance does not say how old it is: it may lack a fill that is booked, or hold one that is still to be told. So one
look that differs from the ledger proves nothing. Two do, if nothing happened to us around them. Where something always
happens, three do that differ by exactly the same amount, which no fill on its way explains.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.numbers import EXACT

__all__ = ["CONFIRM_S", "LookRule"]

# Longer than any frame of a live feed, or any replica that answers, is late.
CONFIRM_S = 2.0
# Margin that comes and goes changes what is free every few seconds. After two changes within this time of the one
# before, the next ones are confirmed ever later, up to the longest pause.
CALM_S, LONGEST_CONFIRM_S = 60.0, 32.0
EQUAL_LOOKS = 3
# More fills than these within the two seconds that count are not remembered: the oldest are the least likely to be
# missing from a balance.
MOST_MOVES = 500


@dataclass(slots=True)
class _Series:
    """Looks in a row that differ by the same amount. `moved` is what was booked since the last one."""

    difference: Decimal
    first_s: float
    last_s: float
    n_looks: int = 1
    moved: Decimal = Decimal(0)


class LookRule:
    """Judge of the differences between a balance and the ledger's sum.

    Times are those when a balance was asked for. Differences are the balance less the ledger.
    """

    def __init__(self) -> None:
        # When the first differing balance of a quiet time was asked for.
        self._doubted_since_s: float | None = None
        self._series: _Series | None = None
        # When a fill was booked, and by how much it moved the ledger.
        self._moves: deque[tuple[float, Decimal]] = deque(maxlen=MOST_MOVES)
        # How long a difference has to last, and when one was last taken over.
        self.confirm_s = CONFIRM_S
        self._adopted_s = float("-inf")

    def on_moved(self, amount: Decimal, *, now_s: float) -> None:
        """Note by how much a fill moved the ledger.

        A look just before it may have held it already: then it explains that look.
        """
        self._moves.append((now_s, amount))
        series = self._series
        if series is None or now_s > series.last_s + 2 * CONFIRM_S:
            return
        series.moved = EXACT.add(series.moved, amount)
        if series.moved == series.difference:
            self._series = None

    def on_equal(self) -> None:
        """Forget the looks that differed: this one does not."""
        self._doubted_since_s = self._series = None

    def is_proven(self, difference: Decimal, *, asked_s: float, quiet_since_s: float, has_doubts: bool) -> bool:
        """Return whether a look proves its difference, together with those before.

        `quiet_since_s` is when the last fill was booked or the last doubt ended, `has_doubts` if an order is in doubt.
        Only looks are handed in during which no order of ours changed.
        """
        is_quiet = self._is_second_of_a_quiet_time(asked_s, float("inf") if has_doubts else quiet_since_s)
        is_repeated = self._is_third_alike(difference, asked_s, has_doubts=has_doubts)
        return is_quiet or is_repeated

    def on_adopted(self, asked_s: float) -> None:
        """Begin anew: the ledger was moved by the difference."""
        self.on_equal()
        is_restless = asked_s - self._adopted_s < CALM_S
        self.confirm_s = min(2 * self.confirm_s, LONGEST_CONFIRM_S) if is_restless else CONFIRM_S
        self._adopted_s = asked_s

    def _is_second_of_a_quiet_time(self, asked_s: float, quiet_since_s: float) -> bool:
        first_s = self._doubted_since_s
        if first_s is None or quiet_since_s > first_s - CONFIRM_S:
            self._doubted_since_s = asked_s
            return False
        return asked_s - first_s >= self._find_least_s(asked_s)

    def _is_third_alike(self, difference: Decimal, asked_s: float, *, has_doubts: bool) -> bool:
        if has_doubts or self._lacks_last_fills(difference, asked_s):
            self._series = None
            return False
        series = self._series
        if series is None or series.difference != difference:
            self._series = _Series(difference, asked_s, asked_s)
            return False
        if asked_s - series.last_s >= CONFIRM_S:
            series.n_looks, series.last_s, series.moved = series.n_looks + 1, asked_s, Decimal(0)
        return series.n_looks >= EQUAL_LOOKS and asked_s - series.first_s >= self._find_least_s(asked_s)

    def _lacks_last_fills(self, difference: Decimal, asked_s: float) -> bool:
        """Return whether a balance differs by exactly the fills booked last: it is older than they are."""
        lacking = Decimal(0)
        for booked_s, amount in reversed(self._moves):
            if booked_s < asked_s - CONFIRM_S:
                return False
            lacking = EXACT.subtract(lacking, amount)
            if lacking == difference:
                return True
        return False

    def _find_least_s(self, asked_s: float) -> float:
        """Return how long a difference has to last by now."""
        return CONFIRM_S if asked_s - self._adopted_s >= CALM_S else self.confirm_s
