"""Which ticks have a line of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_trio.model.orders import EmitResult, OrderDiff
from mm_trio.quoting.plan import TickPlan
from mm_trio.sending.quiet_ticks import QuietTicks

PLAN = TickPlan(boundary_level=20, observed_level=20, desired=(), diff=OrderDiff())
NOTHING = EmitResult()


def make_quiet() -> QuietTicks:
    ticks = QuietTicks()
    for second in range(3):
        ticks.is_quiet(PLAN, NOTHING, now_s=second)
    return ticks


def test_the_first_ticks_are_told() -> None:
    ticks = QuietTicks()

    assert [ticks.is_quiet(PLAN, NOTHING, now_s=second) for second in range(5)] == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    "result",
    [EmitResult(n_placed=1), EmitResult(n_cancelled=1), EmitResult(n_modified=1), EmitResult(n_errors=1)],
)
def test_a_tick_that_did_the_same_again_is_told(result: EmitResult) -> None:
    ticks = make_quiet()
    ticks.is_quiet(PLAN, result, now_s=3)

    assert not ticks.is_quiet(PLAN, result, now_s=4)


@pytest.mark.parametrize("plan", [replace(PLAN, boundary_level=21), replace(PLAN, observed_level=21)])
def test_a_tick_that_finds_something_else_is_told(plan: TickPlan) -> None:
    assert not make_quiet().is_quiet(plan, NOTHING, now_s=3)


def test_a_tick_that_may_no_longer_place_is_told() -> None:
    assert not make_quiet().is_quiet(PLAN, EmitResult(cancel_only_mode=True), now_s=3)


def test_quiet_ticks_are_summed_up_once_a_minute() -> None:
    ticks = make_quiet()
    summaries = []
    for second in range(3, 200):
        assert ticks.is_quiet(PLAN, NOTHING, now_s=second)
        summaries.append((second, ticks.take_summary(now_s=second)))

    assert [each for each in summaries if each[1]] == [(62, 60), (122, 60), (182, 60)]


def test_a_minute_begins_anew_with_a_line() -> None:
    ticks = make_quiet()
    ticks.is_quiet(PLAN, EmitResult(n_placed=1), now_s=60)
    ticks.is_quiet(PLAN, NOTHING, now_s=61)

    assert ticks.take_summary(now_s=119) == 0
