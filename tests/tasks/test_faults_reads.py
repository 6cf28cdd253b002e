"""Faults B1 to B4: reads that fail, lag behind or are incomplete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, World, booked, run_inline, until
from fault_kit import (
    CONVERGED_WITHIN_S,
    KINDS,
    ROOMY,
    WINDOW,
    Mortal,
    compute_ledger,
    in_turn,
    is_on_target,
    lose,
    make_maker,
    make_world,
    on_request,
    provoke,
    remake_maker,
    until_definite,
    until_on_target,
)
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import LedgerError, find_leaves

READS = ["open_orders", "user_fills_by_time", "spot_user_state", "user_rate_limit", "query_order_by_oid"]
FAILURES: list[Any] = [
    ConnectionError("no route"),
    TimeoutError("slow"),
    ValueError("no JSON"),
    KeyError("error"),
]
EMPTY: list[Any] = [[], None, {}, "busy", {"error": "x"}, [None], [{}]]


async def shake(world: World, maker: WsState, n: int = 12) -> None:
    """Trade for some ticks; a reconciliation happens at every second one."""
    for i in range(n):
        (world.buy if i % 2 else world.sell)("4")
        await trio.sleep(3)


# --- B1: failure is not emptiness ---------------------------------------------------------------


@pytest.mark.parametrize("method", READS)
@pytest.mark.parametrize("roomy", [False, True])
async def test_b1_a_question_that_fails_heals_nothing(autojump_clock: MockClock, roomy: bool, method: str) -> None:
    world = make_world("signing", **(ROOMY if roomy else {}))
    maker = make_maker(world, reconcile_every=2)

    async with world.running(maker):
        for failure in FAILURES * 2:
            world.venue.fail_next(method, failure, applied=False)
        await shake(world, maker)
        await until_on_target(world, maker)
        n_ghosts = len(world.exchange.records(MAKER))

    assert n_ghosts < 100
    assert booked(maker) == world.ledger(*maker.inventory.allocation)


@pytest.mark.parametrize("method", READS)
@pytest.mark.parametrize("body", EMPTY, ids=str)
async def test_b1_an_answer_that_is_empty_or_senseless_heals_nothing(
    autojump_clock: MockClock, method: str, body: Any
) -> None:
    """Nothing trades: all 40 orders have to stay just as they are."""
    world = make_world("signing", **ROOMY)
    maker = make_maker(world, reconcile_every=2)

    async with world.running(maker):
        await trio.sleep(4)
        before = world.resting()
        for _ in range(6):
            world.venue.answer_next(method, body)
        await trio.sleep(60)
        after = world.resting()
        on_target = is_on_target(world, maker)

    assert after == before
    assert on_target
    assert world.calls("bulk_orders") == 1


@pytest.mark.parametrize("body", EMPTY, ids=str)
@pytest.mark.parametrize("kind", KINDS)
async def test_b1_an_empty_history_does_not_say_that_a_cancelled_order_never_traded(
    autojump_clock: MockClock, kind: str, body: Any
) -> None:
    """Every token is offered. The ask that is moved to another level traded in part first, and nobody tells."""
    world = make_world(kind, **ROOMY)
    maker = make_maker(world, run_sync=Mortal(0.2, 0.2), interval_s=1, reconcile_every=1)

    async with world.running(maker):
        await trio.sleep(5)
        world.buy("3")  # a fill that is known, so that no history is empty from here on
        await until(lambda: maker.stats.fills == 1)
        await trio.sleep(3)

        def fill() -> None:
            world.venue.lose_frames()
            world.buy("1")
            for _ in range(6):
                world.venue.answer_next("user_fills_by_time", body)

        on_request(world, "bulk_cancel", fill)
        world.sell("5")  # the ask of 2 grows to 5: it goes, and comes back
        await trio.sleep(20)
        world.venue.stop_losing_frames()
        await until_definite(maker, trio.current_time())
        await until_on_target(world, maker, within_s=60)

    assert world.calls("bulk_cancel") >= 1
    assert booked(maker) == world.ledger(*maker.inventory.allocation)


# --- B2: snapshots from the past ----------------------------------------------------------------


@pytest.mark.sweep
@pytest.mark.parametrize("lag_s", [0.5, 2.5, 5.0, 12.0, 40.0])
@pytest.mark.parametrize("methods", [("open_orders",), ("open_orders", "query_order_by_oid"), ()], ids=len)
@pytest.mark.parametrize("roomy", [False, True])
async def test_b2_a_replica_that_lags_doubles_no_order_and_undoes_no_fill(
    autojump_clock: MockClock, tmp_path: Path, roomy: bool, methods: tuple[str, ...], lag_s: float
) -> None:
    world = make_world("signing", **(ROOMY if roomy else {}))
    maker = make_maker(world, tmp_path, reconcile_every=1, interval_s=1)

    async with world.running(maker):
        await trio.sleep(5)
        world.venue.freeze_reads(*methods)
        world.buy("7")
        world.sell("12")
        frozen_s = trio.current_time()
        n_moves = 0
        while trio.current_time() < frozen_s + lag_s:
            await trio.sleep(1)
            n_moves += 1
            if n_moves % 3 == 0:
                world.buy("5")
        world.venue.thaw_reads()
        await until_on_target(world, maker)

    assert booked(maker) == world.ledger(*maker.inventory.allocation)


@pytest.mark.sweep
@pytest.mark.parametrize("lag_s", [2.5, 5.0, 12.0])  # longer than expiry and grace nobody waits
@pytest.mark.parametrize("method", ["bulk_orders", "bulk_modify_orders_new", "bulk_cancel"])
@pytest.mark.parametrize("kind", KINDS)
async def test_b2_a_replica_that_lags_behind_an_unanswered_request_doubles_no_order(
    autojump_clock: MockClock, tmp_path: Path, kind: str, method: str, lag_s: float
) -> None:
    """Neither frame nor answer came, and every question is answered from before it."""
    world = make_world(kind)
    maker = make_maker(world, tmp_path, **WINDOW.get(method, {}))

    async with world.running(maker):
        await trio.sleep(4)
        lose(world, method, applied=True)
        on_request(world, method, in_turn(world.venue.freeze_reads, lambda: world.venue.hold_frames("orderUpdates")))
        await provoke(world, maker, method)
        await trio.sleep(lag_s)
        world.venue.thaw_reads()
        world.venue.release_frames()
        await until_on_target(world, maker)

    assert booked(maker) == world.ledger(*maker.inventory.allocation)


# --- B3: a history that does not reach back --------------------------------------------------------


async def stay_away(world: World, n_fills: int) -> None:
    """Both kinds of fills of orders that rest on while their maker is away."""
    for i in range(n_fills):
        (world.buy if i % 2 else world.sell)("0.5")
        await trio.sleep(1)


@pytest.mark.parametrize("n_fills", [10, 48, 60, 120])
async def test_b3_a_maker_that_was_away_books_every_fill_or_halts_where_the_history_is_cut(
    autojump_clock: MockClock, tmp_path: Path, n_fills: int
) -> None:
    world = World(signing=True, fills_kept=50, **ROOMY)
    first = make_maker(world, tmp_path, cancel_on_shutdown=False)
    async with world.running(first):
        world.buy("1")
        await until(lambda: first.stats.fills == 1)
        await trio.sleep(70)  # a reconciliation has read the history up to here
    world.gateway.checks.clear()  # the exchange's own record is cut as well: nothing to compare with
    await stay_away(world, n_fills)
    assert len(world.fills()) == min(50, n_fills + 1)
    second = world.maker(journal=Journal.open(tmp_path), info=world.venue.info(MAKER), **ALLOCATION)
    if n_fills < 50:
        async with world.running(second):
            await trio.sleep(10)
        assert booked(second) == world.ledger(*second.inventory.allocation)
    else:
        n_orders = len(world.exchange.records(MAKER))
        with trio.fail_after(120), pytest.raises((LedgerError, BaseExceptionGroup)) as caught:
            await second.run()
        assert any(isinstance(leaf, LedgerError) for leaf in find_leaves(caught.value))
        assert len(world.exchange.records(MAKER)) == n_orders
        assert world.resting() == []
    assert second.orders_may_rest == ()


async def test_b3_a_history_that_is_cut_while_the_frames_are_lost_halts_a_running_maker(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World(signing=True, fills_kept=50, **ROOMY)
    maker = make_maker(world, tmp_path)
    world.gateway.checks.clear()
    ended: list[BaseException] = []

    async def run() -> None:
        try:
            await maker.run()
        except (LedgerError, BaseExceptionGroup) as error:
            ended.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await until(lambda: maker.stats.ticks > 0)
        world.buy("1")
        await trio.sleep(70)
        world.venue.lose_frames()
        for i in range(120):
            (world.buy if i % 2 else world.sell)("0.5")
        await until(lambda: ended, within_s=120)

    assert any(isinstance(leaf, LedgerError) for leaf in find_leaves(ended[0]))
    assert world.resting() == []
    assert maker.orders_may_rest == ()


async def test_b3_an_outage_longer_than_a_page_of_fills_is_read_page_by_page(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World(signing=True, token="3000", usdc="60000")
    large: dict[str, Any] = {"order_sz": "100", "allocated_token": "2000", "allocated_usdc": "45000"}
    first = world.maker(journal=Journal.open(tmp_path), cancel_on_shutdown=False, **large)
    async with world.running(first):
        world.buy("1")
        await trio.sleep(70)
    for i in range(2100):
        (world.buy if i % 2 else world.sell)("0.5")
        if i % 10 == 0:
            await trio.sleep(0.1)
    second = world.maker(journal=Journal.open(tmp_path), info=world.venue.info(MAKER), **large)
    async with world.running(second):
        await trio.sleep(5)

    assert len(world.fills()) > 2000
    assert booked(second) == world.ledger(2000, 45000)


# --- B4: an order that the venue forgot -------------------------------------------------------------


async def test_b4_a_fill_of_an_order_presumed_dead_is_still_ours(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of fills come without a cloid, and the poll that reads the fill is the one that presumes the order dead."""
    monkeypatch.setattr("mm_trio.grids.reconciler.EXPIRY_GRACE_S", 0.0)
    world = World(signing=True, **ROOMY)

    async def forget(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        answer, name = await run_inline(fn, *args), getattr(fn, "__name__", "")
        if name == "query_order_by_cloid":
            return {"status": "unknownOid"}
        without_cloids = name == "user_fills_by_time"
        return [{key: row[key] for key in row if key != "cloid"} for row in answer] if without_cloids else answer

    maker = make_maker(world, run_sync=forget, reconcile_every=2)
    async with world.running(maker):
        await trio.sleep(4)
        world.venue.lose_frames()
        lose(world, "bulk_orders", applied=True, times=1)
        n_fills = len(world.fills())
        on_request(world, "bulk_orders", lambda: world.sell("5"), after=True)
        world.buy("5")
        await until(lambda: len(world.fills()) == n_fills + 2, within_s=30)
        await until_definite(maker, trio.current_time())
        world.venue.stop_losing_frames()
        assert booked(maker) == compute_ledger(world, maker)


@pytest.mark.parametrize("fate", ["filled", "partly", "cancelled", "never arrived"])
@pytest.mark.parametrize("restart", [False, True])
async def test_b4_an_order_that_order_status_forgot_is_settled_by_fills_and_by_its_oid(
    autojump_clock: MockClock, tmp_path: Path, restart: bool, fate: str
) -> None:
    """The venue keeps 20 records; strangers' orders of the same account push ours out at once."""
    world = World(signing=True, order_records=20, **ROOMY)
    maker = make_maker(world, tmp_path, reconcile_every=2, cancel_on_shutdown=not restart, foreign_orders="keep")

    async with world.running(maker):
        await trio.sleep(4)
        world.venue.lose_frames()
        lose(world, "bulk_orders", applied=fate != "never arrived")
        world.buy("5")
        n_calls = world.calls("bulk_orders")
        await until(lambda: world.calls("bulk_orders") >= n_calls + 3, within_s=30)
        if fate in ("filled", "partly"):
            world.sell("5" if fate == "filled" else "2")
        elif fate == "cancelled":
            world.cancel(*(o.oid for o in world.resting() if o.price == maker.grid.levels[20]))
        for _ in range(30):
            world.order("buy", "10", "2", tif="Alo", address=MAKER)
            world.cancel(*(o.oid for o in world.resting() if o.price == 10))
        if not restart:
            world.venue.stop_losing_frames()
            await until_definite(maker, trio.current_time())
            await until_on_target(world, maker, within_s=2 * CONVERGED_WITHIN_S)
    world.venue.stop_losing_frames()
    if restart:
        maker = remake_maker(world, tmp_path, reconcile_every=2, foreign_orders="keep")
        began_s = trio.current_time()
        async with world.running(maker):
            await until_definite(maker, began_s)
            await until_on_target(world, maker, within_s=2 * CONVERGED_WITHIN_S)

    assert booked(maker) == compute_ledger(world, maker)
    assert world.resting() == []
