"""HIP-2 liquidity for any Hyperliquid spot pair."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mm_trio.engine.ws_state import WsState
    from mm_trio.model.orders import DesiredOrder, EmitResult, FillResult, OrderDiff, ReconcileResult, TrackedOrder
    from mm_trio.model.pricing_grid import PricingGrid
    from mm_trio.quoting.order_differ import compute_diff
    from mm_trio.quoting.quoting_engine import compute_desired_orders
    from mm_trio.sending.batch_emitter import BatchEmitter
    from mm_trio.state.inventory import Inventory
    from mm_trio.state.order_state import OrderState
    from mm_trio.state.rate_limit import RateLimitBudget

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
    "BatchEmitter": "sending.batch_emitter",
    "DesiredOrder": "model.orders",
    "EmitResult": "model.orders",
    "FillResult": "model.orders",
    "Inventory": "state.inventory",
    "OrderDiff": "model.orders",
    "OrderState": "state.order_state",
    "PricingGrid": "model.pricing_grid",
    "RateLimitBudget": "state.rate_limit",
    "ReconcileResult": "model.orders",
    "TrackedOrder": "model.orders",
    "WsState": "engine.ws_state",
    "compute_desired_orders": "quoting.quoting_engine",
    "compute_diff": "quoting.order_differ",
}


def __getattr__(name: str) -> object:
    """Import a public name at its first use."""
    # `--help` would pay for every import here, and the SDK's alone takes a third of a second.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names too, which are not there before their first use."""
    return sorted({*globals(), *__all__})
