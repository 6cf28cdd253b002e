"""A ledger names its ladder's rule and its gap; what it began with stays until it is moved on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import ALLOCATION, MAKER, World
from trio.testing import MockClock

from mm_trio import PricingGrid, WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Allocated, Began
from mm_trio.model.pricing_grid import LadderRule

HIP2, HALF_EVEN = (PricingGrid(20, 40, sz_decimals=2, ladder=rule).levels for rule in ("hip2", "half-even"))


async def live(world: World, folder: Path, **changed: Any) -> WsState:
    """One life of a maker with this ledger, until it has quoted."""
    journal = Journal.open(folder)
    maker = world.maker(journal=journal, info=world.venue.info(MAKER), **(ALLOCATION | changed))
    try:
        async with world.running(maker):
            assert {order.price for order in world.resting()} <= set(maker.grid.levels)
    finally:
        journal.close()
    return maker


def read_began(folder: Path) -> dict[str, str]:
    """What the last session's beginning tells."""
    journal = Journal.open(folder)
    try:
        return [row.entry for row in journal.read(since_checkpoint=False) if isinstance(row.entry, Began)][
            -1
        ].parameters
    finally:
        journal.close()


async def test_a_new_ledger_is_begun_with_the_rule_of_hip2(autojump_clock: MockClock, tmp_path: Path) -> None:
    maker = await live(World(), tmp_path, gap_levels=1)

    assert maker.grid.levels == HIP2
    assert read_began(tmp_path).items() >= {"ladder": "hip2", "gap_levels": "1"}.items()


@pytest.mark.parametrize("rule, levels", [(None, HALF_EVEN), ("hip2", HIP2), ("half-even", HALF_EVEN)])
async def test_a_ledger_from_before_the_rule_had_a_name_keeps_its_prices(
    autojump_clock: MockClock, tmp_path: Path, rule: LadderRule | None, levels: tuple[object, ...]
) -> None:
    """Every level would have another price: that is for the operator to decide."""
    journal = Journal.open(tmp_path)
    journal.append([Began(1, {"coin": "@107", "start_px": "20.0", "n_orders": "40"}), Allocated(None, None)], at_ms=1)
    journal.close()

    first = await live(World(), tmp_path, ladder=rule)
    second = await live(World(), tmp_path)

    assert first.grid.levels == second.grid.levels == levels
    assert HIP2 != HALF_EVEN


async def test_a_ladder_is_moved_by_naming_the_rule(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    await live(world, tmp_path, ladder="half-even")
    kept = await live(world, tmp_path)
    told = "this ledger began with prices rounded half-even and keeps them" in caplog.text
    moved = await live(world, tmp_path, ladder="hip2")
    stays = await live(world, tmp_path)

    assert kept.grid.levels == HALF_EVEN
    assert told
    assert moved.grid.levels == stays.grid.levels == HIP2


async def test_a_rule_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="ladder must be 'hip2' or 'half-even', got 'floor'"):
        World().maker(ladder="floor")


@pytest.mark.parametrize("gap", [-1, 40])
async def test_a_gap_that_leaves_no_level_to_buy_on_is_refused(gap: int) -> None:
    with pytest.raises(ValueError, match=rf"gap_levels must be from 0 to 39, below n_orders, got {gap}"):
        World().maker(gap_levels=gap)
