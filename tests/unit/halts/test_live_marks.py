"""What was looked at lasts in the state folder; what cannot be read was not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_trio.halts.live_marks import (
    FIRST_RUN_NAME,
    MOST_PLANS,
    PLAN_NAME,
    is_first_run_seen,
    is_plan_seen,
    note_first_run,
    note_plan,
)

MADE_UP = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'{"seen": true, "digest": "abc"}',
    b'{"version": 2, "seen": true, "digest": "abc"}',
    b'{"version": 1, "seen": 1, "digest": ["abc"]}',
    b'{"version": 1, "seen": "true"}',
    b'{"version": 1, "digests": "abc"}',
    b'{"version": 1, "digests": {"abc": 1}}',
    b'{"version": 1, "digests": [["abc"], null, 1]}',
    b"[" * 100_000,
    b"\xff\xfe",
]


def test_a_plan_that_was_shown_is_known_by_its_settings(tmp_path: Path) -> None:
    note_plan(tmp_path, "abc", at_ms=1)

    assert is_plan_seen(tmp_path, "abc")
    assert not is_plan_seen(tmp_path, "abd")


def test_a_plan_that_is_shown_later_takes_no_earlier_one_away(tmp_path: Path) -> None:
    note_plan(tmp_path, "abc", at_ms=1)
    note_plan(tmp_path, "abd", at_ms=2)

    assert is_plan_seen(tmp_path, "abc")
    assert is_plan_seen(tmp_path, "abd")


def test_the_newest_plans_are_kept(tmp_path: Path) -> None:
    digests = [f"{n:064x}" for n in range(MOST_PLANS + 1)]
    for digest in (*digests[:-1], digests[0], digests[-1]):
        note_plan(tmp_path, digest, at_ms=1)

    assert [is_plan_seen(tmp_path, digest) for digest in digests[:3]] == [True, False, True]
    assert all(is_plan_seen(tmp_path, digest) for digest in digests[2:])


def test_a_plan_that_an_earlier_version_noted_counts(tmp_path: Path) -> None:
    (tmp_path / PLAN_NAME).write_text('{"version": 1, "digest": "abc", "at_ms": 1}')

    assert is_plan_seen(tmp_path, "abc")


def test_a_first_run_is_seen_once_that_was_said(tmp_path: Path) -> None:
    assert not is_first_run_seen(tmp_path)
    note_first_run(tmp_path, at_ms=1)

    assert is_first_run_seen(tmp_path)


@pytest.mark.parametrize("data", MADE_UP)
def test_a_mark_that_cannot_be_read_is_none(tmp_path: Path, data: bytes) -> None:
    for name in (PLAN_NAME, FIRST_RUN_NAME):
        (tmp_path / name).write_bytes(data)

    assert not is_plan_seen(tmp_path, "abc")
    assert not is_first_run_seen(tmp_path)


def test_marks_are_for_their_owner_alone(tmp_path: Path) -> None:
    note_plan(tmp_path, "abc", at_ms=1)
    note_first_run(tmp_path, at_ms=1)

    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        PLAN_NAME: 0o600,
        FIRST_RUN_NAME: 0o600,
    }
