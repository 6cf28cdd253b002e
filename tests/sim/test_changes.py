"""Changes of the configuration in simulation: what is drawn, what holds, and what the oracle asks of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from mm_trio.account_config.loading import parse_account_settings
from mm_trio.account_config.toml_text import write_toml
from mm_trio.config.tables import read_toml
from mm_trio.sandbox import DEFAULT_MARKETS, Deposit, Exchange, NewOrder, PlaceOrders
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import ScenarioLadder, draw_scenario
from mm_trio.sim.changes.account_file import make_account, read_ladders
from mm_trio.sim.changes.change_draw import draw_apply_plan, draw_wanted
from mm_trio.sim.changes.change_watch import _Look
from mm_trio.sim.grids.grid import LATE_S, Grid
from mm_trio.sim.grids.grid_plan import draw_grids
from mm_trio.sim.oracle.coverage import CASES_OF_SEVERAL
from mm_trio.sim.run.campaign import Campaign
from mm_trio.sim.run.episode import simulate

MAKER = "0x" + "a1" * 20
CLOID = "0x6d6d7472" + "00" * 11
SEEDS = range(1, 40)


def make_grid(seed: int = 3, *, is_configured: bool = True) -> tuple[Grid, Exchange, Judge]:
    """Make a grid of a seed with several, on an exchange of its own."""
    plan = draw_grids(draw_scenario(seed, faults=(), grids=(3, 3)))[1]
    exchange = Exchange()
    judge = Judge(lambda: 0.0, on_first=lambda violation: None)
    pair = DEFAULT_MARKETS.pair(plan.coin)
    for token in (pair.base.index, pair.quote.index):
        exchange.apply(0, Deposit(MAKER, token, Decimal(10) ** 9))
    grid = Grid(
        plan, markets=DEFAULT_MARKETS, exchange=exchange, address=MAKER, judge=judge, is_configured=is_configured
    )
    return grid, exchange, judge


def rest(grid: Grid, exchange: Exchange, price: Decimal, size: Decimal, *, n: int = 1, is_buy: bool = False) -> None:
    """Let an order of the maker rest, and check the rules."""
    order = NewOrder(grid.pair.asset, is_buy, price, size, "Alo", f"{CLOID}{n:02x}")
    grid.check(grid.view.apply(exchange.apply(0, PlaceOrders(MAKER, (order,)))))


# --- Draws ---


def test_seeds_with_one_grid_have_no_operator_who_changes_it() -> None:
    for seed in SEEDS:
        scenario = draw_scenario(seed, faults=())
        assert draw_apply_plan(scenario, draw_grids(scenario)) is None


def test_about_half_of_the_seeds_with_several_grids_have_one() -> None:
    plans = []
    for seed in SEEDS:
        scenario = draw_scenario(seed, faults=(), grids=(2, 8))
        plans.append(draw_apply_plan(scenario, draw_grids(scenario)))
    some = [plan for plan in plans if plan is not None]

    assert len(plans) / 3 < len(some) < 2 * len(plans) / 3
    assert {len(plan.times_s) for plan in some} == {1, 2, 3}
    assert any(plan.in_calm for plan in some)


def test_every_kind_of_change_is_drawn_and_can_be_written_to_a_file(tmp_path: Path) -> None:
    kinds = set()
    for seed in SEEDS:
        scenario = draw_scenario(seed, faults=(), grids=(4, 4))
        plans = draw_grids(scenario)
        exchange, judge = Exchange(), Judge(lambda: 0.0, on_first=lambda violation: None)
        options = {"markets": DEFAULT_MARKETS, "exchange": exchange, "address": MAKER, "judge": judge}
        grids = {plan.coin: Grid(plan, **options, is_configured=plan is not plans[-1]) for plan in plans}  # type: ignore[arg-type]
        for plan in plans:
            pair = DEFAULT_MARKETS.pair(plan.coin)
            exchange.apply(0, Deposit(MAKER, pair.base.index, 2 * plan.account_tokens))
            exchange.apply(0, Deposit(MAKER, pair.quote.index, 2 * plan.account_quote))
        before = {coin: ladder for coin, grid in grids.items() if (ladder := grid.configured) is not None}
        if any(ladder.tokens is None for ladder in before.values()):
            continue
        wanted = draw_wanted(split(seed, "test"), before, grids, left_alone=())
        kinds |= {name_change(before.get(coin), wanted.get(coin)) for coin in {*before, *wanted}}
        account = make_account(scenario, wanted, address=MAKER, find_limits=lambda coin, ladder: None, stale_s=30.0)
        (tmp_path / "new.toml").write_text(write_toml(account))
        document = read_toml(tmp_path / "new.toml", most_bytes=10**6, most_line_bytes=10**4)
        assert not isinstance(document, str)
        read = parse_account_settings(document, environ={}, source="new.toml")
        assert read == account
        assert read_ladders(read) == wanted

    assert kinds >= {"added", "removed", "unchanged", "ladder", "tokens", "quote"}


def name_change(before: ScenarioLadder | None, after: ScenarioLadder | None) -> str:
    if before is None or after is None:
        return "added" if before is None else "removed"
    if before == after:
        return "unchanged"
    if replace(before, tokens=after.tokens, quote=after.quote) != after:
        return "ladder"
    return "tokens" if before.tokens != after.tokens else "quote"


# --- What holds ---


def test_either_ladder_may_rest_while_a_change_is_asked_for(autojump_clock: MockClock) -> None:
    grid, exchange, judge = make_grid()
    before = grid.configured
    assert before is not None
    other = replace(before, start_px=before.start_px * 2)
    rest(grid, exchange, grid.levels[-1], grid.ladder.order_size)
    grid.propose(other)
    assert grid.is_changing

    rest(grid, exchange, Decimal(f"{other.start_px:.5g}"), grid.ladder.order_size, n=2)

    assert judge.violations == []


def test_an_order_of_no_ladder_that_may_hold_is_malformed() -> None:
    grid, exchange, judge = make_grid()

    rest(grid, exchange, grid.ladder.start_px * 2, grid.ladder.order_size)

    assert [violation.rule for violation in judge.violations] == ["S6"]


async def test_what_held_before_is_allowed_until_it_is_gone(autojump_clock: MockClock) -> None:
    """An allocation that shrinks below what rests: what is offered may shrink, and not grow."""
    grid, exchange, judge = make_grid()
    size, before = grid.ladder.order_size, grid.configured
    assert before is not None
    rest(grid, exchange, grid.levels[-1], size)
    rest(grid, exchange, grid.levels[-2], size, n=2)
    grid.settle(replace(before, tokens=size))
    await trio.sleep(LATE_S + 1)
    grid.check([])
    assert judge.violations == []

    rest(grid, exchange, grid.levels[-3], size, n=3)

    assert {violation.rule for violation in judge.violations} == {"S3"}


async def test_nothing_new_may_rest_of_a_grid_that_was_removed(autojump_clock: MockClock) -> None:
    grid, exchange, judge = make_grid()
    grid.settle(None)
    await trio.sleep(LATE_S + 1)
    grid.check([])

    rest(grid, exchange, grid.levels[-1], grid.ladder.order_size)

    assert {violation.rule for violation in judge.violations} >= {"S3", "S6"}


async def test_a_ledger_goes_on_where_a_coin_comes_back(autojump_clock: MockClock) -> None:
    grid, *_ = make_grid()
    before = grid.configured
    assert before is not None
    assert before.tokens is not None
    grid.view.tokens += 7
    grid.settle(None)

    grid.settle(replace(before, tokens=before.tokens + 1))

    assert grid.view.tokens == before.tokens + 8


# --- What is asked of a change ---


def look(bid: str | None, ask: str | None) -> _Look:
    return _Look(1, None if bid is None else Decimal(bid), None if ask is None else Decimal(ask))


@pytest.mark.parametrize(
    "now, is_wide",
    [
        (("10", "12"), False),
        (("9", "12"), True),
        ((None, "12"), True),
        (("10", None), True),
        (("11", "11.5"), False),
    ],
)
def test_an_inside_is_wide_beyond_both_ladders(now: tuple[str | None, str | None], is_wide: bool) -> None:
    assert look(*now).is_wide(look("10", "11"), look("10", "12")) is is_wide


def test_a_side_that_one_ladder_lacks_may_be_empty() -> None:
    assert not look(None, "12").is_wide(look(None, "11"), look("10", "12"))
    assert not look("10", None).is_wide(look("10", "11"), look("10", None))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_cases_of_changes_are_met_and_no_rule_is_broken() -> None:
    campaign = Campaign(first=1, last=12, grids=(2, 8), hours=0.05)
    reports = [simulate(campaign.draw(seed)) for seed in campaign.seeds]

    assert [report.violations for report in reports if report.violations] == []
    seen = {name for report in reports for name, n in report.coverage.items() if n}
    often: Callable[[str], bool] = lambda name: name.startswith("apply") and "start refused" not in name  # noqa: E731
    assert set(filter(often, CASES_OF_SEVERAL)) <= seen
