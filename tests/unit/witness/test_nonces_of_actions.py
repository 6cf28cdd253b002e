"""Nonces of the maker: rising, at the venue's time, and not stopped by one that a wrong clock made."""

from __future__ import annotations

import pytest

from mm_trio.witness.nonces import Nonces
from mm_trio.witness.venue_clock import DAY_MS, VenueClock

NOW_MS = 1_790_000_000_000


def nonces(last: int = 0, *, ahead_ms: int = 0) -> Nonces:
    """Nonces of a machine whose clock leapt by `ahead_ms` after the comparison."""
    leapt = [0]
    clock = VenueClock(lambda: NOW_MS + leapt[0], now_s=lambda: NOW_MS / 1000, compares=True)
    clock.on_answer(clock.read_clocks(), NOW_MS)
    leapt[0] = ahead_ms
    return Nonces(clock, last=last)


@pytest.mark.parametrize(
    "last, taken",
    [
        (0, NOW_MS),
        (NOW_MS - 5, NOW_MS),
        (NOW_MS, NOW_MS + 1),
        (NOW_MS + 3_600_000, NOW_MS + 3_600_001),
        (NOW_MS + DAY_MS - 2, NOW_MS + DAY_MS - 1),
    ],
)
def test_r2_a_nonce_is_the_venues_time_and_above_what_it_may_have_taken(last: int, taken: int) -> None:
    assert nonces(last).take() == taken


def test_r2_a_nonce_that_the_venue_cannot_have_taken_is_no_floor() -> None:
    assert nonces(NOW_MS + 3 * DAY_MS).take() == NOW_MS


@pytest.mark.parametrize("ahead_ms", [-3 * DAY_MS, 3 * DAY_MS])
def test_r2_a_clock_that_leaps_moves_no_nonce(ahead_ms: int) -> None:
    assert nonces(NOW_MS + 7, ahead_ms=ahead_ms).take() == NOW_MS + 8


def test_r2_a_nonce_refused_as_too_high_is_not_used() -> None:
    ours = nonces(NOW_MS - 9)
    ours.last = NOW_MS + DAY_MS - 5
    ours.on_refused(ours.last, f"Invalid nonce: nonce too high {ours.last} > {NOW_MS}")

    assert ours.take() == NOW_MS


def test_r2_a_used_nonce_below_a_refused_one_stays_a_floor() -> None:
    ours = nonces()
    used = ours.take()
    ours.on_used(used)
    ours.on_refused(ours.take(), "Invalid nonce: nonce too high 2 > 1")

    assert ours.take() == used + 1


@pytest.mark.parametrize("lowest, taken", [(NOW_MS + 77, NOW_MS + 78), (NOW_MS + 9 * DAY_MS, NOW_MS + 1)])
def test_r2_a_nonce_refused_as_too_low_tells_the_lowest_one(lowest: int, taken: int) -> None:
    """If that is possible."""
    ours = nonces()
    ours.on_refused(ours.take(), f"Invalid nonce: nonce too low {NOW_MS} < {lowest}")

    assert ours.take() == taken
