"""Snapshots of a maker on the in-process exchange."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from decimal import Decimal
from math import inf
from typing import Any

import pytest
import trio
from builders import MAKER, World, dec, until
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.model.orders import FillResult, Intent, Quote
from mm_trio.sandbox import RefuseOrders
from mm_trio.sandbox.matching import rules
from mm_trio.views.snapshot import take_view
from mm_trio.views.values import LadderRow, MakerView


def look(maker: WsState, *, run_s: float = 0.0, levels: int = 30) -> MakerView:
    now_s = trio.current_time()
    return take_view(maker, now_s=now_s, started_s=now_s - run_s, title="test", levels=levels)


def rows_at(view: MakerView) -> dict[int, LadderRow]:
    return {row.level_index: row for row in (*view.asks, *view.bids)}


async def test_a_maker_that_has_not_started_shows_no_ladder(autojump_clock: MockClock) -> None:
    view = look(World().maker())

    assert (view.asks, view.bids, view.boundary_price, view.spread_bps) == ((), (), None, None)
    assert view.health.state == "starting"
    assert view.inventory.total_value is None


async def test_the_ladder_shows_every_order_from_the_boundary_on(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker(active_levels=6)) as maker:
        view = look(maker)

        assert [row.level_index for row in view.asks] == list(range(20, 40))
        assert [row.level_index for row in view.bids] == list(range(19, -1, -1))
        shown = {(row.side, row.level_index): row.resting for row in rows_at(view).values() if row.resting}
        assert shown == world.book_of(maker)
        assert (view.n_asks, view.n_bids) == (6, 6)
        assert {row.status for row in rows_at(view).values()} == {"resting", "free"}


async def test_only_as_many_levels_are_shown_as_asked_for(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        view = look(maker, levels=3)

        assert [row.level_index for row in view.asks] == [20, 21, 22]
        assert [row.level_index for row in view.bids] == [19, 18, 17]


async def test_an_ask_that_shrank_to_dust_is_above_the_boundary(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        world.buy("4.99")
        await trio.sleep(7)
        view = look(maker)

        assert view.boundary_level == maker.boundary_level == 20
        assert (view.asks[0].side, view.asks[0].level_index, view.asks[0].resting) == ("sell", 20, dec("0.01"))


async def test_a_partly_filled_order_shows_its_share_of_a_full_one(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        world.buy("2")
        await until(lambda: maker.stats.fills == 1)

        row = look(maker).asks[0]

        assert (row.resting, row.wanted, row.share, row.status) == (dec(3), dec(3), 0.6, "resting")


async def test_boundary_price_and_spread_are_those_of_our_quotes(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        view = look(maker)

        prices = maker.grid.levels
        assert (view.boundary_level, view.boundary_price) == (20, prices[20])
        assert view.spread_bps == pytest.approx(float(prices[20] / prices[19] - 1) * 10_000)


async def test_without_tokens_the_boundary_is_the_top_of_the_ladder(autojump_clock: MockClock) -> None:
    world = World(token=0, usdc=5000)
    async with world.running(world.maker()) as maker:
        view = look(maker)

        assert (view.boundary_level, view.boundary_price) == (40, maker.grid.levels[-1])
        assert view.asks == ()
        assert view.spread_bps is None


async def test_a_cancelled_order_is_wanted_again(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        order = next(o for o in maker.order_state.get_current_orders() if o.level_index == 25)
        maker.order_state.on_cancel_confirmed(order.oid)

        row = rows_at(look(maker))[25]

        assert (row.side, row.resting, row.wanted, row.status) == ("sell", dec(0), dec(5), "wanted")


async def test_an_order_in_doubt_says_so(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        order = next(o for o in maker.order_state.get_current_orders() if o.level_index == 25)
        maker.order_state.on_doubt(order.oid, now_s=trio.current_time())

        view = look(maker)

        assert (rows_at(view)[25].status, rows_at(view)[25].resting) == ("in doubt", dec(5))
        assert view.health.doubts == 1


async def test_an_order_in_flight_says_so(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker(active_levels=6)) as maker:
        price = maker.grid.levels[30]
        maker.order_state.on_sent(Intent("0x" + "1" * 32, Quote("sell", 30, price, dec(5)), sent_s=trio.current_time()))

        row = rows_at(look(maker))[30]

        assert (row.resting, row.wanted, row.status) == (dec(0), dec(5), "in flight")


async def test_orders_without_funds_are_cancelling_or_changing(autojump_clock: MockClock) -> None:
    world = World(usdc=300)
    async with world.running(world.maker()) as maker:
        maker.inventory.on_balance_update(100, 130)

        rows = rows_at(look(maker))

        assert (rows[19].status, rows[18].status, rows[17].status) == ("resting", "changing", "cancelling")
        assert rows[18].wanted < rows[18].resting
        assert rows[17].wanted == 0


async def test_the_inventory_is_valued_at_the_boundary_price(autojump_clock: MockClock) -> None:
    world = World(token=200, usdc=9000)
    async with world.running(world.maker(allocated_token="100", allocated_usdc="2000")) as maker:
        inventory = look(maker).inventory

        assert (inventory.token, inventory.usdc) == (dec(100), dec(2000))
        assert (inventory.virtual_token, inventory.virtual_usdc) == (dec(100), dec(2000))
        assert (inventory.account_token, inventory.account_usdc) == (dec(200), dec(9000))
        assert inventory.token_value == 100 * maker.grid.levels[20]
        assert inventory.total_value == 100 * maker.grid.levels[20] + 2000


async def test_the_budget_lasts_as_long_as_items_less_volume_let_it(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        maker.stats.items, maker.stats.fill_volume = 460, Decimal(100)

        budget = look(maker, run_s=3600).budget

        assert budget.items == 460
        assert budget.remaining == maker.rate_limit.remaining()
        assert budget.hours_left == pytest.approx(budget.remaining / 360)


async def test_the_budget_forecast_needs_a_minute_of_data(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        maker.stats.items, maker.stats.fill_volume = 40, Decimal(100)

        assert look(maker, run_s=59).budget.hours_left is None
        assert look(maker, run_s=60).budget.hours_left == inf


async def test_a_maker_out_of_budget_is_cancel_only(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        maker.rate_limit.sync_from_exchange(0, 10_000)

        assert look(maker).health.state == "cancel only"


async def test_a_paused_maker_says_why(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        monkeypatch.setattr(type(maker), "paused_because", "socket closed", raising=False)

        health = look(maker).health

        assert (health.state, health.why) == ("paused", "socket closed")


async def test_the_newest_fill_comes_first_with_its_age(autojump_clock: MockClock) -> None:
    maker = World().maker()
    sold = FillResult("sell", 20, dec("21.2"), dec(5), True)
    bought = FillResult("buy", 20, dec("21.2"), dec("1.5"), False)

    view = take_view(maker, now_s=100.0, started_s=0.0, recent_fills=[(70.0, sold), (98.0, bought)])

    newest, older = view.fills
    assert (newest.age_s, newest.quote.side, newest.value, newest.complete) == (2.0, "buy", dec("31.8"), False)
    assert (older.age_s, *older.quote.slot, older.complete) == (30.0, "sell", 20, True)


async def test_the_maker_s_own_fills_are_shown_by_default(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)

        assert len(look(maker).fills) == 1
        assert take_view(maker, now_s=0.0, started_s=0.0, recent_fills=()).fills == ()


async def test_a_snapshot_is_frozen_and_changes_nothing(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker()) as maker:
        orders, calls = maker.order_state.get_current_orders(), len(world.venue.calls)

        view = look(maker)

        assert look(maker) == view
        assert (maker.order_state.get_current_orders(), len(world.venue.calls)) == (orders, calls)
        for field in fields(view):
            with pytest.raises(FrozenInstanceError):
                setattr(view, field.name, None)


@pytest.mark.parametrize(
    "parameters, refused, why",
    [
        ({}, rules.NO_BALANCE, "40 orders wait: balance too small"),
        ({"n_orders": 1400, "tick_size": "0.001"}, None, "400 levels beyond the venue's band or cap"),
    ],
)
async def test_a_ladder_that_is_quoted_in_part_says_why(
    autojump_clock: MockClock, parameters: dict[str, Any], refused: str | None, why: str
) -> None:
    world = World(token="7000", usdc="1000000") if parameters else World()
    if refused is not None:
        world.gateway.apply(RefuseOrders(MAKER, refused))
    async with world.running(world.maker(**parameters)) as maker:
        await trio.sleep(30)
        health = look(maker).health

    assert (health.state, health.why) == ("in part", why)


async def test_a_side_with_nothing_to_offer_is_told(autojump_clock: MockClock) -> None:
    world = World(token="0")
    async with world.running(world.maker()) as maker:
        await trio.sleep(30)
        health = look(maker).health

    assert (health.state, health.why) == ("in part", "nothing to offer: asks")
