"""Actions as they arrive on the wire, read strictly into core commands.

Whatever the venue's schema would not take is `Unreadable`; whether an order is any good is not asked. Fields that the
venue takes and this exchange has no use for (a builder's fee, a grouping) are read and dropped.
Source: docs *Exchange endpoint*; measured: which fields may be left out, and that an action with an unknown field is
refused while an order with one is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from mm_trio.sandbox.model.commands import (
    Action,
    CancelByCloid,
    CancelByOid,
    ModifyOrders,
    NewOrder,
    Noop,
    PlaceOrders,
    ReserveRequestWeight,
    ScheduleCancel,
    Tif,
)

__all__ = ["Unreadable", "parse_action", "parse_address", "parse_amount", "parse_integer"]

_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,8}0*)?")  # further decimals pass if they are zeros
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_U64 = 1 << 64

Body = Mapping[str, object]


class Unreadable(Exception):
    """The body does not fit the schema of any action."""


def parse_action(address: str, action: object, *, expires_after: int | None) -> Action:
    """An action of the wire as a command of `address`. Errors: Unreadable."""
    body = _mapping(action)
    kind = body.get("type")
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise Unreadable(f"action type {kind!r}")
    parse, fields = known
    unknown = body.keys() - fields - {"type"}
    if unknown:
        raise Unreadable(f"{kind} has no {', '.join(sorted(map(str, unknown)))}")
    return parse(address, body, expires_after)


def _order_action(address: str, body: Body, expires_after: int | None) -> Action:
    _check_grouping(body.get("grouping", "na"))
    if (builder := body.get("builder")) is not None:
        fields = _mapping(builder)
        parse_address(fields.get("b"))
        parse_integer(fields.get("f"))  # tenths of a basis point; no builder is paid here
    return PlaceOrders(address, tuple(_order(row) for row in _rows(body, "orders")), expires_after)


def _check_grouping(value: object) -> None:
    """Groups of stop orders, or a priority: there are neither here, but the words are known."""
    if isinstance(value, dict):
        parse_integer(value.get("p"))
    elif value not in ("na", "normalTpsl", "positionTpsl"):
        raise Unreadable(f"grouping {value!r}")


def _cancel(address: str, body: Body, expires_after: int | None) -> Action:
    cancels = tuple((parse_integer(row.get("a")), parse_integer(row.get("o"))) for row in _rows(body, "cancels"))
    return CancelByOid(address, cancels, expires_after, fast=_flag(body, "f"))


def _cancel_by_cloid(address: str, body: Body, expires_after: int | None) -> Action:
    cancels = tuple((parse_integer(row.get("asset")), _cloid(row.get("cloid"))) for row in _rows(body, "cancels"))
    return CancelByCloid(address, cancels, expires_after, fast=_flag(body, "f"))


def _modify(address: str, body: Body, expires_after: int | None) -> Action:
    modifies = (_modification(body),)
    return ModifyOrders(address, modifies, expires_after, single=True, always_place=_flag(body, "a"))


def _batch_modify(address: str, body: Body, expires_after: int | None) -> Action:
    modifies = tuple(_modification(row) for row in _rows(body, "modifies"))
    return ModifyOrders(address, modifies, expires_after, always_place=_flag(body, "a"))


def _schedule_cancel(address: str, body: Body, expires_after: int | None) -> Action:
    time_ms = body.get("time")
    return ScheduleCancel(address, None if time_ms is None else parse_integer(time_ms), expires_after)


def _reserve(address: str, body: Body, expires_after: int | None) -> Action:
    destination = body.get("destination")
    return ReserveRequestWeight(
        address,
        parse_integer(body.get("weight")),
        None if destination is None else parse_address(destination),
        expires_after,
    )


def _noop(address: str, _body: Body, expires_after: int | None) -> Action:
    return Noop(address, expires_after)


_KINDS: dict[str, tuple[Callable[[str, Body, int | None], Action], frozenset[str]]] = {
    "order": (_order_action, frozenset({"orders", "grouping", "builder"})),
    "cancel": (_cancel, frozenset({"cancels", "f"})),
    "cancelByCloid": (_cancel_by_cloid, frozenset({"cancels", "f"})),
    "modify": (_modify, frozenset({"oid", "order", "a"})),
    "batchModify": (_batch_modify, frozenset({"modifies", "a"})),
    "scheduleCancel": (_schedule_cancel, frozenset({"time"})),
    "reserveRequestWeight": (_reserve, frozenset({"weight", "destination"})),
    "noop": (_noop, frozenset()),
}


def _order(row: object) -> NewOrder:
    order = _mapping(row)
    is_buy, reduce_only, cloid = order.get("b"), order.get("r", False), order.get("c")
    if not isinstance(is_buy, bool) or not isinstance(reduce_only, bool):
        raise Unreadable("b and r are booleans")
    return NewOrder(
        asset=parse_integer(order.get("a")),
        is_buy=is_buy,
        price=parse_amount(order.get("p")),
        size=parse_amount(order.get("s")),
        tif=_tif(_mapping(order.get("t"))),
        cloid=None if cloid is None else _cloid(cloid),
        reduce_only=reduce_only,
    )


def _modification(row: Body) -> tuple[int | str, NewOrder]:
    target = row.get("oid")
    key = _cloid(target) if isinstance(target, str) else parse_integer(target)
    return key, _order(row.get("order"))


def _tif(order_type: Body) -> Tif:
    if "trigger" in order_type:
        trigger = _mapping(order_type["trigger"])
        if not isinstance(trigger.get("isMarket"), bool) or trigger.get("tpsl") not in ("tp", "sl"):
            raise Unreadable("a trigger has isMarket and tpsl")
        parse_amount(trigger.get("triggerPx"))
        return "Trigger"
    tif = _mapping(order_type.get("limit")).get("tif")
    if tif not in ("Alo", "Ioc", "Gtc"):
        raise Unreadable(f"tif {tif!r}")
    return tif


def _flag(body: Body, name: str) -> bool:
    """A flag that is left out when it is not set. Given as false it means the same, and has another hash."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is a boolean")
    return value


def _mapping(value: object) -> Body:
    if not isinstance(value, dict):
        raise Unreadable("not an object")
    return value


def _rows(body: Body, key: str) -> list[Body]:
    rows = body.get(key)
    if not isinstance(rows, list):
        raise Unreadable(f"{key} is not a list")
    return [_mapping(row) for row in rows]


def parse_integer(value: object) -> int:
    """A whole number of at most 64 bits. Errors: Unreadable."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _U64:
        raise Unreadable(f"not a whole number: {value!r}")
    return value


def parse_amount(value: object) -> Decimal:
    """Digits and at most one point: no sign, exponent, NaN, empty string or JSON number. Errors: Unreadable."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise Unreadable(f"not a decimal: {value!r}")
    return Decimal(value)


def parse_address(value: object) -> str:
    """An address in lower case. Errors: Unreadable."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Unreadable(f"not an address: {value!r}")
    return value.lower()


def _cloid(value: object) -> str:
    if not isinstance(value, str) or not _CLOID.fullmatch(value):
        raise Unreadable(f"not a cloid: {value!r}")
    return value.lower()
