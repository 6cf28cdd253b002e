"""Grids of one account: what a seed draws for each, and the rules between them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import trio

from mm_trio.model.journal_entries import Moved
from mm_trio.sandbox import DEFAULT_MARKETS, Deposit, Exchange, FaultKind, Fill, NewOrder, PlaceOrders
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.scenario import draw_scenario
from mm_trio.sim.grids.account_rules import AccountRules
from mm_trio.sim.grids.fund_moves import check_moves
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.grids.grid_plan import draw_grids, fund_account
from mm_trio.sim.network.frame_delivery import FrameDelivery
from mm_trio.sim.oracle.expected_book import compute_levels

MAKER, TAKER = "0x" + "a1" * 20, "0x" + "7a" * 20
CLOID = "0x6d6d7472" + "00" * 12
SEEDS = range(1, 60)


def draw(seed: int) -> tuple[list[Grid], Exchange, Judge, AccountRules]:
    """Make the grids of a seed with three, their exchange, and the rules between them."""
    plans, exchange = draw_grids(draw_scenario(seed, faults=(), grids=(3, 3))), Exchange()
    judge = Judge(lambda: 0.0, on_first=lambda violation: None)
    grids = [Grid(p, markets=DEFAULT_MARKETS, exchange=exchange, address=MAKER, judge=judge) for p in plans]
    for token, amount in fund_account(plans, DEFAULT_MARKETS).items():
        exchange.apply(0, Deposit(MAKER, token, amount))
        exchange.apply(0, Deposit(TAKER, token, Decimal(10) ** 9))
    return grids, exchange, judge, AccountRules(judge, grids, exchange=exchange, address=MAKER)


# --- Draws ---


def test_the_number_of_grids_changes_nothing_else_of_a_scenario() -> None:
    for seed in SEEDS:
        one, several = (draw_scenario(seed, faults=(), grids=grids) for grids in ((1, 1), (2, 8)))
        assert one == draw_scenario(seed, faults=())
        assert (one.ladder, one.tuning, one.stops_s, one.crashes) == (
            several.ladder,
            several.tuning,
            several.stops_s,
            several.crashes,
        )


def test_seeds_draw_every_number_of_grids() -> None:
    drawn = Counter(draw_scenario(seed, faults=(), grids=(1, 8)).n_grids for seed in SEEDS)

    assert sorted(drawn) == list(range(1, 9))


def test_a_single_grid_is_the_scenarios_own() -> None:
    scenario = draw_scenario(4, faults=())

    (plan,) = draw_grids(scenario)

    assert (plan.coin, plan.ladder) == (scenario.place.coin, scenario.ladder)
    assert (plan.account_tokens, plan.account_quote) == (scenario.account_tokens, scenario.account_quote)


def test_several_grids_have_a_coin_and_an_allocation_each() -> None:
    for seed in SEEDS:
        plans = draw_grids(draw_scenario(seed, faults=(), grids=(8, 8)))

        assert len({plan.coin for plan in plans}) == 8
        assert all(plan.ladder.tokens is not None and plan.ladder.quote is not None for plan in plans)


def test_the_account_holds_what_all_grids_are_allocated() -> None:
    for seed in SEEDS:
        plans = draw_grids(draw_scenario(seed, faults=(), grids=(8, 8)))
        needed = Counter[int]()
        for plan in plans:
            pair = DEFAULT_MARKETS.pair(plan.coin)
            needed[pair.base.index] += plan.ladder.tokens or 0  # type: ignore[assignment]
            needed[pair.quote.index] += plan.ladder.quote or 0  # type: ignore[assignment]

        funds = fund_account(plans, DEFAULT_MARKETS)

        assert all(amount <= funds[token] for token, amount in needed.items())


def test_every_order_of_a_drawn_ladder_is_worth_the_minimum() -> None:
    for seed in SEEDS:
        for plan in draw_grids(draw_scenario(seed, faults=(), grids=(8, 8))):
            sz_decimals = DEFAULT_MARKETS.pair(plan.coin).base.sz_decimals
            levels = compute_levels(plan.ladder, sz_decimals=sz_decimals)
            assert levels[0] * plan.ladder.order_size >= plan.ladder.min_notional
            assert plan.ladder.order_size.normalize().as_tuple().exponent >= -sz_decimals  # type: ignore[operator]


def test_only_an_account_with_several_grids_has_a_coin_that_cannot_be_read() -> None:
    kinds = (FaultKind.COIN_GARBLED, FaultKind.DEPOSIT)
    one, two = (draw_scenario(1, faults=kinds, grids=grids) for grids in ((1, 1), (2, 2)))

    assert one.rates == {FaultKind.DEPOSIT: two.rates[FaultKind.DEPOSIT]}
    assert FaultKind.COIN_GARBLED in two.rates


# --- The rules between grids ---


def shown_in_full(grids: list[Grid], exchange: Exchange) -> dict[str, tuple[Decimal, Decimal]]:
    """Return what a maker without a mistake shows: its own of what is shared, all of what is not."""
    users = Counter(token for grid in grids for token in (grid.pair.base.index, grid.pair.quote.index))
    wallet = exchange.account(MAKER)

    def show(token: int, due: Decimal) -> Decimal:
        return due if users[token] > 1 else wallet.usable(token)

    return {
        grid.coin: (show(grid.pair.base.index, grid.view.tokens), show(grid.pair.quote.index, grid.view.quote))
        for grid in grids
    }


def test_s30_agrees_with_each_grid_being_shown_its_own() -> None:
    for seed in SEEDS:
        grids, exchange, _, rules = draw(seed)

        assert rules.find_shown_error(shown_in_full(grids, exchange)) is None


def test_s30_notices_that_two_grids_are_shown_the_whole_account_where_it_does_not_cover_them() -> None:
    grids, exchange, _, rules = draw(1)
    quote = grids[0].pair.quote.index
    short = exchange.account(MAKER).usable(quote)
    for grid in grids:
        grid.view.quote = short

    wrong = rules.find_shown_error({**shown_in_full(grids, exchange), grids[0].coin: (Decimal(10**6), short)})

    assert wrong is not None


def test_s30_notices_a_grid_that_is_shown_less_than_its_own() -> None:
    grids, exchange, _, rules = draw(1)
    shown = shown_in_full(grids, exchange)
    tokens, quote = shown[grids[1].coin]

    wrong = rules.find_shown_error({**shown, grids[1].coin: (tokens, quote - 1)})

    assert wrong is not None
    assert "less than its own" in wrong


def test_s29_notices_an_order_of_ours_on_a_coin_of_no_grid() -> None:
    grids, exchange, judge, rules = draw(1)
    other = next(p for p in DEFAULT_MARKETS.pairs if p.name not in {grid.coin for grid in grids})
    order = NewOrder(other.asset, True, Decimal(1), Decimal(20), "Alo", CLOID)

    rules.on_effects(exchange.apply(0, PlaceOrders(MAKER, (order,))))

    assert [violation.rule for violation in judge.violations] == ["S29"]


def test_s29_notices_bids_beyond_what_all_grids_were_allocated() -> None:
    grids, exchange, judge, rules = draw(1)
    exchange.apply(0, Deposit(MAKER, grids[0].pair.quote.index, Decimal(10) ** 6))
    price = grids[0].levels[0]
    order = NewOrder(grids[0].pair.asset, True, price, (10**5 / price).quantize(Decimal(1)), "Alo", CLOID)
    effects = exchange.apply(0, PlaceOrders(MAKER, (order,)))
    grids[0].view.apply(effects)

    rules.on_effects(effects)

    assert [violation.rule for violation in judge.violations] == ["S29"]


def check_move(coin: str, *, traded: str) -> list[str]:
    """Return the rules that break where one grid records that it gained what an order of ours bought of a pair."""
    judge = Judge(lambda: 0.0, on_first=lambda violation: None)
    fill = Fill(
        address=MAKER,
        coin=traded,
        price=Decimal(20),
        size=Decimal("0.54"),
        is_buy=True,
        time_ms=5,
        start_position=Decimal(0),
        hash="0x1",
        oid=8,
        crossed=False,
        fee=Decimal("0.04"),
        fee_token=DEFAULT_MARKETS.pair(traded).base.name,
        tid=7,
        cloid=CLOID,
    )
    moved = Moved(Decimal("0.50"), Decimal(0), "hand trade", 5, "7:8")
    check_moves([moved], judge, rows=(), fills=[fill], pair=DEFAULT_MARKETS.pair(coin), markets=DEFAULT_MARKETS)
    return [violation.rule for violation in judge.violations]


def test_s28_lets_a_trade_of_a_halted_grid_move_a_token_that_another_one_has_alone() -> None:
    assert check_move("@207", traded="@107") == []


def test_s28_notices_a_fill_of_its_own_that_is_told_as_a_hand_trade() -> None:
    assert check_move("@207", traded="@207") == ["S28"]


def test_a_judge_of_a_grid_names_it_and_keeps_the_records_of_all() -> None:
    judge = Judge(lambda: 1.0, on_first=lambda violation: None)

    judge.of_grid("@1").check("S1", False, lambda: "two in one slot")

    assert [violation.text for violation in judge.violations] == ["@1: two in one slot"]
    assert judge.n_checks["S1"] == 1


# --- A coin that cannot be read ---


@pytest.mark.parametrize("channel", ["orderUpdates", "userFills"])
def test_only_the_rows_of_a_spoiled_coin_are_changed(channel: str) -> None:
    rows = [{"coin": coin, "oid": 7, "px": "1"} for coin in ("@1", "@107")]
    data = {"user": MAKER, "fills": rows} if channel == "userFills" else [{"order": row} for row in rows]
    counter, sent = FaultCounter({FaultKind.COIN_GARBLED: 1.0}), list[dict[str, Any]]()

    async def main() -> None:
        delivery = FrameDelivery(counter, latest_s=0, fills_have_cloids=True, rng=Random(1))
        delivery.spoiled_coin = "@1"
        delivery.deliver(_Feed(sent), {"channel": channel, "data": data})  # type: ignore[arg-type]
        with trio.move_on_after(0.1):
            await delivery.carry_forever()

    trio.run(main)
    found = sent[0]["data"]["fills"] if channel == "userFills" else [row["order"] for row in sent[0]["data"]]
    assert found[0] != rows[0]
    assert found[0]["coin"] == "@1"
    assert found[1] == rows[1]
    assert counter.struck[FaultKind.COIN_GARBLED] == 1


class _Feed:
    """Feed that keeps what it is handed."""

    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self._sent = sent

    def dispatch(self, frame: dict[str, Any]) -> None:
        self._sent.append(frame)
