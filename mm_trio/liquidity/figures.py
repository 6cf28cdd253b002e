"""All figures of a period, computed from changes and fills in their order.

The cost is one measure for each change, whatever time passes between them, and the memory does not grow with the
period, but for the fills that wait for both sides to be quoted again.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from mm_trio.liquidity.compliance import ClauseTally, read_clause
from mm_trio.liquidity.measures import Measured, measure
from mm_trio.liquidity.samples import Change, Fill, Kept, MarketPrices, OwnState, Volume
from mm_trio.liquidity.tallies import Distribution, OutageList, Tally
from mm_trio.liquidity.terms import Terms
from mm_trio.liquidity.units import AMOUNT_DIGITS, NOTIONAL_DIGITS, cut_up, format_units, write_ratio

__all__ = ["DAY_S", "Calculator", "Figures", "OnSamples"]

# Is told of `n` samples that are alike, from a second on.
OnSamples: TypeAlias = Callable[[Measured, int, int], None]

DAY_S = 86_400
_MS_DIGITS = 3
# The venue makes some ten blocks a second, and one of them holds some thousand trades at the most.
MOST_FILLS_AT_ONCE = 100_000
# Of 400 days, with one every three seconds.
MOST_WAITING = 12_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of the period and of each UTC day, judged clauses, and outages; all plain values."""

    days: tuple[dict[str, object], ...]
    period: dict[str, object]
    clauses: tuple[dict[str, object], ...]
    outages: dict[str, object]

    @property
    def is_compliant(self) -> bool:
        """Return whether every clause is met."""
        return all(clause["met"] is True for clause in self.clauses)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; amounts are decimal strings."""
        return {
            "compliant": self.is_compliant,
            "period": self.period,
            "days": list(self.days),
            "clauses": list(self.clauses),
            "outages": self.outages,
        }


class _FillSums:
    """Fills of a day, or of the period, and how long it took to quote again after those that emptied a level."""

    __slots__ = ("n", "n_emptied", "notional", "requote_ms", "size")

    def __init__(self) -> None:
        self.n = self.size = self.notional = self.n_emptied = 0
        self.requote_ms = Distribution(_MS_DIGITS, cut_up)

    def to_json(self, volumes: list[Volume]) -> dict[str, object]:
        market, own = sum(volume.notional for volume in volumes), sum(volume.own_notional for volume in volumes)
        again = self.requote_ms
        return {
            "volume": {
                "fills": self.n,
                "ours_base": format_units(self.size, AMOUNT_DIGITS),
                "ours": format_units(self.notional, NOTIONAL_DIGITS),
                "market_trades": sum(volume.trades for volume in volumes),
                "market": format_units(market, NOTIONAL_DIGITS),
                "ours_in_market": format_units(own, NOTIONAL_DIGITS),
                "share": write_ratio(own, market),
            },
            "requote_s": {
                "emptied_levels": self.n_emptied,
                "not_requoted": self.n_emptied - again.count,
                "p50": again.write_quantile(50),
                "p95": again.write_quantile(95),
                "max": again.write(again.greatest) if again.count else None,
            },
        }


class Calculator:
    """Computation of the figures from `from_s` to `until_s`, the latter not included.

    Changes and fills come in the order of their times; a fill goes before the sample of its time.
    """

    def __init__(self, terms: Terms, *, from_s: int, until_s: int, on_samples: OnSamples | None = None) -> None:
        self._terms = terms
        self._on_samples = on_samples
        self._until_s = until_s
        self._second = from_s
        self._market: MarketPrices | None = None
        self._own: OwnState | None = None
        self._measured: Measured | None = None
        self._clauses = [ClauseTally(clause) for clause in terms.clauses]
        self._outages = OutageList(terms)
        self._days = _DayList(from_s)
        # Fills of which the next sample shows whether they emptied a level; fills that wait to be quoted again.
        self._new_fills: list[Fill] = []
        # An array, because a spread that never comes to the target lets all fills of a period wait.
        self._waiting = array("q")

    def apply(self, change: Change) -> None:
        """Count the samples before a change, and make it. Errors: ValueError out of order, or of what cannot be."""
        if not self._second <= change.second < self._until_s:
            raise ValueError(f"the sample at {change.second} is out of order, or outside of the period")
        self._advance(change.second)
        if not isinstance(change.market, Kept):
            self._market = change.market
        if change.own is None:
            self._own = None
        elif not isinstance(change.own, Kept):
            self._own = self._own or OwnState()
            self._own.apply(change.own)
        self._measured = None

    def apply_fill(self, fill: Fill) -> None:
        """Count a fill, after the samples before it."""
        if len(self._new_fills) >= MOST_FILLS_AT_ONCE or len(self._waiting) >= MOST_WAITING:
            raise ValueError(f"more fills than can be, at {fill.time_ms} ms")
        second = -(-fill.time_ms // 1000)
        self._advance(min(second, self._until_s))
        for sums in (self._days.period_fills, self._days.find_fills(fill.time_ms // 1000)):
            sums.n += 1
            sums.size += fill.size
            sums.notional += fill.price * fill.size
        self._new_fills.append(fill)

    def finish(self, volumes: Iterable[Volume]) -> Figures:
        """Count the samples up to the end and return the figures."""
        self._advance(self._until_s)
        days, period = self._days.finish(list(volumes))
        clauses = tuple(clause.to_json() for clause in self._clauses)
        return Figures(days, period, clauses, self._outages.to_json())

    def _advance(self, second: int) -> None:
        """Count the samples from the last change up to `second`, day by day."""
        while self._second < second:
            measured = self._measured or self._measure()
            if self._new_fills or self._waiting:
                self._settle_fills(measured)
            until = min(second, self._second - self._second % DAY_S + DAY_S)
            n = until - self._second
            self._days.find_tally(self._second).add(measured, n)
            for tally in self._clauses:
                tally.add(read_clause(tally.clause, measured, self._market, self._own), self._second, n)
            self._outages.add(measured, self._second, n)
            if self._on_samples is not None:
                self._on_samples(measured, self._second, n)
            self._second = until

    def _measure(self) -> Measured:
        self._measured = measure(self._market, self._own, self._terms)
        return self._measured

    def _settle_fills(self, measured: Measured) -> None:
        """Find the fills that emptied a level, and those after which both sides are quoted again."""
        for fill in self._new_fills:
            if self._own is not None and not self._own.has(fill.side, fill.price):
                self._waiting.append(fill.time_ms)
                for sums in (self._days.period_fills, self._days.find_fills(fill.time_ms // 1000)):
                    sums.n_emptied += 1
        self._new_fills = []
        if measured.is_on_target:
            for time_ms in self._waiting:
                took_ms = self._second * 1000 - time_ms
                for sums in (self._days.period_fills, self._days.find_fills(time_ms // 1000)):
                    sums.requote_ms.add(took_ms, 1)
            self._waiting = array("q")


class _DayList:
    """Tallies of each UTC day. A day that is over keeps its figures alone."""

    def __init__(self, from_s: int) -> None:
        self.period_fills = _FillSums()
        self._period = Tally()
        self._fills: dict[int, _FillSums] = {}
        self._closed: list[tuple[int, dict[str, object]]] = []
        self._day_s = from_s - from_s % DAY_S
        self._tally = Tally()

    def find_tally(self, second: int) -> Tally:
        """Return the tally of the day of a second, which is never before the last one."""
        day_s = second - second % DAY_S
        if day_s != self._day_s:
            self._close()
            self._day_s = day_s
        return self._tally

    def find_fills(self, second: int) -> _FillSums:
        """Return the fills of the day of a second."""
        return self._fills.setdefault(second - second % DAY_S, _FillSums())

    def finish(self, volumes: list[Volume]) -> tuple[tuple[dict[str, object], ...], dict[str, object]]:
        """Return the figures of the days and of the period."""
        self._close()
        days = tuple(
            {
                "day_s": day_s,
                **figures,
                **self.find_fills(day_s).to_json([volume for volume in volumes if volume.day_s == day_s]),
            }
            for day_s, figures in self._closed
        )
        return days, {**self._period.to_json(), **self.period_fills.to_json(volumes)}

    def _close(self) -> None:
        if self._tally.n_samples:
            self._closed.append((self._day_s, self._tally.to_json()))
            self._period.merge(self._tally)
        self._tally = Tally()
