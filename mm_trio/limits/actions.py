"""Actions that a maker may sign: the few kinds that it needs, on its own pairs alone. Pure.

It is asked about the very action that will be signed, whatever made it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["find_action_fault"]

_POST_ONLY = {"limit": {"tif": "Alo"}}
Items = Sequence[Mapping[str, Any]]
# For each kind: the name of its items, and how an item's asset is found. A noop has no items.
_KINDS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {
    "order": ("orders", lambda item: item["a"]),
    "batchModify": ("modifies", lambda item: item["order"]["a"]),
    "cancel": ("cancels", lambda item: item["a"]),
    "cancelByCloid": ("cancels", lambda item: item["asset"]),
}
_CANCELS = ("cancel", "cancelByCloid")
# What each kind may have beside its kind and its items. `f` marks a cancel that does not wait its turn.
_BESIDE: Mapping[str, Mapping[str, Any]] = {
    "order": {"grouping": "na"},
    "batchModify": {},
    "cancel": {"f": True},
    "cancelByCloid": {"f": True},
}


def find_action_fault(action: Mapping[str, Any], *, assets: Collection[int] | None) -> str | None:
    """Find why an action must not be signed; None where it may.

    `assets` are the numbers of the maker's pairs. None: orders are cancelled, of any pair, and none is placed.
    """
    kind = action.get("type")
    if action == {"type": "noop"} or (assets is not None and _is_switch(action)):
        return None
    kinds = _KINDS if assets is not None else _CANCELS
    if not isinstance(kind, str) or kind not in kinds:
        return f"its kind is {kind!r}; signed are {', '.join(kinds)} and an empty noop alone"
    name, find_asset = _KINDS[kind]
    beside = {key: value for key, value in action.items() if key not in ("type", name)}
    if not beside.items() <= _BESIDE[kind].items():
        return f"an action of kind {kind} has {beside} beside its {name}; allowed is {dict(_BESIDE[kind])}"
    items: Items = action[name]
    strange = [found for found in map(find_asset, items) if not _may_sign(found, assets)]
    if strange:
        own = "any pair" if assets is None else ", ".join(map(str, sorted(assets)))
        return f"it is for the asset {strange[0]!r}; this maker signs for its own pairs alone, {own}"
    return _find_order_fault(_find_orders(kind, items))


def _may_sign(asset: Any, assets: Collection[int] | None) -> bool:
    # A bool is an int, and equal to one.
    return type(asset) is int and (assets is None or asset in assets)


def _is_switch(action: Mapping[str, Any]) -> bool:
    """Check if an action lets the venue cancel everything at a time, or takes that back."""
    time = action.get("time", 0)
    return action.get("type") == "scheduleCancel" and action.keys() <= {"type", "time"} and type(time) is int


def _find_orders(kind: str, items: Items) -> Iterable[Mapping[str, Any]]:
    if kind == "order":
        return items
    return [item["order"] for item in items] if kind == "batchModify" else ()


def _find_order_fault(orders: Iterable[Mapping[str, Any]]) -> str | None:
    for order in orders:
        if order["t"] != _POST_ONLY or order["r"] is not False:
            return f"an order of type {order['t']} (reduce only: {order['r']}) is not a plain post-only one"
    return None
