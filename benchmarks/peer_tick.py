"""One quoting tick of `pyperliquidity`, by its own pure modules, unchanged; `tick.py` starts this with its Python.

A line of JSON in, a line out; imports nothing of this checkout.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import count
from typing import Any

from pyperliquidity.inventory import Inventory
from pyperliquidity.order_differ import OrderDiff, compute_diff
from pyperliquidity.order_state import OrderState
from pyperliquidity.pricing_grid import PricingGrid
from pyperliquidity.quoting_engine import compute_desired_orders


class Subject:
    """Grid, inventory and resting orders of one case; the arguments are those of `tick.py`'s cases."""

    def __init__(
        self, *, n: int, active: int | None, start_px: str, tick_size: str, order_size: int, usdc: str
    ) -> None:
        self._grid = PricingGrid(float(start_px), n, tick_size=float(tick_size))
        self._order_size, self._active = float(order_size), active
        token = self._order_size * (n // 2)
        self._inventory = Inventory(self._order_size, token, float(usdc), token, float(usdc))
        self._state = OrderState()
        self._numbers = count(1)
        for _ in range(3):
            self._carry_out(self._tick())

    def _tick(self) -> OrderDiff:
        """What its tick does before it sends; the tolerances are its defaults."""
        desired = compute_desired_orders(
            grid=self._grid,
            effective_token=self._inventory.effective_token,
            effective_usdc=self._inventory.effective_usdc,
            order_sz=self._order_size,
            min_notional=10.0,
            active_levels=self._active,
        )
        current = self._state.get_current_orders()
        return compute_diff(
            desired=desired, current=current, dead_zone_bps=5.0, price_tolerance_bps=1.0, size_tolerance_pct=1.0
        )

    def _carry_out(self, diff: OrderDiff) -> None:
        for oid in (*diff.cancels, *(oid for oid, _ in diff.modifies)):
            self._state.remove_ghost(oid)
        for aim in (*diff.places, *(aim for _, aim in diff.modifies)):
            self._state.on_place_confirmed(next(self._numbers), aim.side, aim.level_index, aim.price, aim.size)

    def _fill_best(self, side: str, n_levels: int) -> None:
        orders = [order for order in self._state.get_current_orders() if order.side == side]
        orders.sort(key=lambda order: order.level_index, reverse=side == "buy")
        for order in orders[:n_levels]:
            fill = self._state.on_fill(next(self._numbers), order.oid, order.size)
            assert fill is not None
            book = self._inventory.on_ask_fill if side == "sell" else self._inventory.on_bid_fill
            book(fill.price, fill.size)
            self._inventory.on_balance_update(self._inventory.virtual_token, self._inventory.virtual_usdc)

    def measure(self, *, levels: int, times: int) -> dict[str, Any]:
        """Microseconds of each tick, after that many levels were filled whole: asks and bids by turns."""
        took_us: list[float] = []
        for i in range(times):
            if levels:
                self._fill_best("sell" if i % 2 == 0 else "buy", levels)
            began_s = time.perf_counter()
            diff = self._tick()
            took_us.append(1e6 * (time.perf_counter() - began_s))
            self._carry_out(diff)
        return {"us": took_us, "looked_at": None}

    def find_resting(self) -> list[tuple[str, int]]:
        """Where orders rest."""
        return sorted(self._state.orders_by_key)


def main() -> None:
    """Answer requests until there are none."""
    subjects: dict[str, Subject] = {}
    for line in sys.stdin:
        request = json.loads(line)
        name, verb = request.pop("case"), request.pop("verb")
        answer: Any = None
        if verb == "make":
            subjects[name] = Subject(**request)
        elif verb == "measure":
            answer = subjects[name].measure(**request)
        else:
            answer = subjects[name].find_resting()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
