"""Check of a fill against the order that it names.

A frame is one source. What it tells of an order of ours must fit what we sent, before it moves the ledger.
"""

from __future__ import annotations

from decimal import Decimal

from mm_trio.model.orders import Quote, Side, TrackedOrder
from mm_trio.model.replies import Fill

__all__ = [
    "LIFE_MS",
    "TOLERANCE_MS",
    "describe_fill",
    "find_contradiction",
    "find_misfit",
    "find_misfit_of_sent",
    "find_time_fault",
]

# An order is sent this long before its deadline; the emitter takes its deadlines from here.
LIFE_MS = 10_000
# Clocks are compared at the start and may be 2 s apart then; they drift, and a block's time is not the moment of its
# answer. An invented fill is seldom just a few seconds off, so a wide tolerance costs little.
TOLERANCE_MS = 10_000
# The highest fee of the venue's table is 0.07 % of what is received, and a builder's share on spot is limited to 1 %.
# We name no builder; more than 1 % is not a fee of ours. Source: Hyperliquid docs, "Fees" and "Builder codes".
MOST_FEE = Decimal("0.01")


def find_contradiction(fill: Fill, order: TrackedOrder, *, by_clock: bool) -> str | None:
    """Return what contradicts the order, or None.

    Our orders are post-only: the venue fills a maker at its limit, never better (all 260 maker rows of our captures).
    What a row or our knowledge leaves open is not judged; a row without a side is not one of the venue's. `by_clock`:
    its time counts too. A history is believed over this machine's clock, for a clock that was wrong once would make the
    ledger unusable for good.
    """
    if order.cloid is not None and fill.cloid is not None and fill.cloid.lower() != order.cloid.lower():
        return f"its cloid is {fill.cloid}, that of the order {order.cloid}"
    if fill.side is None:
        return None
    if order.is_sized and fill.size > order.size:
        return f"its size is {fill.size}, and {order.size} is left of the order"
    expires_ms = order.expires_ms if by_clock else None
    return find_misfit(fill, side=order.side, price=order.price, expires_ms=expires_ms)


def find_misfit(fill: Fill, *, side: Side, price: Decimal, expires_ms: int | None) -> str | None:
    """Return what contradicts side, price and time of an order.

    `expires_ms` is the order's deadline, None where it is not known.
    """
    if fill.side is None:
        return None
    if fill.side != side:
        return f"its side is {fill.side}, that of the order {side}"
    if fill.price is not None and fill.price != price:
        return f"its price is {fill.price}, that of the order {price}"
    if fill.crossed:
        return "it took from the book (crossed), and the order is post-only"
    if expires_ms and fill.time_ms is not None and fill.time_ms < expires_ms - LIFE_MS - TOLERANCE_MS:
        return f"its time is {fill.time_ms}, before the order was sent ({expires_ms - LIFE_MS})"
    received = {"base": fill.size, "quote": fill.size * price}.get(fill.fee_token or "")
    if received is not None and abs(fill.fee) > MOST_FEE * received:
        return f"its fee is {fill.fee} of {received} {fill.fee_token} received, above {MOST_FEE:.0%}"
    return None


def find_misfit_of_sent(fill: Fill, quote: Quote, *, expires_ms: int | None) -> str | None:
    """Return what contradicts an order in flight, or None."""
    if fill.side is not None and fill.size > quote.size:
        return f"its size is {fill.size}, that of the order {quote.size}"
    return find_misfit(fill, side=quote.side, price=quote.price, expires_ms=expires_ms)


def find_time_fault(fill: Fill, *, now_ms: int) -> str | None:
    """Return what is wrong with the time of a fill, or None.

    A time to come would move the watermark of the fill history past fills that are still to be read.
    """
    if fill.time_ms is not None and fill.time_ms > now_ms + TOLERANCE_MS:
        return f"its time is {fill.time_ms}, and now it is {now_ms}"
    return None


def describe_fill(fill: Fill) -> str:
    """Describe a fill's row for the operator."""
    return (
        f"fill of oid {fill.oid} (tid {fill.tid}, time {fill.time_ms}, {fill.side} {fill.size} at {fill.price}, "
        f"fee {fill.fee} {fill.fee_token})"
    )
