"""Contract 2.1 and 2.2 on a running maker: side and size of each level, and funds held back."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest
import trio
from builders import MAKER, World, dec, until
from trio.testing import MockClock

from mm_trio.grids.startup import check_order_size
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS


async def settle(ticks: float = 2.5) -> None:
    """A few ticks of three seconds."""
    await trio.sleep(3 * ticks)


async def test_on_a_clean_start_the_partial_tranche_is_an_ask_below_the_full_ones(autojump_clock: MockClock) -> None:
    world = World(token="103")
    maker = world.maker()

    async with world.running(maker):
        book = world.book_of(maker)

    assert book["sell", 19] == 3
    assert book["sell", 20] == 5
    assert max(level for side, level in book if side == "buy") == 18
    assert maker.boundary_level == 19


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_partly_filled_order_is_right_as_it_is_and_costs_no_request(
    autojump_clock: MockClock, side: str
) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        before = {order.oid for order in world.resting()}
        take = world.sell if side == "buy" else world.buy
        for part in ("1", "1.5", "0.7"):
            take(part)
            await settle()
        book, after = world.book_of(maker), {order.oid for order in world.resting()}
        n_orders, n_modifies = world.calls("bulk_orders"), world.calls("bulk_modify_orders_new")

    assert book[side, 19 if side == "buy" else 20] == dec("1.8")
    assert after == before
    assert (n_orders, n_modifies) == (1, 0)


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_only_a_complete_fill_flips_a_level(autojump_clock: MockClock, side: str) -> None:
    world = World()
    maker = world.maker()
    level, flipped = (19, "sell") if side == "buy" else (20, "buy")

    async with world.running(maker):
        take = world.sell if side == "buy" else world.buy
        take("4.99")
        await settle()
        crumb = world.book_of(maker)[side, level]
        n_requests = maker.stats.requests
        taker = "sell" if side == "buy" else "buy"
        world.order(taker, maker.grid.levels[level], "5")  # no more than what is left there
        await settle()
        book = world.book_of(maker)

    assert (crumb, n_requests) == (dec("0.01"), 1)
    assert (side, level) not in book
    assert (flipped, level) in book


async def test_an_ask_that_shrank_to_a_crumb_is_still_where_the_maker_quotes_from(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.buy("4.99")
        await settle()
        observed = maker.order_state.boundary_level(40)
        last_tick = [line for line in caplog.messages if line.startswith("tick=")][-1]

    assert maker.boundary_level == observed == 20
    assert " boundary=20 desired=" in last_tick  # and no drift


async def test_a_bid_filled_whole_flips_although_its_fee_left_less_than_a_tranche(autojump_clock: MockClock) -> None:
    """The fee of a bid is taken in base: 0.002 of 5, so one lot is missing to the whole tranche."""
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.sell("5")
        await settle()
        book = world.book_of(maker)

    assert book["sell", 19] == dec("4.99")
    assert ("buy", 19) not in book


async def test_a_partial_tranche_too_small_to_place_is_withheld_and_its_level_is_a_bid(
    autojump_clock: MockClock,
) -> None:
    world = World(token="100.3")
    maker = world.maker()

    async with world.running(maker):
        book = world.book_of(maker)

    assert book["buy", 19] == dec("4.7")
    assert min(level for side, level in book if side == "sell") == 20


async def test_where_both_parts_are_too_small_the_level_stays_empty(autojump_clock: MockClock) -> None:
    world = World(token="9.45")
    maker = world.maker(order_sz="0.9", n_orders=30)

    async with world.running(maker):
        await settle()
        asks, bids = world.levels(maker, "sell"), world.levels(maker, "buy")

    assert (bids[-1], asks[0]) == (18, 20)
    assert maker.stats.errors == 0


async def test_the_last_bid_is_as_large_as_the_quote_balance_reaches(autojump_clock: MockClock) -> None:
    world = World(usdc="250")
    maker = world.maker()

    async with world.running(maker):
        book = world.book_of(maker)
        spent = sum(size * maker.grid.levels[level] for (side, level), size in book.items() if side == "buy")

    assert [book["buy", level] for level in (19, 18)] == [5, 5]
    assert 0 < book["buy", 17] < 5
    assert 0 <= 250 - spent < maker.grid.levels[17] * dec("0.01")


async def test_a_last_bid_too_small_to_place_is_withheld(autojump_clock: MockClock) -> None:
    world = World(usdc="215")
    maker = world.maker()

    async with world.running(maker):
        bids = world.levels(maker, "buy")

    assert bids == [18, 19]


async def test_tokens_without_a_level_are_withheld(autojump_clock: MockClock) -> None:
    world = World(token="213")
    maker = world.maker()

    async with world.running(maker):
        book = world.book_of(maker)

    assert book == {("sell", level): dec(5) for level in range(40)}


async def test_tokens_are_counted_in_whole_lots(autojump_clock: MockClock) -> None:
    world = World(token="102.9999999")
    maker = world.maker()

    async with world.running(maker):
        book = world.book_of(maker)

    assert book["sell", 19] == dec("2.99")


async def test_a_window_quotes_so_many_levels_a_side_and_follows_the_boundary(autojump_clock: MockClock) -> None:
    world = World(token="103")
    maker = world.maker(active_levels=3)

    async with world.running(maker):
        start = world.levels(maker, "buy"), world.levels(maker, "sell")
        world.buy("13")
        await settle()
        moved = world.levels(maker, "buy"), world.levels(maker, "sell")

    assert start == ([16, 17, 18], [19, 20, 21])
    assert moved == ([19, 20, 21], [22, 23, 24])


async def test_far_ends_of_a_window_may_lag_by_the_slack_and_the_inside_never(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(active_levels=5, window_slack=2)

    async with world.running(maker):
        world.buy("5")
        await settle()
        lagging = world.levels(maker, "buy"), world.levels(maker, "sell")
        cancels_while_lagging = world.calls("bulk_cancel")
        world.buy("10")
        await settle()
        moved = world.levels(maker, "buy"), world.levels(maker, "sell")

    assert lagging == ([15, 16, 17, 18, 19, 20], [21, 22, 23, 24])
    assert cancels_while_lagging == 0
    assert (moved[0][-1], moved[1][0]) == (22, 23)


async def test_a_tick_that_repairs_drift_says_so_in_its_log_line(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    maker = world.maker()

    with caplog.at_level(logging.INFO, logger="mm_trio"):
        async with world.running(maker):
            await settle()
            converged = [line for line in caplog.messages if line.startswith("tick=")]
            caplog.clear()
            (lowest,) = (order for order in world.resting() if order.price == maker.grid.levels[20])
            world.cancel(lowest.oid)
            await until(lambda: len(world.resting()) == 40)
            await trio.lowlevel.checkpoint()
            repaired = next(line for line in caplog.messages if "placed=1" in line)

    assert converged
    assert not any("drift" in line for line in converged)
    assert "boundary=20 drift=observed:21" in repaired


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"order_sz": "5.005"}, "lots of 0.01"),
        ({"order_sz": 0}, "above 0"),
        ({"order_sz": "-5"}, "above 0"),
        ({"order_sz": "0.5"}, "below 1.01 times"),
        ({"order_sz": "5", "min_notional": 100}, "below 1.01 times"),
        ({"start_px": 0}, "start_px"),
        ({"n_orders": 0}, "n_orders"),
        ({"start_px": "0.00001"}, "repeat"),
    ],
)
async def test_values_that_cannot_be_quoted_are_a_value_error_before_anything_is_sent(
    autojump_clock: MockClock, changed: dict[str, Any], said: str
) -> None:
    world = World()

    with pytest.raises(ValueError, match=said):
        await world.maker(**changed).run()

    assert world.exchange.records(MAKER) == ()


@pytest.mark.parametrize("start_px", ["20", "20.2", "19.99", "3.3333", "101"])
def test_the_advised_smallest_order_size_is_accepted(start_px: str) -> None:
    grid = PricingGrid(start_px, 30, sz_decimals=2)
    with pytest.raises(ConfigError) as caught:
        check_order_size(grid, grid.lot, Decimal(10))
    advised = Decimal(str(caught.value).split("at least ")[1].split(",")[0])

    check_order_size(grid, advised, Decimal(10))

    with pytest.raises(ConfigError):
        check_order_size(grid, advised - grid.lot, Decimal(10))


async def test_an_order_size_below_twice_the_minimum_is_a_warning(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()

    async with world.running(world.maker(order_sz="0.9", n_orders=30)):
        n_resting = len(world.resting())

    assert n_resting > 0
    assert any("less than twice the minimum" in message for message in caplog.messages)


async def test_another_quote_token_than_usdc_is_read_and_booked(autojump_clock: MockClock) -> None:
    world = World(coin="@207")
    maker = world.maker(allocated_token=100, allocated_usdc=5000)

    async with world.running(maker):
        world.buy("12")
        world.sell("4")
        await settle()
        fee_tokens = {fill.fee_token for fill in world.fills()}
        book = world.book_of(maker)

    assert maker.asset_id == 10_207
    assert fee_tokens == {"USDT0", "HYPE"}
    assert (maker.inventory.virtual_token, maker.inventory.virtual_usdc) == world.ledger(100, 5000)
    assert len(book) == 40


@pytest.mark.parametrize("name, coin", [("HYPE/USDC", "@107"), ("HYPE/USDT0", "@207"), ("PURR/USDC", "PURR/USDC")])
async def test_a_pair_may_be_named_by_its_tokens(autojump_clock: MockClock, name: str, coin: str) -> None:
    world = World(coin=coin, token="1000")
    maker = world.maker(coin=name)

    async with world.running(maker):
        n_resting = len(world.resting())

    assert n_resting == 40
    assert maker.coin == coin


async def test_metadata_with_gaps_is_read_by_index(autojump_clock: MockClock) -> None:
    """Mainnet's gaps: the place of a token in its list is not its index, and a listed pair may lack its token."""
    world = World()
    meta = world.info.spot_meta()
    meta["universe"].append({"tokens": [459, 0], "name": "@478", "index": 478, "isCanonical": False})
    world.venue.calls.clear()
    world.venue.answer_next("spot_meta", meta)
    maker = world.maker()

    async with world.running(maker):
        n_resting = len(world.resting())

    positions = [token.index for token in DEFAULT_MARKETS.tokens]
    assert positions != list(range(len(positions)))
    assert n_resting == 40
    assert maker.grid.lot == Decimal("0.01")
