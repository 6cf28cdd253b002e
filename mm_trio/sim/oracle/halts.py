"""Check that a halt holds in every later life, and was on disk before anything followed from it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import trio

from mm_trio.engine.grid_face import GridFace
from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import read_standing
from mm_trio.limits.terms import RiskLimits
from mm_trio.sim.base.halt_plan import HaltPlan
from mm_trio.sim.base.judge import Judge

__all__ = ["SHUTTING_DOWN", "HaltRules", "LeavesOfOne"]

SHUTTING_DOWN = "shutting down"
# Words that each reason of a halt has.
EXPLAINED = ("the limit is", "the operator asked for", "no space left")


class HaltRules:
    """S26, S27 and the spend of S25, over all processes of a seed with a plan.

    `folder` has the standing of the grid that the plan is about, `of_account` that of its account where there are
    several.
    """

    def __init__(self, judge: Judge, plan: HaltPlan, *, folder: Path, of_account: Path | None) -> None:
        self._judge = judge
        self._plan = plan
        self._folder = folder
        self._of_account = of_account

    def read(self) -> Standing:
        """Return what is on disk: what stops the account stops the grid too."""
        return read_standing(self._folder if self._of_account is None or not self.is_all_halted else self._of_account)

    @property
    def is_all_halted(self) -> bool:
        """Check if the account with all its grids is halted."""
        return self._of_account is not None and read_standing(self._of_account).state is State.HALTED

    def on_new_risk(self, method: str, maker: GridFace, limits: RiskLimits | None) -> None:
        """Check a new order that leaves."""
        standing = self.read()
        self._judge.check(
            "S26", standing.state.may_place, lambda: f"{method} was sent while on disk was: {standing.describe()}"
        )
        most, ledger = None if limits is None else limits.max_net_spend, maker.inventory
        allotted = ledger.allocation[1]
        if most is None or allotted is None or ledger.virtual_usdc is None:
            return
        spent = allotted - ledger.virtual_usdc
        self._judge.check("S25", spent <= most, lambda: f"{method} was sent after {spent} were spent of {most}")

    def on_cancel(self, method: str, maker: GridFace) -> None:
        """Check a cancel of a maker that shuts down although nobody asked it to."""
        is_ending = maker.paused_because == SHUTTING_DOWN or maker.failure is not None
        if not is_ending or maker.stats.ticks == 0:
            return
        standing, may_lack = self.read(), self._plan.is_disk_full(trio.current_time()) and not self._plan.has_room
        self._judge.check(
            "S27",
            standing.state is State.HALTED or may_lack,
            lambda: f"{method} of a maker that ends by itself, and on disk is: {standing.describe()}",
        )

    def on_halted(self, *, had_begun: bool, n_items: int) -> None:
        """Check the end of a maker that halted. `had_begun`: it was not halted at its start."""
        standing = self.read()
        if not had_begun:
            self._judge.check("S26", n_items == 0, lambda: f"a maker that was halted at its start sent {n_items} items")
            self._judge.coverage["start of a halted maker refused"] += 1
            return
        self._judge.coverage["halted"] += 1
        is_explained = any(words in standing.why for words in EXPLAINED)
        self._judge.check(
            "S27",
            standing.state is State.HALTED and is_explained,
            lambda: f"a maker halted, and on disk is: {standing.describe()}",
        )


@dataclass(slots=True)
class LeavesOfOne:
    """What leaves one process, for the rules of halts.

    `asset` is that of the grid which the plan is about, `is_asked_to_stop`: somebody, or a lost key, ends it.
    """

    rules: HaltRules
    maker: GridFace
    limits: RiskLimits | None
    is_asked_to_stop: Callable[[], bool]
    asset: int

    def on_leaving(self, method: str, assets: Collection[int], *, is_new_risk: bool, is_cancel: bool) -> None:
        """Check an action that leaves the maker, with items of these assets."""
        if self.asset not in assets:
            return
        if is_new_risk:
            self.rules.on_new_risk(method, self.maker, self.limits)
        elif is_cancel and not self.is_asked_to_stop():
            self.rules.on_cancel(method, self.maker)
