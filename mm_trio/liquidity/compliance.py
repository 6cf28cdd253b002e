"""Judgement of clauses by the samples."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from mm_trio.liquidity.measures import BPS_DIGITS, DEPTH_PLACES, Measured, find_depth_within
from mm_trio.liquidity.samples import BookSide, MarketPrices, OwnState
from mm_trio.liquidity.terms import PERCENT_DIGITS, Clause
from mm_trio.liquidity.units import AMOUNT_DIGITS, NOTIONAL_DIGITS, divide, format_units, write_ratio

__all__ = ["ClauseTally", "Reading", "read_clause"]

# So many runs of samples that failed are named; all of them are counted.
MOST_NAMED = 20
_DAY_S = 86_400


class Reading(NamedTuple):
    """How one sample stands with a clause.

    `bid`, `ask`: whether that side did what was agreed. Depths are in units of notionals, 0 where they do not count.
    """

    is_excluded: bool
    bid: bool
    ask: bool
    is_up: bool = False
    bid_depth: int = 0
    ask_depth: int = 0

    def passes(self, side: str) -> bool:
        """Return whether the sample is as agreed for this side, or for both."""
        return self.bid if side == "bid" else self.ask if side == "ask" else self.bid and self.ask


def read_clause(clause: Clause, measured: Measured, market: MarketPrices | None, own: OwnState | None) -> Reading:
    """Read one sample by a clause."""
    is_excluded = measured.state_cause in clause.exclude
    if own is None:
        return Reading(is_excluded, False, False)
    known = market is not None and market.bid is not None and market.ask is not None
    twice_mid = market.bid + market.ask if known else None  # type: ignore[union-attr, operator] # both are there
    place = DEPTH_PLACES.get(clause.within_pct)
    if place is None or clause.price_low is not None:
        bid = _find_depth(clause, own.bids, twice_mid, is_bid=True)
        ask = _find_depth(clause, own.asks, twice_mid, is_bid=False)
    else:
        # Measured already.
        bid, ask = measured.depth_bid[place], measured.depth_ask[place]
    if clause.measure == "depth_while_up":
        is_up = bid > 0 and ask > 0
        return Reading(is_excluded, is_up, is_up, is_up, bid, ask)
    is_close = clause.spread_bps is None or (
        measured.spread_ours is not None
        and measured.spread_ours * 10**PERCENT_DIGITS <= clause.spread_bps * 10**BPS_DIGITS
    )
    least = 1 if clause.min_depth is None else clause.min_depth * 10 ** (NOTIONAL_DIGITS - AMOUNT_DIGITS)
    return Reading(is_excluded, is_close and bid >= least, is_close and ask >= least)


def _find_depth(clause: Clause, side: BookSide, twice_mid: int | None, *, is_bid: bool) -> int:
    """Return the notional of a side where the clause looks for it."""
    if clause.price_low is not None and clause.price_high is not None:
        low, high = clause.price_low, clause.price_high
        first, last = (low, high) if is_bid else (-high, -low)
        sums, keys = side.notionals, side.keys
        return sums[bisect_right(keys, last)] - sums[bisect_left(keys, first)]
    if clause.within_pct is None:
        return side.notionals[-1]
    return 0 if twice_mid is None else find_depth_within(side, twice_mid, clause.within_pct, is_bid=is_bid)


class _Sums:
    """Sums of a clause over a day, or over the period."""

    __slots__ = ("n", "n_ask", "n_bid", "n_both", "n_up", "total_ask", "total_bid")

    def __init__(self) -> None:
        self.n = self.n_bid = self.n_ask = self.n_both = self.n_up = self.total_bid = self.total_ask = 0

    def add(self, reading: Reading, n: int) -> None:
        """Count `n` samples that are alike."""
        self.n += n
        if reading.bid:
            self.n_bid += n
        if reading.ask:
            self.n_ask += n
            self.n_both += reading.bid and n
        if reading.is_up:
            self.n_up += n
            self.total_bid += reading.bid_depth * n
            self.total_ask += reading.ask_depth * n

    def merge(self, other: _Sums) -> None:
        """Count all that another one counted."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def find_value(self, clause: Clause) -> tuple[int, int] | None:
        """Return what was reached as a fraction, in units of `at_least`; None without samples."""
        if clause.measure == "depth_while_up":
            depths = {"bid": self.total_bid, "ask": self.total_ask, "both": min(self.total_bid, self.total_ask)}
            depth = depths[clause.side]
            return (depth, self.n_up * 10 ** (NOTIONAL_DIGITS - AMOUNT_DIGITS)) if self.n_up else None
        if clause.side == "mean":
            passed, n = self.n_bid + self.n_ask, 2 * self.n
        else:
            passed, n = {"bid": self.n_bid, "ask": self.n_ask, "both": self.n_both}[clause.side], self.n
        return (passed * 10**AMOUNT_DIGITS, n) if n else None


class ClauseTally:
    """Samples of the period under one clause."""

    def __init__(self, clause: Clause) -> None:
        self.clause = clause
        self._days: dict[int, _Sums] = {}
        self._n_excluded = 0
        self._n_failed = 0
        # First sample and length.
        self._runs: list[list[int]] = []

    def add(self, reading: Reading, second: int, n: int) -> None:
        """Count `n` samples from `second` on, all of one UTC day."""
        day_s = second - second % _DAY_S
        if (day := self._days.get(day_s)) is None:
            day = self._days[day_s] = _Sums()
        passes = reading.passes(self.clause.side)
        # What was as agreed counts, whatever the maker's state was.
        if reading.is_excluded and not passes:
            self._n_excluded += n
            return
        day.add(reading, n)
        if not passes:
            self._note_failure(second, n)

    def _note_failure(self, second: int, n: int) -> None:
        self._n_failed += n
        if self._runs and sum(self._runs[-1]) == second:
            self._runs[-1][1] += n
        elif len(self._runs) < MOST_NAMED:
            self._runs.append([second, n])

    def to_json(self) -> dict[str, object]:
        """Return the clause, the verdict, and the samples that failed.

        `value`: what was reached; over days, on the worst of them. No sample that counts: the clause is not met.
        """
        clause, worst_day = self.clause, None
        period = _Sums()
        for day in self._days.values():
            period.merge(day)
        value = period.find_value(clause)
        if clause.over == "day":
            values = {day_s: day.find_value(clause) for day_s, day in self._days.items() if day.n}
            worst_day = min(values, key=lambda day_s: _to_key(values[day_s]), default=None)
            value = None if worst_day is None else values[worst_day]
        return {
            "clause": clause.name,
            "met": value is not None and value[0] >= clause.at_least * value[1],
            "value": _write_value(clause, value),
            "worst_day_s": worst_day,
            "samples": period.n,
            "excluded": self._n_excluded,
            "failed": self._n_failed,
            "failed_first": self._runs,
        }


def _to_key(value: tuple[int, int] | None) -> int:
    """Return a number to order by; days without a value come first."""
    return -1 if value is None else value[0] * 10**AMOUNT_DIGITS // value[1]


def _write_value(clause: Clause, value: tuple[int, int] | None) -> str | None:
    if value is None:
        return None
    if clause.measure == "share":
        return write_ratio(value[0], value[1] * 10**AMOUNT_DIGITS)
    return format_units(divide(value[0], value[1]), AMOUNT_DIGITS)
