"""Killed maker processes, and the processes that follow them.

Of a killed process only requests that had left still arrive.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import trio
from transport_kit import SIGNED, Venue, Witness, make_scenario

from mm_trio.sim.base.crash_points import Crash, CrashSwitch, ProcessKilled
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.scenario import BY_CHANCE, draw_scenario
from mm_trio.sim.base.seeded_schedule import run_virtual
from mm_trio.sim.network.request_transport import RequestTransport
from mm_trio.sim.run.episode import simulate


class Journal:
    """Journal writer as far as the transport uses it.

    It counts writes.
    """

    def __init__(self) -> None:
        self.n_written = 0

    def append(self) -> None:
        self.n_written += 1


def crash_at(crash: Crash) -> tuple[Venue, Witness, Journal, list[Crash], list[Any]]:
    """Write, post and write, crashing at this stage.

    Afterwards it waits for requests that are still travelling.
    """
    venue, witness, journal = Venue(), Witness(), Journal()
    crashed: list[Crash] = []
    done: list[Any] = []

    async def live(transport: RequestTransport) -> None:
        with suppress(ProcessKilled):
            await transport(journal.append)
            done.append("written")
            await transport(venue.post_signed, SIGNED)
            done.append("answered")
            await transport(journal.append)
            done.append("noted")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            switch = CrashSwitch(crashed.append)
            transport = RequestTransport(
                make_scenario(), FaultCounter({}), witness, rng=Random(1), nursery=nursery, crash=switch
            )
            switch.arm(crash)
            nursery.start_soon(live, transport)

    run_virtual(main, seed=1)
    return venue, witness, journal, crashed, done


@pytest.mark.parametrize(
    ("crash", "n_arrivals", "n_written", "done"),
    [
        (Crash.BEFORE_SEND, 0, 1, ["written"]),
        (Crash.ON_THE_WAY, 1, 1, ["written"]),
        (Crash.BEFORE_ANSWER, 1, 1, ["written"]),
        (Crash.BEFORE_NOTE, 1, 1, ["written", "answered"]),
        (Crash.WRITE_LOST, 0, 0, []),
        (Crash.WRITE_KEPT, 0, 1, []),
    ],
)
def test_a_crash_lets_happen_what_had_happened_and_nothing_after_it(
    crash: Crash, n_arrivals: int, n_written: int, done: list[str]
) -> None:
    venue, _, journal, crashed, did = crash_at(crash)

    assert crashed == [crash]
    assert len(venue.arrivals) == n_arrivals
    assert journal.n_written == n_written
    assert did == done


def test_a_stage_that_is_never_reached_is_no_crash() -> None:
    switch = CrashSwitch(lambda crash: pytest.fail("it crashed"))
    switch.arm(Crash.WRITE_LOST)
    switch.disarm()

    switch.on_write(lambda: pytest.fail("it was written"))

    assert not switch.is_dead


@pytest.mark.parametrize("crash", BY_CHANCE)
def test_a_maker_that_was_killed_goes_on_from_its_journal(crash: Crash) -> None:
    scenario = replace(draw_scenario(3, faults=(), safety_s=120), crashes=((20.0, crash), (60.0, crash)), stops_s=())

    report = simulate(scenario)

    assert report.violations == ()
    assert report.coverage[f"crash {crash.value}"] == 2
    assert report.n_processes >= 3


@pytest.mark.parametrize("crash", [Crash.ANYTIME, Crash.WRITE_KEPT])
def test_a_maker_that_was_killed_goes_on_beside_its_archives(crash: Crash) -> None:
    """Every start archives what is before the last checkpoint, and the whole ledger is replayed at the end."""
    drawn = draw_scenario(3, faults=(), safety_s=120)
    scenario = replace(drawn, crashes=((20.0, crash), (60.0, crash)), stops_s=(), checkpoint_every=10)

    report = simulate(scenario)

    assert report.violations == ()
    assert report.coverage["restart that archived entries"] >= 2


def test_a_crash_is_part_of_the_trace() -> None:
    scenario = replace(draw_scenario(3, faults=(), safety_s=60), crashes=((20.0, Crash.ANYTIME),))

    assert simulate(scenario).digest == simulate(scenario).digest
    assert simulate(scenario).digest != simulate(replace(scenario, crashes=())).digest
