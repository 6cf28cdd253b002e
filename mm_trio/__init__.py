"""mm_trio: HIP-2 liquidity for any Hyperliquid spot pair."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mm_trio.batch_emitter import BatchEmitter
    from mm_trio.inventory import Inventory
    from mm_trio.model import (
        DesiredOrder,
        EmitResult,
        FillResult,
        OrderDiff,
        ReconcileResult,
        TrackedOrder,
    )
    from mm_trio.order_differ import compute_diff
    from mm_trio.order_state import OrderState
    from mm_trio.pricing_grid import PricingGrid
    from mm_trio.quoting_engine import compute_desired_orders
    from mm_trio.rate_limit import RateLimitBudget
    from mm_trio.ws_state import WsState

__version__ = "0.1.0"

__all__ = [
    "BatchEmitter",
    "DesiredOrder",
    "EmitResult",
    "FillResult",
    "Inventory",
    "OrderDiff",
    "OrderState",
    "PricingGrid",
    "RateLimitBudget",
    "ReconcileResult",
    "TrackedOrder",
    "WsState",
    "compute_desired_orders",
    "compute_diff",
]

_HOMES = {
    "BatchEmitter": "batch_emitter",
    "DesiredOrder": "model",
    "EmitResult": "model",
    "FillResult": "model",
    "Inventory": "inventory",
    "OrderDiff": "model",
    "OrderState": "order_state",
    "PricingGrid": "pricing_grid",
    "RateLimitBudget": "rate_limit",
    "ReconcileResult": "model",
    "TrackedOrder": "model",
    "WsState": "ws_state",
    "compute_desired_orders": "quoting_engine",
    "compute_diff": "order_differ",
}


def __getattr__(name: str) -> object:
    # late: `--help` would pay for every import here, and the SDK's alone takes a third of a second
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
