"""Settings of an exchange, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.markets import Markets

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one exchange.

    Rates are fractions of the notional, `min_notional` is in quote units.
    """

    markets: Markets
    maker_fee: Decimal
    taker_fee: Decimal
    fee_tiers: bool
    dust_conversion: bool
    min_notional: Decimal
    first_oid: int
    limits: Limits
