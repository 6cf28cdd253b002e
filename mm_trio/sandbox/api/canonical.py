"""Canonical form of an action, for checking its signature.

The venue parses an action into its own types and packs those again. The order of keys, zeros at the end of a decimal
and the case of hex digits therefore make no difference. A false flag is dropped: a client that signs `"f": false` has
signed something else than what the venue checks.
Source: measured (reordered keys, padded decimals, upper-case cloids recover the same signer); docs *Exchange endpoint*
for the flags.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["canonical_action"]

# An action that `parse_action` has accepted.
Json = dict[str, Any]


def canonical_action(action: Json) -> Json:
    """Return the action as the venue hashes it.

    Errors: none for an action that `parse_action` has accepted.
    """
    return _FORMS[action["type"]](action)


def _order_action(action: Json) -> Json:
    form: Json = {
        "type": "order",
        "orders": [_order(order) for order in action["orders"]],
        "grouping": action.get("grouping", "na"),
    }
    builder = action.get("builder")
    return form if builder is None else {**form, "builder": {"b": builder["b"].lower(), "f": builder["f"]}}


def _order(order: Json) -> Json:
    form: Json = {
        "a": order["a"],
        "b": order["b"],
        "p": _decimal(order["p"]),
        "s": _decimal(order["s"]),
        "r": order.get("r", False),
        "t": _order_type(order["t"]),
    }
    cloid = order.get("c")
    return form if cloid is None else {**form, "c": cloid.lower()}


def _order_type(kind: Json) -> Json:
    trigger = kind.get("trigger")
    if trigger is None:
        return {"limit": {"tif": kind["limit"]["tif"]}}
    price = _decimal(trigger["triggerPx"])
    return {"trigger": {"isMarket": trigger["isMarket"], "triggerPx": price, "tpsl": trigger["tpsl"]}}


def _cancel(action: Json) -> Json:
    cancels = [{"a": row["a"], "o": row["o"]} for row in action["cancels"]]
    return {"type": "cancel", "cancels": cancels} | _flag(action, "f")


def _cancel_by_cloid(action: Json) -> Json:
    cancels = [{"asset": row["asset"], "cloid": row["cloid"].lower()} for row in action["cancels"]]
    return {"type": "cancelByCloid", "cancels": cancels} | _flag(action, "f")


def _modify(action: Json) -> Json:
    return {"type": "modify"} | _modification(action) | _flag(action, "a")


def _batch_modify(action: Json) -> Json:
    modifies = [_modification(row) for row in action["modifies"]]
    return {"type": "batchModify", "modifies": modifies} | _flag(action, "a")


def _modification(row: Json) -> Json:
    oid = row["oid"]
    return {"oid": oid.lower() if isinstance(oid, str) else oid, "order": _order(row["order"])}


def _schedule_cancel(action: Json) -> Json:
    time_ms = action.get("time")
    return {"type": "scheduleCancel"} | ({} if time_ms is None else {"time": time_ms})


def _reserve(action: Json) -> Json:
    destination = action.get("destination")
    form = {"type": "reserveRequestWeight", "weight": action["weight"]}
    return form if destination is None else {**form, "destination": destination.lower()}


def _noop(action: Json) -> Json:
    return {"type": "noop"}


def _flag(action: Json, name: str) -> Json:
    return {name: True} if action.get(name) else {}


def _decimal(text: str) -> str:
    """Strip insignificant zeros: `20.00` and `020` become `20`."""
    whole, _, decimals = text.partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


_FORMS: dict[str, Callable[[Json], Json]] = {
    "order": _order_action,
    "cancel": _cancel,
    "cancelByCloid": _cancel_by_cloid,
    "modify": _modify,
    "batchModify": _batch_modify,
    "scheduleCancel": _schedule_cancel,
    "reserveRequestWeight": _reserve,
    "noop": _noop,
}
