"""Limits of single orders and of a side, asked for each action before it is signed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from mm_trio.limits.nearness import LimitUse, measure_cap, measure_floor
from mm_trio.limits.terms import Breach, Reaction, RiskLimits
from mm_trio.model.orders import Quote, Side

__all__ = ["FARTHEST_FROM_MID", "find_order_breach", "find_side_breach", "measure_orders", "measure_sides"]

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

    An order that raises nothing breaks nothing: after a lower limit was set, a side shrinks by such orders. `resting`
    is the notional of each side beside it: of all that rests or is in flight.
    """
    if (most := limits.max_side_notional) is None or notional <= 0:
        return None
    found = resting[side] + notional
    if found <= most:
        return None
    return Breach("max_side_notional", found, most, f"quote of {side} orders", Reaction.REFUSE)


def measure_orders(orders: Iterable[Quote], limits: RiskLimits) -> list[LimitUse]:
    """Measure resting orders against the limits of single orders that are set."""
    resting = tuple(orders)
    uses: list[LimitUse] = []
    if (most := limits.max_order_notional) is not None:
        largest = max((order.price * order.size for order in resting), default=None)
        uses.append(measure_cap("max_order_notional", largest, most, "quote"))
    if (low := limits.price_low) is not None:
        uses.append(measure_floor("price_low", min((o.price for o in resting), default=None), low, "quote per base"))
    if (high := limits.price_high) is not None:
        uses.append(measure_cap("price_high", max((o.price for o in resting), default=None), high, "quote per base"))
    return uses


def measure_sides(resting: Mapping[Side, Decimal], limits: RiskLimits) -> list[LimitUse]:
    """Measure the notional of the fuller side against its limit, if that is set."""
    if (most := limits.max_side_notional) is None:
        return []
    side = max(resting, key=resting.__getitem__)
    return [measure_cap("max_side_notional", resting[side], most, f"quote of {side} orders")]
