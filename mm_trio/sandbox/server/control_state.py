"""State of a sandbox as one JSON object.

It shows the exchange's own state, not what clients received.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.clock import Clock
from mm_trio.sandbox.faults.hub import FaultHub
from mm_trio.sandbox.matching.book import Level
from mm_trio.sandbox.model.commands import Fill, OrderRecord
from mm_trio.sandbox.model.markets import Pair

__all__ = ["describe_state", "format_decimal"]

BOOK_DEPTH = 20
RECENT_FILLS = 100  # Of each account, oldest first.

Json = dict[str, Any]


def describe_state(gateway: Gateway, clock: Clock, faults: FaultHub, pairs: Sequence[Pair]) -> Json:
    """Describe clock, books, accounts and faults.

    Amounts are decimals in strings, times are in ms.
    """
    exchange = gateway.exchange
    return {
        "clock": {"now_ms": clock.now_ms(), "stepped": clock.is_stepped, "next_due_ms": clock.next_due_ms()},
        "books": {pair.name: _describe_book(gateway, pair) for pair in pairs},
        "accounts": {address: _describe_account(gateway, address) for address in exchange.addresses()},
        "sockets": len(faults.sockets()),
        "faults": {
            "rates": {kind.value: rate for kind, rate in faults.dice.rates().items()},
            "struck": faults.dice.summary(),
        },
    }


def _describe_book(gateway: Gateway, pair: Pair) -> Json:
    book = gateway.exchange.book(pair.name, depth=BOOK_DEPTH)
    last = gateway.exchange.last_price(pair.name)
    return {
        "bids": [_describe_level(level) for level in book.bids],
        "asks": [_describe_level(level) for level in book.asks],
        "last_px": None if last is None else format_decimal(last),
    }


def _describe_level(level: Level) -> Json:
    return {"px": format_decimal(level.price), "sz": format_decimal(level.size), "n": level.n_orders}


def _describe_account(gateway: Gateway, address: str) -> Json:
    exchange = gateway.exchange
    view = exchange.account(address)
    names = {token.index: token.name for token in exchange.markets.tokens}
    return {
        "balances": {
            names.get(index, str(index)): {"total": format_decimal(balance.total), "hold": format_decimal(balance.hold)}
            for index, balance in view.balances.items()
        },
        "mode": view.mode,
        "held_elsewhere": {
            names.get(index, str(index)): format_decimal(balance.elsewhere)
            for index, balance in view.balances.items()
            if balance.elsewhere
        },
        "volume": format_decimal(view.volume),
        "n_requests": view.n_requests,
        "request_cap": view.request_cap,
        "open_orders": [_describe_order(order) for order in exchange.open_orders(address)],
        "fills": [_describe_fill(fill) for fill in exchange.fills(address)[-RECENT_FILLS:]],
    }


def _describe_order(order: OrderRecord) -> Json:
    return {
        "oid": order.oid,
        "cloid": order.cloid,
        "coin": order.coin,
        "side": "buy" if order.is_buy else "sell",
        "px": format_decimal(order.price),
        "sz": format_decimal(order.size),
        "orig_sz": format_decimal(order.original_size),
        "tif": order.tif,
        "placed_ms": order.placed_ms,
    }


def _describe_fill(fill: Fill) -> Json:
    return {
        "time_ms": fill.time_ms,
        "coin": fill.coin,
        "side": "buy" if fill.is_buy else "sell",
        "px": format_decimal(fill.price),
        "sz": format_decimal(fill.size),
        "fee": format_decimal(fill.fee),
        "fee_token": fill.fee_token,
        "oid": fill.oid,
        "tid": fill.tid,
        "cloid": fill.cloid,
        "crossed": fill.crossed,
    }


def format_decimal(value: Decimal) -> str:
    """Format as digits and a point, without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
