"""When a maker counts as silent, by what its guard itself saw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mm_trio.guard.heartbeat import (
    HEARTBEAT_NAME,
    Alive,
    Heartbeat,
    Life,
    read_alive,
    read_heartbeat,
    write_alive,
    write_heartbeat,
)
from mm_trio.guard.private_file import FileUnread
from mm_trio.guard.silence import OwnSilence, Silence, Watched


def beat(at_ms: int, *, ago_s: float = 0.1, state: Life = Life.RUNNING, venue_ms: int | None = None) -> Heartbeat:
    return Heartbeat(at_ms, 7, ago_s, state, venue_ms)


def watch(*looks: tuple[float, Heartbeat | None], after_s: float = 15.0) -> Silence:
    silence = Silence(after_s)
    for now_s, found in looks:
        silence.on_look(found, now_s=now_s)
    return silence


def every_second(found: Heartbeat | None, *, begin: int = 0, n: int = 16) -> list[tuple[float, Heartbeat | None]]:
    return [(float(s), found) for s in range(begin, begin + n + 1)]


def test_without_a_heartbeat_nothing_is_judged() -> None:
    assert watch(*every_second(None, n=100)).state is Watched.ABSENT


def test_a_heartbeat_that_changes_is_a_maker_alive() -> None:
    assert watch(*((float(s), beat(1000 * s)) for s in range(100))).state is Watched.ALIVE


@pytest.mark.parametrize("n, state", [(14, Watched.ALIVE), (16, Watched.SILENT)])
def test_a_heartbeat_that_stays_the_same_is_silence(n: int, state: Watched) -> None:
    assert watch(*every_second(beat(0), n=n)).state is state


def test_a_heartbeat_that_vanishes_is_silence() -> None:
    assert watch((0.0, beat(0)), *every_second(None, begin=1)).state is Watched.SILENT


def test_a_maker_that_hears_nothing_of_the_venue_is_silent() -> None:
    assert watch((0.0, beat(0)), (1.0, beat(1000, ago_s=15.5))).state is Watched.SILENT


def test_silence_of_the_venue_goes_on_while_the_heartbeat_is_old() -> None:
    assert watch(*every_second(beat(0, ago_s=10.0), n=6)).state is Watched.SILENT


@pytest.mark.parametrize("state", [Life.STOPPED, Life.LEFT])
def test_a_maker_that_ended_is_not_silent(state: Life) -> None:
    assert watch((0.0, beat(0)), *every_second(beat(5, state=state), begin=1, n=60)).state is Watched.ENDED


def test_a_new_heartbeat_ends_a_silence() -> None:
    assert watch(*every_second(beat(0)), (30.0, beat(30_000))).state is Watched.ALIVE


def test_a_pause_of_the_guard_itself_is_not_the_silence_of_the_maker() -> None:
    """The machine stood still, or the guard was stopped: the maker may have been, too."""
    assert watch((0.0, beat(0)), (1.0, beat(0)), (61.0, beat(0))).state is Watched.ALIVE


def test_a_calendar_that_is_set_is_not_silence() -> None:
    assert watch((0.0, beat(9_000_000)), (1.0, beat(1000)), (2.0, beat(2000))).state is Watched.ALIVE


def look_after_an_end(*made_ms: int | None, last: Heartbeat) -> list[Watched]:
    """Look each second at an ended maker's heartbeat, beside cancels that were made then."""
    silence, states = Silence(15.0), []
    for n, made in enumerate(made_ms):
        silence.on_look(last, now_s=float(n), made_ms=made)
        states.append(silence.state)
    return states


@pytest.mark.parametrize("state", [Life.STOPPED, Life.LEFT])
def test_cancels_newer_than_the_end_are_of_a_maker_that_runs(state: Life) -> None:
    """Its heartbeat cannot be written, and nobody else would cancel for it."""
    states = look_after_an_end(*[900] * 40, *[1100] * 15, *[1101] * 20, last=beat(5, state=state, venue_ms=1000))

    assert states[:40] == [Watched.ENDED] * 40
    assert states[40:70] == [Watched.ALIVE] * 30
    assert states[-1] is Watched.SILENT


def test_a_maker_without_a_heartbeat_that_leaves_no_orders_has_ended() -> None:
    states = look_after_an_end(900, 1100, *[None] * 60, last=beat(5, state=Life.STOPPED, venue_ms=1000))

    assert (states[1], states[-1]) == (Watched.ALIVE, Watched.ENDED)


def test_cancels_are_compared_with_the_end_by_one_clock() -> None:
    """The machine's clock is a minute behind the venue's, and the orders are meant to rest."""
    last = beat(1000, state=Life.LEFT, venue_ms=61_000)

    assert look_after_an_end(60_900, last=last) == [Watched.ENDED]


def test_a_heartbeat_is_read_back(tmp_path: Path) -> None:
    write_heartbeat(tmp_path, beat(5, ago_s=1.25, state=Life.LEFT, venue_ms=9))

    assert read_heartbeat(tmp_path) == beat(5, ago_s=1.25, state=Life.LEFT, venue_ms=9)


def test_a_heartbeat_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    earlier = '{"version": 1, "at_ms": 5, "pid": 7, "venue_heard_s_ago": 1.25, "state": "left"}'
    (tmp_path / HEARTBEAT_NAME).write_text(earlier)

    assert read_heartbeat(tmp_path) == beat(5, ago_s=1.25, state=Life.LEFT)


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2}', '{"version": 1, "at_ms": 5}', "[]", "7"])
def test_a_heartbeat_that_is_not_whole_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / HEARTBEAT_NAME).write_text(text)

    with pytest.raises(FileUnread):
        read_heartbeat(tmp_path)


def test_the_sign_of_life_of_a_guard_is_an_object(tmp_path: Path) -> None:
    write_alive(tmp_path, Alive(at_ms=5, pid=7, armed=True))

    found = json.loads((tmp_path / "guard-alive.json").read_text())
    assert found == {"version": 1, "at_ms": 5, "pid": 7, "armed": True}
    assert read_alive(tmp_path) == Alive(at_ms=5, pid=7, armed=True)


@pytest.mark.parametrize(
    "lived_s, heard_s, may_have_fired",
    [
        # It stood still for longer than the guard waits; just not as long; or the venue was not heard for so long.
        (100.0, 100.0, True),
        (114.0, 114.0, False),
        (129.0, 100.0, True),
        (129.0, 129.0, False),
    ],
)
def test_a_maker_knows_when_its_guard_may_have_cancelled(lived_s: float, heard_s: float, may_have_fired: bool) -> None:
    silence = OwnSilence(15.0, now_s=lived_s)
    silence.on_alive(now_s=129.0, heard_s=heard_s)

    assert silence.may_have_fired(now_s=129.0) is may_have_fired
    # Nobody knows how long it stands still now.
    assert silence.may_have_fired(now_s=129.0 + 59)
    silence.on_alive(now_s=129.0 + 14, heard_s=129.0 + 14)
    assert silence.may_have_fired(now_s=129.0 + 14) is may_have_fired
    silence.on_alive(now_s=129.0 + 28, heard_s=129.0 + 28)
    assert silence.may_have_fired(now_s=129.0 + 28) is may_have_fired
