"""Single rows and action answers in the venue's JSON.

They are written from the venue's documents and share no code with the maker, which reads them. Numbers are strings
with at least one decimal, ids and times are numbers, addresses are lower case.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mm_trio.sandbox.matching.book import Level
from mm_trio.sandbox.model.commands import (
    Answered,
    Cancelled,
    Effect,
    Fill,
    Filled,
    ItemError,
    ItemStatus,
    OrderRecord,
    Refused,
    Resting,
    Trade,
)

__all__ = [
    "Json",
    "action_answer",
    "fill_row",
    "frontend_row",
    "item_status",
    "level_row",
    "number",
    "order_row",
    "side",
    "status_row",
    "trade_row",
    "update_row",
]

Json = dict[str, object]


def number(value: Decimal) -> str:
    """Format a decimal as the venue prints it.

    It is `20.0`, never `20`, and has no exponent.
    """
    text = f"{value:f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"


def side(*, is_buy: bool) -> str:
    """Return the venue's letter for a side."""
    return "B" if is_buy else "A"


def order_row(record: OrderRecord) -> Json:
    """Encode an order for `openOrders` and `orderUpdates`.

    `cloid` is left out where there is none.
    """
    row: Json = {
        "coin": record.coin,
        "side": side(is_buy=record.is_buy),
        "limitPx": number(record.price),
        "sz": number(record.size),
        "oid": record.oid,
        "timestamp": record.placed_ms,
        "origSz": number(record.original_size),
    }
    if record.cloid is not None:
        row["cloid"] = record.cloid
    return row


def frontend_row(record: OrderRecord) -> Json:
    """Encode an order as the long row.

    It always has `tif` and `cloid`, which may be null.
    """
    return {
        "coin": record.coin,
        "side": side(is_buy=record.is_buy),
        "limitPx": number(record.price),
        "sz": number(record.size),
        "oid": record.oid,
        "timestamp": record.placed_ms,
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": record.reduce_only,
        "orderType": "Market" if record.tif == "FrontendMarket" else "Limit",
        "origSz": number(record.original_size),
        "tif": record.tif,
        "cloid": record.cloid,
    }


def status_row(record: OrderRecord) -> Json:
    """Encode an order's status with the long row."""
    return {"order": frontend_row(record), "status": record.status, "statusTimestamp": record.status_ms}


def update_row(record: OrderRecord) -> Json:
    """Encode an order's status with the short row."""
    return {"order": order_row(record), "status": record.status, "statusTimestamp": record.status_ms}


def fill_row(fill: Fill) -> Json:
    """Encode a fill."""
    row: Json = {
        "coin": fill.coin,
        "px": number(fill.price),
        "sz": number(fill.size),
        "side": side(is_buy=fill.is_buy),
        "time": fill.time_ms,
        "startPosition": number(fill.start_position),
        "dir": fill.direction,
        "closedPnl": "0.0",
        "hash": fill.hash,
        "oid": fill.oid,
        "crossed": fill.crossed,
        "fee": number(fill.fee),
        "tid": fill.tid,
        "feeToken": fill.fee_token,
        "twapId": None,
    }
    if fill.cloid is not None:
        row["cloid"] = fill.cloid
    return row


def trade_row(trade: Trade) -> Json:
    """Encode a public trade."""
    return {
        "coin": trade.coin,
        "side": side(is_buy=trade.is_buy),
        "px": number(trade.price),
        "sz": number(trade.size),
        "time": trade.time_ms,
        "hash": trade.hash,
        "tid": trade.tid,
        "users": [trade.buyer, trade.seller],
    }


def level_row(level: Level) -> Json:
    """Encode a level of the book."""
    return {"px": number(level.price), "sz": number(level.size), "n": level.n_orders}


def action_answer(effects: Iterable[Effect]) -> Json:
    """Build an action's HTTP answer from its effects."""
    answer = next(effect for effect in effects if isinstance(effect, Answered | Refused))
    if isinstance(answer, Refused):
        return {"status": "err", "response": answer.text}
    response: Json = {"type": answer.kind}
    if answer.kind != "default":
        response["data"] = {"statuses": [item_status(status) for status in answer.statuses]}
    return {"status": "ok", "response": response}


def item_status(status: ItemStatus) -> str | Json:
    """Encode the status of one item."""
    match status:
        case Cancelled():
            return "success"
        case ItemError(text=text):
            return {"error": text}
        case Resting(oid=oid, cloid=cloid):
            return {"resting": {"oid": oid} | _cloid(cloid)}
        case Filled(oid=oid, cloid=cloid, size=size, average_price=average):
            return {"filled": {"totalSz": number(size), "avgPx": number(average), "oid": oid} | _cloid(cloid)}


def _cloid(cloid: str | None) -> Json:
    return {} if cloid is None else {"cloid": cloid}
