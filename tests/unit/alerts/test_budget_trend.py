"""How long the request budget lasts, by the last hour."""

from __future__ import annotations

from mm_trio.alerts.budget_trend import BudgetTrend


def walk(used_an_hour: float, *, until_s: float, first: int = 10_000, ladder: int = 0) -> float | None:
    """A maker that places a ladder at once, and uses its budget evenly after that."""
    trend, left = BudgetTrend(), first
    now_s = 0.0
    while now_s <= until_s:
        left = first - ladder - int(used_an_hour * now_s / 3600)
        trend.on_seen(left, now_s=now_s)
        now_s += 5
    return trend.find_hours(left, now_s=now_s - 5)


def test_half_an_hour_is_needed_for_a_forecast() -> None:
    assert walk(1_000, until_s=1_800) is None
    assert walk(1_000, until_s=2_000) is not None


def test_the_ladder_that_is_placed_first_does_not_count() -> None:
    hours = walk(100, until_s=4_000, ladder=1_000)

    assert hours is not None
    assert 87 < hours < 91


def test_only_the_last_hour_counts() -> None:
    trend = BudgetTrend()
    for minute in range(240):
        left = 10_000 - 30 * min(minute, 120)
        trend.on_seen(left, now_s=60.0 * minute)

    assert trend.find_hours(left, now_s=60.0 * 239) is None


def test_a_budget_that_grows_lasts() -> None:
    assert walk(-500, until_s=7_200) is None
