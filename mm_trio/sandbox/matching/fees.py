"""What a trade costs: base rates, tiers by volume, an address's own rates, and pairs of two quote tokens.

Rates are fractions of the notional; a negative maker rate is a rebate. Nothing is known here of who trades.
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
TIER_DAYS = 14  # full UTC days before today
SPOT_WEIGHT = 2  # spot volume counts double
QUOTE_PAIR_SHARE = Decimal("0.2")  # what is left of fee and volume weight when both tokens are quote tokens


@dataclass(frozen=True, slots=True)
class Rates:
    maker: Decimal
    taker: Decimal


@dataclass(slots=True, order=True)
class DayVolume:
    """What an address traded in one UTC day (days since 1970), in quote units, and what of it counts for a tier."""

    day: int
    add: Decimal = Decimal(0)
    cross: Decimal = Decimal(0)
    counted: Decimal = Decimal(0)


def _tier(cutoff: int, taker: str, maker: str) -> tuple[Decimal, Rates]:
    return Decimal(cutoff), Rates(Decimal(maker), Decimal(taker))


# Spot rates above each weighted volume. Source: docs *Fees*.
TIERS = (
    _tier(5_000_000, "0.0006", "0.0003"),
    _tier(25_000_000, "0.0005", "0.0002"),
    _tier(100_000_000, "0.0004", "0.0001"),
    _tier(500_000_000, "0.00035", "0"),
    _tier(2_000_000_000, "0.0003", "0"),
    _tier(7_000_000_000, "0.00025", "0"),
)


def choose_rates(base: Rates, weighted: Decimal) -> Rates:
    """The rates for so much weighted volume; below the first tier the base rates, whatever they are.

    Source: docs *Fees*.
    """
    rates = base
    for cutoff, tier in TIERS:
        if weighted >= cutoff:
            rates = tier
    return rates


def weigh_volume(days: Mapping[int, DayVolume], *, today: int) -> Decimal:
    """The volume that decides today's tier: the fourteen full days before today, spot counting double.

    Source: docs *Fees* (assessed at the end of each UTC day).
    """
    counted = (days[day].counted for day in range(today - TIER_DAYS, today) if day in days)
    return SPOT_WEIGHT * sum(counted, Decimal(0))


def cut_for_quote_pair(rates: Rates) -> Rates:
    """The rates of a pair whose tokens are both quote tokens: taker fee and rebate less 80 %, a maker fee whole.

    Source: docs *Fees*.
    """
    maker = rates.maker * QUOTE_PAIR_SHARE if rates.maker < 0 else rates.maker
    return Rates(maker, rates.taker * QUOTE_PAIR_SHARE)
