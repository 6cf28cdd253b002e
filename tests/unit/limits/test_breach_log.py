"""First breach of each limit."""

from __future__ import annotations

from mm_trio.limits.breach_log import BreachLog, Tripped
from mm_trio.limits.terms import Breach, Reaction


def breach(name: str, number: int) -> Breach:
    return Breach(name, number, 10, "items", Reaction.WAIT)


def test_the_first_breach_of_a_limit_stays() -> None:
    log = BreachLog()

    log.on_breach(breach("max_fills_per_minute", 11), now_s=3.0)
    log.on_breach(breach("max_fills_per_minute", 20), now_s=4.0)

    assert log.tripped == (Tripped(breach("max_fills_per_minute", 11), 3.0),)


def test_limits_are_told_in_the_order_of_their_breaches() -> None:
    log = BreachLog()

    for name in ("max_unknown_outcomes", "budget_floor", "max_unknown_outcomes"):
        log.on_breach(breach(name, 11), now_s=1.0)

    assert [tripped.breach.name for tripped in log.tripped] == ["max_unknown_outcomes", "budget_floor"]
