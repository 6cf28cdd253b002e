"""How much request weight a reconciliation waits for."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from mm_trio.grids.schedule import WeightDemand
from mm_trio.venue.ip_weight import MOST_AT_ONCE, IpWeight

NEEDED, PAUSE_S = 150, 3.0


def test_the_demand_doubles_until_a_minute_has_no_more() -> None:
    demand, waited_for = WeightDemand(), list[int]()
    for _ in range(6):
        waited_for.append(demand.compute(82))
        demand.on_ran_out()

    assert waited_for == [82, 164, 328, 656, MOST_AT_ONCE, MOST_AT_ONCE]


def test_one_that_was_answered_needs_no_more_than_a_rule() -> None:
    demand = WeightDemand()
    demand.on_ran_out()
    demand.on_answered()

    assert demand.compute(82) == 82


def test_grids_that_run_out_together_double_the_demand_once() -> None:
    demand = WeightDemand()
    demand.compute(82)
    for _ in range(6):
        demand.on_ran_out()

    assert demand.compute(82) == 164


async def test_looks_that_use_up_a_minute_come_to_an_end(autojump_clock: MockClock) -> None:
    """Each look needs 150 and begins with 82: without a longer wait each would use what it has for nothing."""
    weight, demand, began_s = IpWeight(), WeightDemand(), trio.current_time()
    weight.on_request(MOST_AT_ONCE, now_s=began_s)

    while True:
        await trio.sleep(weight.compute_wait_s(demand.compute(82), now_s=trio.current_time()))
        used = 0
        while used < NEEDED and not weight.compute_wait_s(2, now_s=trio.current_time()):
            weight.on_request(2, now_s=trio.current_time())
            used += 2
            await trio.sleep(0.1)
        if used >= NEEDED:
            break
        demand.on_ran_out()
        await trio.sleep(PAUSE_S)

    assert trio.current_time() - began_s < 200
