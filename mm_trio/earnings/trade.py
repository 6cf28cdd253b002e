"""Fill as the figures see it."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mm_trio.earnings.exact import NOTHING
from mm_trio.model.journal_entries import Booked

__all__ = ["Trade", "make_trade", "read_trade"]


class Trade(NamedTuple):
    """Fill of ours; `base` is what was bought, below zero what was sold.

    Fees are what we paid, below zero what we were paid; one of the three is given at most. `fee_token` names the third
    token of `fee_other`. A named tuple, because a ledger has a million of them.
    """

    time_ms: int
    level: int
    price: Decimal
    base: Decimal
    fee_base: Decimal = NOTHING
    fee_quote: Decimal = NOTHING
    fee_other: Decimal = NOTHING
    fee_token: str = ""


def make_trade(
    time_ms: int, side: str, level: int, price: Decimal, size: Decimal, *, fee: Decimal, fee_token: str | None
) -> Trade:
    """Make a trade of a booked fill.

    Without a name of its token the fee was taken from what was received, as the venue does.
    """
    is_buy = side == "buy"
    base = size if is_buy else -size
    token = fee_token or ("base" if is_buy else "quote")
    if token == "quote":
        return Trade(time_ms, level, price, base, NOTHING, fee)
    if token == "base":
        return Trade(time_ms, level, price, base, fee)
    return Trade(time_ms, level, price, base, NOTHING, NOTHING, fee, token)


def read_trade(fill: Booked, *, recorded_ms: int) -> Trade:
    """Return the trade of an entry; one without a time counts when it was recorded."""
    quote = fill.quote
    time_ms = recorded_ms if fill.time_ms is None else fill.time_ms
    return make_trade(
        time_ms, quote.side, quote.level_index, quote.price, quote.size, fee=fill.fee, fee_token=fill.fee_token
    )
