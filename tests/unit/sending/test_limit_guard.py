"""What counts against the limit of a side: everything that may rest, and nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from core_kit import GRID, intent, make_state, rest, tracked
from trio.testing import MockClock

from mm_trio.halts.standing import ACTIVE, Standing, State
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.orders import Intent, TrackedOrder
from mm_trio.sending.limit_guard import LimitGuard

ASK, NEXT, NEW = (GRID.levels[level] for level in (4, 5, 6))
CLOIDS = [f"0x{n:032x}" for n in range(1, 4)]


def judge_beside(
    resting: Sequence[TrackedOrder], on_the_way: Sequence[Intent], wanted: Intent, *, most: Decimal
) -> bool:
    """Return whether an order may be signed beside these."""
    state = make_state()
    rest(state.order_state, *resting)
    for each in (*on_the_way, wanted):
        state.order_state.on_sent(each)
    guard = LimitGuard(RiskLimits(max_side_notional=most), state, standing=ACTIVE, wall_ms=lambda: 0)
    return guard.judge([wanted]) == (None,)


@pytest.mark.parametrize(
    "resting, on_the_way, wanted, most",
    [
        # One that rests, and one more.
        ([tracked(1, "sell", 4)], [], intent("sell", 6, cloid=CLOIDS[0]), 5 * (ASK + NEW)),
        # One whose answer was lost, too.
        ([], [intent("sell", 5, cloid=CLOIDS[1])], intent("sell", 6, cloid=CLOIDS[0]), 5 * (NEXT + NEW)),
        # An order and its replacement of unknown outcome: the larger of them.
        (
            [tracked(1, "sell", 4, 3)],
            [intent("sell", 5, cloid=CLOIDS[1], replaces=1)],
            intent("sell", 6, cloid=CLOIDS[0]),
            5 * (NEXT + NEW),
        ),
        # What an order replaces makes room for it.
        ([tracked(1, "sell", 4)], [], intent("sell", 6, cloid=CLOIDS[0], replaces=1), 5 * NEW),
        # The other side does not count.
        ([tracked(1, "buy", 3)], [], intent("sell", 6, cloid=CLOIDS[0]), 5 * NEW),
    ],
)
async def test_a_side_counts_what_may_rest_once(
    autojump_clock: MockClock,
    resting: list[TrackedOrder],
    on_the_way: list[Intent],
    wanted: Intent,
    most: Decimal,
) -> None:
    assert judge_beside(resting, on_the_way, wanted, most=most)
    assert not judge_beside(resting, on_the_way, wanted, most=most - Decimal("0.000001"))


async def test_an_order_stays_counted_until_the_venue_has_replaced_it(autojump_clock: MockClock) -> None:
    """Of two orders that are replaced in one action the first may stay as it is: its replacement is refused."""
    state = make_state()
    rest(state.order_state, tracked(1, "sell", 4, 5), tracked(2, "sell", 5, 5))
    smaller, larger = (
        intent("sell", 6, 1, cloid=CLOIDS[0], replaces=1),
        intent("sell", 7, 9, cloid=CLOIDS[1], replaces=2),
    )
    for each in (smaller, larger):
        state.order_state.on_sent(each)
    most = 5 * ASK + 9 * GRID.levels[7]
    wide, narrow = (
        LimitGuard(RiskLimits(max_side_notional=limit), state, standing=ACTIVE, wall_ms=lambda: 0)
        for limit in (most, most - Decimal("0.000001"))
    )

    assert wide.judge([smaller, larger]) == (None, None)
    first, second = narrow.judge([smaller, larger])
    assert first is None
    assert second is not None
    assert second.name == "max_side_notional"


async def test_the_limits_that_refused_orders_are_remembered(autojump_clock: MockClock) -> None:
    guard = LimitGuard(RiskLimits(max_order_notional=Decimal(1)), make_state(), standing=ACTIVE, wall_ms=lambda: 0)

    guard.judge([intent("sell", 6, cloid=CLOIDS[0])])

    assert [tripped.breach.name for tripped in guard.breaches.tripped] == ["max_order_notional"]


async def test_a_limit_that_keeps_everything_back_is_remembered(autojump_clock: MockClock) -> None:
    guard = LimitGuard(RiskLimits(budget_floor=10**9), make_state(), standing=ACTIVE, wall_ms=lambda: 0)

    guard.find_obstacle()

    assert [tripped.breach.name for tripped in guard.breaches.tripped] == ["budget_floor"]


@pytest.mark.parametrize("is_written", [False, True])
async def test_a_stop_holds_from_the_moment_that_it_is_wanted(autojump_clock: MockClock, is_written: bool) -> None:
    guard = LimitGuard(RiskLimits(), make_state(), standing=ACTIVE, wall_ms=lambda: 0)
    stopped = Standing(state=State.CANCEL_ONLY, why="by hand")
    before = guard.is_stopped
    guard.want(stopped)
    if is_written:
        guard.on_written(stopped)

    assert (before, guard.is_stopped, guard.standing) == (False, True, stopped if is_written else ACTIVE)
    guard.on_resumed(ACTIVE)
    assert not guard.is_stopped
