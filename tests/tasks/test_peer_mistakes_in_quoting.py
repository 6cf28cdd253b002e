"""Mistakes of another open market maker with orders and quotes.

One short scenario each, which shows the right behaviour. The numbers are those of the last list in docs/faults.md.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, World, booked, dec, until
from line_kit import EXACT, Line, check_ownership, own_ledger, settle, trade
from trio.testing import MockClock

from mm_trio.sandbox.info import rows
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders

REFUSED = {"status": "err", "response": "something is wrong"}
ALL_AT_ONCE: dict[str, Any] = {"requote_on_fill": True, **EXACT}
STATUSES = ("scheduledCancel", "selfTradeCanceled", "marginCanceled", "rejected", "badAloPxRejected")


def status_row(world: World, oid: int, **changed: Any) -> dict[str, Any]:
    """What orderUpdates says of an order's last change."""
    record = world.exchange.find_record(MAKER, oid)
    assert record is not None
    return rows.update_row(record) | changed


# --- whose an order is -------------------------------------------------------------------------


async def test_item_14_an_order_of_another_market_is_never_taken_for_ours(autojump_clock: MockClock) -> None:
    """It has the price of a level of ours, and its frames come on the channel of ours."""
    world, line = World(signing=True), Line()
    world.fund(MAKER, "0", "500")
    maker = world.maker(run_sync=line, **EXACT)
    world.guard(maker)
    async with world.running(maker):
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        other = NewOrder(10_000, True, maker.grid.levels[3], dec(5), "Alo")
        world.gateway.apply(PlaceOrders(MAKER, (other,)))
        world.buy("3")
        await settle(world, maker)
        still = {order.oid for order in maker.order_state.get_current_orders()}

    assert tracked == still
    assert [o.coin for o in world.exchange.open_orders(MAKER)] in ([], ["PURR/USDC"])
    check_ownership(world, line)


async def test_item_15_no_two_orders_share_a_place_and_none_is_forgotten(autojump_clock: MockClock) -> None:
    """Several off the ladder, several on one level: each is either tracked or cancelled."""
    world = World(token="200", usdc="10000", signing=True)
    for price in ("10.1", "10.2", "20.3", "20.31", "20.32"):
        world.order("buy", price, "3", tif="Alo", address=MAKER)
    for price in ("40", "41"):
        world.order("sell", price, "3", tif="Alo", address=MAKER)
    maker = world.maker(run_sync=Line(), **EXACT)
    async with world.running(maker):
        await trio.sleep(10)
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        resting = {order.oid for order in world.resting()}
        n_places = len(world.book_of(maker))

    assert tracked == resting
    assert n_places == len(resting) == 40


async def test_item_16_the_operators_orders_stay_and_what_they_hold_is_not_offered(autojump_clock: MockClock) -> None:
    world, line = World(token="120", usdc="10000", signing=True), Line()
    world.order("sell", "30", "35", tif="Alo", address=MAKER)
    stranger = world.resting()[0].oid
    maker = world.maker(run_sync=line, foreign_orders="keep", reconcile_every=2, **EXACT)
    async with world.running(maker):
        await trio.sleep(30)
        offered = sum(o.size for o in world.resting() if not o.is_buy and o.oid != stranger)
        record = world.exchange.find_record(MAKER, stranger)

    assert record is not None
    assert record.status == "open"
    assert offered == 85
    check_ownership(world, line)


# --- what is quoted ----------------------------------------------------------------------------


async def test_item_19_a_book_at_rest_costs_no_request(autojump_clock: MockClock) -> None:
    """Odd balances: sizes are whole lots from the start, and what we track is what the venue was told."""
    world, line = World(token="97.123456", usdc="1234.56789", signing=True), Line()
    maker = world.maker(
        run_sync=line, reconcile_every=3, **EXACT | {"allocated_token": "97.123456", "allocated_usdc": "1234.56789"}
    )
    async with world.running(maker):
        world.buy("3.33")
        await trio.sleep(10)
        since = len(line.events)
        await trio.sleep(300)
        offered = sum((o.size for o in world.resting() if not o.is_buy), dec(0))

    assert line.new_risk(since) == []
    assert offered <= own_ledger(world, "97.123456", "1234.56789")[0]


async def test_item_20_a_post_only_refusal_costs_its_own_level_alone(autojump_clock: MockClock) -> None:
    """A stranger's ask stands where bids of ours are due; all other levels go on being kept."""
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), **ALL_AT_ONCE)
    world.guard(maker)
    async with world.running(maker):
        world.buy("15")
        world.order("sell", maker.grid.levels[22], "50", tif="Alo")
        await trio.sleep(10)
        blocked = world.book_of(maker)
        world.order("buy", maker.grid.levels[22], "50")
        await settle(world, maker, within_s=60)

    assert ("buy", 22) not in blocked
    assert {("buy", 21), ("buy", 20), ("sell", 23)} <= blocked.keys()
    assert len(blocked) == 39


