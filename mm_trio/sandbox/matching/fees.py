"""Fee rates by volume tier and kind of pair.

Rates are fractions of the notional; a negative maker rate is a rebate. This module knows no account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

__all__ = [
    "DAY_MS",
    "QUOTE_PAIR_SHARE",
    "TIERS",
    "TIER_DAYS",
    "DayVolume",
    "Rates",
    "choose_rates",
    "cut_for_quote_pair",
    "weigh_volume",
]

DAY_MS = 86_400_000
TIER_DAYS = 14  # Full UTC days before today.
SPOT_WEIGHT = 2  # Spot volume counts double.
# A pair of two quote tokens has this share of the usual fee and volume weight.
QUOTE_PAIR_SHARE = Decimal("0.2")


@dataclass(frozen=True, slots=True)
class Rates:
    """Fee rates of makers and takers."""

    maker: Decimal
    taker: Decimal


@dataclass(slots=True, order=True)
class DayVolume:
    """Volume of one UTC day, in quote units.

    `day` counts from 1970. `add` was traded as maker, `cross` as taker; `counted` counts towards the fee tier.
    """

    day: int
    add: Decimal = Decimal(0)
    cross: Decimal = Decimal(0)
    counted: Decimal = Decimal(0)


def _tier(cutoff: int, taker: str, maker: str) -> tuple[Decimal, Rates]:
    return Decimal(cutoff), Rates(Decimal(maker), Decimal(taker))


# Spot rates from each weighted volume on. Source: docs *Fees*.
TIERS = (
    _tier(5_000_000, "0.0006", "0.0003"),
    _tier(25_000_000, "0.0005", "0.0002"),
    _tier(100_000_000, "0.0004", "0.0001"),
    _tier(500_000_000, "0.00035", "0"),
    _tier(2_000_000_000, "0.0003", "0"),
    _tier(7_000_000_000, "0.00025", "0"),
)


def choose_rates(base: Rates, weighted: Decimal) -> Rates:
    """Return the rates of a weighted volume.

    Below the first tier they are the `base` rates. Source: docs *Fees*.
    """
    rates = base
    for cutoff, tier in TIERS:
        if weighted >= cutoff:
            rates = tier
    return rates


def weigh_volume(days: Mapping[int, DayVolume], *, today: int) -> Decimal:
    """Compute the weighted volume that decides today's tier.

    It covers the fourteen full days before today, and spot volume counts double.
    Source: docs *Fees* (assessed at the end of each UTC day).
    """
    counted = (days[day].counted for day in range(today - TIER_DAYS, today) if day in days)
    return SPOT_WEIGHT * sum(counted, Decimal(0))


def cut_for_quote_pair(rates: Rates) -> Rates:
    """Return the rates of a pair of two quote tokens.

    The taker fee and a maker rebate are 80 % less; a maker fee above zero stays whole. Source: docs *Fees*.
    """
    maker = rates.maker * QUOTE_PAIR_SHARE if rates.maker < 0 else rates.maker
    return Rates(maker, rates.taker * QUOTE_PAIR_SHARE)
