"""Pair that a run trades on, with the terms of its venue."""

from __future__ import annotations

from dataclasses import dataclass

from mm_trio.limits.terms import RiskLimits
from mm_trio.sandbox import DEFAULT_MARKETS, Limits, Markets

__all__ = ["DRAWN_PLACE", "Place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Pair, with the terms of its venue and the operator's limits.

    `coin` is one of `markets`. `taker_fee` is a share of the notional. `venue_limits` None: the venue's own. `limits`
    are the maker's, and may halt it; None: none but those that a scenario draws.
    """

    markets: Markets = DEFAULT_MARKETS
    coin: str = "@107"
    taker_fee: str = "0.0007"
    venue_limits: Limits | None = None
    limits: RiskLimits | None = None


# Of every seed: what differs from seed to seed is in its scenario.
DRAWN_PLACE = Place()
