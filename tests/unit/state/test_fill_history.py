"""How far the venue's fill history was read, and whether a history joins on to that."""

from __future__ import annotations

import pytest
from core_kit import dec, fill

from mm_trio.model.errors import HistoryLost
from mm_trio.model.journal_entries import LookedUp
from mm_trio.model.orders import FillResult
from mm_trio.model.replies import FillKey, ReadFills
from mm_trio.state.fill_history import FILLS_OVERLAP_MS, RECORD_EVERY_MS, FillHistory


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
    rows = ReadFills.of(*(fill(1, tid, 1, time_ms=time_ms) for tid, time_ms in enumerate(read_ms)))

    if is_cut:
        with pytest.raises(HistoryLost, match=f"time {known_ms}"):
            history(known_ms).check(rows)
    else:
        history(known_ms).check(rows)
    history(known_ms, must_join=False).check(rows)


def test_only_a_history_with_the_newest_fill_known_is_as_new_as_the_last() -> None:
    assert history(1000).has_newest_known(ReadFills.of(fill(1, 1, 1, time_ms=1000)))
    assert not history(1000).has_newest_known(ReadFills.of(fill(1, 1, 1, time_ms=999)))
    assert history().has_newest_known(ReadFills(()))


def test_an_entry_comes_of_it_when_there_is_something_new_and_once() -> None:
    read = history(1000)
    read.on_looked_up(fill(1, 1, 1, time_ms=1500))
    read.on_looked_up(fill(1, 2, 1, time_ms=1200))

    assert (read.advance(), read.advance()) == (LookedUp(1500), None)


def test_a_checkpoint_says_what_was_recorded_and_not_what_was_read_since() -> None:
    read = history(1000)
    read.on_looked_up(fill(1, 1, 1, time_ms=1500))

    assert read.summarise() == LookedUp(1000)


# --- Fills of other coins ---


def others(*moments: int, ours: tuple[int, ...] = ()) -> ReadFills:
    rows = tuple(fill(1, n, 1, time_ms=time_ms) for n, time_ms in enumerate(ours))
    return ReadFills(rows, frozenset((*moments, *ours)))


def test_a_quiet_coin_is_read_on_from_where_others_traded() -> None:
    read = history(FILLS_OVERLAP_MS + 5)
    read.on_read(others(FILLS_OVERLAP_MS + 9_000))

    assert read.look_up_from_ms == 9_000
    assert read.looked_up_ms == FILLS_OVERLAP_MS + 5


def test_a_history_that_reaches_a_fill_of_another_coin_lacks_none_of_ours() -> None:
    """The venue has forgotten our own newest fill meanwhile."""
    read = history(1000)
    read.on_read(others(1000, 50_000))

    read.check(others(50_000, 60_000, ours=(61_000,)))
    # The row at 50,000 cannot be read, and one before it can.
    read.check(others(49_000, ours=(61_000,)))
    with pytest.raises(HistoryLost, match="time 50000"):
        read.check(others(50_001, ours=(61_000,)))


def test_a_history_as_new_as_the_last_fill_of_another_coin_proves_an_absence() -> None:
    read = history(1000)
    read.on_read(others(50_000))

    assert read.has_newest_known(others(50_000))
    assert not read.has_newest_known(others(49_999, ours=(1000,)))


def test_how_far_others_were_read_is_recorded_every_ten_minutes() -> None:
    read = history(1000)
    read.on_read(others(1000 + RECORD_EVERY_MS - 1))
    assert read.advance() is None

    read.on_read(others(1000 + RECORD_EVERY_MS))
    assert read.advance() == LookedUp(1000 + RECORD_EVERY_MS)

    read.on_looked_up(fill(1, 1, 1, time_ms=1000 + RECORD_EVERY_MS + 5))
    assert read.advance() == LookedUp(1000 + RECORD_EVERY_MS + 5)


