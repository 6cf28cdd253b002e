"""Contract 2.15: an hour of refusals costs few items, all that can rest rests, and all is whole soon after."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any, Literal

import pytest
import trio
from builders import MAKER, World, until
from trio.testing import MockClock

from mm_trio.sandbox import NewOrder, PlaceOrders, RefuseOrders
from mm_trio.sandbox.matching import rules

HOUR_S, LEARNT_S, WHOLE_WITHIN_S = 3600, 120, 600
STRANGER = "0x" + "c3" * 20
# The text, what is refused with it, and what the maker makes of it.
Scope = Literal["item", "batch", "action"]
TEXTS: list[tuple[str, Scope]] = [
    (rules.NO_BALANCE, "item"),
    ("Order must have minimum value of 10 USDC. asset=10107", "item"),
    (rules.TOO_MANY_OPEN, "item"),
    (rules.HALTED, "item"),
    (rules.POST_ONLY_PERIOD, "item"),
    ("Order value too large. Max is $5000000.", "item"),
    ("Words that nobody has seen yet.", "item"),
    (rules.BAD_PRICE, "batch"),
    (rules.OFF_BAND, "batch"),
    (rules.HALF_OF_SUPPLY, "batch"),
    (rules.TOO_MANY_OPEN, "action"),
    (rules.POST_ONLY_PERIOD, "action"),
    ("User has pending agent removal", "action"),
    ("Builder fee has not been approved.", "action"),
    (rules.UNKNOWN_ASSET, "action"),
    ("Words that nobody has seen yet.", "action"),
]


def n_items(world: World) -> int:
    return world.exchange.account(MAKER).n_requests


async def spend_an_hour(world: World) -> int:
    """Return the items of the hour that begins two minutes from now."""
    await trio.sleep(LEARNT_S)
    before = n_items(world)
    await trio.sleep(HOUR_S)
    return n_items(world) - before


@pytest.mark.parametrize("text, scope", TEXTS)
async def test_a27_an_hour_of_any_refusal_costs_sixty_items_and_all_heals(
    autojump_clock: MockClock, text: str, scope: Scope
) -> None:
    world = World()
    world.gateway.apply(RefuseOrders(MAKER, text, scope))
    maker = world.maker()

    async with world.running(maker):
        spent = await spend_an_hour(world)
        world.gateway.apply(RefuseOrders(MAKER, None))
        await trio.sleep(WHOLE_WITHIN_S)
        asks, bids = world.levels(maker, "sell"), world.levels(maker, "buy")

    assert spent <= 60
    assert (asks, bids) == (list(range(20, 40)), list(range(20)))


@pytest.mark.parametrize("text, scope", [(rules.NO_BALANCE, "item"), (rules.OFF_BAND, "batch")])
async def test_the_side_that_is_not_refused_rests_meanwhile(autojump_clock: MockClock, text: str, scope: Scope) -> None:
    world = World()
    world.gateway.apply(RefuseOrders(MAKER, text, scope, is_buy=False))
    maker = world.maker()

    async with world.running(maker):
        spent = await spend_an_hour(world)
        asks, bids = world.levels(maker, "sell"), world.levels(maker, "buy")

    assert spent <= 60
    assert (asks, bids) == ([], list(range(20)))


async def test_an_hour_of_levels_out_of_the_band_costs_sixty_items_and_all_others_rest(
    autojump_clock: MockClock,
) -> None:
    """Levels of 5 %, and a trade at the innermost ask: the upper ones are more than five times as high."""
    world = World(token="250", usdc="5000")
    parameters: dict[str, Any] = {"n_orders": 60, "tick_size": "0.05"}
    world.fund(STRANGER, 10, 0)
    world.order("sell", "32.5", "1", tif="Alo", address=STRANGER)
    world.order("buy", "32.5", "1")
    maker = world.maker(**parameters)

    async with world.running(maker):
        spent = await spend_an_hour(world)
        book = world.book_of(maker)
        can_rest = {
            ("sell" if level >= 10 else "buy", level)
            for level, price in enumerate(maker.grid.levels)
            if Decimal("32.5") / 5 < price <= Decimal("32.5") * 5
        }

    assert 60 > len(can_rest) > 40
    assert book.keys() == can_rest
    assert spent <= 60


async def test_levels_out_of_the_band_are_not_sent_where_the_book_shows_the_reference(
    autojump_clock: MockClock,
) -> None:
    world = World(token="250", usdc="5000")
    world.fund(STRANGER, 10, 1000)
    world.order("sell", "32.5", "1", tif="Alo", address=STRANGER)
    world.order("buy", "32.5", "1")
    world.order("sell", "32.55", "1", tif="Alo", address=STRANGER)
    world.order("buy", "32.45", "1", tif="Alo", address=STRANGER)
    maker = world.maker(n_orders=60, tick_size="0.05")

    async with world.running(maker):
        await trio.sleep(LEARNT_S)
        prices = sorted(order.price for order in world.resting())
        spent = n_items(world)

    assert prices[-1] <= Decimal("162.5") < maker.grid.levels[-1]
    assert spent == len(prices)


async def test_the_far_ends_beyond_the_cap_of_open_orders_are_not_sent(autojump_clock: MockClock) -> None:
    """Fourteen hundred levels, and seven orders of the account on another pair."""
    world = World(token="7000", usdc="1000000")
    world.fund(MAKER, 0, 1000)
    other = next(pair for pair in world.exchange.markets.pairs if pair.name != world.coin and pair.quote.index == 0)
    for n in range(7):
        order = NewOrder(other.asset, True, Decimal(1) + n, Decimal(20), "Alo", None)
        world.gateway.apply(PlaceOrders(MAKER, (order,)))
    before = n_items(world)
    maker = world.maker(n_orders=1400, tick_size="0.001", order_sz="5", foreign_orders="keep")

    async with world.running(maker):
        await trio.sleep(LEARNT_S)
        resting, spent = len(world.resting()), n_items(world) - before

    assert resting == 993
    assert spent == 993


async def test_at_the_cap_the_far_end_makes_way_for_what_a_fill_needs(autojump_clock: MockClock) -> None:
    """Another program of the account takes the place that a fill left free."""
    world = World(token="1500", usdc="200000")
    world.fund(MAKER, 0, 50_000)
    other = next(pair for pair in world.exchange.markets.pairs if pair.name != world.coin and pair.quote.index == 0)

    def order_elsewhere(n: int) -> None:
        order = NewOrder(other.asset, True, Decimal(1) + Decimal(n) / 1000, Decimal(20), "Alo", None)
        world.gateway.apply(PlaceOrders(MAKER, (order,)))

    maker = world.maker(n_orders=600, tick_size="0.001", order_sz="5", foreign_orders="keep")
    async with world.running(maker):
        await until(lambda: len(world.resting()) == 600)
        for n in range(400):
            order_elsewhere(n)
        world.buy("5")
        order_elsewhere(400)
        await trio.sleep(90)
        asks, bids = world.levels(maker, "sell"), world.levels(maker, "buy")
        stats = maker.stats

    assert asks == list(range(301, 600))
    assert bids == list(range(1, 301))
    assert stats.levels_left_out == 1


async def test_the_inside_is_never_empty_however_far_a_ladder_beyond_the_cap_moves(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = World(token="3500", usdc="1000000")
    maker = world.maker(n_orders=1400, tick_size="0.001", order_sz="5", requote_on_fill=True)

    async with world.running(maker):
        await until(lambda: len(world.resting()) == 1000)
        for _ in range(12):
            world.buy("250")
            await trio.sleep(60)
        asks, bids = world.levels(maker, "sell"), world.levels(maker, "buy")
        n_resting = len(world.resting())

    assert (asks[0], bids[-1]) == (1300, 1299)
    assert n_resting == 1000
    assert asks == list(range(1300, 1400))
    assert sum("levels left out" in m for m, _ in _lines(caplog)) == 1


async def test_a_pause_is_told_once_and_so_is_its_end(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    world.gateway.apply(RefuseOrders(MAKER, rules.NO_BALANCE))
    maker = world.maker()

    async with world.running(maker):
        await trio.sleep(HOUR_S)
        world.gateway.apply(RefuseOrders(MAKER, None))
        await trio.sleep(WHOLE_WITHIN_S)

    told = [record.levelname for record in caplog.records if "refusals" in record.getMessage()]
    assert told == ["WARNING", "INFO"]
    assert sum("action failed" in m and r == "WARNING" for m, r in _lines(caplog)) == 1
    assert maker.stats.refusals_paused == 1


def _lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.getMessage(), record.levelname) for record in caplog.records]
