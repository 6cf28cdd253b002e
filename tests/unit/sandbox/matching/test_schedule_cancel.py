from __future__ import annotations

from dataclasses import replace

import pytest
from sandbox_kit import MAKER, TAKER, buy, fund, outcome, refusal, rest, sell, status_of, take

from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Answered, Noop, OrderChanged, PassTime, ScheduleCancel
from mm_trio.sandbox.model.limits import Limits

DAY_MS = 86_400_000
DONE = Answered("default", ())


def exchange_without_gate(**limits: int) -> Exchange:
    """Build an exchange where a schedule needs no traded volume."""
    exchange = Exchange(limits=replace(Limits(), schedule_volume=None, **limits))  # type: ignore[arg-type]
    fund(exchange, MAKER, TAKER)
    return exchange


def schedule(exchange: Exchange, time_ms: int | None, *, now_ms: int) -> object:
    return outcome(exchange.apply(now_ms, ScheduleCancel(MAKER, time_ms)))


@pytest.mark.parametrize("time_ms", [None, 1_000_000])
def test_a_schedule_needs_a_million_traded_even_to_be_taken_back(time_ms: int | None) -> None:
    exchange = Exchange()
    fund(exchange, MAKER, TAKER)
    rest(exchange, TAKER, sell("20.5", "10"))
    take(exchange, buy("20.5", "7", "Ioc"), address=MAKER)

    assert refusal(exchange, ScheduleCancel(MAKER, time_ms)) == (
        "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $143.50."
    )


def test_at_its_time_everything_of_that_address_is_cancelled_with_its_own_status() -> None:
    exchange = exchange_without_gate()
    ours, theirs = rest(exchange, MAKER, sell("20", "1")), rest(exchange, TAKER, sell("20", "1"))
    assert schedule(exchange, 10_000, now_ms=1000) == DONE
    exchange.apply(9_999, PassTime())
    assert status_of(exchange, ours) == "open"

    effects = exchange.apply(10_000, PassTime())

    assert [effect.record.oid for effect in effects if isinstance(effect, OrderChanged)] == [ours]
    assert status_of(exchange, ours) == "scheduledCancel"
    assert status_of(exchange, theirs, address=TAKER) == "open"
    assert exchange.next_due_ms() is None


def test_an_order_that_comes_with_the_hour_is_not_caught_by_it() -> None:
    exchange = exchange_without_gate()
    schedule(exchange, 10_000, now_ms=1000)

    oid = rest_at(exchange, 10_000)

    assert status_of(exchange, oid) == "open"


def rest_at(exchange: Exchange, now_ms: int) -> int:
    exchange.apply(now_ms, Noop(TAKER))
    return rest(exchange, MAKER, sell("20", "1"))


@pytest.mark.parametrize("time_ms, text", [(5_999, True), (6_000, False), (0, True)])
def test_a_schedule_is_five_seconds_ahead_at_least(time_ms: int, text: bool) -> None:
    exchange = exchange_without_gate()

    answer = schedule(exchange, time_ms, now_ms=1000)

    assert (answer == DONE) == (not text)
    assert exchange.next_due_ms() == (None if text else time_ms)


def test_a_later_schedule_takes_the_place_of_the_earlier_and_none_takes_it_back() -> None:
    exchange = exchange_without_gate()
    schedule(exchange, 10_000, now_ms=1000)
    schedule(exchange, 20_000, now_ms=1000)
    assert exchange.next_due_ms() == 20_000

    schedule(exchange, None, now_ms=1000)

    assert exchange.next_due_ms() is None


def trigger(exchange: Exchange, *, now_ms: int) -> None:
    assert schedule(exchange, now_ms + 5_000, now_ms=now_ms) == DONE
    exchange.apply(now_ms + 5_000, PassTime())


def test_ten_triggers_a_day_are_the_most_and_midnight_forgives_them() -> None:
    exchange = exchange_without_gate()
    for i in range(10):
        trigger(exchange, now_ms=i * 10_000)

    assert refusal(exchange, ScheduleCancel(MAKER, 500_000), now_ms=200_000) == (
        "Too many scheduled cancels triggered for the day. Limit is 10."
    )
    assert schedule(exchange, None, now_ms=200_000) == DONE
    trigger(exchange, now_ms=DAY_MS)


def test_schedules_that_never_came_to_pass_do_not_count() -> None:
    exchange = exchange_without_gate(schedules_per_day=1)
    for _ in range(5):
        assert schedule(exchange, 100_000, now_ms=1000) == DONE
        assert schedule(exchange, None, now_ms=1000) == DONE

    trigger(exchange, now_ms=2000)
    assert "Limit is 1." in refusal(exchange, ScheduleCancel(MAKER, 100_000), now_ms=9_000)
