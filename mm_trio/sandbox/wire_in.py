"""Actions as they arrive on the wire, read strictly into core commands.

Whatever the venue's schema would not take is `Unreadable`; whether an order is any good is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from mm_trio.sandbox.messages import (
    Action,
    CancelByCloid,
    CancelByOid,
    ModifyOrders,
    NewOrder,
    Noop,
    PlaceOrders,
    ScheduleCancel,
    Tif,
)

__all__ = ["Unreadable", "parse_action"]

_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,8}0*)?")  # further decimals pass if they are zeros
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")


class Unreadable(Exception):
    """The body does not fit the schema of any action."""


def parse_action(address: str, action: object, *, expires_after: int | None) -> Action:
    """An action of the wire as a command of `address`. Errors: Unreadable."""
    body = _mapping(action)
    kind = body.get("type")
    parse = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parse is None:
        raise Unreadable(f"action type {kind!r}")
    return parse(address, body, expires_after)


def _order_action(address: str, body: Mapping[str, object], expires_after: int | None) -> Action:
    return PlaceOrders(address, tuple(_order(row) for row in _rows(body, "orders")), expires_after)


def _cancel(address: str, body: Mapping[str, object], expires_after: int | None) -> Action:
    cancels = tuple((_integer(row.get("a")), _integer(row.get("o"))) for row in _rows(body, "cancels"))
    return CancelByOid(address, cancels, expires_after)


def _cancel_by_cloid(address: str, body: Mapping[str, object], expires_after: int | None) -> Action:
    cancels = tuple((_integer(row.get("asset")), _cloid(row.get("cloid"))) for row in _rows(body, "cancels"))
    return CancelByCloid(address, cancels, expires_after)


def _modify(address: str, body: Mapping[str, object], expires_after: int | None) -> Action:
    return ModifyOrders(address, (_modification(body),), expires_after, single=True)


def _batch_modify(address: str, body: Mapping[str, object], expires_after: int | None) -> Action:
    return ModifyOrders(address, tuple(_modification(row) for row in _rows(body, "modifies")), expires_after)


def _schedule_cancel(address: str, body: Mapping[str, object], expires_after: int | None) -> Action:
    time_ms = body.get("time")
    return ScheduleCancel(address, None if time_ms is None else _integer(time_ms), expires_after)


def _noop(address: str, _body: Mapping[str, object], expires_after: int | None) -> Action:
    return Noop(address, expires_after)


_PARSERS: dict[str, Callable[[str, Mapping[str, object], int | None], Action]] = {
    "order": _order_action,
    "cancel": _cancel,
    "cancelByCloid": _cancel_by_cloid,
    "modify": _modify,
    "batchModify": _batch_modify,
    "scheduleCancel": _schedule_cancel,
    "noop": _noop,
}


def _order(row: object) -> NewOrder:
    order = _mapping(row)
    is_buy, reduce_only, cloid = order.get("b"), order.get("r"), order.get("c")
    if not isinstance(is_buy, bool) or not isinstance(reduce_only, bool):
        raise Unreadable("b and r are booleans")
    return NewOrder(
        asset=_integer(order.get("a")),
        is_buy=is_buy,
        price=_decimal(order.get("p")),
        size=_decimal(order.get("s")),
        tif=_tif(_mapping(order.get("t"))),
        cloid=None if cloid is None else _cloid(cloid),
        reduce_only=reduce_only,
    )


def _modification(row: Mapping[str, object]) -> tuple[int | str, NewOrder]:
    target = row.get("oid")
    key = _cloid(target) if isinstance(target, str) else _integer(target)
    return key, _order(row.get("order"))


def _tif(order_type: Mapping[str, object]) -> Tif:
    if "trigger" in order_type:
        return "Trigger"
    tif = _mapping(order_type.get("limit")).get("tif")
    if tif not in ("Alo", "Ioc", "Gtc"):
        raise Unreadable(f"tif {tif!r}")
    return tif


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Unreadable("not an object")
    return value


def _rows(body: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    rows = body.get(key)
    if not isinstance(rows, list):
        raise Unreadable(f"{key} is not a list")
    return [_mapping(row) for row in rows]


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unreadable(f"not a whole number: {value!r}")
    return value


def _decimal(value: object) -> Decimal:
    """Digits and at most one point: no sign, exponent, NaN, empty string or JSON number."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise Unreadable(f"not a decimal: {value!r}")
    return Decimal(value)


def _cloid(value: object) -> str:
    if not isinstance(value, str) or not _CLOID.fullmatch(value):
        raise Unreadable(f"not a cloid: {value!r}")
    return value.lower()
