"""Log lines that wait until an action has left."""

from __future__ import annotations

from functools import partial

import pytest

from mm_trio.concurrency.late_lines import LateLines


def test_a_line_is_written_at_once_where_nothing_waits() -> None:
    lines, told = LateLines(), list[int]()
    lines.put(partial(told.append, 1))

    assert told == [1]


def test_lines_that_wait_are_written_in_order_at_the_end() -> None:
    lines, told = LateLines(), list[int]()
    with lines.waiting():
        for number in range(3):
            lines.put(partial(told.append, number))
        before = list(told)
    lines.put(partial(told.append, 3))

    assert (before, told) == ([], [0, 1, 2, 3])


def test_lines_that_are_wanted_now_are_written_once() -> None:
    lines, told = LateLines(), list[int]()
    with lines.waiting():
        lines.put(partial(told.append, 1))
        lines.tell()
        at_once = list(told)

    assert at_once == told == [1]


def test_an_error_loses_no_line() -> None:
    lines, told = LateLines(), list[int]()

    def fail() -> None:
        with lines.waiting():
            lines.put(partial(told.append, 1))
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert told == [1]
