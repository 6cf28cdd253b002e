"""Ticks and reconciliations take turns: neither sees what the other has half done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from builders import ALLOCATION, World, until
from trio.testing import MockClock


async def test_a_tick_waits_for_the_end_of_a_reconciliation(autojump_clock: MockClock) -> None:
    """A fill wakes the tick while the first of the questions is open; each takes two seconds."""
    world = World()
    asked: list[str] = []
    answers_in_s = 0.0

    async def run_sync(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        asked.append(fn.__name__)
        await trio.sleep(answers_in_s)
        return fn(*args)

    maker = world.maker(**ALLOCATION, run_sync=run_sync, reconcile_every=10)
    async with world.running(maker):
        await until(lambda: maker.stats.reconciliations > 0)
        await trio.sleep(1)
        asked.clear()
        answers_in_s = 2.0
        await until(lambda: "open_orders" in asked, within_s=60)
        world.buy("5")
        n_reconciled = maker.stats.reconciliations
        await until(lambda: maker.stats.reconciliations > n_reconciled, within_s=60)
        await until(lambda: "_act" in asked, within_s=60)

    first, last = asked.index("open_orders"), asked.index("user_rate_limit")
    # This is the gateway's call for every action.
    assert "_act" not in asked[first:last]
