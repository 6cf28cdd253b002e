"""Status of running makers, of one market and of several."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import trio
from builders import MAKER, World, dec, until
from grids_kit import COINS, GridsWorld

from mm_trio.halts.requests import Request, write_request
from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import StandingFile
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.limits.terms import RiskLimits
from mm_trio.views.account_status import AccountStatus, Identity, StatusSource, take_status
from mm_trio.views.json_values import from_json, to_json
from mm_trio.views.maker import Maker

ONE = Identity(version="0.1.0", network="sandbox", account=MAKER, mode="one", pid=7)
LIMITS = RiskLimits(
    max_order_notional=Decimal(200),
    max_side_notional=Decimal(4_000),
    max_net_spend=Decimal(500),
    price_low=Decimal(10),
    price_high=Decimal(40),
    max_loss_vs_hold=Decimal(100),
    max_drawdown_vs_hold=Decimal(100),
    max_actions_per_hour=1_000,
    max_fills_per_minute=10,
    max_unknown_outcomes=5,
    budget_floor=500,
)


def look(maker: Maker, identity: Identity = ONE, *, started_s: float = 0.0) -> AccountStatus:
    return take_status(maker, identity, now_s=trio.current_time(), started_s=started_s, at_ms=1)


def pass_on(status: AccountStatus) -> AccountStatus:
    return from_json(AccountStatus, json.loads(json.dumps(to_json(status), allow_nan=False)))


async def test_a_maker_that_has_not_started_has_a_status(autojump_clock: trio.abc.Clock) -> None:
    status = look(World().maker())

    assert (status.state, status.last_tick_age_s, status.last_frame_age_s) == ("starting", None, None)
    assert (status.grids[0].boundary_level, status.grids[0].asks.orders, status.limits) == (None, 0, ())
    assert pass_on(status) == status


async def test_the_status_of_one_market_has_what_rests(autojump_clock: trio.abc.Clock) -> None:
    world = World()
    async with world.running(world.maker(active_levels=6)) as maker:
        source = StatusSource(maker=maker, identity=ONE, started_s=trio.current_time(), wall_ms=lambda: 5)
        await trio.sleep(10)
        status = source.take()

        (grid,) = status.grids
        resting = world.book_of(maker)
        asks = {level: size for (side, level), size in resting.items() if side == "sell"}
        assert (grid.asks.orders, grid.asks.size) == (len(asks), sum(asks.values()))
        assert grid.asks.best_price == maker.grid.levels[min(asks)] == grid.boundary_price
        bids = {level: size for (side, level), size in resting.items() if side == "buy"}
        assert grid.bids.notional == sum(maker.grid.levels[level] * size for level, size in bids.items())
        assert (status.state, status.why, grid.health.state) == ("quoting", None, "quoting")
        assert (status.uptime_s, status.at_ms) == (10.0, 5)
        assert status.budget.remaining == maker.rate_limit.remaining()
        assert pass_on(status) == status


async def test_ages_grow_until_the_next_sign(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(journal=Journal.open(tmp_path), interval_s=3.0)
    async with world.running(maker):
        await trio.sleep(30)
        ticks = maker.stats.ticks
        await until(lambda: maker.stats.ticks > ticks)
        first = look(maker)
        await trio.sleep(2)
        second = look(maker)

        assert first.last_tick_age_s is not None
        assert second.last_tick_age_s is not None
        assert first.last_tick_age_s < 0.5
        assert abs(second.last_tick_age_s - first.last_tick_age_s - 2) < 0.01
        assert second.last_commit_age_s is not None
        assert second.last_frame_age_s is not None
        assert (second.unwritten_entries, second.unwritten_age_s) == (0, 0.0)
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        await trio.sleep(0.5)
        third = look(maker)
        assert third.last_commit_age_s is not None
        assert third.last_commit_age_s < 1


async def test_a_paused_maker_ticks_all_the_same(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    """The age of the last tick tells a maker that hangs from one that was stopped."""
    world = World()
    async with world.running(world.maker(standing=StandingFile(tmp_path), interval_s=3.0)) as maker:
        write_request(tmp_path, Request.PAUSE, "lunch")
        await trio.sleep(60)
        ticks, status = maker.stats.ticks, look(maker)
        await trio.sleep(60)
        later = look(maker)

        assert maker.stats.ticks == ticks
        assert (status.state, status.standing.state) == ("paused", State.PAUSED)
        assert status.why is not None
        assert "lunch" in status.why
        assert status.last_tick_age_s is not None
        assert later.last_tick_age_s is not None
        assert max(status.last_tick_age_s, later.last_tick_age_s) <= 3.0


async def test_each_limit_says_how_near_it_is(autojump_clock: trio.abc.Clock) -> None:
    world = World()
    async with world.running(world.maker(limits=LIMITS, allocated_token=100, allocated_usdc=2_000)) as maker:
        await trio.sleep(15)
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        uses = {use.name: use for use in look(maker).grids[0].limits}

        assert set(uses) == {item.name for item in fields(RiskLimits)} - {"needs_mid"}
        assert uses["max_fills_per_minute"].number in (0, 1)
        spent = uses["max_net_spend"].number
        assert spent is not None
        assert spent < 0
        assert uses["max_net_spend"].used == 0.0
        resting = maker.order_state.get_current_orders()
        assert uses["price_low"].number == min(order.price for order in resting)
        assert uses["max_order_notional"].number == max(order.price * order.size for order in resting)
        sides = [sum(o.price * o.size for o in resting if o.side == side) for side in ("buy", "sell")]
        assert uses["max_side_notional"].number == max(sides)
        floor = uses["budget_floor"]
        assert floor.used == 500 / maker.rate_limit.remaining()


async def test_the_status_of_several_markets_has_each_of_them(autojump_clock: trio.abc.Clock) -> None:
    world = GridsWorld()
    several = Identity(version="0.1.0", network="sandbox", account=MAKER, mode="several", pid=7)
    maker = world.account_maker(limits=RiskLimits(max_side_notional=dec(100_000), max_actions_per_hour=1_000))
    async with world.quoting(maker):
        await trio.sleep(5)
        status = look(maker, several)

        assert [grid.name for grid in status.grids] == list(COINS)
        assert (status.state, status.why) == ("quoting", None)
        uses = {use.name: use for use in status.limits}
        assert set(uses) == {"max_side_notional", "max_actions_per_hour"}
        resting = [order for face in maker.faces.values() for order in face.order_state.get_current_orders()]
        sides = [sum(o.price * o.size for o in resting if o.side == side) for side in ("buy", "sell")]
        assert uses["max_side_notional"].number == max(sides)
        actions = uses["max_actions_per_hour"].number
        assert actions is not None
        assert actions >= sum(grid.asks.orders + grid.bids.orders for grid in status.grids)
        assert status.find_grid(COINS[1]) is status.grids[1]
        assert status.find_grid("nothing") is None
        assert pass_on(status) == status


async def test_one_market_that_is_halted_makes_the_account_quote_in_part(autojump_clock: trio.abc.Clock) -> None:
    world = GridsWorld()
    halted = Standing(state=State.HALTED, since_ms=1, why="max_net_spend")

    class Stopped:
        standing, requests = halted, None

        def tighten(self, wanted: Standing) -> Standing:
            return halted

        def resume(self, is_late: object) -> Standing:
            return halted

    maker = world.account_maker([world.terms(COINS[0], standing=Stopped()), world.terms(COINS[1])])
    async with world.quoting(maker):
        status = look(maker)

        assert status.state == "in part"
        assert status.why is not None
        assert COINS[0] in status.why
        assert "max_net_spend" in status.why
        assert status.grids[0].standing == halted
