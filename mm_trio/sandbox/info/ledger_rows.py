"""Rows of `userNonFundingLedgerUpdates`: movements of funds besides trades."""

from __future__ import annotations

from decimal import Decimal

from mm_trio.sandbox.info.rows import Json, number
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import LedgerRow

__all__ = ["ledger_row"]

# Counterparty of tokens that the sandbox's operator gives and takes.
ZERO_ADDRESS = "0x" + "00" * 20
_USDC = 0


def ledger_row(exchange: Exchange, row: LedgerRow) -> Json:
    """Encode one movement of funds.

    Source: docs *Subscriptions*, WsUserNonFundingLedgerUpdate. Decided here: tokens that the sandbox's operator gives
    or takes are a `deposit` or `withdraw` if they are USDC, and otherwise a transfer from or to the zero address.
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
        "usdcValue": number(_value_in_usdc(exchange, row)),
        "user": row.sender or ZERO_ADDRESS,
        "destination": row.receiver or ZERO_ADDRESS,
        "fee": "0.0",
        "nativeTokenFee": "0.0",
        "nonce": None,
        "feeToken": "",
    }


def _value_in_usdc(exchange: Exchange, row: LedgerRow) -> Decimal:
    """Return an amount's value in USDC.

    It uses the last price, and is zero where there never was one.
    """
    if row.token == _USDC:
        return row.amount
    for pair in exchange.markets.pairs:
        if pair.base.index == row.token and pair.quote.index == _USDC:
            return row.amount * (exchange.last_price(pair.name) or Decimal(0))
    return Decimal(0)
