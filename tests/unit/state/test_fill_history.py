"""How far the venue's fill history was read, and whether a history joins on to that."""

from __future__ import annotations

import pytest
from core_kit import fill

from mm_trio.model.errors import HistoryLost
from mm_trio.model.journal_entries import LookedUp
from mm_trio.state.fill_history import FILLS_OVERLAP_MS, FillHistory


def history(looked_up_ms: int = 0, *, must_join: bool = True) -> FillHistory:
    return FillHistory("@107", looked_up_ms=looked_up_ms, must_join=must_join)


def test_it_is_read_on_from_a_minute_before_the_newest_fill_known() -> None:
    assert history(FILLS_OVERLAP_MS + 5).look_up_from_ms == 5
    assert history(7).look_up_from_ms == 0


@pytest.mark.parametrize(
    "known_ms, read_ms, is_cut",
    [
        (1000, (1000, 2000), False),
        (1000, (2000,), True),  # it goes on without the newest fill known
        (1000, (), False),  # a replica that lags
        (1000, (900,), False),
        (0, (2000,), False),
    ],
)
def test_a_history_that_goes_on_without_the_newest_fill_known_is_refused(
    known_ms: int, read_ms: tuple[int, ...], is_cut: bool
) -> None:
    rows = [fill(1, tid, 1, time_ms=time_ms) for tid, time_ms in enumerate(read_ms)]

    if is_cut:
        with pytest.raises(HistoryLost, match=f"time {known_ms}"):
            history(known_ms).check(rows)
    else:
        history(known_ms).check(rows)
    history(known_ms, must_join=False).check(rows)


def test_only_a_history_with_the_newest_fill_known_is_as_new_as_the_last() -> None:
    assert history(1000).has_newest_known([fill(1, 1, 1, time_ms=1000)])
    assert not history(1000).has_newest_known([fill(1, 1, 1, time_ms=999)])
    assert history().has_newest_known([])


def test_an_entry_comes_of_it_when_there_is_something_new_and_once() -> None:
    read = history(1000)
    read.on_looked_up(fill(1, 1, 1, time_ms=1500))
    read.on_looked_up(fill(1, 2, 1, time_ms=1200))

    assert (read.advance(), read.advance()) == (LookedUp(1500), None)


def test_a_checkpoint_says_what_was_recorded_and_not_what_was_read_since() -> None:
    read = history(1000)
    read.on_looked_up(fill(1, 1, 1, time_ms=1500))

    assert read.summarise() == LookedUp(1000)
