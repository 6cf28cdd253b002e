"""Marks after fills: each is due once, just before its fill or so long after it."""

from __future__ import annotations

from mm_trio.recorder.due_marks import MARKED_AFTER_MS, MOST_FILLS, DueMark, DueMarks

FILL_MS = 1_000_000


def with_fill() -> DueMarks:
    due = DueMarks()
    due.on_fill(FILL_MS)
    return due


def test_the_first_mark_is_of_just_before_the_fill() -> None:
    due = with_fill()

    assert due.take_due(FILL_MS - 1, most=9) == []
    assert due.take_due(FILL_MS, most=9) == [DueMark(FILL_MS - 1, FILL_MS, 0)]


def test_a_mark_is_due_once_its_time_is_over() -> None:
    due = with_fill()
    due.take_due(FILL_MS, most=9)

    assert due.take_due(FILL_MS + 1_000, most=9) == []
    assert due.take_due(FILL_MS + 1_001, most=9) == [DueMark(FILL_MS + 1_000, FILL_MS, 1_000)]


def test_each_mark_is_taken_once() -> None:
    due = with_fill()

    taken = due.take_due(2 * FILL_MS + 3_600_000, most=99)
    assert [mark.after_ms for mark in taken] == list(MARKED_AFTER_MS)
    assert due.take_due(9 * FILL_MS, most=99) == []


def test_fills_of_one_moment_share_their_marks() -> None:
    due = with_fill()

    assert not due.on_fill(FILL_MS)
    assert len(due.take_due(FILL_MS, most=9)) == 1


def test_marks_that_exist_are_not_wanted_again() -> None:
    due = DueMarks()
    due.on_fill(FILL_MS, made={0, 1_000})

    assert due.take_due(FILL_MS + 10_001, most=9) == [DueMark(FILL_MS + 10_000, FILL_MS, 10_000)]


def test_a_mark_that_is_put_back_is_due_again() -> None:
    due = with_fill()
    taken = due.take_due(FILL_MS, most=9)
    due.put_back(taken)

    assert due.take_due(FILL_MS, most=9) == taken


def test_fills_beyond_the_bound_are_counted() -> None:
    due = DueMarks()
    for i in range(MOST_FILLS + 3):
        due.on_fill(i)

    assert due.n_left_out == 3
