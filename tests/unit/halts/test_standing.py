"""What a maker may do, and that only an operator widens it."""

from __future__ import annotations

import errno
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mm_trio.halts.standing import ACTIVE, Standing, StandingUnread, State, parse_standing, tighten
from mm_trio.halts.standing_file import RESERVE_NAME, STANDING_NAME, StandingFile, read_standing, replace_standing
from mm_trio.journal.end_mark import replace_file

HALT = Standing(state=State.HALTED, since_ms=1_790_000_000_000, why="max_net_spend: 101 quote, the limit is 100")


@pytest.mark.parametrize("now, wanted", list(itertools.product(State, State)))
def test_a_standing_only_gets_stricter(now: State, wanted: State) -> None:
    found = tighten(Standing(state=now, why="old"), Standing(state=wanted, why="new"))

    assert found.state.strictness == max(now.strictness, wanted.strictness)
    assert found.why == ("new" if wanted.strictness > now.strictness else "old")


def test_the_first_halt_stays_the_reason_and_what_rests_is_updated() -> None:
    later = Standing(state=State.HALTED, since_ms=HALT.since_ms + 5, why="another", rests=("oid 7",))

    found = tighten(HALT, later)

    assert (found.why, found.since_ms, found.rests) == (HALT.why, HALT.since_ms, ("oid 7",))


def test_only_active_may_place() -> None:
    assert [state for state in State if state.may_place] == [State.ACTIVE]


def test_a_standing_explains_itself() -> None:
    told = Standing(state=State.HALTED, since_ms=1_790_000_000_000, why="because", rests=("oid 7",)).describe()

    assert told == "halted since 2026-09-21 14:13:20 UTC: because; may still rest: oid 7"


@pytest.mark.parametrize("standing", [ACTIVE, HALT, Standing(state=State.PAUSED, why="by hand", rests=("a", "b"))])
def test_what_is_written_is_read_back(standing: Standing) -> None:
    assert parse_standing(json.loads(json.dumps(standing.to_json()))) == standing


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        HALT.to_json() | {"version": 2},
        HALT.to_json() | {"state": "fine"},
        HALT.to_json() | {"state": ["halted"]},
        HALT.to_json() | {"since_ms": True},
        HALT.to_json() | {"why": None},
        HALT.to_json() | {"rests": [1]},
    ],
)
def test_anything_else_is_not_read(raw: Any) -> None:
    with pytest.raises(StandingUnread):
        parse_standing(raw)


def test_a_folder_without_a_file_is_active(tmp_path: Path) -> None:
    assert StandingFile(tmp_path).standing == ACTIVE


def test_a_halt_is_on_disk_for_the_next_life(tmp_path: Path) -> None:
    StandingFile(tmp_path).tighten(HALT)

    assert StandingFile(tmp_path).standing == HALT
    assert (tmp_path / STANDING_NAME).stat().st_mode & 0o777 == 0o600


def test_nothing_but_a_resumption_widens_it(tmp_path: Path) -> None:
    file = StandingFile(tmp_path)
    file.tighten(HALT)
    file.tighten(Standing(state=State.PAUSED, why="by hand"))
    assert StandingFile(tmp_path).standing == HALT

    replace_standing(tmp_path, ACTIVE)

    assert StandingFile(tmp_path).standing == ACTIVE


@pytest.mark.parametrize("text", ["", "{", '{"version": 1}', "null", "[" * 10_000, "x" * 100_000])
def test_a_file_that_cannot_be_read_is_not_active(tmp_path: Path, text: str) -> None:
    (tmp_path / STANDING_NAME).write_text(text)

    with pytest.raises(StandingUnread, match="mm-trio resume"):
        StandingFile(tmp_path)


def test_a_write_that_fails_leaves_the_old_standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = StandingFile(tmp_path)
    file.tighten(Standing(state=State.PAUSED, why="by hand"))

    def fail(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        file.tighten(HALT)
    monkeypatch.undo()

    assert file.standing.state is State.PAUSED
    assert StandingFile(tmp_path).standing.state is State.PAUSED


def test_what_a_killed_process_left_beside_is_no_standing(tmp_path: Path) -> None:
    (tmp_path / "standing.json.new").write_text("{")

    file = StandingFile(tmp_path)
    file.tighten(HALT)

    assert StandingFile(tmp_path).standing == HALT


def test_a_halt_gets_the_room_that_is_kept_for_it_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StandingFile(tmp_path)

    def write_if_there_is_room(path: Path, data: bytes, *, beside: Path) -> None:
        if (tmp_path / RESERVE_NAME).exists():
            raise OSError(errno.ENOSPC, "no space left on device")
        replace_file(path, data, beside=beside)

    monkeypatch.setattr("mm_trio.halts.standing_file.replace_file", write_if_there_is_room)
    file.tighten(HALT)
    monkeypatch.undo()

    assert read_standing(tmp_path) == HALT
    StandingFile(tmp_path)
    assert (tmp_path / RESERVE_NAME).stat().st_size >= 64 * 2**10


@pytest.mark.parametrize("answers", [(True,), (False, True)])
def test_a_resumption_that_nobody_waits_for_any_more_changes_nothing(tmp_path: Path, answers: tuple[bool, ...]) -> None:
    """Given up before the write, or while it was made."""
    paused, asked = Standing(state=State.PAUSED, why="by hand"), list(answers)
    replace_standing(tmp_path, paused)
    file = StandingFile(tmp_path)

    assert file.resume(lambda: asked.pop(0)) == paused
    assert (read_standing(tmp_path), asked) == (paused, [])
