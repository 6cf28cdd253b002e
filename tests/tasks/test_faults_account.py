"""Faults D1 to D5: manual orders and trades on our account, and a second maker."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, World, booked, dec, until
from line_kit import EXACT, Line, check_ownership, live_until_killed, own_ledger, settle, trade_forever
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import ConfigError, LedgerError, find_leaves

KEEP: dict[str, Any] = {"foreign_orders": "keep", **EXACT}
PAUSE_S = 20.0


def place_by_hand(world: World, side: str, price: Decimal | str, size: str, *, tif: Any = "Alo") -> int:
    """An order of our account that no program of ours placed; gives its oid."""
    before = {record.oid for record in world.exchange.records(MAKER)}
    world.order(side, price, size, tif=tif, address=MAKER)
    return max(record.oid for record in world.exchange.records(MAKER) if record.oid not in before)


def status_of(world: World, oid: int) -> str:
    record = world.exchange.find_record(MAKER, oid)
    assert record is not None
    return record.status


# --- D1: the owner cancels by hand --------------------------------------------------------------


@pytest.mark.parametrize("told", ["at once", "later"])
async def test_d1_a_manual_cancel_pauses_its_level(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, told: str
) -> None:
    """It is logged, everything else goes on, and the level is quoted again after the pause.

    A frame reports the cancel, or a reconciliation finds it because the frame was lost.
    """
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), hand_cancel_pause_s=PAUSE_S, reconcile_every=2, **EXACT)
    world.guard(maker)
    async with world.running(maker):
        await trio.sleep(3)
        if told == "later":
            world.venue.lose_frames("orderUpdates")
        order = world.resting()[5]
        place = ("buy" if order.is_buy else "sell", maker.grid.levels.index(order.price))
        world.cancel(order.oid)
        cancelled_s = trio.current_time()
        world.venue.stop_losing_frames()
        world.sell("6")
        await until(lambda: place in world.book_of(maker))
        paused_s = trio.current_time() - cancelled_s
        await settle(world, maker)

    assert PAUSE_S <= paused_s <= PAUSE_S + 12
    assert "cancelled manually" in caplog.text


async def test_d1_without_a_pause_it_comes_back_with_the_next_tick(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), **EXACT)
    world.guard(maker)
    async with world.running(maker):
        world.cancel(*(order.oid for order in world.resting()[::5]))
        await settle(world, maker, within_s=3.1)


@pytest.mark.parametrize("apart_s", [0.0, 10.0])
async def test_d1_so_many_within_a_minute_end_the_maker_with_nothing_resting(
    autojump_clock: MockClock, apart_s: float
) -> None:
    world = World(signing=True)
    line = Line()
    maker = world.maker(run_sync=line, hand_cancel_pause_s=PAUSE_S, hand_cancels_to_stop=3, **EXACT)
    ended = trio.Event()

    async def run() -> None:
        await maker.run()
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await until(lambda: maker.stats.ticks > 0)
        for oid in [order.oid for order in world.resting()[:3]]:
            assert not ended.is_set()
            world.cancel(oid)
            await trio.sleep(apart_s)
        since = len(line.events)
        await until(ended.is_set, within_s=10)  # L5

    assert world.resting() == []
    assert maker.orders_may_rest == ()
    assert line.new_risk(since) == []
    assert booked(maker) == own_ledger(world)


async def test_d1_fewer_than_that_and_the_cancels_of_the_maker_itself_do_not_end_it(autojump_clock: MockClock) -> None:
    """Two by hand, again and again but never three in a minute, while the maker cancels and modifies a lot."""
    world = World(signing=True)
    maker = world.maker(
        run_sync=Line(there_s=0.2, back_s=0.2), hand_cancels_to_stop=3, active_levels=4, requote_on_fill=True, **EXACT
    )
    world.guard(maker)
    async with world.running(maker), trio.open_nursery() as trading:
        trading.start_soon(trade_forever, world, random.Random(3))
        for _ in range(4):
            for _ in range(2):
                resting = [o.oid for o in world.resting() if o.size == 5]
                world.cancel(*resting[:1])
                await trio.sleep(1)
            await trio.sleep(62)
        ticks = maker.stats.ticks
        trading.cancel_scope.cancel()

    assert ticks > 80


# --- D2: the owner places by hand ---------------------------------------------------------------


async def test_d2_orders_placed_by_hand_are_never_touched_and_those_in_the_way_leave_a_gap(
    autojump_clock: MockClock,
) -> None:
    """Both sides of our ladder, inside it and outside, at the start and later; one lies across our lowest asks."""
    world = World(token="200", usdc="10000", signing=True)
    line = Line()
    maker = world.maker(run_sync=line, requote_on_fill=True, **KEEP)
    levels = maker.grid.levels
    early = place_by_hand(world, "buy", levels[18], "3")
    async with world.running(maker):
        await trio.sleep(5)
        high_ask, low_bid = place_by_hand(world, "sell", "24", "3"), place_by_hand(world, "buy", "19.5", "3")
        world.buy("16")  # three levels go to the buy side, one ask is left with 4
        in_the_way = place_by_hand(world, "sell", levels[21], "2")  # where a bid of ours is due next
        await trio.sleep(60)
        records = [status_of(world, oid) for oid in (early, high_ask, low_bid, in_the_way)]
        ours = [o for o in world.resting() if o.cloid is not None]
        best_bid = max(o.price for o in ours if o.is_buy)
        refused = [r for r in world.exchange.records(MAKER) if r.status == "badAloPxRejected"]
        world.cancel(in_the_way)
        await until(lambda: any(o.cloid and o.is_buy and o.price == levels[22] for o in world.resting()), within_s=60)

    assert records == ["open"] * 4
    assert best_bid <= levels[21]
    assert len(refused) <= 20  # S10: a level in whose way somebody stands is asked for less and less often
    check_ownership(world, line)
    assert booked(maker) == own_ledger(world)


async def test_d2_a_manual_crossing_order_never_trades_with_our_asks(
    autojump_clock: MockClock,
) -> None:
    """Only the ask that it meets is missing; the manual order stays open and nothing is traded."""
    world = World(token="200", usdc="10000", signing=True)
    line = Line()
    maker = world.maker(run_sync=line, **KEEP)
    async with world.running(maker):
        by_hand = place_by_hand(world, "buy", maker.grid.levels[21], "20", tif="Gtc")
        await trio.sleep(60)
        lowest = min(o.price for o in world.resting() if not o.is_buy)
        status = status_of(world, by_hand)
        world.cancel(by_hand)
        await settle(world, maker, within_s=60)

    assert status == "open"
    assert lowest > maker.grid.levels[21]
    assert world.fills() == ()
    check_ownership(world, line)


# --- D3, D4: money and trades that are not ours ---------------------------------------------------


async def test_d3_transfers_move_the_cap_and_never_the_ledger_and_a_shortfall_is_told(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), reconcile_every=2, active_levels=5, **EXACT)
    world.guard(maker)
    with caplog.at_level(logging.WARNING, logger="mm_trio"):
        async with world.running(maker):
            await trio.sleep(5)
            world.fund(MAKER, "30", "700")
            await trio.sleep(15)
            richer = maker.inventory.effective_token, maker.inventory.effective_usdc
            world.withdraw(MAKER, "80", "3000")
            world.buy("6")
            await until(lambda: maker.inventory.effective_token < 95, within_s=30)
            await trio.sleep(10)
            poorer = maker.inventory.effective_token, maker.inventory.effective_usdc
            totals, ledger = world.totals(), booked(maker)
            over = sum(o.size for o in world.resting() if not o.is_buy) - totals[0]
            said = caplog.text
            world.fund(MAKER, "80", "3000")
            await until(lambda: maker.inventory.effective_token == ledger[0], within_s=30)
            await trio.sleep(10)

    assert richer == (dec(100), dec(5000))
    assert poorer == totals
    assert ledger == booked(maker) == own_ledger(world)
    assert over <= 0  # S3
    assert "shortfall" in said


@pytest.mark.parametrize("allocated", [True, False])
async def test_d4_trades_by_hand_of_the_same_tokens_never_enter_the_ledger(
    autojump_clock: MockClock, allocated: bool
) -> None:
    """A sale and a purchase by hand, met by the taker's own resting orders between our bids and asks."""
    world = World(token="150", usdc="8000", signing=True)
    line = Line()
    parameters = KEEP if allocated else {k: v for k, v in KEEP.items() if not k.startswith("allocated")}
    maker = world.maker(
        run_sync=line, reconcile_every=2, start_px="20", tick_size="0.01", active_levels=3, **parameters
    )
    async with world.running(maker):
        await trio.sleep(3)
        bid = max(o.price for o in world.resting() if o.is_buy)
        world.order("buy", bid * dec("1.003") // dec("0.001") * dec("0.001"), "60", tif="Alo")
        place_by_hand(world, "sell", bid, "60", tif="Ioc")
        await trio.sleep(1)
        world.buy("2")
        world.sell("1")
        await trio.sleep(20)
        by_hand = [fill for fill in world.fills() if fill.cloid is None]
        effective, totals = maker.inventory.effective_token, world.totals()
        n_booked = maker.stats.fills

    assert sum(fill.size for fill in by_hand) == 60
    assert n_booked == len(world.fills()) - len(by_hand)
    if allocated:
        assert booked(maker) == own_ledger(world)
        assert effective == min(own_ledger(world)[0], totals[0])
    else:
        assert effective == totals[0]
    check_ownership(world, line)


# --- D5: a second maker on the same account and coin ----------------------------------------------


@asynccontextmanager
async def resting_elsewhere(world: World, folder: Path) -> AsyncIterator[tuple[Line, WsState]]:
    """A maker on another machine was killed; what it had resting rests."""
    line = Line(dies_at=60)
    maker = world.maker(run_sync=line, journal=Journal.open(folder), requote_on_fill=True, **EXACT)
    async with trio.open_nursery() as trading:
        trading.start_soon(trade_forever, world, random.Random(1))
        await live_until_killed(world, maker, line)
        trading.cancel_scope.cancel()
    assert world.resting()
    yield line, maker


async def test_d5_a_second_maker_refuses_beside_resting_orders(autojump_clock: MockClock, tmp_path: Path) -> None:
    """It has a state folder of its own and leaves the orders alone. The refusal names `--take-over` as the remedy."""
    world = World(signing=True)
    async with resting_elsewhere(world, tmp_path / "there"):
        before = [order.oid for order in world.resting()]
        line = Line()
        second = world.maker(
            run_sync=line,
            journal=Journal.open(tmp_path / "here"),
            info=world.venue.info(MAKER),
            rng=random.Random(2),
            **EXACT,
        )
        with trio.fail_after(60), pytest.raises(ConfigError, match="--take-over") as refusal:
            await second.run()

    assert "\n" not in str(refusal.value)
    assert [order.oid for order in world.resting()] == before
    assert {event.method for event in line.events} <= {
        "spot_meta", "l2_snapshot", "open_orders", "user_fills_by_time", "spot_user_state", "user_rate_limit",
        "user_fees",
    }  # fmt: skip
    assert second.orders_may_rest == ()


@pytest.mark.parametrize("foreign_orders", ["cancel", "keep"])
async def test_d5_take_over_goes_on_with_the_orders_of_the_one_that_is_gone(
    autojump_clock: MockClock, tmp_path: Path, foreign_orders: str
) -> None:
    """Its ledger begins at the configured allocation: what the other one traded only its own ledger knows."""
    world = World(signing=True)
    async with resting_elsewhere(world, tmp_path / "there") as (old_line, _):
        token, usdc = world.totals()
        line = Line()
        parameters = EXACT | {
            "allocated_token": token, "allocated_usdc": usdc, "foreign_orders": foreign_orders,
            "journal": Journal.open(tmp_path / "here"), "info": world.venue.info(MAKER), "take_over": True,
            "rng": random.Random(2),
        }  # fmt: skip
        second = world.maker(run_sync=line, **parameters)
        world.guard(second)
        kept = {order.oid for order in world.resting()}
        async with world.running(second):
            kept &= {order.oid for order in world.resting()}
            world.buy("7")
            world.sell("3")
            await trio.sleep(30)
            totals = world.totals()
            ledger = booked(second)
            tracked = {order.oid: order.size for order in second.order_state.get_current_orders()}
            resting = {order.oid: order.size for order in world.resting()}

    assert kept
    assert ledger == totals
    assert tracked == resting
    cloids: set[str] = set()
    check_ownership(world, old_line, cloids)
    check_ownership(world, line, cloids)


async def trade_elsewhere(world: World, folder: Path) -> None:
    """A life that traded, and left nothing resting."""
    maker = world.maker(journal=Journal.open(folder), **EXACT)
    async with world.running(maker):
        world.buy("7")
        world.sell("3")
        await trio.sleep(30)
    assert world.resting() == []
    assert world.fills()


def start_elsewhere(world: World, folder: Path | None, **changed: Any) -> WsState:
    journal = None if folder is None else Journal.open(folder)
    return world.maker(journal=journal, info=world.venue.info(MAKER), rng=random.Random(2), **EXACT | changed)


async def test_with_another_state_folder_it_refuses_where_orders_of_this_program_traded(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A second time too: the refused start must not leave a ledger that looks begun."""
    world = World(signing=True)
    await trade_elsewhere(world, tmp_path / "there")

    for _ in range(2):
        second = start_elsewhere(world, tmp_path / "here")
        with trio.fail_after(60), pytest.raises(ConfigError, match=r"ledger rebuild.*--take-over") as refusal:
            await second.run()
        assert "\n" not in str(refusal.value)

    assert world.resting() == []


async def test_take_over_begins_anew_after_another_s_fills_and_goes_on_at_the_next_start(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(signing=True)
    await trade_elsewhere(world, tmp_path / "there")
    token, usdc = world.totals()
    allocation = {"allocated_token": token, "allocated_usdc": usdc}

    for take_over in (True, False):
        second = start_elsewhere(world, tmp_path / "here", take_over=take_over, **allocation)
        world.guard(second)
        async with world.running(second):
            world.buy("2")
            await trio.sleep(30)
            assert booked(second) == world.totals()
    assert "frame not believed" not in caplog.text, "the snapshot of fills names orders of the one before"


async def test_without_a_ledger_it_begins_after_whatever_fills(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await trade_elsewhere(world, tmp_path / "there")

    async with world.running(start_elsewhere(world, None)):
        await trio.sleep(30)
        assert world.resting()


async def test_d5_of_two_makers_started_together_at_most_one_stays(autojump_clock: MockClock, tmp_path: Path) -> None:
    """They share no lock, and the one that stays knows every order at the venue.

    A maker that finds the other's orders cancels its own alone, shuts down, and says why.
    """
    world = World(token="200", usdc="10000", signing=True)
    lines = [Line(there_s=0.1, back_s=0.1) for _ in range(2)]
    makers = [
        world.maker(
            run_sync=line,
            journal=Journal.open(tmp_path / str(i)),
            info=world.venue.info(MAKER),
            rng=random.Random(i),
            **KEEP,
        )
        for i, line in enumerate(lines)
    ]
    causes: dict[WsState, list[BaseException]] = {}

    async def run(maker: WsState) -> None:
        try:
            await maker.run()
        except* (LedgerError, ConfigError) as group:
            causes[maker] = find_leaves(group)

    async with trio.open_nursery() as nursery:
        for maker in makers:
            nursery.start_soon(run, maker)
        nursery.start_soon(world.beat_forever)
        await trio.sleep(60)
        resting = {order.oid for order in world.resting()}
        tracked = {o.oid for maker in makers if maker not in causes for o in maker.order_state.get_current_orders()}
        n_items = sum(n for method, n in world.venue.calls if method.startswith("bulk"))
        n_causes = len(causes)
        nursery.cancel_scope.cancel()

    assert n_causes >= 1
    assert all("another mm_trio" in str(cause) for found in causes.values() for cause in found)
    assert tracked == resting
    assert n_items <= 250
    assert world.resting() == []
    for line in lines:
        check_ownership(world, line)
