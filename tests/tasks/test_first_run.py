"""The first live run and the whole plan after it, on one ledger: never two orders a side, and every fill exact."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from builders import COIN, MAKER, TAKER, World, booked
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.cli.live_programs.first_run import cap_limits, cap_settings
from mm_trio.cli.live_programs.live_start import plan_settings
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings
from mm_trio.halts.standing import State
from mm_trio.halts.standing_file import StandingFile
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.pricing_grid import PricingGrid

GRID = PricingGrid("20", 40, sz_decimals=2)
STRANGER = "0x" + "c3" * 20
# Of half an order more than whole ones, so that there is a remainder.
AMOUNTS = {"token": "102.5", "usdc": "2000"}


def make_settings() -> Settings:
    document = {
        "market": {"coin": COIN, "network": "mainnet", "account": "0x" + "a1" * 20, "base": "HYPE"},
        "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5", "active_levels": 8},
        "allocation": AMOUNTS,
        "tuning": {"interval_s": 1.0},
    }
    return parse_settings(document, environ={}, source="the test")


def make_first_run() -> tuple[Settings, RiskLimits]:
    plan = plan_settings(make_settings(), GRID)
    capped = cap_settings(make_settings(), plan)
    return capped, cap_limits(NO_LIMITS, plan_settings(capped, GRID))


def make_maker(world: World, folder: Path, settings: Settings, **more: Any) -> WsState:
    journal = Journal.open(folder)
    parameters: dict[str, Any] = dict(settings.maker_parameters(GRID))
    return world.maker(**parameters | more, journal=journal, standing=StandingFile(folder))


def make_world() -> World:
    """A market of others around the ladder, wide enough to leave the inside to it."""
    world = World(token="102.5", usdc="2000")
    world.fund(STRANGER, 1000, 100_000)
    world.order("buy", "20.5", "50", tif="Alo", address=STRANGER)
    world.order("sell", "21.9", "50", tif="Alo", address=STRANGER)
    return world


async def trade(world: World, rng: Random, *, n: int, most: str) -> None:
    """Takers of either side that stop at a stranger's price."""
    for _ in range(n):
        size = str(round(Decimal(rng.random()) * Decimal(most) + Decimal("0.01"), 2))
        if rng.random() < 0.5:
            world.order("buy", "21.89", size, address=TAKER)
        else:
            world.order("sell", "20.51", size, address=TAKER)
        await trio.sleep(rng.random())


@pytest.mark.parametrize("seed", range(6))
async def test_a_first_run_then_the_whole_plan_on_one_ledger(
    autojump_clock: MockClock, tmp_path: Path, seed: int
) -> None:
    """Answers get lost as well, so some orders are in doubt for a while."""
    rng, world = Random(seed), make_world()
    capped, limits = make_first_run()
    most = limits.max_side_notional
    assert most is not None
    resting: list[tuple[int, int]] = []

    def look() -> None:
        orders = world.resting()
        sides = [sum(order.price * order.size for order in orders if order.is_buy is side) for side in (True, False)]
        assert max(sides) <= most, orders
        resting.append((sum(order.is_buy for order in orders), sum(not order.is_buy for order in orders)))

    world.gateway.checks.append(look)
    first = make_maker(world, tmp_path, capped, limits=limits)
    async with world.running(first):
        await trade(world, rng, n=20, most="0.6")
        for method in ("bulk_orders", "bulk_modify_orders_new", "bulk_cancel"):
            world.venue.fail_next(method, TimeoutError("no answer"), applied=rng.random() < 0.5)
        await trade(world, rng, n=40, most="0.6")
        await trio.sleep(30)
    n_first = len(world.fills())
    small = (booked(first), world.resting())
    world.gateway.checks.remove(look)

    world.info = world.venue.info(MAKER)
    second = make_maker(world, tmp_path, make_settings())
    async with world.running(second):
        n_whole = len(world.resting())
        await trade(world, rng, n=20, most="6")
        await trio.sleep(30)
    n_second = len(world.fills())

    assert max(max(sides) for sides in resting) == 1
    assert n_first > 5
    assert n_second > n_first
    assert small == (world_ledger(world, capped, n=n_first), [])
    assert n_whole == 16
    assert booked(second) == world_ledger(world, make_settings(), n=n_second)
    assert StandingFile(tmp_path).standing.state is State.ACTIVE
    for maker in (first, second):
        assert maker.orders_may_rest == ()


def world_ledger(world: World, settings: Settings, *, n: int) -> tuple[Decimal, Decimal]:
    """An allocation with the exchange's own record of the first fills."""
    assert settings.allocation is not None
    token, usdc = settings.allocation.token, settings.allocation.usdc
    for fill in world.fills()[:n]:
        sign = 1 if fill.is_buy else -1
        token += sign * fill.size - (fill.fee if fill.fee_token == "HYPE" else 0)
        usdc -= sign * fill.size * fill.price + (fill.fee if fill.fee_token == "USDC" else 0)
    return token, usdc
