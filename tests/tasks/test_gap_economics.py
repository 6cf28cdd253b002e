"""What round trips through the running maker earn and cost, by gap, at the base tier's maker fee."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from builders import MAKER, World, dec
from fault_kit import make_maker, make_world, remake_maker
from trio.testing import MockClock

LADDER = {"n_orders": 60, "start_px": "20"}
FIRST_ASK = 30  # 21.866: the tokens are whole asks from here up.
SETTLE_S = 7.0
BPS = 10_000

Trades = Sequence[tuple[str, str]]  # What the taker does, and the size.

WHOLE: Trades = (("buy", "5"), ("sell", "5")) * 20
PART: Trades = (("buy", "2"), ("sell", "2")) * 20
SWEEP: Trades = (("buy", "15"), ("sell", "15")) * 10


def draw_takers(seed: int) -> Trades:
    """Random takers who lean back to where they began."""
    rng, balance, trades = random.Random(seed), 0, []
    for _ in range(150):
        lots = rng.randint(50, 700)
        side = "buy" if rng.random() < 0.5 - balance / 8000 else "sell"
        balance += lots if side == "buy" else -lots
        trades.append((side, str(Decimal(lots).scaleb(-2))))
    return trades


@dataclass(frozen=True)
class Outcome:
    """Change of wealth in bps of our volume, at one price from start to end; items a fill."""

    bps: float
    items: float


async def trade(trades: Trades, *, gap: int, fee: str = "0.0004") -> Outcome:
    """Let a taker trade, and wait for two updates after each trade."""
    world = World(token=5 * (60 - FIRST_ASK), usdc=4000, maker_fee=fee)
    maker = world.maker(**LADDER, gap_levels=gap, dead_zone_bps=0, price_tolerance_bps=0, size_tolerance_pct=0)
    world.guard(maker)
    async with world.running(maker):
        await trio.sleep(SETTLE_S)
        tokens, quote = world.totals()
        n_before = world.exchange.account(MAKER).n_requests
        for side, size in trades:
            (world.buy if side == "buy" else world.sell)(size)
            await trio.sleep(SETTLE_S)
        items = world.exchange.account(MAKER).n_requests - n_before
        end, fills, price = world.totals(), world.fills(), maker.grid.levels[FIRST_ASK]
    volume = sum(fill.size * fill.price for fill in fills)
    change = (end[0] - tokens) * price + end[1] - quote
    return Outcome(float(change / volume * BPS), items / len(fills))


def find_oids(world: World) -> dict[tuple[str, Decimal], int]:
    """By side and price, what rests."""
    return {("buy" if order.is_buy else "sell", order.price): order.oid for order in world.resting()}


async def test_whole_round_trips_without_a_gap_lose_the_fees(autojump_clock: MockClock) -> None:
    outcome = await trade(WHOLE, gap=0)

    assert outcome.bps == pytest.approx(-3.9, abs=0.1)


async def test_whole_round_trips_without_gap_and_fee_earn_nothing(autojump_clock: MockClock) -> None:
    outcome = await trade(WHOLE, gap=0, fee="0")

    assert outcome.bps == 0


@pytest.mark.parametrize("trades", [WHOLE, PART, SWEEP], ids=["whole", "part", "sweep"])
async def test_round_trips_with_a_gap_of_one_earn_more_than_the_fees(autojump_clock: MockClock, trades: Trades) -> None:
    outcome = await trade(trades, gap=1)

    assert outcome.bps >= 10.5


@pytest.mark.parametrize("trades", [WHOLE, PART, SWEEP], ids=["whole", "part", "sweep"])
async def test_a_gap_of_one_costs_hardly_more_than_an_item_a_fill(autojump_clock: MockClock, trades: Trades) -> None:
    outcome = await trade(trades, gap=1)

    assert outcome.items <= 1.1


@pytest.mark.parametrize(("gap", "least"), [(1, 10.5), (2, 25)])
async def test_random_takers_leave_the_gap_less_the_fees(autojump_clock: MockClock, gap: int, least: float) -> None:
    outcome = await trade(draw_takers(1), gap=gap)

    assert outcome.bps >= least
    assert outcome.items <= 1.1


@pytest.mark.parametrize("gap", [0, 1])
async def test_a_part_that_comes_back_is_whole_on_both_sides_within_two_ticks(
    autojump_clock: MockClock, gap: int
) -> None:
    """The mean price of all orders hardly moves meanwhile, as the dead zone would have it."""
    world = World(maker_fee="0")
    maker = world.maker(dead_zone_bps=5, gap_levels=gap)

    async with world.running(maker):
        before = world.book_of(maker)
        world.buy("4.95")
        await trio.sleep(7)
        world.sell("4.95")
        await trio.sleep(2 * 3 + 0.5)
        after = world.book_of(maker)

    assert after == before
    assert {size for (_, level), size in after.items() if level in range(15, 25)} == {dec(5)}


async def test_another_gap_after_a_restart_moves_bids_alone(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    async with world.running(make_maker(world, tmp_path, cancel_on_shutdown=False)):
        before = find_oids(world)
    second = remake_maker(world, tmp_path, gap_levels=1, cancel_on_shutdown=False)

    async with world.running(second):
        await trio.sleep(2 * SETTLE_S)
        after, book = find_oids(world), world.book_of(second)

    assert {slot: oid for slot, oid in after.items() if slot[0] == "sell"} == {
        slot: oid for slot, oid in before.items() if slot[0] == "sell"
    }
    assert max(level for side, level in book if side == "buy") == 18