async def test_item_21_what_is_below_the_venues_minimum_is_never_sent(autojump_clock: MockClock) -> None:
    world, line = World(token="100.3", usdc="5000", signing=True), Line()
    maker = world.maker(run_sync=line, **ALL_AT_ONCE | {"allocated_token": "100.3"})
    world.guard(maker)
    async with world.running(maker):
        for size in ("4.8", "0.6", "3.1", "1.55"):
            world.buy(size)
            await trio.sleep(4)
        book = world.book_of(maker)

    orders = [o for event in line.new_risk() for o in event.action.get("orders", [])]
    orders += [m["order"] for event in line.new_risk() for m in event.action.get("modifies", [])]
    assert all(dec(order["p"]) * dec(order["s"]) >= 10 for order in orders)
    assert maker.stats.errors == 0
    asks, bids = [lv for side, lv in book if side == "sell"], [lv for side, lv in book if side == "buy"]
    assert min(asks) - max(bids) == 1


async def test_item_23_the_first_tick_quotes_both_sides_whatever_the_budget_covers(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    world.spend_budget(9_990)
    maker = world.maker(run_sync=Line(), **EXACT)
    async with world.running(maker):
        bids, asks = world.levels(maker, "buy"), world.levels(maker, "sell")

    assert bids[-1] == 19
    assert asks[0] == 20
    assert abs(len(bids) - len(asks)) <= 1


@pytest.mark.parametrize("token, usdc", [("0", "5000"), ("100", "0")])
async def test_item_25_proceeds_are_quoted_at_once(autojump_clock: MockClock, token: str, usdc: str) -> None:
    """This holds for an account that begins with one token alone, too."""
    world = World(token=token, usdc=usdc, signing=True)
    maker = world.maker(run_sync=Line(), requote_on_fill=True, reconcile_every=1000)
    world.guard(maker)
    async with world.running(maker):
        (world.buy if token != "0" else world.sell)("15")
        await trio.sleep(0.5)
        effective = maker.inventory.effective_token, maker.inventory.effective_usdc
        n_new = len(world.levels(maker, "buy" if token != "0" else "sell"))

    assert effective == world.totals()
    assert n_new == 3


async def test_item_26_fees_and_balances_are_those_of_the_pairs_own_quote_token(autojump_clock: MockClock) -> None:
    """The account holds USDC as well, which is none of this pair's business."""
    pairs = [pair for pair in World().exchange.markets.pairs if pair.quote.name != "USDC"]
    assert pairs, "the markets of the sandbox have a pair with another quote token"
    world = World(coin=pairs[0].name, signing=True)
    world.gateway.apply(Deposit(MAKER, 0, dec(777)))
    maker = world.maker(run_sync=Line(), reconcile_every=2, **ALL_AT_ONCE)
    world.guard(maker)
    async with world.running(maker):
        world.buy("7")
        world.sell("3")
        await settle(world, maker)

    assert {fill.fee_token for fill in world.fills()} <= {world.pair.base.name, world.pair.quote.name}
    assert maker.inventory.account_usdc == world.totals()[1]


@pytest.mark.parametrize("status", STATUSES)
async def test_item_27_every_word_for_an_ending_ends_an_order_at_once(autojump_clock: MockClock, status: str) -> None:
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), reconcile_every=1000, **EXACT)
    world.guard(maker)
    async with world.running(maker):
        oid = world.resting()[2].oid
        world.venue.lose_frames("orderUpdates")
        world.cancel(oid)
        world.venue.stop_losing_frames()
        world.say("orderUpdates", [status_row(world, oid, status=status)])
        await trio.sleep(0.01)
        gone = maker.order_state.find(oid) is None
        await settle(world, maker, within_s=3.1)

    assert gone


async def test_item_28_a_smaller_size_told_before_the_fill_is_not_counted_down_twice(
    autojump_clock: MockClock,
) -> None:
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), interval_s=60, reconcile_every=1000, **EXACT)
    async with world.running(maker):
        order = next(o for o in world.resting() if not o.is_buy and o.price == maker.grid.levels[20])
        world.venue.hold_frames("userFills", "orderUpdates")
        world.buy("3")
        row = status_row(world, order.oid)
        row["order"] = row["order"] | {"sz": "2.0"}
        world.say("orderUpdates", [row | {"status": "open"}])
        await trio.sleep(0.1)
        world.venue.release_frames()
        await until(lambda: maker.stats.fills == 1)
        tracked = maker.order_state.find(order.oid)
        world.buy("2")
        await until(lambda: maker.stats.fills == 2)
        gone = maker.order_state.find(order.oid) is None

    assert tracked is not None
    assert tracked.size == 2
    assert gone
    assert booked(maker) == own_ledger(world)


async def test_item_29_a_batch_is_charged_by_its_items_and_the_count_is_the_venues(autojump_clock: MockClock) -> None:
    world, rng = World(signing=True), random.Random(29)
    maker = world.maker(run_sync=Line(), reconcile_every=1000, **ALL_AT_ONCE)
    async with world.running(maker):
        for _ in range(15):
            trade(world, rng)
            await trio.sleep(1)
        ours, n_items = maker.rate_limit.n_requests, maker.stats.items
        theirs = world.info.user_rate_limit(MAKER)["nRequestsUsed"]

    assert ours == theirs == n_items > maker.stats.requests


async def test_item_31_leaving_does_not_wait_for_the_tick(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), interval_s=30, **ALLOCATION)
    async with world.running(maker):
        await trio.sleep(1)
        left_s = trio.current_time()

    assert trio.current_time() - left_s < 1
    assert world.resting() == []
