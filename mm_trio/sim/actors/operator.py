"""The operator, who stops the maker by hand and lets it go on after a halt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Never

import trio

from mm_trio.halts.requests import Request, remove_request, write_request
from mm_trio.halts.standing import ACTIVE, State
from mm_trio.halts.standing_file import read_standing, replace_standing
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.halt_plan import HaltPlan
from mm_trio.sim.base.trace import Trace

__all__ = ["Operator"]

LOOK_S = 1.0


class Operator:
    """Operator of one seed's makers.

    `folders` are those of the grid that the plan is about, and of its account where that has several.
    `has_narrow_limits` until one of them was broken: then the limits are as wide as the ladder needs.
    """

    def __init__(
        self,
        plan: HaltPlan,
        folders: Sequence[Path],
        *,
        fault_counter: FaultCounter,
        trace: Trace,
        process: Callable[[], MakerProcess | None],
    ) -> None:
        self._plan = plan
        self._folders = tuple(folders)
        self._fault_counter = fault_counter
        self._trace = trace
        self._process = process
        self._n_refused = 0
        self.has_narrow_limits = True
        # Set once the makers of several grids have been seen beside a halted one, in calm.
        self.may_resume = trio.Event()

    @property
    def is_halted(self) -> bool:
        """Check if a start has to be refused now."""
        return any(read_standing(folder).state is State.HALTED for folder in self._folders)

    def before_start(self) -> None:
        """Resume a halted maker, if its start was refused often enough."""
        if not self.is_halted:
            return
        if self._n_refused < self._plan.n_refused and self._fault_counter.is_on:
            self._n_refused += 1
            return
        self._n_refused = 0
        self._trace.add("operator", "resumes")
        self._remove_requests()
        for folder in self._folders:
            replace_standing(folder, ACTIVE)
        self.has_narrow_limits = False

    async def ask_at_times(self) -> None:
        """Leave the requests of the plan, each at its time."""
        for at_s, request in self._plan.asks:
            await trio.sleep_until(at_s)
            if not self._plan.is_disk_full(trio.current_time()):
                self._trace.add("operator", request.value)
                write_request(self._folders[0], request, "by hand")

    async def resume_in_calm_forever(self) -> Never:
        """Let the maker go on in calm: without narrow limits, and without requests."""
        while self._fault_counter.is_on:  # noqa: ASYNC110 - it is looked at seldom, and nobody sets an event
            await trio.sleep(LOOK_S)
        if not self.may_resume.is_set():
            # Waiting takes a turn of the schedule, which the recorded seeds with one grid do not have.
            await self.may_resume.wait()
        process, self.has_narrow_limits = self._process(), False
        self._remove_requests()
        if process is not None and (self._plan.limits or (len(process.faces) > 1 and self.is_halted)):
            # Limits are read at a start, and so is what a halted grid of several may do.
            process.stop()
        while True:
            for folder in self._folders:
                if read_standing(folder).state in (State.PAUSED, State.CANCEL_ONLY):
                    write_request(folder, Request.RESUME)
            await trio.sleep(LOOK_S)

    def _remove_requests(self) -> None:
        for folder in self._folders:
            for request in Request:
                remove_request(folder, request)
