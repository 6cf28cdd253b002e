"""What a fill moves on the account. Pure."""

from __future__ import annotations

from decimal import Decimal

from mm_trio.funds.movements import FundEvent
from mm_trio.model.journal_entries import Moved, MoveKind
from mm_trio.model.numbers import EXACT
from mm_trio.model.replies import Fill

__all__ = ["compute_effect", "make_trade_event", "name_trade"]

NOTHING = Decimal(0)


def compute_effect(fill: Fill) -> tuple[Decimal, Decimal]:
    """Compute by how much a fill moved the account: (base, quote).

    The fee is included if it was charged in one of the two tokens.
    """
    cost = EXACT.multiply(fill.size, fill.price or NOTHING)
    token, usdc = (fill.size, EXACT.minus(cost)) if fill.side == "buy" else (EXACT.minus(fill.size), cost)
    fee_in_base, fee_in_quote = (fill.fee if fill.fee_token == name else NOTHING for name in ("base", "quote"))
    return EXACT.subtract(token, fee_in_base), EXACT.subtract(usdc, fee_in_quote)


def name_trade(tid: int, oid: int | None) -> str:
    """Return the reference of a fill, by which it counts once."""
    return f"{tid}:{oid}"


def make_trade_event(fill: Fill) -> FundEvent:
    """Turn a fill that is not ours into what it moved."""
    kind = MoveKind.DUST if fill.is_dust else MoveKind.HAND_TRADE
    return FundEvent(Moved(*compute_effect(fill), kind, fill.time_ms or 0, name_trade(fill.tid, fill.oid)))
