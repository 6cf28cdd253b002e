"""Measures of one sample: who is up, spreads, depth, cost of taking, and why nothing is there.

Each measure is a whole number of a small unit. Where it cannot be exact it is rounded to the maker's disadvantage.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from mm_trio.liquidity.samples import BookSide, MarketPrices, OwnState
from mm_trio.liquidity.terms import PERCENT_DIGITS, Cause, Terms
from mm_trio.liquidity.units import AMOUNT_DIGITS, NOTIONAL_DIGITS, parse_units
from mm_trio.model.orders import Side

__all__ = [
    "BPS_DIGITS",
    "DEPTH_PCTS",
    "DEPTH_PLACES",
    "SLIPPAGE_NAMES",
    "Measured",
    "find_cause",
    "find_depth_within",
    "measure",
    "measure_spread",
]

# Depth is counted within so many percent of the mid.
DEPTH_PCTS: Final = ("0.1", "0.5", "1", "2", "5")
_DEPTH_SHARES = tuple(parse_units(pct, PERCENT_DIGITS) for pct in DEPTH_PCTS)
# Percentage in its units → its place among the depths; None has none.
DEPTH_PLACES: Final[Mapping[int | None, int]] = {share: place for place, share in enumerate(_DEPTH_SHARES)}
# Spreads and costs are counted in millionths of a basis point.
BPS_DIGITS: Final = 6
_MICRO = 10**BPS_DIGITS
_BPS = 10_000 * _MICRO
# 100 % in units of a percentage.
_WHOLE = 100 * 10**PERCENT_DIGITS
_TWICE_WHOLE: Final[int] = 2 * _WHOLE
_BID_FACTORS = tuple(share - _WHOLE for share in _DEPTH_SHARES)
_ASK_FACTORS = tuple(share + _WHOLE for share in _DEPTH_SHARES)
_ONE_QUOTE: Final[int] = 10**NOTIONAL_DIGITS
_TAKEN = (1_000, 10_000)
_TAKEN_NOTIONALS = tuple(amount * _ONE_QUOTE for amount in _TAKEN)
SLIPPAGE_NAMES: Final = tuple(f"{verb}_{amount}" for verb in ("buy", "sell") for amount in _TAKEN)

# What keeps the maker from quoting, by its state and else by how its reason begins; every other one is its own affair.
_STATE_CAUSES: dict[str, Cause] = {"halted": "halt", "cancel_only": "halt"}
_REASON_CAUSES: tuple[tuple[str, Cause], ...] = (
    ("socket closed", "network"),
    ("no message received", "network"),
    ("no answer to a ping", "network"),
    ("messages arrive", "network"),
    ("cannot reach", "network"),
    ("the venue", "venue"),
    ("HTTP", "venue"),
)
QUOTING: Final = "quoting"


class Measured(NamedTuple):
    """Measures of one sample; a named tuple, because there are millions.

    Spreads and slippages are in millionths of a basis point, depths in 10^-16 quote; None: there is none.
    `state_cause`: what keeps the maker from quoting; None while it quotes. `cause`: of an outage, None while both sides
    are up. `sold_out`: the side that has no orders although the maker quotes.
    """

    is_own_known: bool
    is_market_known: bool
    is_bid_up: bool
    is_ask_up: bool
    is_on_target: bool
    spread_ours: int | None
    spread_market: int | None
    depth_bid: tuple[int, ...]
    depth_ask: tuple[int, ...]
    slippages: tuple[int | None, ...]
    state_cause: Cause | None
    cause: Cause | None
    sold_out: Side | None

    @property
    def is_up(self) -> bool:
        """Return whether both sides are up."""
        return self.is_bid_up and self.is_ask_up


_NO_DEPTH = (0,) * len(DEPTH_PCTS)
_NO_SLIPPAGE: tuple[int | None, ...] = (None,) * len(SLIPPAGE_NAMES)


def measure(market: MarketPrices | None, own: OwnState | None, terms: Terms) -> Measured:
    """Measure one sample. None: nobody watched."""
    slippages, bid, ask = _NO_SLIPPAGE, _NO_DEPTH, _NO_DEPTH
    is_bid_up = is_ask_up = False
    spread_ours = spread_market = None
    if market is not None:
        spread_market = measure_spread(market.bid, market.ask)
    if own is not None:
        spread_ours = measure_spread(own.bids.best, own.asks.best)
        if market is not None and market.bid is not None and market.ask is not None:
            twice_mid = market.bid + market.ask
            limits_bid, limits_ask = _find_limits(twice_mid, terms.within_pct)
            depths_bid, depths_ask = _find_depths(own.bids, limits_bid), _find_depths(own.asks, limits_ask)
            is_bid_up, is_ask_up = depths_bid[0] > 0, depths_ask[0] > 0
            bid, ask = tuple(depths_bid[1:]), tuple(depths_ask[1:])
            slippages = (
                *_find_slippages(own.asks, twice_mid, is_bid=False),
                *_find_slippages(own.bids, twice_mid, is_bid=True),
            )
    is_up = is_bid_up and is_ask_up
    state_cause = find_cause(market, own)
    return Measured(
        own is not None,
        market is not None,
        is_bid_up,
        is_ask_up,
        is_up and spread_ours is not None and spread_ours * 10**PERCENT_DIGITS <= terms.target_bps * _MICRO,
        spread_ours,
        spread_market,
        bid,
        ask,
        slippages,
        state_cause,
        None if is_up else state_cause or "ours",
        _find_sold_out(own),
    )


@lru_cache(maxsize=4096)
def measure_spread(bid: int | None, ask: int | None) -> int | None:
    """Return the spread over its own mid, rounded up; 0 where the prices meet or cross."""
    if bid is None or ask is None:
        return None
    return max(0, -((bid - ask) * 2 * _BPS // (bid + ask)))


def find_depth_within(side: BookSide, twice_mid: int, within_pct: int, *, is_bid: bool) -> int:
    """Return the notional of the orders at most so far from the mid, or better, in units."""
    factor = within_pct - _WHOLE if is_bid else within_pct + _WHOLE
    return _find_depths(side, [_find_limit(twice_mid, factor)])[0]


def _find_limit(twice_mid: int, factor: int) -> int:
    """Return the least key that is within a distance.

    A bid counts from mid · (1 − X) up and an ask to mid · (1 + X). Asks have negative keys, and bids a negative factor,
    so that both are the same search.
    """
    return -(twice_mid * factor // _TWICE_WHOLE)


@lru_cache(maxsize=4096)
def _find_limits(twice_mid: int, within_pct: int) -> tuple[list[int], list[int]]:
    """Return the least keys of bids and of asks: within `within_pct`, then of each distance."""
    return (
        [_find_limit(twice_mid, factor) for factor in (within_pct - _WHOLE, *_BID_FACTORS)],
        [_find_limit(twice_mid, factor) for factor in (within_pct + _WHOLE, *_ASK_FACTORS)],
    )


def _find_depths(side: BookSide, limits: list[int]) -> list[int]:
    """Return the notional from each key on."""
    keys, sums = side.keys, side.notionals
    total = sums[-1]
    return [total - sums[bisect_left(keys, limit)] for limit in limits]


def find_cause(market: MarketPrices | None, own: OwnState | None) -> Cause | None:
    """Return what keeps the maker from quoting as far as it is known; None while it quotes and sees the market."""
    if own is None:
        return "unknown"
    if own.state != QUOTING:
        reason = own.reason or ""
        by_reason = (cause for beginning, cause in _REASON_CAUSES if reason.startswith(beginning))
        return _STATE_CAUSES.get(own.state) or next(by_reason, "ours")
    return "network" if market is None else None


def _find_sold_out(own: OwnState | None) -> Side | None:
    if own is None or own.state != QUOTING or bool(own.bids.keys) == bool(own.asks.keys):
        return None
    return "buy" if own.asks.keys else "sell"


def _find_slippages(side: BookSide, twice_mid: int, *, is_bid: bool) -> list[int | None]:
    """Return the cost of taking each amount of quote from one side, against the mid and rounded up.

    None: the side has too little.
    """
    found: list[int | None] = []
    sums = side.notionals
    total = sums[-1]
    for notional in _TAKEN_NOTIONALS:
        if total < notional:
            found.append(None)
            continue
        # The last level that is needed; those behind it are taken whole.
        place = bisect_right(sums, total - notional) - 1
        remaining = notional - total + sums[place + 1]
        price = abs(side.keys[place])
        # Tokens · price, so that the last, partial order needs no division: all of it is in units · units · units.
        tokens_price = (side.sizes[-1] - side.sizes[place + 1]) * price + remaining
        # The mean price is notional · price / tokens_price.
        paid, fair = 2 * notional * price, twice_mid * tokens_price
        worse = fair - paid if is_bid else paid - fair
        found.append(-(-worse * _BPS // fair) if worse > 0 else 0)
    return found


assert AMOUNT_DIGITS * 2 == NOTIONAL_DIGITS
