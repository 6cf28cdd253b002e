"""Whether a guard watches, as its maker sees it."""

from __future__ import annotations

from pathlib import Path

from guard_kit import GuardedVenue, Orders, make_cover, read_cancels

from mm_trio.guard.cover import CoverWhileWatched
from mm_trio.guard.heartbeat import ALIVE_NAME, LOOKS_WITHOUT_NEWS, Alive, GuardPresence, write_alive


def look_without_news(presence: GuardPresence) -> None:
    for _ in range(LOOKS_WITHOUT_NEWS):
        presence.look()


def test_in_the_beginning_a_guard_may_watch(tmp_path: Path) -> None:
    assert GuardPresence(tmp_path).is_likely


def test_a_guard_that_never_was_does_not_watch(tmp_path: Path) -> None:
    presence = GuardPresence(tmp_path)
    look_without_news(presence)

    assert not presence.is_likely


def test_a_guard_that_writes_goes_on_watching(tmp_path: Path) -> None:
    presence = GuardPresence(tmp_path)
    for second in range(3 * LOOKS_WITHOUT_NEWS):
        write_alive(tmp_path, Alive(at_ms=second, pid=1, armed=True))
        presence.look()

        assert presence.is_likely


def test_a_guard_that_died_does_not_watch_any_more(tmp_path: Path) -> None:
    write_alive(tmp_path, Alive(at_ms=1, pid=1, armed=True))
    presence = GuardPresence(tmp_path)
    presence.look()
    look_without_news(presence)

    assert not presence.is_likely


def test_a_guard_that_comes_is_seen_by_the_next_look(tmp_path: Path) -> None:
    presence = GuardPresence(tmp_path)
    look_without_news(presence)
    write_alive(tmp_path, Alive(at_ms=1, pid=1, armed=True))
    presence.look()

    assert presence.is_likely


def test_a_look_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The name of the folder leads through a file by then, which is an error of its own kind."""
    folder = tmp_path / "state"
    folder.mkdir()
    write_alive(folder, Alive(at_ms=1, pid=1, armed=True))
    presence = GuardPresence(folder)
    presence.look()
    (folder / ALIVE_NAME).unlink()
    folder.rmdir()
    folder.write_text("")
    look_without_news(presence)

    assert presence.is_likely


def test_orders_are_covered_before_they_are_sent_once_a_guard_comes(tmp_path: Path) -> None:
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    before_orders = CoverWhileWatched(cover)
    look_without_news(cover.presence)
    without_guard = before_orders.make_cover()
    write_alive(tmp_path, Alive(at_ms=1, pid=1, armed=True))
    cover.presence.look()
    orders.in_flight = [venue.make_intent()]
    with_guard = before_orders.make_cover()

    assert without_guard is None
    assert with_guard is not None
    with_guard()
    assert read_cancels(tmp_path).names == {orders.in_flight[0].cloid}


def test_a_cover_is_near_while_it_names_what_may_rest(tmp_path: Path) -> None:
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    before = cover.is_near()
    orders.in_flight = [venue.make_intent()]
    cover.refresh()()
    covered = cover.is_near()
    orders.in_flight = [venue.make_intent()]

    assert [before, covered, cover.is_near()] == [False, True, False]
