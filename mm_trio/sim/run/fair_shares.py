"""Rule L9: where the request budget is used up, each grid is served."""

from __future__ import annotations

import trio

from mm_trio.sandbox import ExhaustBudget, ReserveRequestWeight
from mm_trio.sim.actors.other_traders import TAKER
from mm_trio.sim.run.convergence import ConvergenceCheck
from mm_trio.sim.run.process_starter import MAKER
from mm_trio.sim.run.world import World

__all__ = ["starve"]

# Without budget the venue takes one action of one item in so many seconds.
SLOT_S = 10.0
# Items that a grid may need before another one has its first: cancels go before orders.
MOST_ITEMS = 4
# For the refusal that tells of it, and the first slot.
LEARNS_S = 30.0
# Bought back afterwards.
REQUESTS = 10_000


async def starve(world: World, convergence: ConvergenceCheck) -> None:
    """Trade with every grid, leave the account no budget, and see who gets to answer."""
    process = world.process
    assert process is not None
    for grid in world.grids:
        world.take_best(grid)
    # The trades earn some budget, so this comes after them.
    world.gateway.apply(ExhaustBudget(MAKER))
    waiting, before = convergence.find_waiting(process), process.requests.n_items_of.copy()
    await trio.sleep(LEARNS_S + SLOT_S * MOST_ITEMS * len(waiting))
    left = convergence.find_waiting(process)
    world.judge.coverage["grids without request budget"] += len(waiting) > 1
    for grid in waiting:
        is_served = process.requests.n_items_of[grid.pair.asset] > before[grid.pair.asset]
        world.judge.check(
            "L9",
            is_served or grid not in left,
            lambda g=grid: f"{g.coin} sent nothing while items were sent: {process.requests.n_items_of - before}",  # type: ignore[misc]
        )
    world.gateway.apply(ReserveRequestWeight(TAKER, REQUESTS, destination=MAKER))
