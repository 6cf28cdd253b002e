"""Bins of a period, and lines that keep their extremes."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from mm_trio.pages.timeline import HOUR_MS, Extremes, Timeline

SPANS = st.tuples(st.integers(10**12, 2 * 10**12), st.integers(1, 10**11)).map(lambda span: (span[0], sum(span)))


@given(SPANS, st.integers(2, 600))
def test_a_period_has_at_most_so_many_bins(span: tuple[int, int], most: int) -> None:
    assert 1 <= Timeline.of(*span, most=most).n <= most


@given(SPANS, SPANS)
def test_the_parts_of_a_span_sum_up_to_what_lies_in_the_period(span: tuple[int, int], part: tuple[int, int]) -> None:
    parts = list(Timeline.of(*span, most=100).split(*part))

    assert sum(ms for _, ms in parts) == max(0, min(span[1], part[1]) - max(span[0], part[0]))


def test_a_bin_begins_at_a_round_time() -> None:
    line = Timeline.of(10 * HOUR_MS + 1, 34 * HOUR_MS, most=30)

    assert (line.width_ms, line.begin_of(0), line.begin_of(1)) == (HOUR_MS, 10 * HOUR_MS + 1, 11 * HOUR_MS)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(-1e9, 1e9)), min_size=1))
def test_a_line_keeps_its_extremes(values: list[tuple[int, float]]) -> None:
    line = Extremes(Timeline.of(0, 10**6, most=10))
    for time_ms, value in sorted(values):
        line.add(time_ms, value)

    kept = [value for _, value in line.points]
    assert (min(kept), max(kept)) == (min(v for _, v in values), max(v for _, v in values))
    assert len(kept) <= 3 * 10
    assert list(line.points) == sorted(line.points)


def test_a_line_breaks_where_nothing_is_known() -> None:
    line = Extremes(Timeline(0, 100, 10))
    line.add(1, 5.0)
    line.add(12, None)
    line.add(33, None)
    line.add(41, 6.0)

    assert [(at, "gap" if math.isnan(value) else value) for at, value in line.points] == [
        (1, 5.0),
        (12, "gap"),
        (41, 6.0),
    ]
