"""Faults C4 to C10 of frames: however they arrive, each fill counts once."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, World, dec, until
from line_kit import (
    EXACT,
    Line,
    check_gate,
    check_ownership,
    settle,
    trade,
)
from trio.testing import MockClock

from mm_trio.journal.sqlite_journal import Journal
from mm_trio.sandbox.info import rows
from mm_trio.sandbox.inprocess.socket import Feed
from mm_trio.sandbox.model.commands import NewOrder, PlaceOrders
from mm_trio.venue.thread_bridge import BACKLOG_MESSAGES

PURR = 10_000


# --- C4 to C7: what the frames tell -----------------------------------------------------------


@pytest.mark.sweep
@pytest.mark.parametrize("n_copies", [2, 7])
@pytest.mark.parametrize("tid", [None, 0, 77])
async def test_c4_replays_snapshots_and_equal_trade_ids_count_every_fill_once(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, n_copies: int, tid: int | None
) -> None:
    """Each frame comes several times, and a new connection every other second tells all of it again."""
    if tid is not None:
        monkeypatch.setattr("mm_trio.sandbox.matching.state.derive_tid", lambda number: tid)
    world, rng = World(signing=True), random.Random(n_copies)
    line = Line()
    maker = world.maker(run_sync=line, requote_on_fill=True, reconcile_every=2, **EXACT)
    world.guard(maker)
    world.venue.repeat_frames(n_copies)

    async with world.running(maker):
        for i in range(60):
            trade(world, rng)
            await trio.sleep(0.31)
            if i % 6 == 0:
                world.venue.drop_feed()
        await settle(world, maker)

    assert maker.stats.fills == len(world.fills()) > 40


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(12))
async def test_c5_any_order_of_frames_and_answers_comes_to_the_same(autojump_clock: MockClock, seed: int) -> None:
    """Frames are held, of all channels or of one, and come shuffled; answers take up to a second each way."""
    world, rng = World(signing=True), random.Random(seed)
    line = Line()
    maker = world.maker(run_sync=line, requote_on_fill=True, reconcile_every=1 + seed % 4, **EXACT)
    world.guard(maker)
    channels = [(), ("orderUpdates",), ("userFills",)][seed % 3]

    async with world.running(maker):
        for _ in range(25):
            line.there_s, line.back_s = rng.random(), rng.random()
            world.venue.hold_frames(*channels)
            for _ in range(rng.randint(1, 3)):
                trade(world, rng)
                await trio.sleep(rng.uniform(0, 0.8))
            world.venue.release_frames(rng if seed % 2 else "reversed")
            await trio.sleep(rng.uniform(0, 2))
        await settle(world, maker, within_s=60)

    check_ownership(world, line)


@pytest.mark.parametrize("names_cloid", [True, False])
@pytest.mark.parametrize("size", ["2", "5"])
@pytest.mark.parametrize("answer", ["late", "lost"])
async def test_c6_a_fill_that_comes_before_the_answer_to_its_place_counts_once(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, names_cloid: bool, size: str, answer: str
) -> None:
    """The order rests, a taker takes a part of it or all, and only then the answer comes, or never."""
    if not names_cloid:
        tell = rows.fill_row
        told = "mm_trio.sandbox.info.rows.fill_row", "mm_trio.sandbox.info.account_answers.fill_row"
        for name in told:
            monkeypatch.setattr(name, lambda fill: {k: v for k, v in tell(fill).items() if k != "cloid"})
    world, line = World(signing=True), Line()
    maker = world.maker(run_sync=line, requote_on_fill=True, **EXACT)
    world.guard(maker)

    async with world.running(maker):
        line.back_s = 1.0
        world.venue.hold_frames("orderUpdates")
        if answer == "lost":
            world.venue.fail_next("bulk_orders", TimeoutError("no answer"), applied=True)
        world.buy("5")  # its level comes back as a bid
        await until(lambda: ("buy", 20) in world.book_of(maker))
        bid = next(o for o in world.resting() if o.is_buy and o.price == maker.grid.levels[20])
        unanswered = maker.order_state.find(bid.oid) is None
        world.sell(size)
        if answer == "late":
            await until(lambda: maker.stats.fills == 2, within_s=2)
        world.venue.release_frames()
        await settle(world, maker, within_s=60)

    assert unanswered
    assert maker.stats.fills == len(world.fills()) == 2


TERMINAL = [
    "canceled", "rejected", "marginCanceled", "vaultWithdrawalCanceled", "openInterestCapCanceled",
    "selfTradeCanceled", "reduceOnlyCanceled", "siblingFilledCanceled", "delistedCanceled",
    "liquidatedCanceled", "scheduledCancel", "tickRejected", "minTradeNtlRejected", "perpMarginRejected",
    "reduceOnlyRejected", "badAloPxRejected", "iocCancelRejected", "badTriggerPxRejected",
    "marketOrderNoLiquidityRejected", "positionIncreaseAtOpenInterestCapRejected",
    "positionFlipAtOpenInterestCapRejected", "tooAggressiveAtOpenInterestCapRejected",
    "openInterestIncreaseRejected", "insufficientSpotBalanceRejected", "oracleRejected",
    "perpMaxPositionRejected", "inventedTomorrow",
]  # fmt: skip


@pytest.mark.parametrize("status", TERMINAL)
async def test_c7_every_terminal_status_empties_the_level_at_once(autojump_clock: MockClock, status: str) -> None:
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), reconcile_every=1000, **EXACT)
    world.guard(maker)

    async with world.running(maker):
        order = world.resting()[3]
        world.venue.lose_frames("orderUpdates")
        world.cancel(order.oid)
        world.venue.stop_losing_frames()
        record = world.exchange.find_record(MAKER, order.oid)
        assert record is not None
        world.say("orderUpdates", [rows.update_row(record) | {"status": status}])
        await settle(world, maker, within_s=3.1)


async def test_c7_an_ending_that_no_frame_told_is_found_by_looking_and_asking(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    line = Line()
    maker = world.maker(run_sync=line, reconcile_every=4, **EXACT)
    world.guard(maker)

    async with world.running(maker):
        since = len(line.events)
        world.venue.lose_frames("orderUpdates")
        world.cancel(*(order.oid for order in world.resting()[::7]))
        n_ended = 40 - len(world.resting())
        await settle(world, maker, within_s=20)

    assert len(line.sent("query_order_by_oid", since=since)) >= n_ended == 6


# --- C8 to C11: bad, many, foreign and late frames ----------------------------------------------

JUNK: tuple[Any, ...] = (None, [], {}, "x", "", "NaN", "1e999", True, -1, 1.5, [[]], {"a": None})


def spoil(frame: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The frame with one value of it lost, or of a kind that it never has."""
    spoilt = copy.deepcopy(frame)
    data = spoilt["data"]
    place: Any = data
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    while True:
        key = rng.choice(keys)
        inner = place[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.85:
            place, keys = inner, list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            continue
        if isinstance(place, dict) and rng.random() < 0.4:
            del place[key]
        else:
            # a number for a text of digits can be read: that would be another event, not a spoilt one
            strange = [junk for junk in JUNK if type(junk) is not type(inner)]
            place[key] = rng.choice([junk for junk in strange if type(junk) not in (int, float)])
        return spoilt


@pytest.mark.parametrize("seed", range(8))
async def test_c8_no_unreadable_frame_ends_the_reader_or_moves_the_ledger(
    autojump_clock: MockClock, tmp_path: Path, seed: int
) -> None:
    """Every frame comes spoilt beside itself; with an odd seed the good one is lost."""
    world, rng = World(signing=True), random.Random(seed)
    deliver = world.venue.deliver

    def deliver_spoilt(feed: Feed, frame: dict[str, Any]) -> None:
        if frame["channel"] in ("orderUpdates", "userFills") and frame["data"]:
            told = spoil(frame, rng)
            if isinstance(told["data"], list) or isinstance(told["data"].get("user"), str):  # else nobody gets it
                deliver(feed, told)
            if seed % 2:
                return
        deliver(feed, frame)

    world.info.ws_manager = Feed(world.gateway, deliver_spoilt)
    maker = world.maker(run_sync=Line(), requote_on_fill=True, journal=Journal.open(tmp_path), **EXACT)
    world.guard(maker)
    async with world.running(maker):
        for _ in range(40):
            trade(world, rng)
            await trio.sleep(0.5)
        await settle(world, maker, within_s=70)
        reconnects = maker.stats.reconnects

    assert maker.stats.errors > 0
    assert reconnects == 0


async def test_c8_a_bad_row_leaves_its_neighbours_counted_and_has_all_looked_at_anew(
    autojump_clock: MockClock,
) -> None:
    world = World(signing=True)
    line = Line()
    maker = world.maker(run_sync=line, reconcile_every=1000, **EXACT)

    async with world.running(maker):
        await trio.sleep(5)
        world.venue.lose_frames("userFills", "orderUpdates")
        world.buy("12")
        fills = world.info.user_fills(MAKER)
        fills[1] = fills[1] | {"sz": None}
        since = len(line.events)
        world.say("userFills", {"user": MAKER, "fills": fills})
        await until(lambda: maker.stats.fills >= 2, within_s=0.1)
        await settle(world, maker, within_s=5)

    assert maker.stats.errors == 1
    assert line.sent("user_fills_by_time", since=since) != []


@pytest.mark.sweep
@pytest.mark.parametrize("field", ["time", "fee", "px", "feeToken", "sz", "tid", "oid", "coin", "cloid", "side"])
@pytest.mark.parametrize("loss", ["deleted", "null"])
async def test_c8_a_fill_row_that_lost_a_field_is_counted_once_and_with_its_fee(
    autojump_clock: MockClock, tmp_path: Path, field: str, loss: str
) -> None:
    """The frame is spoilt, every reading over REST is whole."""
    world = World(signing=True)
    maker = world.maker(run_sync=Line(), reconcile_every=2, journal=Journal.open(tmp_path), **EXACT)
    world.guard(maker)

    async with world.running(maker):
        world.venue.lose_frames("userFills")
        world.buy("7")
        world.sell("6")
        told = [row | {field: None} for row in world.info.user_fills(MAKER)]
        if loss == "deleted":
            told = [{key: value for key, value in row.items() if key != field} for row in told]
        world.say("userFills", {"user": MAKER, "fills": told})
        await settle(world, maker)

    assert maker.stats.fills == len(world.fills())


async def test_c9_a_burst_beyond_every_bound_is_read_anew_once_and_kept_within_it(
    autojump_clock: MockClock,
) -> None:
    world = World(signing=True)
    line = Line()
    maker = world.maker(run_sync=line, **EXACT)
    world.guard(maker)

    async with world.running(maker):
        since = len(line.events)
        for i in range(3 * BACKLOG_MESSAGES):
            world.say("orderUpdates", [])
            if i % 5000 == 0:
                trade(world, random.Random(i))
        await settle(world, maker)
        reconnects = maker.stats.reconnects

    assert reconnects == 1
    check_gate(line, since=since)


async def test_c10_trading_of_the_same_account_on_another_pair_changes_nothing(autojump_clock: MockClock) -> None:
    """By hand, under `keep`: orders, fills and cancels there, also of frames with the oid and price of ours."""
    world = World(signing=True)
    line = Line()
    maker = world.maker(run_sync=line, foreign_orders="keep", requote_on_fill=True, reconcile_every=3, **EXACT)
    world.guard(maker)
    world.gateway.apply(PlaceOrders(MAKER, (NewOrder(PURR, True, dec("0.2"), dec(100), "Alo"),)))
    theirs = world.exchange.open_orders(MAKER)[0].oid

    async with world.running(maker):
        for _ in range(10):
            row = dict(world.info.open_orders(MAKER)[-1]) | {"coin": "PURR/USDC"}
            for status in ("open", "filled", "canceled"):
                world.say("orderUpdates", [{"order": row, "status": status, "statusTimestamp": world.now_ms()}])
            world.buy("1.3")
            fill = world.info.user_fills(MAKER)[0] | {"coin": "PURR/USDC", "tid": 1, "sz": "5.0"}
            world.say("userFills", {"user": MAKER, "fills": [fill]})
            await trio.sleep(4)
        await settle(world, maker)
        record = world.exchange.find_record(MAKER, theirs)

    assert record is not None
    assert record.status == "open"
    check_ownership(world, line)
    assert maker.stats.errors == 0
