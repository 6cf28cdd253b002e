"""Counts within an hour and a minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_trio.limits.pace import PaceLimits, SlidingCount
from mm_trio.limits.terms import Breach, Reaction, RiskLimits


def find(
    pace: PaceLimits, *, n_items: int = 0, n_unknown: int = 0, remaining: int = 10_000, now_s: float = 0
) -> Breach | None:
    return pace.find_breach(n_items=n_items, n_unknown=n_unknown, remaining=remaining, now_s=now_s)


@given(st.lists(st.tuples(st.floats(0, 500), st.integers(1, 9)), max_size=80))
def test_a_count_has_all_of_its_window_and_little_more(waits: list[tuple[float, int]]) -> None:
    window_s, now_s = 60.0, 0.0
    counted, added = SlidingCount(window_s), list[tuple[float, int]]()
    for wait_s, n in waits:
        now_s += wait_s
        counted.add(n, now_s=now_s)
        added.append((now_s, n))
        exact = sum(n for at_s, n in added if at_s > now_s - window_s)
        most = sum(n for at_s, n in added if at_s > now_s - window_s - 2 * window_s / 60)
        assert exact <= counted.count(now_s) <= most


def test_a_count_needs_bounded_memory() -> None:
    counted = SlidingCount(60.0)
    for i in range(100_000):
        counted.add(1, now_s=i / 100)

    # Also where nobody asks for the count, because there is no limit.
    assert len(counted._steps) <= 62


@pytest.mark.parametrize("n_items, is_broken", [(10, False), (11, True)])
def test_actions_are_counted_before_they_are_sent(n_items: int, is_broken: bool) -> None:
    pace = PaceLimits(RiskLimits(max_actions_per_hour=100))
    pace.on_action(90, now_s=0)

    breach = find(pace, n_items=n_items, now_s=3500)

    assert (breach is not None) is is_broken
    assert breach is None or breach.reaction is Reaction.WAIT
    assert find(pace, n_items=100, now_s=3700) is None


@pytest.mark.parametrize("n_fills, is_broken", [(5, False), (6, True)])
def test_too_many_fills_within_a_minute_stop_everything(n_fills: int, is_broken: bool) -> None:
    pace = PaceLimits(RiskLimits(max_fills_per_minute=5))
    for i in range(n_fills):
        pace.on_fill(now_s=i)

    breach = find(pace, now_s=10)

    assert (breach is not None) is is_broken
    assert breach is None or breach.reaction is Reaction.HALT


@pytest.mark.parametrize("n_unknown, is_broken", [(20, False), (21, True)])
def test_too_many_unknown_outcomes_stop_everything(n_unknown: int, is_broken: bool) -> None:
    breach = find(PaceLimits(RiskLimits(max_unknown_outcomes=20)), n_unknown=n_unknown)

    assert (breach is not None) is is_broken
    assert breach is None or breach.reaction is Reaction.HALT


@pytest.mark.parametrize("n_items, is_broken", [(100, False), (101, True)])
def test_a_floor_of_requests_is_kept_for_cancels(n_items: int, is_broken: bool) -> None:
    breach = find(PaceLimits(RiskLimits(budget_floor=500)), n_items=n_items, remaining=600)

    assert (breach is not None) is is_broken


def test_what_stops_everything_comes_first() -> None:
    pace = PaceLimits(RiskLimits(max_actions_per_hour=1, max_unknown_outcomes=1))

    breach = find(pace, n_items=5, n_unknown=5)

    assert breach is not None
    assert breach.name == "max_unknown_outcomes"


def test_without_limits_nothing_is_broken() -> None:
    pace = PaceLimits(RiskLimits())
    pace.on_fill(now_s=0)
    pace.on_action(10**9, now_s=0)

    assert find(pace, n_items=10**9, n_unknown=10**9, remaining=-(10**9)) is None
