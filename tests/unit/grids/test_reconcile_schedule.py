"""When reconciliations of several grids are due."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from mm_trio.grids.schedule import RECONCILE_GAP_S, ReconcileSchedule


async def find_due_s(schedule: ReconcileSchedule) -> float | None:
    """How long it takes until one is due; None where it is none."""
    began_s = trio.current_time()
    with trio.move_on_after(100):
        await schedule.wait()
        return trio.current_time() - began_s
    return None


async def test_who_was_not_reconciled_still_waits_for_it(autojump_clock: MockClock) -> None:
    schedule = ReconcileSchedule(20, n_grids=2)
    schedule.want(1.0, "one")
    schedule.want(8.0, "other")

    schedule.on_reconcile(["one"])

    assert await find_due_s(schedule) == RECONCILE_GAP_S
    assert schedule.take_wanting() == frozenset(("other",))
    assert await find_due_s(schedule) is None


async def test_what_served_everybody_leaves_nothing_due(autojump_clock: MockClock) -> None:
    schedule = ReconcileSchedule(20, n_grids=2)
    schedule.want(1.0, "one")

    schedule.on_reconcile()

    assert await find_due_s(schedule) is None


async def test_a_grid_that_is_alone_waits_for_nobody(autojump_clock: MockClock) -> None:
    schedule = ReconcileSchedule(1)
    schedule.want(1.0, "one")
    schedule.count_tick()

    schedule.on_reconcile(["one"])

    assert await find_due_s(schedule) is None
