"""Figures of liquidity against a plain second computation: sample by sample, in fractions, with sorted lists."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

from certificate_kit import DAY_S, compute
from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_trio.liquidity.samples import KEPT, BookChange, Change, Fill, MarketPrices
from mm_trio.liquidity.terms import read_terms

N = 40
UNIT = 10**8
TERMS = read_terms(
    {
        "within_pct": "1",
        "target_bps": "60",
        "clause": [
            {
                "name": "up",
                "side": "both",
                "at_least": "0.5",
                "within_pct": "2",
                "min_depth": "700",
                "spread_bps": "90",
            },
            {"name": "mean", "side": "mean", "at_least": "0.6", "within_pct": "0.7", "exclude": ["network"]},
            {"name": "range", "side": "bid", "at_least": "0.3", "price_low": "19.5", "price_high": "20.1"},
            {"name": "depth", "measure": "depth_while_up", "side": "both", "at_least": "900", "within_pct": "1"},
        ],
    }
)
STATES = [("quoting", None), ("paused", "socket closed"), ("paused", "by hand"), ("halted", "limit")]

prices = st.integers(1_900, 2_100).map(lambda n: n * UNIT // 100)
sizes = st.integers(1, 90).map(lambda n: n * UNIT)
best = st.one_of(st.none(), st.builds(MarketPrices, st.one_of(st.none(), prices), st.one_of(st.none(), prices)))
sides = st.sampled_from(["buy", "sell"])
books = st.one_of(
    st.none(),
    st.tuples(st.sampled_from(STATES), st.dictionaries(st.tuples(sides, prices), sizes, max_size=6)),
)
# At each second, or so.
lives = st.lists(
    st.tuples(st.integers(1, 9), st.booleans(), best, st.booleans(), books, st.booleans()), min_size=1, max_size=12
)


class Plain:
    """The history, a sample for each second."""

    def __init__(self, life: list[Any]) -> None:
        self.events: list[Change | Fill] = []
        self.samples: list[tuple[MarketPrices | None, Any]] = []
        self.fills: list[Fill] = []
        market: MarketPrices | None = None
        own: Any = None
        second = -1
        for tid, (pause, is_market, news, is_own, book, is_fill) in enumerate(life):
            if second + pause >= N:
                break
            self.samples += [(market, own)] * (pause - (second == -1))
            second = max(0, second) + pause - (second == -1)
            if is_fill and own is not None and own[1]:
                side, price = sorted(own[1])[0]
                fill = Fill((DAY_S + second) * 1000 - 300, tid, 1, price, UNIT, side)
                if second > 0 and own is not None:
                    self.fills.append(fill)
                    self.events.append(fill)
            change_own: Any = KEPT
            if is_own:
                change_own = None if book is None else self._change(own, book)
                own = book
            market = news if is_market else market
            self.events.append(Change(DAY_S + second, news if is_market else KEPT, change_own))
        self.samples += [(market, own)] * (N - len(self.samples))

    @staticmethod
    def _change(before: Any, after: Any) -> BookChange:
        old, new = {} if before is None else before[1], after[1]
        rows = sorted((*slot, new.get(slot, 0)) for slot in old.keys() | new.keys() if old.get(slot) != new.get(slot))
        state, reason = after[0]
        return BookChange(state, reason, tuple(rows))


def mid_of(market: MarketPrices | None) -> Fraction | None:
    if market is None or market.bid is None or market.ask is None:
        return None
    return Fraction(market.bid + market.ask, 2 * UNIT)


def orders_of(own: Any, side: str) -> list[tuple[Fraction, Fraction]]:
    if own is None:
        return []
    return [(Fraction(p, UNIT), Fraction(s, UNIT)) for (at, p), s in own[1].items() if at == side]


def depth(own: Any, side: str, mid: Fraction | None, pct: str) -> Fraction:
    if mid is None:
        return Fraction(0)
    share, sign = Fraction(pct) / 100, 1 if side == "buy" else -1
    return sum((p * s for p, s in orders_of(own, side) if sign * (mid - p) <= mid * share), Fraction(0))


def spread(bid: Fraction | None, ask: Fraction | None) -> Fraction | None:
    if bid is None or ask is None:
        return None
    exact = max(Fraction(0), (ask - bid) / ((ask + bid) / 2) * 10_000)
    return Fraction(ceil(exact * 10**6), 10**6)


def own_spread(own: Any) -> Fraction | None:
    bids, asks = orders_of(own, "buy"), orders_of(own, "sell")
    return spread(max((p for p, _ in bids), default=None), min((p for p, _ in asks), default=None))


def slippage(own: Any, side: str, mid: Fraction | None, amount: int) -> Fraction | None:
    """Take `amount` of quote, order by order."""
    if mid is None:
        return None
    left, tokens = Fraction(amount), Fraction(0)
    for price, size in sorted(orders_of(own, side), reverse=side == "buy"):
        taken = min(left, price * size)
        left, tokens = left - taken, tokens + taken / price
    if left:
        return None
    worse = amount / tokens / mid - 1 if side == "sell" else 1 - amount / tokens / mid
    return Fraction(ceil(max(Fraction(0), worse) * 10_000 * 10**6), 10**6)


def written(value: Fraction | None, digits: int = 8) -> str | None:
    if value is None:
        return None
    # round() of a fraction rounds half to even.
    whole, part = divmod(round(value * 10**digits), 10**digits)
    return f"{whole}.{part:0{digits}d}".rstrip("0").rstrip(".")


def mean(values: list[Fraction]) -> str | None:
    return written(sum(values, Fraction(0)) / len(values)) if values else None


def cut(value: Fraction, digits: int, *, up: bool) -> Fraction:
    units = value * 10**digits
    assert units.denominator == 1
    step = 10 ** max(0, len(str(int(units))) - 4)
    return Fraction((-(-units // step) if up else units // step) * step, 10**digits)


def quantile(values: list[Fraction], percent: int, digits: int, *, up: bool) -> str | None:
    if not values:
        return None
    ranked = sorted(cut(value, digits, up=up) for value in values)
    return written(ranked[max(1, ceil(Fraction(len(ranked) * percent, 100))) - 1], digits)


def is_up(sample: Any, side: str, pct: str = "1") -> bool:
    return depth(sample[1], side, mid_of(sample[0]), pct) > 0


def both_up(sample: Any) -> bool:
    return is_up(sample, "buy") and is_up(sample, "sell")


def share_of(samples: list[Any], holds: Callable[[Any], bool]) -> str | None:
    return written(Fraction(sum(map(holds, samples)), len(samples)))


@given(lives)
@settings(max_examples=60 * FACTOR)
def test_figures_are_those_of_a_plain_computation(life: list[Any]) -> None:
    plain = Plain(life)
    samples = plain.samples
    figures: Any = compute(plain.events, TERMS, n=N).period

    assert figures["uptime_bid"] == share_of(samples, lambda sample: is_up(sample, "buy"))
    assert figures["uptime_ask"] == share_of(samples, lambda sample: is_up(sample, "sell"))
    assert figures["uptime_two_sided"] == share_of(samples, both_up)
    for side, name in (("buy", "depth_bid"), ("sell", "depth_ask")):
        for pct in ("0.1", "0.5", "1", "2", "5"):
            depths = [depth(own, side, mid_of(market), pct) for market, own in samples]
            while_up = [value for value, sample in zip(depths, samples, strict=True) if both_up(sample)]
            expected = {"mean": mean(depths), "p5": quantile(depths, 5, 16, up=False), "mean_while_up": mean(while_up)}
            assert figures[name][pct] == expected


@given(lives)
@settings(max_examples=60 * FACTOR)
def test_prices_of_taking_are_those_of_a_plain_computation(life: list[Any]) -> None:
    plain = Plain(life)
    samples = plain.samples
    figures: Any = compute(plain.events, TERMS, n=N).period
    ours = [value for _, own in samples if (value := own_spread(own)) is not None]
    on_target = [s for s in samples if both_up(s) and (own_spread(s[1]) or Fraction(0)) <= 60]

    assert figures["spread_ours_bps"] == {
        "samples": len(ours),
        "mean": mean(ours),
        "p50": quantile(ours, 50, 6, up=True),
        "p95": quantile(ours, 95, 6, up=True),
        "on_target": written(Fraction(len(on_target), N)),
    }
    for verb, side in (("buy", "sell"), ("sell", "buy")):
        for amount in (1_000, 10_000):
            costs = [slippage(own, side, mid_of(market), amount) for market, own in samples]
            known = [cost for cost in costs if cost is not None]
            assert figures["slippage_bps"][f"{verb}_{amount}"] == {
                "enough": written(Fraction(len(known), N)),
                "p50": quantile(known, 50, 6, up=True),
                "p95": quantile(known, 95, 6, up=True),
            }


@given(lives)
@settings(max_examples=60 * FACTOR)
def test_time_to_quote_again_is_that_of_a_plain_computation(life: list[Any]) -> None:
    plain = Plain(life)
    figures: Any = compute(plain.events, TERMS, n=N).period
    waits: list[Fraction] = []
    n_emptied = 0
    for fill in plain.fills:
        first = ceil(Fraction(fill.time_ms, 1000)) - DAY_S
        own = plain.samples[first][1]
        if own is None or (fill.side, fill.price) in own[1]:
            continue
        n_emptied += 1
        again = [
            i
            for i in range(first, N)
            if both_up(plain.samples[i]) and (own_spread(plain.samples[i][1]) or Fraction(0)) <= 60
        ]
        if again:
            waits.append(Fraction((DAY_S + again[0]) * 1000 - fill.time_ms, 1000))

    assert figures["requote_s"] == {
        "emptied_levels": n_emptied,
        "not_requoted": n_emptied - len(waits),
        "p50": quantile(waits, 50, 3, up=True),
        "p95": quantile(waits, 95, 3, up=True),
        "max": written(max(waits), 3) if waits else None,
    }


def state_cause(sample: Any) -> str | None:
    market, own = sample
    if own is None:
        return "unknown"
    if own[0] != ("quoting", None):
        return {"socket closed": "network", "limit": "halt"}.get(own[0][1], "ours")
    return "network" if market is None else None


@given(lives)
@settings(max_examples=60 * FACTOR)
def test_outages_and_clauses_are_those_of_a_plain_computation(life: list[Any]) -> None:
    plain = Plain(life)
    samples = plain.samples
    figures = compute(plain.events, TERMS, n=N)
    down = [None if both_up(s) else state_cause(s) or "ours" for s in samples]
    up, mean_of_sides, in_range, while_up = figures.clauses

    assert figures.period["down_s"] == {
        cause: down.count(cause) for cause in ("ours", "venue", "network", "halt", "unknown")
    }
    first: Any = figures.outages["first"]
    named = {DAY_S + i: cause for i, cause in enumerate(down) if cause is not None}
    assert {
        second: row["cause"] for row in first for second in range(row["at_s"], row["at_s"] + row["length_s"])
    } == named
    assert up["value"] == share_of(samples, keeps_first_clause)
    assert in_range["value"] == share_of(
        samples, lambda s: any(Fraction("19.5") <= p <= Fraction("20.1") for p, _ in orders_of(s[1], "buy"))
    )
    assert while_up["value"] == find_least_depth(samples)
    assert mean_of_sides["value"] == find_mean_of_sides(samples)


def keeps_first_clause(sample: Any) -> bool:
    width, mid = own_spread(sample[1]), mid_of(sample[0])
    return (
        width is not None and width <= 90 and all(depth(sample[1], side, mid, "2") >= 700 for side in ("buy", "sell"))
    )


def find_least_depth(samples: list[Any]) -> str | None:
    at = [s for s in samples if both_up(s)]
    sums = [sum((depth(own, side, mid_of(market), "1") for market, own in at), Fraction(0)) for side in ("buy", "sell")]
    return written(min(sums) / len(at)) if at else None


def find_mean_of_sides(samples: list[Any]) -> str | None:
    readings = [(is_up(s, "buy", "0.7"), is_up(s, "sell", "0.7"), state_cause(s)) for s in samples]
    counted = [(bid, ask) for bid, ask, cause in readings if (bid and ask) or cause != "network"]
    return written(Fraction(sum(bid + ask for bid, ask in counted), 2 * len(counted))) if counted else None
