"""Earnings by the ledger of a maker under faults, against the exchange's own record of its fills and fees."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from decimal import Decimal

import pytest

from mm_trio.earnings.exact import NOTHING, exactly
from mm_trio.earnings.period import Period
from mm_trio.history.earnings_reader import Asked, read_earnings
from mm_trio.sandbox import Fill
from mm_trio.sim.base.scenario import draw_scenario
from mm_trio.sim.oracle.venue_view import OwnView
from mm_trio.sim.run import episode
from mm_trio.sim.run.world import World

SEEDS = range(1, 21)
SAFETY_S = 60.0


def sum_up(fills: Iterable[Fill], *, base: str) -> dict[str, Decimal]:
    """Sum up the exchange's fills; all it has are sizes, prices, fees and the token of each fee."""
    sums = dict.fromkeys(("bought", "paid", "sold", "got", "fee_base", "fee_quote"), NOTHING)
    with exactly():
        for fill in fills:
            size, worth = ("bought", "paid") if fill.is_buy else ("sold", "got")
            sums[size] += fill.size
            sums[worth] += fill.size * fill.price
            sums["fee_base" if fill.fee_token == base else "fee_quote"] += fill.fee
    return sums


def compare(world: World, fills: list[Fill], rng: random.Random) -> int:
    """Compare a random period, and the whole."""
    times = [fill.time_ms for fill in fills] or [0]
    periods = [Period(), Period(*sorted((rng.choice(times), rng.choice(times) + 1)))]
    for period in periods:
        mark = Decimal(rng.randrange(1, 10**9)).scaleb(-5)
        asked = Asked(period=period, now_ms=world.now_ms(), mark=mark)
        figures = read_earnings(world.state_folder, asked).figures
        within = [fill for fill in fills if period.contains(fill.time_ms)]
        tally = figures.tally
        assert tally.n_fills == len(within)
        assert sum_up(within, base=world.view.base_name) == {
            "bought": tally.buys.base,
            "paid": tally.buys.quote,
            "sold": tally.sells.base,
            "got": tally.sells.quote,
            "fee_base": tally.fee_base,
            "fee_quote": tally.fee_quote,
        }
        opened, paid = figures.open.at(mark), figures.fees.at(mark)
        assert opened is not None
        assert paid is not None
        with exactly():
            assert figures.pnl_vs_hold == figures.realised + opened - paid
    return len(fills)


@pytest.fixture
def run_seed(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], tuple[int, int]]:
    """Run a seed; return how many fills were compared, and how many sessions the maker had."""

    def run(seed: int) -> tuple[int, int]:
        fills: list[Fill] = []
        compared: list[int] = []
        on_fill = OwnView._on_fill

        def note(self: OwnView, fill: Fill) -> None:
            fills.append(fill)
            on_fill(self, fill)

        def check(world: World) -> None:
            compared.append(compare(world, fills, random.Random(seed)))

        with monkeypatch.context() as patch:
            patch.setattr(OwnView, "_on_fill", note)
            patch.setattr(episode, "check_journal", check)
            report = episode.simulate(draw_scenario(seed, faults=None, safety_s=SAFETY_S))
        assert report.violations == ()
        (n,) = compared
        return n, report.n_processes

    return run


def test_twenty_seeds_agree_with_the_exchange(run_seed: Callable[[int], tuple[int, int]]) -> None:
    found = [run_seed(seed) for seed in SEEDS]

    assert sum(n for n, _ in found) > 200
    assert max(sessions for _, sessions in found) > 1
