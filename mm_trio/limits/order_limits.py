"""Limits of single orders and of a side, asked for each action before it is signed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from mm_trio.limits.terms import Breach, Reaction, RiskLimits
from mm_trio.model.orders import Quote, Side

__all__ = ["FARTHEST_FROM_MID", "find_order_breach", "find_side_breach"]

# An order is never signed at more than so many times the mid, nor below its inverse: a wrong digit in a price, or a
# ladder of another pair, is farther away than any ladder reaches from its market.
FARTHEST_FROM_MID = Decimal(3)


def find_order_breach(order: Quote, limits: RiskLimits, *, mid: Decimal | None) -> Breach | None:
    """Find the limit that one order would break, None where it breaks none."""
    notional = order.price * order.size
    most, low, high = limits.max_order_notional, limits.price_low, limits.price_high
    if most is not None and notional > most:
        return Breach("max_order_notional", notional, most, "quote", Reaction.REFUSE)
    if low is not None and order.price < low:
        return Breach("price_low", order.price, low, "quote per base", Reaction.REFUSE)
    if high is not None and order.price > high:
        return Breach("price_high", order.price, high, "quote per base", Reaction.REFUSE)
    if mid is not None and order.price > mid * FARTHEST_FROM_MID:
        return Breach("price over mid", order.price / mid, FARTHEST_FROM_MID, "times the mid", Reaction.REFUSE)
    if mid is not None and order.price * FARTHEST_FROM_MID < mid:
        return Breach("mid over price", mid / order.price, FARTHEST_FROM_MID, "times the price", Reaction.REFUSE)
    return None


def find_side_breach(
    side: Side, notional: Decimal, limits: RiskLimits, *, resting: Mapping[Side, Decimal]
) -> Breach | None:
    """Find whether a side would hold too much with so much more; None where it would not.

    `resting` is the notional of each side beside it: of all that rests or is in flight.
    """
    if (most := limits.max_side_notional) is None:
        return None
    found = resting[side] + notional
    if found <= most:
        return None
    return Breach("max_side_notional", found, most, f"quote of {side} orders", Reaction.REFUSE)
