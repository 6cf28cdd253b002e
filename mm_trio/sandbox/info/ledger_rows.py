"""Movements of funds that are no trades, in the venue's words: `userNonFundingLedgerUpdates`."""

from __future__ import annotations

from decimal import Decimal

from mm_trio.sandbox.info.rows import Json, number
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import LedgerRow

__all__ = ["ledger_row"]

NOWHERE = "0x" + "00" * 20  # the other side of what the sandbox gives and takes
_USDC = 0


def ledger_row(exchange: Exchange, row: LedgerRow) -> Json:
    """One movement.

    Source: docs *Subscriptions*, WsUserNonFundingLedgerUpdate. Decided here: what the sandbox's owner gives or takes
    is a `deposit` or `withdraw` where it is USDC and else a transfer from or to the zero address.
    """
    return {"time": row.time_ms, "hash": row.hash, "delta": _delta(exchange, row)}


def _delta(exchange: Exchange, row: LedgerRow) -> Json:
    amount = number(row.amount)
    if row.token == _USDC and row.kind == "deposit":
        return {"type": "deposit", "usdc": amount}
    if row.token == _USDC and row.kind == "withdraw":
        return {"type": "withdraw", "usdc": amount, "nonce": row.time_ms, "fee": "0.0"}
    return {
        "type": "spotTransfer",
        "token": next(token.name for token in exchange.markets.tokens if token.index == row.token),
        "amount": amount,
        "usdcValue": number(_value(exchange, row)),
        "user": row.sender or NOWHERE,
        "destination": row.receiver or NOWHERE,
        "fee": "0.0",
        "nativeTokenFee": "0.0",
        "nonce": None,
        "feeToken": "",
    }


def _value(exchange: Exchange, row: LedgerRow) -> Decimal:
    """In USDC, at the last price; nothing where there never was one."""
    if row.token == _USDC:
        return row.amount
    for pair in exchange.markets.pairs:
        if pair.base.index == row.token and pair.quote.index == _USDC:
            return row.amount * (exchange.last_price(pair.name) or Decimal(0))
    return Decimal(0)
