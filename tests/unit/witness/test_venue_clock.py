"""The venue's time out of its answers, and the verdict on the machine's clock."""

from __future__ import annotations

import pytest

from mm_trio.witness.venue_clock import DAY_MS, TOO_OLD_S, ClockVerdict, VenueClock

START_MS = 1_790_000_000_000


class Bench:
    """A venue, and a machine whose clock is `ahead_ms` ahead of it."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self.now_s, self.ahead_ms = 100.0, ahead_ms
        self.clock = VenueClock(self.wall_ms, now_s=lambda: self.now_s, compares=True)

    def venue_ms(self) -> int:
        return START_MS + int(1000 * self.now_s)

    def wall_ms(self) -> int:
        return self.venue_ms() + self.ahead_ms

    def compare(self, *, late_ms: int = 0, took_s: float = 0.2, error_ms: int = 0) -> bool:
        """One question: answered half way, `late_ms` old or wrong by `error_ms`."""
        asked = self.clock.read_clocks()
        self.now_s += took_s / 2
        told_ms = self.venue_ms() - late_ms + error_ms
        self.now_s += took_s / 2
        return self.clock.on_answer(asked, told_ms)

    def off_ms(self) -> int:
        """How far the estimate is off, at worst."""
        return max(abs(self.clock.earliest_ms() - self.venue_ms()), abs(self.clock.latest_ms() - self.venue_ms()))


def test_r2_nothing_may_be_placed_before_the_first_comparison() -> None:
    bench = Bench()
    before = (bench.clock.verdict, bench.clock.find_fault())
    bench.compare()

    assert before == (ClockVerdict.UNKNOWN, "this machine's clock was not compared with the venue's yet")
    assert (bench.clock.verdict, bench.clock.find_fault()) == (ClockVerdict.FINE, None)


def test_a_client_that_tells_no_time_leaves_the_clock_alone() -> None:
    clock = VenueClock(lambda: START_MS)

    assert (clock.earliest_ms(), clock.latest_ms(), clock.find_fault()) == (START_MS, START_MS, None)


@pytest.mark.parametrize("ahead_ms", [1_500, -1_500, 9_000, -9_000, 3 * DAY_MS, -3 * DAY_MS])
def test_r2_the_estimate_is_the_venues_time_whatever_the_machine_says(ahead_ms: int) -> None:
    bench = Bench(ahead_ms)
    bench.compare()
    bench.compare()

    assert bench.off_ms() <= 200


@pytest.mark.parametrize(
    "ahead_ms, told",
    [
        (9_000, "this machine's clock is 9 s ahead of the venue's; at most 2 s is allowed: set the clock (NTP)"),
        (-9_000, "this machine's clock is 9 s behind the venue's; at most 2 s is allowed: set the clock (NTP)"),
    ],
)
def test_r3_a_clock_that_is_off_is_named_with_number_and_remedy(ahead_ms: int, told: str) -> None:
    bench = Bench(ahead_ms)
    bench.compare()
    bench.compare()

    assert bench.clock.find_fault() == told


def test_r3_a_clock_that_was_off_is_right_after_two_answers() -> None:
    bench = Bench(9_000)
    bench.compare()
    bench.compare()
    bench.ahead_ms = 0
    bench.compare()
    first = bench.clock.describe_skew()
    bench.compare()

    assert first is not None
    assert bench.clock.find_fault() is None


@pytest.mark.parametrize("leap_ms", [3_000, -3_000, 3 * DAY_MS])
def test_r3_a_first_answer_that_finds_the_clock_off_is_no_all_clear(leap_ms: int) -> None:
    bench = Bench()
    bench.compare()
    bench.ahead_ms = leap_ms
    bench.compare()
    first = str(bench.clock.find_fault())
    bench.compare()

    assert first.startswith("an answer of the venue says that this machine's clock is off")
    assert str(bench.clock.find_fault()).startswith("this machine's clock is ")


def test_one_wrong_answer_moves_nothing_and_a_second_one_is_asked_for() -> None:
    bench = Bench()
    bench.compare()
    bench.compare(error_ms=30 * DAY_MS)
    off_ms, fault, wants = bench.off_ms(), bench.clock.find_fault(), bench.clock.wants_another
    bench.compare()
    bench.compare()

    assert off_ms <= 200
    assert fault is not None
    assert wants
    assert bench.clock.find_fault() is None


def test_an_answer_two_seconds_old_makes_the_estimate_early_and_never_late() -> None:
    bench = Bench()
    bench.compare(late_ms=1_900)

    assert bench.venue_ms() - 2_200 <= bench.clock.earliest_ms() <= bench.venue_ms()
    assert bench.clock.find_fault() is None


def test_a_slow_answer_proves_nothing() -> None:
    bench = Bench()

    assert not bench.compare(took_s=6.0)
    assert bench.clock.verdict is ClockVerdict.UNKNOWN


@pytest.mark.parametrize("leap_ms", [3_000, -3_000, 3 * DAY_MS])
def test_r3_a_leap_between_two_comparisons_is_noticed_at_once(leap_ms: int) -> None:
    bench = Bench()
    bench.compare()
    bench.ahead_ms = leap_ms

    assert str(bench.clock.find_fault()).startswith("this machine's clock leapt by ")
    assert bench.clock.earliest_ms() <= bench.venue_ms() + 1
    assert bench.clock.latest_ms() >= bench.venue_ms() - 1


def test_a_frame_from_after_our_time_asks_for_a_comparison_and_is_not_believed() -> None:
    bench = Bench()
    bench.compare()
    bench.clock.on_frame(bench.venue_ms() + DAY_MS)
    off_ms, fault = bench.off_ms(), bench.clock.find_fault()
    bench.compare()

    assert off_ms <= 200
    assert fault == "a message of the venue is dated 86400 s after our time: comparing the clocks"
    assert bench.clock.find_fault() is None


def test_a_comparison_that_is_too_old_counts_as_none() -> None:
    bench = Bench()
    bench.compare()
    bench.now_s += TOO_OLD_S + 1

    assert bench.clock.verdict is ClockVerdict.TOO_OLD
    assert str(bench.clock.find_fault()).startswith("this machine's clock was compared with the venue's 901 s ago")


def test_r2_two_expired_actions_in_a_row_ask_for_a_comparison() -> None:
    bench = Bench()
    bench.compare()
    bench.clock.on_expired()
    first = bench.clock.find_fault()
    bench.clock.on_expired()

    assert first is None
    assert bench.clock.find_fault() == "the venue refused 2 actions in a row as expired: comparing the clocks"


def test_r2_a_third_expired_action_although_the_clocks_agree_is_a_halt() -> None:
    bench = Bench()
    bench.compare()
    bench.clock.on_expired()
    bench.clock.on_expired()
    bench.compare()
    before = bench.clock.find_halt()
    bench.clock.on_expired()

    assert before is None
    assert str(bench.clock.find_halt()).startswith("the venue refused 3 actions in a row as expired although the")


def test_r2_expired_actions_explained_by_a_wrong_clock_are_no_halt() -> None:
    bench = Bench()
    bench.compare()
    bench.ahead_ms = -20_000
    bench.now_s += 20  # both our clocks stood still meanwhile
    bench.clock = VenueClock(bench.wall_ms, now_s=lambda: bench.now_s - 20, compares=True)
    for _ in range(2):
        bench.clock.on_expired()
    bench.compare()
    bench.compare()
    bench.clock.on_expired()

    assert bench.clock.find_halt() is None


def test_a_row_from_the_future_is_not_plausible_once_the_time_is_known() -> None:
    bench = Bench()
    assert bench.clock.is_plausible(bench.venue_ms() + DAY_MS)
    bench.compare()

    assert bench.clock.is_plausible(bench.venue_ms() + 1_000)
    assert not bench.clock.is_plausible(bench.venue_ms() + DAY_MS)