def test_a_restart_goes_on_from_a_fill_of_another_coin() -> None:
    read = FillHistory("@107", looked_up_ms=1000, others_ms=50_000, must_join=True)

    read.check(others(50_000, ours=(61_000,)))
    with pytest.raises(HistoryLost, match="time 50000"):
        read.check(others(50_001, ours=(61_000,)))


# --- Fills that frames told ---------------------------------------------------------------------

MS = 10_000_000


def told(history: FillHistory, *, time_ms: int = MS + 5_000, now_s: float = 100.0, tid: int = 9) -> FillKey:
    booked = FillResult("buy", 1, dec(20), dec(2), fully_filled=False, oid=1, tid=tid, time_ms=time_ms, coin="@107")
    history.on_booked(booked, now_s=now_s)
    return FillKey(time_ms, "@107", tid, 1)


def look(history: FillHistory, *times_ms: int, asked_s: float) -> list[FillKey]:
    rows = [fill(0, n, 1, time_ms=time_ms) for n, time_ms in enumerate(times_ms)]
    for row in rows:
        history.on_looked_up(row)
    return history.find_lacking(ReadFills.of(*rows), asked_s=asked_s)


def test_r14_a_fill_that_later_histories_lack_is_found_by_the_third_one() -> None:
    known = history(MS)
    key = told(known)

    found = [look(known, MS, MS + 60_000, asked_s=asked_s) for asked_s in (159, 160, 170, 180)]

    assert found == [[], [], [], [key]]


def test_r14_a_fill_that_a_history_has_is_judged_no_more() -> None:
    known = history(MS)
    told(known)
    known.on_looked_up(fill(1, 9, 1, time_ms=MS + 5_000))

    assert (known.n_unlisted, known.judged_from_s) == (0, None)
    assert [look(known, MS + 60_000, asked_s=asked_s) for asked_s in (200, 300, 400)] == [[], [], []]


def test_r14_an_answer_that_may_just_be_empty_proves_little() -> None:
    known = history()
    key = told(known)

    found = [look(known, asked_s=160 + 10 * n) for n in range(12)]

    assert found == [[]] * 11 + [[key]]


def test_r14_a_look_up_reaches_back_to_what_no_history_has_had() -> None:
    known = history(MS)
    told(known, time_ms=MS - 500_000)

    assert known.look_up_from_ms == MS - 500_000
    assert known.remember_after_ms == MS - 500_000 - 1
    assert known.judged_from_s == 160.0


def test_r14_a_restart_reads_back_to_what_no_history_has_had() -> None:
    known = history(MS)
    told(known, time_ms=MS + 5_000)
    known.on_looked_up(fill(0, 1, 1, time_ms=MS + 5_000 + FILLS_OVERLAP_MS))
    assert known.advance() == LookedUp(MS + 5_000 + FILLS_OVERLAP_MS)
    known.on_looked_up(fill(0, 2, 1, time_ms=MS + 5_001 + FILLS_OVERLAP_MS))

    assert known.advance() is None


def test_r14_what_a_contradiction_wants_read_again_is_read_once_and_not_for_ever() -> None:
    known = history(MS)
    known.want_from(5)
    assert known.look_up_from_ms == MS - 600_000

    look(known, MS, asked_s=1.0)

    assert known.look_up_from_ms == MS - FILLS_OVERLAP_MS


def test_r14_what_waits_for_a_history_is_bounded() -> None:
    known = history(MS)
    for tid in range(10_010):
        told(known, tid=tid)

    assert known.n_unlisted == 10_000


@pytest.mark.parametrize("price, size, is_same", [("20", 2, True), ("20", 1, False), ("21", 2, False)])
def test_r14_a_fill_that_the_history_tells_otherwise_is_found(price: str, size: int, is_same: bool) -> None:
    known = history(MS)
    told(known)

    found = known.find_difference(fill(1, 9, size, time_ms=MS + 5_000, price=price))

    assert (found is None) is is_same
