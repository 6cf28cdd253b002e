"""Faults A16 to A20: fills that race with modifies and cancels."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import BASE, MAKER, World, booked, dec, run_inline, until
from fault_kit import (
    KINDS,
    ROOMY,
    WINDOW,
    Mortal,
    change_statuses,
    compute_ledger,
    converge,
    cost_of_bids,
    count_orders,
    in_turn,
    is_definite,
    is_on_target,
    make_maker,
    make_world,
    on_request,
    place_by_hand,
    provoke,
    remake_maker,
    until_definite,
    until_on_target,
)
from trio.testing import MockClock

from mm_trio import WsState

MODIFY, CANCEL = "bulk_modify_orders_new", "bulk_cancel"
POST_ONLY = "Post only order would have immediately matched, bbo was 21.24@21.245. asset=10107"
LATENCY_S = 0.2
# one level a side, and nothing to pay for another bid before that one is gone
TIGHT: dict[str, Any] = {"active_levels": 1, "allocated_usdc": cost_of_bids(1)}


# --- A16: the old order is gone, the new one was refused ------------------------------------------


@pytest.mark.parametrize("frames", ["live", "held"])
@pytest.mark.parametrize(
    "text",
    [
        POST_ONLY,
        f"Error placing new order during modify: {POST_ONLY}",
        "Error placing new order during modify: Insufficient spot balance asset=10107",
        "Error placing new order during modify: Price must be divisible by tick size. asset=10107",
        "Error placing new order during modify: Order price cannot be more than 80% away from the reference price",
    ],
)
async def test_a16_a_modify_with_a_refused_new_order_empties_its_level(
    autojump_clock: MockClock, text: str, frames: str
) -> None:
    """A foreign bid stands between the order and its level for a while; then the level gets an order again."""
    world = make_world("signing")
    maker = make_maker(world)
    place_by_hand(world, maker, [20])
    world.order("buy", "21.23", "4", tif="Alo")
    world.venue.garble_next(MODIFY, change_statuses(lambda statuses: [{"error": text} for _ in statuses]))
    if frames == "held":
        world.venue.hold_frames("orderUpdates")

    async with world.running(maker):
        sent_s = trio.current_time()
        # After too small a balance no ask is placed before the balances were read.
        await until(lambda: any(not order.is_buy for order in world.resting()))
        rests = [order.price for order in world.resting() if not order.is_buy]
        await until_definite(maker, sent_s)
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        resting = {order.oid for order in world.resting()}
        world.order("sell", "21.23", "4")
        await until_on_target(world, maker)

    assert min(rests) == maker.grid.levels[21]
    assert tracked == resting
    assert world.calls(MODIFY) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a16_a_growing_modify_without_balance_is_placed_again(
    autojump_clock: MockClock, tmp_path: Path, kind: str
) -> None:
    """Its level is empty for a moment only.

    Someone borrows everything that no order holds while the request is on its way.
    """
    world = make_world(kind)
    maker = make_maker(world, tmp_path, **WINDOW[MODIFY])
    free = [dec(0)]

    def borrow() -> None:
        free[0] = world.exchange.account(MAKER).available(BASE)
        world.withdraw(MAKER, str(free[0]))

    async with world.running(maker):
        # the first one moves the far end of the window, the second lets the ask grow
        on_request(world, MODIFY, lambda: world.fund(MAKER, str(free[0]), 0), after=True, nth=2)
        on_request(world, MODIFY, borrow, nth=2)
        sent_s = await provoke(world, maker, MODIFY)
        asks = [order.price for order in world.resting() if not order.is_buy]
        await until_definite(maker, sent_s)
        await until_on_target(world, maker)

    assert free[0] > 10
    assert maker.grid.levels[20] not in asks
    assert booked(maker) == world.ledger(100, 5000)


# --- A17, A18: the fill of an order that is being replaced -----------------------------------------


@pytest.mark.parametrize("history", ["live", "lags"])
@pytest.mark.parametrize("roomy", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_a17_a_modify_of_a_filled_order_locks_its_level(
    autojump_clock: MockClock, tmp_path: Path, kind: str, roomy: bool, history: str
) -> None:
    """The level stays locked until the fill is applied."""
    world = make_world(kind, **(ROOMY if roomy else {}))
    maker = make_maker(world, tmp_path, **WINDOW[MODIFY])

    async with world.running(maker):

        def fill() -> None:
            world.venue.hold_frames()
            if history == "lags":
                world.venue.freeze_reads("user_fills_by_time")
            world.buy("2")

        on_request(world, MODIFY, fill)
        await provoke(world, maker, MODIFY)
        n_fills, n_orders = maker.stats.fills, count_orders(world, 20, maker)
        locked = {doubt.quote.slot for doubt in maker.order_state.get_doubts()}
        if history == "lags":
            await trio.sleep(7)
            world.venue.thaw_reads()
        sent_early = [count_orders(world, 20, maker) - n_orders]
        while maker.stats.fills == n_fills:
            sent_early.append(count_orders(world, 20, maker) - n_orders)
            await trio.sleep(0.01)
        await until_definite(maker, trio.current_time())
        await until_on_target(world, maker)
        world.venue.release_frames()
        await trio.sleep(4)
        on_target = is_on_target(world, maker)

    assert ("sell", 20) in locked
    assert set(sent_early) == {0} or history == "live"
    assert on_target
    assert booked(maker) == world.ledger(100, 5000)


@pytest.mark.parametrize(
    "order",
    [None, "reversed", random.Random(1), random.Random(2)],
    ids=["in order", "reversed", "shuffled", "shuffled again"],
)
@pytest.mark.parametrize("roomy", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_a18_a_fill_of_the_old_oid_that_is_told_after_the_modify_counts(
    autojump_clock: MockClock, tmp_path: Path, kind: str, roomy: bool, order: Any
) -> None:
    world = make_world(kind, **(ROOMY if roomy else {}))
    maker = make_maker(world, tmp_path, reconcile_every=100, **WINDOW[MODIFY])

    async with world.running(maker):
        on_request(world, MODIFY, in_turn(world.venue.hold_frames, lambda: world.buy("1")))
        sent_s = await provoke(world, maker, MODIFY)
        early = maker.stats.fills
        await trio.sleep(1)
        world.venue.release_frames(order)
        await until(lambda: maker.stats.fills == 3)
        await until_definite(maker, sent_s)
        await until_on_target(world, maker)

    assert early <= 2
    assert booked(maker) == world.ledger(100, 5000)


@pytest.mark.parametrize("roomy", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_a18_a_fill_of_the_old_oid_that_only_the_next_life_can_find_counts(
    autojump_clock: MockClock, tmp_path: Path, kind: str, roomy: bool
) -> None:
    world, mortal = make_world(kind, **(ROOMY if roomy else {})), Mortal(0.05, 0.05)
    first = make_maker(world, tmp_path, run_sync=mortal, **WINDOW[MODIFY])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(mortal.live, first)
        await until(lambda: first.stats.ticks > 0)
        on_request(world, MODIFY, in_turn(world.venue.lose_frames, lambda: world.buy("1")))
        await provoke(world, first, MODIFY)
        await trio.sleep(0.07)  # the answer is read and written down
        mortal.is_dead = True
        world.venue.stop_losing_frames()
        second = remake_maker(world, tmp_path, run_sync=run_inline, **WINDOW[MODIFY])
        began_s = trio.current_time()
        async with world.running(second):
            await until_definite(second, began_s)
            await until_on_target(world, second)
        nursery.cancel_scope.cancel()

    assert booked(second) == world.ledger(100, 5000)


# --- A19: a fill while the size or the price of an order is changed ----------------------------------

Setup = Callable[[World, WsState], Any]


async def grow_ask(world: World, maker: WsState) -> None:
    world.buy("3")
    await trio.sleep(4)
    world.sell("5")


async def grow_bid(world: World, maker: WsState) -> None:
    world.sell("3")
    await trio.sleep(4)
    world.buy("5")


# name -> the orders it starts with, what makes it change them, and the trade that comes in between
CHANGES: dict[str, tuple[Setup | None, Setup | None, str]] = {
    "ask grows": (None, grow_ask, "buy"),
    "bid grows": (None, grow_bid, "sell"),
    "asks shrink": (lambda w, m: place_by_hand(w, m, range(20, 32), size="8"), None, "buy"),
    "one ask shrinks": (lambda w, m: place_by_hand(w, m, [20], size="8"), None, "buy"),
    "bids shrink": (lambda w, m: place_by_hand(w, m, range(15, 20), size="8"), None, "sell"),
    "one bid shrinks": (lambda w, m: place_by_hand(w, m, [19], size="8"), None, "sell"),
    "asks move": (lambda w, m: place_by_hand(w, m, range(20, 40)), None, "buy"),
    "one ask moves": (lambda w, m: place_by_hand(w, m, [20]), None, "buy"),
    "bids move": (lambda w, m: place_by_hand(w, m, range(11, 20)), None, "sell"),
    "one bid moves": (lambda w, m: place_by_hand(w, m, [19]), None, "sell"),
    "asks to other levels": (lambda w, m: place_by_hand(w, m, range(10, 30), side="sell", off="0"), None, "buy"),
    "bids to other levels": (lambda w, m: place_by_hand(w, m, range(16, 25), side="buy", off="0"), None, "sell"),
}


@pytest.mark.parametrize("nth, size", [(1, "1"), (1, "5"), (2, "5"), (2, "1"), (3, "9")])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS[1:])
async def test_a19_a_fill_while_orders_are_changed_is_never_offered_again(
    autojump_clock: MockClock, kind: str, change: str, nth: int, size: str
) -> None:
    """All levels are offered, the account holds more than the allocation: nothing but the maker itself stops it."""
    world = make_world(kind, **ROOMY)
    prepare, provoke_change, side = CHANGES[change]
    maker = make_maker(world, run_sync=Mortal(LATENCY_S, LATENCY_S), allocated_usdc="1000", reconcile_every=5)

    def fill() -> None:
        world.venue.hold_frames()
        (world.buy if side == "buy" else world.sell)(size)

    if prepare is not None:
        prepare(world, maker)
        on_request(world, "", fill, nth=nth)
    async with world.running(maker):
        if provoke_change is not None:
            await trio.sleep(1)
            on_request(world, "", fill, nth=nth)
            await provoke_change(world, maker)
        await trio.sleep(8)
        world.venue.release_frames()
        await until_definite(maker, trio.current_time())
        await until_on_target(world, maker, within_s=60)

    assert booked(maker) == compute_ledger(world, maker)
    assert world.resting() == []


@pytest.mark.parametrize("change", ["ask grows", "bid grows"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a19_with_a_window_a_plain_modify_is_used_since_the_ledger_covers_both(
    autojump_clock: MockClock, kind: str, change: str
) -> None:
    world = make_world(kind, **ROOMY)
    _, provoke_change, side = CHANGES[change]
    maker = make_maker(world, active_levels=4, run_sync=Mortal(LATENCY_S, LATENCY_S))

    async with world.running(maker):
        await trio.sleep(1)
        trade = world.buy if side == "buy" else world.sell
        on_request(world, MODIFY, in_turn(world.venue.hold_frames, lambda: trade("1")))
        assert provoke_change is not None
        await provoke_change(world, maker)
        await until(lambda: world.calls(MODIFY) == 1)
        await trio.sleep(8)
        world.venue.release_frames()
        await until_on_target(world, maker)

    assert booked(maker) == world.ledger(100, 5000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", KINDS)
async def test_a19_whatever_trades_while_requests_are_on_their_way_the_offers_are_covered(
    autojump_clock: MockClock, kind: str, seed: int
) -> None:
    world, rng = make_world(kind, **ROOMY), random.Random(seed)
    maker = make_maker(
        world,
        run_sync=Mortal(0.15, 0.15),
        allocated_token="50",
        allocated_usdc="600",
        interval_s=1,
        size_tolerance_pct=0,
        active_levels=rng.choice([None, None, 3, 6]),
    )

    async with world.running(maker):
        for _ in range(150):
            await trio.sleep(rng.expovariate(2.0))
            (world.buy if rng.random() < 0.5 else world.sell)(dec(rng.randint(50, 1300)) / 100)
            if rng.random() < 0.1:
                world.venue.hold_frames(*rng.choice([(), ("userFills",), ("orderUpdates",)]))
            elif rng.random() < 0.2:
                world.venue.release_frames(rng.choice([None, rng]))
        world.venue.release_frames()
        await until_definite(maker, trio.current_time())
        await trio.sleep(10)

    assert booked(maker) == compute_ledger(world, maker)
    assert world.resting() == []


# --- A20: a cancel and a fill race ------------------------------------------------------------------


@pytest.mark.parametrize("frames", ["held", "lost", "live"])
@pytest.mark.parametrize("history", ["live", "lags", "empty"])
@pytest.mark.parametrize("size", ["2", "5"])
@pytest.mark.parametrize("roomy", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_a20_a_fill_that_overtakes_a_cancel_is_booked(
    autojump_clock: MockClock, kind: str, roomy: bool, size: str, history: str, frames: str
) -> None:
    """The error that answers the cancel proves no cancellation.

    The window is one order a side, with funds for one: the ask trades, the bid below has to be cancelled first, and
    trades before that.
    """
    world = make_world(kind, **(ROOMY if roomy else {}))
    maker = make_maker(world, **TIGHT, reconcile_every=5, run_sync=Mortal(LATENCY_S, LATENCY_S))

    def fill() -> None:
        if frames != "live":
            (world.venue.hold_frames if frames == "held" else world.venue.lose_frames)()
        if history == "lags":
            world.venue.freeze_reads("user_fills_by_time")
        elif history == "empty":
            for _ in range(2):
                world.venue.answer_next("user_fills_by_time", [])
        world.sell(size)

    async with world.running(maker):
        await trio.sleep(1)
        on_request(world, CANCEL, fill)
        old = next(order.oid for order in world.resting() if order.is_buy)
        n_calls = world.calls(CANCEL)
        world.buy("5")
        await until(lambda: world.calls(CANCEL) > n_calls)
        await trio.sleep(2 * LATENCY_S)
        forgotten = maker.order_state.find(old) is None and maker.order_state.find_left(old) is None
        in_doubt = not is_definite(maker)
        await trio.sleep(9)
        world.venue.thaw_reads()
        world.venue.stop_losing_frames()
        world.venue.release_frames()
        await until_definite(maker, trio.current_time())
        await until_on_target(world, maker, within_s=90)

    assert not forgotten
    assert in_doubt or size == "2" or frames == "live"
    assert booked(maker) == world.ledger(*maker.inventory.allocation)


@pytest.mark.parametrize("history", ["live", "empty"])
@pytest.mark.parametrize("size", ["3", "5", "12"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a20_a_fill_that_overtakes_the_last_cancel_is_booked(
    autojump_clock: MockClock, tmp_path: Path, kind: str, size: str, history: str
) -> None:
    """It is booked before the shutdown ends, or by the next session."""
    world = make_world(kind, **ROOMY)
    maker = make_maker(world, tmp_path)

    async with world.running(maker):
        await trio.sleep(1)

        def fill() -> None:
            world.venue.lose_frames()
            if history == "empty":
                world.venue.answer_next("user_fills_by_time", [])
            world.buy(size)
            world.sell("1")

        on_request(world, CANCEL, fill)
    resting, may_rest, told = world.resting(), maker.orders_may_rest, booked(maker)
    world.venue.stop_losing_frames()
    second = remake_maker(world, tmp_path)
    async with world.running(second):
        await until_on_target(world, second)

    assert resting == []
    assert may_rest == ()
    assert told == world.ledger(100, 5000) or history == "empty"
    assert booked(second) == world.ledger(100, 5000)


@pytest.mark.parametrize("moment", ["executed", "answered"])
@pytest.mark.parametrize("size", ["2", "5"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a20_a_fill_that_overtook_a_cancel_is_booked_by_the_next_life(
    autojump_clock: MockClock, tmp_path: Path, kind: str, size: str, moment: str
) -> None:
    world, mortal = make_world(kind, **ROOMY), Mortal(0.05, 0.05)
    first = make_maker(world, tmp_path, **TIGHT, run_sync=mortal)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(mortal.live, first)
        await until(lambda: first.stats.ticks > 0)

        def fill() -> None:
            world.sell(size)
            mortal.dies_next = True
            mortal.is_dead = moment == "executed"

        on_request(world, CANCEL, fill)
        world.buy("5")
        await until(lambda: mortal.dies_next)
        await trio.sleep(0.1)
        second = remake_maker(world, tmp_path, **TIGHT, run_sync=run_inline)
        async with world.running(second):
            await converge(world, second, trio.current_time())
        nursery.cancel_scope.cancel()

    assert booked(second) == world.ledger(*second.inventory.allocation)
