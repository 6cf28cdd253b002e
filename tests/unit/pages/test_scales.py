"""Ticks are round, and can be told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_trio.pages.scales import choose_ticks, choose_time_ticks, shorten
from mm_trio.pages.timeline import DAY_MS, HOUR_MS


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_lie_within_and_have_different_labels(low: float, span: float) -> None:
    high = low + span
    ticks = choose_ticks(low, high)
    slack = (high - low) * 1e-6 + abs(low) * 1e-12

    assert all(low - slack <= value <= high + slack for value, _ in ticks)
    if span > abs(low) * 1e-6:
        assert len({label for _, label in ticks}) == len(ticks) <= 7


@pytest.mark.parametrize(
    "low, high, labels",
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-30, 12, ["−30", "−20", "−10", "0", "10"]),  # noqa: RUF001 - the sign of arithmetic
        (0, 50_000, ["0k", "10k", "20k", "30k", "40k", "50k"]),
        (5, 5, ["5.00"]),
    ],
)
def test_labels_are_plain(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in choose_ticks(low, high)] == labels


@given(st.integers(10**12, 2 * 10**12), st.integers(0, 10**11), st.integers(3, 9))
def test_times_lie_within_and_are_few(from_ms: int, span: int, n: int) -> None:
    ticks = choose_time_ticks(from_ms, from_ms + span, n=n)

    assert len(ticks) <= n + 1
    assert all(from_ms <= at <= from_ms + span for at, _ in ticks)


def test_a_midnight_is_labelled_by_its_date() -> None:
    ticks = choose_time_ticks(20_000 * DAY_MS - 6 * HOUR_MS, 20_000 * DAY_MS + 6 * HOUR_MS, n=4)

    assert [label for _, label in ticks] == ["18:00", "21:00", "4 Oct", "03:00", "06:00"]


@pytest.mark.parametrize("value, text", [(0, "0"), (1234.5, "1234"), (0.01234, "0.0123"), (2.5e7, "25.0m")])
def test_a_number_has_three_figures(value: float, text: str) -> None:
    assert shorten(value) == text
