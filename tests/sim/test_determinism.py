"""Determinism of a seed.

The same seed gives the same run here, in another process and on every Python; another seed gives another run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import trio

from mm_trio.sim.base.random_streams import log_uniform, split
from mm_trio.sim.base.scenario import draw_scenario
from mm_trio.sim.base.seeded_schedule import run_virtual
from mm_trio.sim.run.campaign import Campaign, run_campaign
from mm_trio.sim.run.episode import simulate

ROOT = Path(__file__).resolve().parents[2]
SHORT_S = 90.0

PRINT_DIGEST = """
from mm_trio.sim.run.episode import simulate
from mm_trio.sim.base.scenario import draw_scenario
print(simulate(draw_scenario(5, faults=None, safety_s=90.0)).digest)
"""


def draw_order(seed: int) -> list[int]:
    """Return the order in which five ready tasks run."""
    order: list[int] = []

    async def note(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(note, number)

    run_virtual(main, seed=seed)
    return order


def digest_of(seed: int) -> str:
    return simulate(draw_scenario(seed, faults=None, safety_s=SHORT_S)).digest


def test_the_schedule_is_a_function_of_the_seed() -> None:
    assert draw_order(1) == draw_order(1)
    assert len({tuple(draw_order(seed)) for seed in range(5)}) > 1


def test_every_python_draws_the_same() -> None:
    """Compare with values recorded here.

    One run uses one Python, so equality between Pythons needs recorded values.
    """
    rng = split(1, "pinned")

    drawn = [rng.choice("abcdef"), rng.randint(1, 100), round(rng.uniform(0, 1), 9), round(rng.expovariate(2), 9)]

    assert draw_order(1) == [3, 4, 1, 2, 0, 1, 0, 4, 3, 2, 3, 4, 2, 0, 1]
    assert drawn == ["c", 91, 0.536328407, 0.117287714]
    assert rng.sample(range(10), 3) == [2, 3, 7]
    assert rng.getrandbits(20) == 264788
    assert round(log_uniform(rng, 1, 100), 9) == 75.705409782


def test_trio_is_left_as_it_was() -> None:
    from trio._core import _run

    before = (_run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r)
    draw_order(1)

    assert (_run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r) == before


def test_an_actors_chance_hangs_on_its_name_and_the_seed() -> None:
    assert split(1, "takers").random() == split(1, "takers").random()
    assert len({split(seed, name).random() for seed in (1, 2) for name in ("takers", "rival")}) == 4
    assert split(7, "takers").getrandbits(32) == 249186609


def test_a_seed_gives_one_trace_and_another_seed_another() -> None:
    assert digest_of(5) == digest_of(5)
    assert digest_of(5) != digest_of(6)


def test_a_seed_gives_the_same_trace_in_another_process() -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "4711"}
    printed = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST], env=environ, capture_output=True, text=True, check=True, timeout=60
    )

    assert printed.stdout.strip() == digest_of(5)


def test_the_number_of_processes_changes_nothing() -> None:
    campaign = Campaign(first=3, last=6, hours=60 / 3600)

    one, two = (run_campaign(campaign, jobs=jobs, on_done=lambda report: None) for jobs in (1, 2))

    assert one.trace_hash == two.trace_hash
    assert one.struck == two.struck
    assert one.sim_hours == two.sim_hours
