"""Sums of measures over many samples: exact, and of bounded size.

Quantiles are nearest-rank: the least value such that at least the part q of the samples is at or below it. They are
ranked by four significant figures, cut to the maker's disadvantage; sums and maxima are of the whole values.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from mm_trio.liquidity.measures import BPS_DIGITS, DEPTH_PCTS, SLIPPAGE_NAMES, Measured
from mm_trio.liquidity.terms import CAUSES, Cause, Terms
from mm_trio.liquidity.units import NOTIONAL_DIGITS, cut_down, cut_up, divide, format_units, write_ratio
from mm_trio.model.orders import Side

__all__ = ["Distribution", "OutageList", "SideTally", "Tally"]

# Means are written with so many decimals of a basis point, or of quote.
_MEAN_DIGITS = 8
# Own known, market known, bid up, ask up, on target, cause, side sold out.
_Kind: TypeAlias = tuple[bool, bool, bool, bool, bool, Cause | None, Side | None]


class Distribution:
    """Values of one measure with the number of samples that had each."""

    __slots__ = ("_cut", "_digits", "_ranks", "count", "greatest", "total")

    def __init__(self, digits: int, cut: Callable[[int], int]) -> None:
        self._digits = digits
        self._cut = cut
        self._ranks: Counter[int] = Counter()
        self.count = self.total = self.greatest = 0

    def add(self, value: int, n: int) -> None:
        """Count a value at `n` samples."""
        self.count += n
        self.total += value * n
        if value > self.greatest:
            self.greatest = value
        # Not the Counter's own way, which is slower where a value is new.
        rank, ranks = self._cut(value), self._ranks
        ranks[rank] = ranks.get(rank, 0) + n

    def merge(self, other: Distribution) -> None:
        """Count all that another one counted."""
        self.count += other.count
        self.total += other.total
        self.greatest = max(self.greatest, other.greatest)
        # In place, because a Counter's own sum would copy.
        self._ranks.update(other._ranks)

    def find_quantile(self, percent: int) -> int | None:
        """Return the nearest-rank quantile; None without values."""
        rank, seen = -(-self.count * percent // 100), 0
        for value in sorted(self._ranks):
            seen += self._ranks[value]
            if seen >= rank:
                return value
        return None

    def write_mean(self) -> str | None:
        """Write the mean with eight decimals, rounded half to even."""
        return self.write_mean_of(self.total, self.count)

    def write_mean_of(self, total: int, count: int) -> str | None:
        """Write the mean of another sum in the same unit."""
        if count == 0:
            return None
        scaled = divide(total * 10**_MEAN_DIGITS, count * 10**self._digits)
        return format_units(scaled, _MEAN_DIGITS)

    def write(self, value: int | None) -> str | None:
        """Write a value as a number."""
        return None if value is None else format_units(value, self._digits)

    def write_quantile(self, percent: int) -> str | None:
        """Write a quantile as a number."""
        return self.write(self.find_quantile(percent))


class SideTally:
    """Depth of one side of our book, by distance from the mid."""

    __slots__ = ("_by_distance", "_held", "_totals_while_up")

    def __init__(self) -> None:
        self._by_distance = [Distribution(NOTIONAL_DIGITS, cut_down) for _ in DEPTH_PCTS]
        self._totals_while_up = [0] * len(DEPTH_PCTS)
        # A market that moves between two orders of ours changes no depth, so the same ones come again and again. They
        # are held for a day at most.
        self._held: defaultdict[tuple[tuple[int, ...], bool], int] = defaultdict(int)

    def add(self, depths: tuple[int, ...], n: int, *, is_up: bool) -> None:
        """Count the depths of `n` samples."""
        self._held[depths, is_up] += n

    def settle(self) -> None:
        """Sum what is held."""
        for (depths, is_up), n in self._held.items():
            for place, depth in enumerate(depths):
                self._by_distance[place].add(depth, n)
                if is_up:
                    self._totals_while_up[place] += depth * n
        self._held.clear()

    def merge(self, other: SideTally) -> None:
        """Count all that another one counted; it has to be settled."""
        for mine, theirs in zip(self._by_distance, other._by_distance, strict=True):
            mine.merge(theirs)
        pairs = zip(self._totals_while_up, other._totals_while_up, strict=True)
        self._totals_while_up = [mine + theirs for mine, theirs in pairs]

    def to_json(self, n_up: int) -> dict[str, object]:
        """Return mean and 5th percentile of every distance; `n_up` samples had both sides up."""
        return {
            pct: {
                "mean": depth.write_mean(),
                "p5": depth.write_quantile(5),
                "mean_while_up": depth.write_mean_of(total, n_up),
            }
            for pct, depth, total in zip(DEPTH_PCTS, self._by_distance, self._totals_while_up, strict=True)
        }


class Tally:
    """Everything that is summed over the samples of a day, or of the period.

    Samples that are alike are summed together, once the day is over.
    """

    __slots__ = (
        "_counts",
        "_kinds",
        "_outages",
        "_slippages",
        "_spreads",
        "ask",
        "bid",
        "n_samples",
        "slippages",
        "spread_market",
        "spread_ours",
    )

    def __init__(self) -> None:
        self.n_samples = 0
        self._counts: Counter[str] = Counter()
        # Samples by cause.
        self._outages: Counter[str] = Counter()
        self.bid, self.ask = SideTally(), SideTally()
        self.spread_ours, self.spread_market = Distribution(BPS_DIGITS, cut_up), Distribution(BPS_DIGITS, cut_up)
        self.slippages = tuple(Distribution(BPS_DIGITS, cut_up) for _ in SLIPPAGE_NAMES)
        # What is held until the day is over: the values of a sample, and at how many samples they were.
        self._kinds: defaultdict[_Kind, int] = defaultdict(int)
        self._spreads: defaultdict[tuple[int | None, int | None], int] = defaultdict(int)
        self._slippages: defaultdict[tuple[int | None, ...], int] = defaultdict(int)

    def add(self, measured: Measured, n: int) -> None:
        """Count `n` samples that are alike."""
        self.n_samples += n
        (is_own_known, is_market_known, is_bid_up, is_ask_up, is_on_target, spread_ours, spread_market) = measured[:7]
        depth_bid, depth_ask, slippages, _, cause, sold_out = measured[7:]
        is_up = is_bid_up and is_ask_up
        self._kinds[is_own_known, is_market_known, is_bid_up, is_ask_up, is_on_target, cause, sold_out] += n
        self._spreads[spread_ours, spread_market] += n
        self._slippages[slippages] += n
        self.bid.add(depth_bid, n, is_up=is_up)
        self.ask.add(depth_ask, n, is_up=is_up)

    def settle(self) -> None:
        """Sum what is held."""
        for kind, n in self._kinds.items():
            self._settle_kind(kind, n)
        for pair, n in self._spreads.items():
            for spread, value in zip((self.spread_ours, self.spread_market), pair, strict=True):
                if value is not None:
                    spread.add(value, n)
        for values, n in self._slippages.items():
            for slippage, value in zip(self.slippages, values, strict=True):
                if value is not None:
                    slippage.add(value, n)
        for held in (self._kinds, self._spreads, self._slippages):
            held.clear()
        self.bid.settle()
        self.ask.settle()

    def _settle_kind(self, kind: _Kind, n: int) -> None:
        is_own_known, is_market_known, is_bid_up, is_ask_up, is_on_target, cause, sold_out = kind
        for name, holds in (
            ("known", is_own_known),
            ("known_market", is_market_known),
            ("bid", is_bid_up),
            ("ask", is_ask_up),
            ("up", is_bid_up and is_ask_up),
            ("on_target", is_on_target),
            (f"sold_out_{sold_out}", sold_out is not None),
        ):
            if holds:
                self._counts[name] += n
        if cause is not None:
            self._outages[cause] += n

    def merge(self, other: Tally) -> None:
        """Count all that another one counted."""
        other.settle()
        self.n_samples += other.n_samples
        self._counts.update(other._counts)
        self._outages.update(other._outages)
        self.bid.merge(other.bid)
        self.ask.merge(other.ask)
        self.spread_ours.merge(other.spread_ours)
        self.spread_market.merge(other.spread_market)
        for mine, theirs in zip(self.slippages, other.slippages, strict=True):
            mine.merge(theirs)

    def to_json(self) -> dict[str, object]:
        """Return the figures as plain values; amounts are decimal texts, and what is unknown is null."""
        self.settle()
        counts, n = self._counts, self.n_samples
        return {
            "samples": n,
            "known": counts["known"],
            "known_market": counts["known_market"],
            "uptime_bid": write_ratio(counts["bid"], n),
            "uptime_ask": write_ratio(counts["ask"], n),
            "uptime_two_sided": write_ratio(counts["up"], n),
            "spread_ours_bps": {**_write_spread(self.spread_ours), "on_target": write_ratio(counts["on_target"], n)},
            "spread_market_bps": _write_spread(self.spread_market),
            "depth_bid": self.bid.to_json(counts["up"]),
            "depth_ask": self.ask.to_json(counts["up"]),
            "slippage_bps": {
                name: {
                    "enough": write_ratio(values.count, n),
                    "p50": values.write_quantile(50),
                    "p95": values.write_quantile(95),
                }
                for name, values in zip(SLIPPAGE_NAMES, self.slippages, strict=True)
            },
            "sold_out_s": {"bid": counts["sold_out_buy"], "ask": counts["sold_out_sell"]},
            "down_s": {cause: self._outages[cause] for cause in CAUSES},
        }


def _write_spread(spread: Distribution) -> dict[str, object]:
    return {
        "samples": spread.count,
        "mean": spread.write_mean(),
        "p50": spread.write_quantile(50),
        "p95": spread.write_quantile(95),
    }


# So many are named; all of them are counted.
MOST_NAMED = 1_000


@dataclass(slots=True)
class _Outage:
    second: int
    n: int
    cause: Cause
    is_excludable: bool
    sold_out: Side | None


@dataclass(slots=True)
class OutageList:
    """Outages in order. One that changes its cause is two."""

    terms: Terms
    count: int = 0
    _named: list[_Outage] = field(default_factory=list)
    _open: _Outage | None = None

    def add(self, measured: Measured, second: int, n: int) -> None:
        """Look at `n` samples that are alike, from `second` on."""
        if measured.cause is None:
            self._open = None
            return
        kind = (measured.cause, measured.state_cause is not None, measured.sold_out)
        last = self._open
        if last is not None and (last.cause, last.is_excludable, last.sold_out) == kind:
            last.n += n
            return
        self._open = _Outage(second, n, *kind)
        self.count += 1
        if self.count <= MOST_NAMED:
            self._named.append(self._open)

    def to_json(self) -> dict[str, object]:
        """Return their number and the first of them, with the clauses that exclude them."""
        return {"count": self.count, "first": [self._describe(outage) for outage in self._named]}

    def _describe(self, outage: _Outage) -> dict[str, object]:
        excluding = [clause.name for clause in self.terms.clauses if outage.cause in clause.exclude]
        return {
            "at_s": outage.second,
            "length_s": outage.n,
            "cause": outage.cause,
            "sold_out": {"buy": "bid", "sell": "ask", None: None}[outage.sold_out],
            "excluded_by": excluding if outage.is_excludable else [],
        }
