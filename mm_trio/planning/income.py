"""Income and costs of a ladder, as formulas.

They rank ladders and forecast nobody's income. `docs/economics.md` derives them, and a simulation checks them.
Units: fees and steps are ratios (0.0004 is 4 bps), money is quote, volatility is a ratio for each square root of a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

__all__ = [
    "BASE_TIER",
    "TIERS",
    "Fees",
    "Terms",
    "compute_break_even_swing",
    "compute_deployer_cost",
    "compute_informed_cost",
    "compute_lvr",
    "compute_part_round_trip",
    "compute_round_trip",
]


@dataclass(frozen=True, slots=True)
class Fees:
    """Rates of maker and taker; a negative maker rate is a rebate."""

    maker: Decimal
    taker: Decimal


# By volume of 14 days, in which spot counts twice. Source: the venue's page on fees, spot, 2026.
TIERS = {
    "base": Fees(Decimal("0.0004"), Decimal("0.0007")),
    "5M": Fees(Decimal("0.0003"), Decimal("0.0006")),
    "25M": Fees(Decimal("0.0002"), Decimal("0.0005")),
    "100M": Fees(Decimal("0.0001"), Decimal("0.0004")),
    "500M": Fees(Decimal(0), Decimal("0.00035")),
    "2B": Fees(Decimal(0), Decimal("0.0003")),
    "7B": Fees(Decimal(0), Decimal("0.00025")),
}
BASE_TIER = TIERS["base"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all formulas share: `notional` is that of one order."""

    step: Decimal
    gap: int
    notional: Decimal
    fees: Fees

    @property
    def way_back(self) -> Decimal:
        """Return how far the price turns before an arbitrageur trades.

        He sold at one price and buys back `gap` steps lower, and pays his fee both times.
        """
        return self.gap * self.step + 2 * self.fees.taker


def compute_break_even_swing(terms: Terms) -> Decimal | None:
    """Compute the swing that earns nothing at gap 0, in tranches.

    A swing of A tranches there and back earns the step on one tranche alone, (s / 2) / A of its volume, and pays the
    maker's fee on all of it. That is for whole tranches; other swings earn about three quarters of it. None where that
    is not the rule: with a gap, or without a fee.
    """
    if terms.fees.maker <= 0 or terms.gap:
        return None
    return terms.step / 2 / terms.fees.maker


def compute_round_trip(terms: Terms) -> Decimal:
    """Compute what a whole tranche earns there and back, in quote."""
    return terms.notional * (terms.gap * terms.step - 2 * terms.fees.maker)


def compute_part_round_trip(terms: Terms) -> Decimal:
    """Compute what a part of a tranche earns there and back.

    A ratio of its notional, fees paid. It is sold at one level and bought back at the next lower one, or `gap` levels
    lower.
    """
    return max(terms.gap, 1) * terms.step - 2 * terms.fees.maker


def compute_informed_cost(terms: Terms, *, sigma: Decimal) -> Decimal | None:
    """Compute what arbitrageurs cost a day, in quote.

    `sigma`: volatility of the outside price, a ratio a day. None where takers pay nothing at gap 0: then they trade
    without an end.
    """
    width = terms.way_back
    if width <= 0:
        return None
    return sigma**2 * terms.notional * (terms.fees.taker + terms.fees.maker) / (terms.step * width)


def compute_lvr(terms: Terms, *, sigma: Decimal) -> Decimal:
    """Compute the loss against rebalancing of the continuous curve.

    Quote a day: what it would lose to arbitrageurs who pay nothing.
    """
    return sigma**2 * terms.notional / (2 * terms.step)


def compute_deployer_cost(fees: Fees, *, share: Decimal) -> Decimal:
    """Compute the fees of a unit that went round, for the deployer.

    A ratio. Fees taken in the base token come back to him by `share`: the taker's on what we sell, and ours on what we
    buy. Below zero it is an income.
    """
    return 2 * fees.maker - share * (fees.maker + fees.taker)
