"""What asks for a stricter standing while another one is being written down is not lost."""

from __future__ import annotations

from typing import Any

import pytest

from mm_trio.halts.standing import ACTIVE, Standing, State
from mm_trio.limits.terms import NO_LIMITS
from mm_trio.sending.limit_guard import LimitGuard

PAUSED, CANCEL_ONLY, HALTED = (
    Standing(state=state, why="a test") for state in (State.PAUSED, State.CANCEL_ONLY, State.HALTED)
)


def make_guard(standing: Standing = ACTIVE) -> LimitGuard:
    nobody: Any = None
    return LimitGuard(NO_LIMITS, nobody, standing=standing, wall_ms=lambda: 0)


async def test_what_is_wanted_closes_the_gate_before_it_is_written() -> None:
    guard = make_guard()

    guard.want(PAUSED)

    assert guard.standing == ACTIVE
    assert guard.find_obstacle() == PAUSED.describe()


@pytest.mark.parametrize(
    ("written", "later", "left"),
    [(PAUSED, HALTED, HALTED), (CANCEL_ONLY, HALTED, HALTED), (CANCEL_ONLY, PAUSED, None), (HALTED, CANCEL_ONLY, None)],
)
async def test_a_stricter_wish_outlasts_the_write_of_another(
    written: Standing, later: Standing, left: Standing | None
) -> None:
    guard = make_guard()
    guard.want(written)
    guard.want(later)

    guard.on_written(written)

    assert guard.wanted == left


@pytest.mark.parametrize(("wish", "left"), [(CANCEL_ONLY, None), (HALTED, HALTED)])
async def test_a_resumption_drops_no_halt(wish: Standing, left: Standing | None) -> None:
    guard = make_guard(PAUSED)
    guard.want(wish)

    guard.on_resumed(ACTIVE)

    assert guard.wanted == left
    assert guard.standing == ACTIVE
