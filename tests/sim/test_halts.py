"""A limit that was passed stays passed, at whatever moment around it the process is killed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import trio

from mm_trio.halts.standing import Standing, State
from mm_trio.sim.base.crash_points import Crash
from mm_trio.sim.base.halt_plan import HaltPlan
from mm_trio.sim.base.scenario import Scenario, draw_scenario
from mm_trio.sim.network.watched_standing import WatchedStanding
from mm_trio.sim.run.episode import simulate

pytestmark = pytest.mark.slow

N_MOMENTS, PER_CASE = 100, 10
# From before the fill that passes the limit is known until after the maker has ended.
FROM_S, UNTIL_S = -0.6, 1.4
SAFETY_S = 60.0


def make_scenario() -> Scenario:
    """Trade without faults until more was spent than the limit allows."""
    drawn = draw_scenario(5, faults=())
    ladder = replace(drawn.ladder, tokens=Decimal(50), quote=Decimal(1000), active_levels=None, gap_levels=0)
    return replace(
        drawn,
        safety_s=SAFETY_S,
        ladder=ladder,
        account_tokens=Decimal(100),
        account_quote=Decimal(2000),
        taker_pause_s=0.7,
        has_rivals=False,
        has_second_strategy=False,
        stops_s=(),
        crashes=(),
        reallocation=None,
        journal_loss=None,
        is_limited=False,
        halts=HaltPlan(limits=(("max_net_spend", Decimal(40)),), n_refused=2),
    )


def find_halt_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """Run to the halt, and return when it was on disk."""
    tighten = WatchedStanding.tighten
    halted_s: list[float] = []

    def note(self: WatchedStanding, wanted: Standing) -> Standing:
        if wanted.state is State.HALTED and not halted_s:
            halted_s.append(trio.current_time())
        return tighten(self, wanted)

    with monkeypatch.context() as patch:
        patch.setattr(WatchedStanding, "tighten", note)
        assert simulate(make_scenario()).violations == ()
    return halted_s[0]


@pytest.mark.sweep
@pytest.mark.parametrize("first", range(0, N_MOMENTS, PER_CASE))
def test_a_kill_around_the_crossing_of_a_limit_lets_nothing_through(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    halted_s = find_halt_s(monkeypatch)

    for n in range(first, first + PER_CASE):
        at_s = halted_s + FROM_S + (UNTIL_S - FROM_S) * n / N_MOMENTS
        report = simulate(replace(make_scenario(), crashes=((at_s, Crash.ANYTIME),)))

        # Nothing new beyond the limit (S25), nothing placed by a halted maker (S26), and what it says (S27).
        assert report.violations == (), at_s
        # Killed before or after it was written down: the next process halts, or is refused.
        assert report.coverage.keys() & {"halted", "start of a halted maker refused"}, at_s
