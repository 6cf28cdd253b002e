"""Plausible mistakes in the change of a configuration while its maker runs, each made in one place.

Only tests patch them in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mm_trio.grids.grid import Grid
from mm_trio.grids.shared_funds import SharedFunds
from mm_trio.limits.terms import RiskLimits
from mm_trio.migration.tick import Tick
from mm_trio.model.settings import MakerSettings

__all__ = ["MUTANTS_OF_CHANGES"]

Patch = Callable[[pytest.MonkeyPatch], None]

MUTANTS_OF_CHANGES: dict[str, Patch] = {}


def mutant(patch: Patch) -> Patch:
    """Register a mistake under the words of its function's name."""
    MUTANTS_OF_CHANGES[patch.__name__.replace("_", " ")] = patch
    return patch


@mutant
def the_inside_moves_first(patch: pytest.MonkeyPatch) -> None:
    """The best orders go to the far end, a few a tick, and the new inside comes last."""
    list_coming = Tick.list_coming

    def from_far(self: Tick, side: Any) -> Any:
        return sorted(list_coming(self, side), key=lambda order: order.price, reverse=side == "sell")

    patch.setattr("mm_trio.migration.moving_ladder.ITEMS_A_TICK", 2)
    patch.setattr(Tick, "find_guard", lambda self, side: None)
    patch.setattr(Tick, "is_wide", property(lambda self: False))
    patch.setattr(Tick, "list_far_going", lambda self, side: self.going[side][::-1])
    patch.setattr(Tick, "list_coming", from_far)


@mutant
def the_old_allocation_is_kept(patch: pytest.MonkeyPatch) -> None:
    change = Grid.change

    async def keep(self: Grid, settings: MakerSettings, limits: RiskLimits, **options: Any) -> None:
        token, usdc = self.settings.allocation
        await change(self, replace(settings, allocated_token=token, allocated_usdc=usdc), limits, **options)
        self.settings = settings

    patch.setattr(Grid, "change", keep)


@mutant
def a_removed_grids_orders_stay(patch: pytest.MonkeyPatch) -> None:
    shut_down_alone = Grid.shut_down_alone

    async def leave(self: Grid, within_s: float) -> None:
        if self.failure is not None:
            await shut_down_alone(self, within_s)
        self.left_behind = ()
        self.ended.set()

    patch.setattr(Grid, "shut_down_alone", leave)


@mutant
def a_longer_ladder_has_no_more_orders(patch: pytest.MonkeyPatch) -> None:
    """How many orders a grid may have open stays what it was."""
    width: Any = Grid.width
    find_width = width.fget
    assert find_width is not None

    def keep(self: Grid) -> int:
        first = getattr(self, "first_width", None)
        if first is None:
            first = self.first_width = find_width(self)  # type: ignore[attr-defined]
        return int(first)

    patch.setattr(Grid, "width", property(keep))


@mutant
def what_an_allocation_is_raised_by_counts_late(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SharedFunds, "on_allocated", lambda self, *args: None)


@mutant
def orders_that_both_could_trade_are_printed_as_one_request(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("mm_trio.migration.foretelling._count_split", lambda *args: 0)


@mutant
def what_was_applied_is_not_noted(patch: pytest.MonkeyPatch) -> None:
    async def forget(*args: Any, **options: Any) -> bool:
        return True

    patch.setattr("mm_trio.changes.follow_changes.note_applied", forget)


@mutant
def an_answer_is_taken_for_that_of_the_next_request(patch: pytest.MonkeyPatch) -> None:
    """The file of an earlier answer stays where it is."""
    from mm_trio.halts import applied_file, change_request

    def ask(folder: Any, wanted: Any) -> str:
        applied_file.note_settings(folder, wanted, name=applied_file.WANTED_NAME)
        return change_request._name(wanted)

    patch.setattr("mm_trio.sim.changes.applying_operator.ask_for_change", ask)
