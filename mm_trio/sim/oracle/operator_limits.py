"""Check that no order is signed beyond a limit of the operator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mm_trio.limits.terms import RiskLimits
from mm_trio.sandbox import SignedInProcess
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.scenario import ScenarioLadder
from mm_trio.sim.oracle.coverage import find_orders
from mm_trio.sim.oracle.expected_book import compute_levels

__all__ = ["Bounds", "OperatorLimits", "compute_bounds", "read_bounds"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits just as wide as a ladder needs: notionals in quote, prices in quote per base."""

    order: Decimal
    side: Decimal
    low: Decimal
    high: Decimal

    def __or__(self, other: Bounds) -> Bounds:
        """Return bounds within which all is that is within one of two."""
        return Bounds(
            order=max(self.order, other.order),
            side=max(self.side, other.side),
            low=min(self.low, other.low),
            high=max(self.high, other.high),
        )


def compute_bounds(ladder: ScenarioLadder, *, sz_decimals: int) -> Bounds:
    """Compute the limits that a ladder reaches and does not pass."""
    levels, size = compute_levels(ladder, sz_decimals=sz_decimals), ladder.order_size
    return Bounds(size * levels[-1], size * sum(levels, Decimal(0)), levels[0], levels[-1])


def read_bounds(limits: RiskLimits) -> Bounds:
    """Read the bounds of single orders; one that is not set has no end."""
    endless = Decimal("Infinity")
    return Bounds(
        order=limits.max_order_notional or endless,
        side=limits.max_side_notional or endless,
        low=limits.price_low or Decimal(0),
        high=limits.price_high or endless,
    )


class OperatorLimits:
    """S25, of one process. `bounds` are by the asset of a grid; None: it has no limits."""

    def __init__(self, judge: Judge, bounds: Mapping[int, Bounds | None]) -> None:
        self._judge = judge
        self._bounds = bounds

    def on_leaving(self, args: tuple[Any, ...]) -> None:
        """Check the orders of an action that leaves."""
        if not any(self._bounds.values()) or not args or not isinstance(args[0], SignedInProcess):
            return
        orders = find_orders(json.loads(args[0].action))
        for order in orders:
            if (bounds := self._bounds.get(order["a"])) is None:
                continue
            price, size = Decimal(order["p"]), Decimal(order["s"])
            is_within = bounds.low <= price <= bounds.high and price * size <= bounds.order
            self._judge.check("S25", is_within, lambda p=price, s=size, b=bounds: f"{s} at {p} was signed, beyond {b}")  # type: ignore[misc]
