"""Scenarios of the specification, and its rules without a scenario, on a venue without faults."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Any

import pytest
import trio
from builders import EPOCH_MS, MAKER, Spy, World, dec, run_inline, run_with_latency, until
from trio.testing import MockClock

from mm_trio.grids.events import log_tick
from mm_trio.grids.reconciler import Reconciler
from mm_trio.model.orders import EmitResult, OrderDiff, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.incremental_planner import IncrementalPlanner
from mm_trio.quoting.order_differ import compute_diff
from mm_trio.quoting.plan import TickPlan
from mm_trio.quoting.quoting_engine import compute_desired_orders
from mm_trio.sending.batch_emitter import BatchEmitter
from mm_trio.state.inventory import BalanceVerdict
from mm_trio.venue.thread_bridge import Inbox

READS = {"spot_meta", "open_orders", "spot_user_state", "user_rate_limit", "user_fills_by_time"}
SEEDS = READS - {"user_fills_by_time"}  # those that the specification names
ACTIONS = {"bulk_orders", "bulk_modify_orders_new", "bulk_cancel", "bulk_cancel_by_cloid"}


def methods(world: World, *, since: int = 0) -> list[str]:
    return [method for method, _ in world.venue.calls[since:]]


@pytest.fixture
def emits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, OrderDiff, EmitResult]]:
    """Every call of the emitter: when, with what, and what came out."""
    heard: list[tuple[float, OrderDiff, EmitResult]] = []
    emit = BatchEmitter.emit

    async def listen(self: BatchEmitter, diff: OrderDiff, budget: Any, **options: Any) -> EmitResult:
        started_s = trio.current_time()
        result = await emit(self, diff, budget, **options)
        heard.append((started_s, diff, result))
        return result

    monkeypatch.setattr(BatchEmitter, "emit", listen)
    return heard


async def leave_orders(world: World, **changed: Any) -> None:
    """A maker ran here before and left what rests."""
    async with world.running(world.maker(cancel_on_shutdown=False, **changed)):
        pass
    world.venue.reopen_feed()
    world.venue.calls.clear()


# --- startup ----------------------------------------------------------------------------------


async def test_clean_startup_with_no_existing_orders(autojump_clock: MockClock) -> None:
    """Clean startup with no existing orders"""
    world = World()
    maker = world.maker()
    seeded: list[tuple[Any, ...]] = []

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        if fn.__name__ == "subscribe" and not seeded:
            seeded.append((maker.order_state.get_current_orders(), maker.inventory.effective_token))
        return await run_inline(fn, *args)

    maker = world.maker(run_sync=run_sync)
    async with world.running(maker):
        pass

    assert seeded == [((), dec(100))]
    assert maker.inventory.effective_usdc == 5000
    assert maker.grid.levels == PricingGrid("20", 40, sz_decimals=2).levels
    assert maker.stats.ticks == 1


async def test_startup_with_existing_resting_orders(autojump_clock: MockClock, spy: Spy, emits: Any) -> None:
    """Startup with existing resting orders"""
    world = World()
    await leave_orders(world)
    left = {order.oid for order in world.resting()}
    emits.clear()
    maker = world.maker()
    confirmed = spy(maker.order_state, "on_place_confirmed")

    async with world.running(maker):
        still_there = {order.oid for order in world.resting()}

    assert {call.args[0] for call in confirmed} == left == still_there
    assert len(left) == 40
    assert emits[0][1] == OrderDiff()


async def test_the_coin_is_resolved_to_its_asset_id(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        pass

    assert maker.asset_id == 10_000 + 107


async def test_rest_calls_precede_subscriptions_and_the_first_tick(
    autojump_clock: MockClock,
) -> None:
    """All REST calls complete before the first subscription, and all subscriptions before the first tick."""
    world = World()

    async with world.running(world.maker(run_sync=run_with_latency(0.1, 0.1))):
        order = methods(world)

    subscribed = order.index("subscribe")
    assert set(order[:subscribed]) == READS | {"l2_snapshot"}
    first_action = next(i for i, method in enumerate(order) if method in ACTIONS)
    assert set(order[subscribed:first_action]) == {"subscribe"}


async def test_the_feeds_of_the_specification_are_subscribed_for_our_address(
    autojump_clock: MockClock, spy: Spy
) -> None:
    world = World()
    subscribed = spy(world.info, "subscribe")

    async with world.running(world.maker()):
        pass

    wanted = [call.args[0] for call in subscribed]
    for feed in ("orderUpdates", "userFills", "webData2"):
        assert {"type": feed, "user": MAKER} in wanted


@pytest.mark.parametrize("method", sorted(SEEDS))
async def test_a_startup_rest_call_that_fails_propagates(autojump_clock: MockClock, method: str) -> None:
    world = World()
    lost = ConnectionError("no route")
    world.venue.fail_next(method, lost, applied=False)

    with pytest.raises(Exception, match="no route") as caught:
        await world.maker().run()

    assert caught.value is lost or caught.value.__cause__ is lost
    assert not ACTIONS & set(methods(world))


@pytest.mark.parametrize("before_subscription", [1, 4])
async def test_a_fill_between_seed_and_first_tick_is_handled_normally(
    autojump_clock: MockClock, before_subscription: int, emits: Any
) -> None:
    """Before the first subscription: the fill is in the first snapshot. Before the last one: it comes live."""
    world = World()
    await leave_orders(world)
    emits.clear()
    n_subscribed = 0

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        nonlocal n_subscribed
        n_subscribed += fn.__name__ == "subscribe"
        if fn.__name__ == "subscribe" and n_subscribed == before_subscription:
            world.buy("7")
        return await run_inline(fn, *args)

    maker = world.maker(run_sync=run_sync, allocated_token=100, allocated_usdc=5000)
    async with world.running(maker):
        await until(lambda: maker.stats.fills == 2 and maker.stats.ticks > 1)
        book = world.book_of(maker)

    assert (maker.inventory.virtual_token, maker.inventory.virtual_usdc) == world.ledger(100, 5000)
    assert book["buy", 20] == 5
    assert book["sell", 21] == 3


# --- routing ----------------------------------------------------------------------------------


async def test_order_fill_arrives_via_websocket(autojump_clock: MockClock, spy: Spy) -> None:
    """Order fill arrives via WebSocket"""
    world = World()
    maker = world.maker()
    on_fill = spy(maker.order_state, "on_fill")
    on_ask_fill, on_bid_fill = spy(maker.inventory, "on_ask_fill"), spy(maker.inventory, "on_bid_fill")

    async with world.running(maker):
        world.buy("2")
        world.sell("3")
        await until(lambda: maker.stats.fills == 2)
        calls = [call.args for call in on_fill]

    sold, bought = world.fills()
    assert calls == [(f.tid, f.oid, f.size) for f in (sold, bought)]
    assert [call.args for call in on_ask_fill] == [(sold.price, dec(2), sold.fee, "quote")]
    assert [call.args for call in on_bid_fill] == [(bought.price, dec(3), bought.fee, "base")]


async def test_duplicate_fill_is_ignored(autojump_clock: MockClock, spy: Spy) -> None:
    """Duplicate fill is ignored"""
    world = World()
    maker = world.maker()
    on_fill, on_ask_fill = spy(maker.order_state, "on_fill"), spy(maker.inventory, "on_ask_fill")

    async with world.running(maker):
        world.buy("2")
        await until(lambda: maker.stats.fills == 1)
        world.say("userFills", {"user": MAKER, "fills": world.info.user_fills(MAKER)})
        world.say("userFills", {"isSnapshot": True, "user": MAKER, "fills": world.info.user_fills(MAKER)})
        await until(lambda: len(on_fill) == 3)
        duplicates = [call.result is None for call in on_fill]

    assert duplicates == [False, True, True]
    assert len(on_ask_fill) == 1


async def test_balance_update_via_webdata2(autojump_clock: MockClock, spy: Spy) -> None:
    """Balance update via webData2"""
    world = World(web_data2=True)
    maker = world.maker()
    told = spy(maker.inventory, "on_balance_update")

    async with world.running(maker):
        told.clear()
        world.fund(MAKER, "10", "1000")
        await until(lambda: told)

    assert told[0].args == (dec(110), dec(5000)) or told[0].args == (dec(110), dec(6000))
    assert told[0].result.verdict is BalanceVerdict.ASK_AGAIN


async def test_an_order_update_that_opens_confirms_the_place_without_any_answer(
    autojump_clock: MockClock, spy: Spy
) -> None:
    world = World()
    world.venue.fail_next("bulk_orders", TimeoutError("answer lost"), applied=True)
    maker = world.maker()
    confirmed = spy(maker.order_state, "on_place_confirmed")

    async with world.running(maker):
        await until(lambda: len(maker.order_state.get_current_orders()) == 40, within_s=1)

    assert {order.oid for order in maker.order_state.get_current_orders()} <= {c.args[0] for c in confirmed}
    assert not maker.order_state.get_intents()


@pytest.mark.parametrize("status", ["canceled", "scheduledCancel", "selfTradeCanceled", "anEndOfTomorrow"])
async def test_an_order_update_that_ends_an_order_is_a_modify_response(
    autojump_clock: MockClock, spy: Spy, status: str
) -> None:
    world = World()
    maker = world.maker()
    responses = spy(maker.order_state, "on_modify_response")

    async with world.running(maker):
        row = world.info.open_orders(MAKER)[0]
        world.say("orderUpdates", [{"order": row, "status": status, "statusTimestamp": EPOCH_MS}])
        await until(lambda: responses)
        tracked = maker.order_state.find(row["oid"])

    assert responses[0].args == (row["oid"], row["oid"], status)
    assert tracked is None


# --- the tick ---------------------------------------------------------------------------------


async def test_normal_tick_with_inventory_change(autojump_clock: MockClock, emits: Any) -> None:
    """Normal tick with inventory change"""
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.buy("5")
        emits.clear()
        await until(lambda: emits)
        book = world.book_of(maker)

    (_, diff, result), *_ = emits
    assert [(order.side, order.level_index, order.size) for order in diff.places] == [("buy", 20, 5)]
    assert (result.n_placed, result.n_errors) == (1, 0)
    assert book["buy", 20] == 5
    assert ("sell", 20) not in book


async def test_tick_with_no_changes_needed(autojump_clock: MockClock, emits: Any) -> None:
    """Tick with no changes needed"""
    world = World()
    maker = world.maker()

    async with world.running(maker):
        emits.clear()
        world.venue.calls.clear()
        await until(lambda: len(emits) == 5)

    assert [diff for _, diff, _ in emits[:5]] == [OrderDiff()] * 5
    assert not {"bulk_orders", "bulk_modify_orders_new"} & set(methods(world))
    assert methods(world)[0] == "bulk_cancel"  # of the shutdown


async def test_a_tick_takes_its_seven_steps_in_order(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, emits: Any
) -> None:
    """Boundary, desired orders, current orders, the difference with our tolerances; sent; told."""
    world = World()
    maker = world.maker(dead_zone_bps=7, price_tolerance_bps=2, size_tolerance_pct=3)
    steps: list[str] = []
    planned: list[tuple[TickPlan, tuple[TrackedOrder, ...]]] = []
    real_plan, real_log = IncrementalPlanner.plan, log_tick

    def plan(planner: IncrementalPlanner, **options: Any) -> TickPlan:
        steps.append("plan")
        planned.append((real_plan(planner, **options), maker.order_state.get_current_orders()))
        return planned[-1][0]

    def log(*args: Any) -> None:
        steps.append("log")
        real_log(*args)

    async with world.running(maker):
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        tokens, quote = maker.inventory.effective_token, maker.inventory.effective_usdc
        monkeypatch.setattr(IncrementalPlanner, "plan", plan)
        monkeypatch.setattr("mm_trio.grids.turns.log_tick", log)
        n_emits = len(emits)
        await until(lambda: maker.stats.ticks == 2)

    found, current = planned[0]
    desired = compute_desired_orders(maker.grid, found.boundary_level, tokens, quote, 5, min_notional=10)
    assert steps[:2] == ["plan", "log"]
    assert (found.boundary_level, len(current)) == (21, 39)
    assert tuple(found.desired) == desired
    assert found.diff == compute_diff(desired, current, 7, 2, 3)
    assert [order.level_index for order in found.diff.places] == [20]
    assert emits[n_emits][1] == found.diff


async def test_the_budget_is_in_the_log_line_of_the_tick(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    maker = world.maker()

    with caplog.at_level(logging.INFO, logger="mm_trio"):
        async with world.running(maker):
            await until(lambda: maker.stats.ticks == 2)

    first, second = (line for line in caplog.messages if line.startswith("tick="))
    for line in (first, second):
        assert "budget=9960 cum_vlm=0.0 n_requests=40" in line


@pytest.mark.parametrize("options, expected_s", [({}, 3.0), ({"interval_s": 0.5}, 0.5)])
async def test_ticks_come_every_interval_and_every_three_seconds_by_default(
    autojump_clock: MockClock, emits: Any, options: dict[str, float], expected_s: float
) -> None:
    world = World()

    async with world.running(world.maker(**options)):
        await until(lambda: len(emits) == 4)
        times = [started_s for started_s, _, _ in emits]

    assert [b - a for a, b in pairwise(times)] == pytest.approx([expected_s] * 3)


async def test_a_slow_tick_logs_a_warning_and_the_next_one_follows_at_once(
    autojump_clock: MockClock, emits: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The first batch takes 4 s of an interval of 3: the ticks after it keep their distance, none is skipped."""
    world = World()
    maker = world.maker(run_sync=run_with_latency(1, 3))

    async with world.running(maker):
        await until(lambda: len(emits) == 4)
        times = [started_s for started_s, _, _ in emits]

    assert "slow tick: took_s=4.00 interval_s=3" in caplog.messages
    assert [b - a for a, b in pairwise(times)] == pytest.approx([4, 3, 3])


# --- reconciliation ---------------------------------------------------------------------------


async def test_a_reconciliation_comes_every_twenty_ticks_by_default(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        started_s = trio.current_time()
        await until(lambda: maker.stats.reconciliations == 1, within_s=100)
        took_s = trio.current_time() - started_s
        n_ticks = maker.stats.ticks

    assert took_s == pytest.approx(57, abs=0.1)  # nineteen pauses of 3 s lie between twenty ticks
    assert n_ticks == 20


async def test_a_reconciliation_asks_for_orders_and_balances(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(reconcile_every=2)

    async with world.running(maker):
        world.venue.calls.clear()
        await until(lambda: maker.stats.reconciliations == 1)
        asked = methods(world)

    assert asked.index("open_orders") < asked.index("spot_user_state")


async def test_orphaned_order_detected_during_reconciliation(autojump_clock: MockClock, emits: Any) -> None:
    """Orphaned order detected during reconciliation"""
    world = World()
    maker = world.maker(reconcile_every=2)

    async with world.running(maker):
        world.venue.hold_frames()  # or the order's own frame would bring it to light sooner
        world.order("buy", "19", "3", tif="Alo", address=MAKER)
        (orphan,) = (order for order in world.resting() if order.price == 19)
        emits.clear()
        await until(lambda: maker.stats.reconciliations == 1)
        resting = world.resting()

    assert orphan.oid not in {order.oid for order in resting}
    assert len(resting) == 40
    assert next(diff.cancels for _, diff, _ in emits if diff.cancels) == (orphan.oid,)


async def test_ghost_order_detected_during_reconciliation(autojump_clock: MockClock, spy: Spy) -> None:
    """Ghost order detected during reconciliation"""
    world = World()
    maker = world.maker(reconcile_every=2)
    removed = spy(maker.order_state, "remove_ghost")

    async with world.running(maker):
        world.venue.hold_frames()
        ghost = world.resting()[0].oid
        world.cancel(ghost)
        await until(lambda: maker.stats.reconciliations == 1)
        tracked = maker.order_state.find(ghost)
        await until(lambda: len(world.resting()) == 40)

    assert [call.args for call in removed] == [(ghost,)]
    assert tracked is None


async def test_balance_drift_corrected_during_reconciliation(autojump_clock: MockClock, spy: Spy) -> None:
    """Balance drift corrected during reconciliation"""
    world = World()
    maker = world.maker(reconcile_every=2)
    told = spy(maker.inventory, "on_balance_update")

    async with world.running(maker):
        told.clear()
        world.fund(MAKER, "10", "100")
        await until(lambda: maker.inventory.account_token == 110)
        await until(lambda: world.levels(maker, "sell")[0] == 18)

    assert [call.args for call in told] == [(dec(110), dec(5100))] * len(told)
    assert told[-1].result.verdict is BalanceVerdict.ADOPTED
    assert maker.inventory.effective_usdc == 5100


@pytest.mark.parametrize("interval_s", [0.25, 0.7, 2.0])
async def test_a_reconciliation_never_overlaps_a_tick(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, interval_s: float
) -> None:
    """Ticks that send and reconciliations that ask each take a second and more, and both are always due."""
    world = World()
    maker = world.maker(run_sync=run_with_latency(0.3, 0.4), interval_s=interval_s, reconcile_every=1)
    spans: list[tuple[float, float, str]] = []

    def note(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        async def timed(*args: Any, **options: Any) -> Any:
            started_s = trio.current_time()
            result = await real(*args, **options)
            spans.append((started_s, trio.current_time(), name))
            return result

        monkeypatch.setattr(owner, name, timed)

    note(BatchEmitter, "emit")
    note(Reconciler, "reconcile")
    async with world.running(maker):
        for i in range(30):
            world.buy("3") if i % 2 else world.sell("3")
            await trio.sleep(1)
        seen = sorted(spans)

    assert {name for _, _, name in seen} == {"emit", "reconcile"}
    assert sum(end > start for start, end, name in seen if name == "emit") > 5
    for before, after in pairwise(seen):
        assert before[1] <= after[0]


# --- reconnection -----------------------------------------------------------------------------


async def test_reconnection_after_brief_disconnect(autojump_clock: MockClock, spy: Spy) -> None:
    """Reconnection after brief disconnect"""
    world = World()
    maker = world.maker(allocated_token=100, allocated_usdc=5000)
    subscribed = spy(world.info, "subscribe")

    async with world.running(maker):
        feeds = [call.args[0] for call in subscribed]
        subscribed.clear()
        since = len(world.venue.calls)
        world.venue.drop_feed()
        world.buy("5")  # nobody hears of it
        await until(lambda: maker.stats.reconnects == 1)
        await until(lambda: maker.stats.reconciliations == 1, within_s=1)
        asked = methods(world, since=since)

    assert [call.args[0] for call in subscribed] == feeds
    assert asked.index("subscribe") < asked.index("open_orders")
    assert set(asked) >= {"open_orders", "user_fills_by_time", "spot_user_state"}
    assert maker.stats.fills == 1  # told by the snapshot and by the look-up, counted once
    assert (maker.inventory.virtual_token, maker.inventory.virtual_usdc) == world.ledger(100, 5000)


# --- bridging ---------------------------------------------------------------------------------


async def test_concurrent_ws_callbacks_are_serialized(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Concurrent WS callbacks are serialized (with real threads: test_bridge)"""
    world = World()
    maker = world.maker()
    active = 0
    overlaps: list[int] = []
    receive = Inbox.receive

    async def listen(self: Inbox) -> Any:
        nonlocal active
        active -= 1
        message = await receive(self)
        active += 1
        overlaps.append(active)
        return message

    monkeypatch.setattr(Inbox, "receive", listen)
    active = 1
    async with world.running(maker):
        async with trio.open_nursery() as nursery:
            for i in range(8):
                take = world.buy if i % 2 else world.sell
                nursery.start_soon(run_inline, take, "1")
        await until(lambda: maker.stats.fills == 8)

    assert set(overlaps) == {1}
    assert (maker.inventory.account_token, maker.inventory.account_usdc) == world.ledger(100, 5000)


async def test_no_callback_changes_state_before_the_loop_applies_it(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.buy("5")  # the callback ran within this call
        before = (maker.stats.fills, maker.inventory.account_token)
        await until(lambda: maker.stats.fills == 1)

    assert before == (0, dec(100))
    assert maker.inventory.account_token == 95


# --- decisions --------------------------------------------------------------------------------


async def test_the_loop_leaves_at_once_when_cancelled_between_two_ticks(autojump_clock: MockClock) -> None:
    world = World()

    async with world.running(world.maker(interval_s=3600)):
        cancelled_s = trio.current_time()

    assert trio.current_time() - cancelled_s < 0.1
    assert world.resting() == []


async def test_every_order_we_place_is_post_only(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.buy("7")
        await until(lambda: ("buy", 20) in world.book_of(maker))

    assert {record.tif for record in world.exchange.records(MAKER)} == {"Alo"}
    assert not any(fill.crossed for fill in world.fills())


async def test_on_a_converged_book_the_observed_boundary_is_the_one_quoted_from(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        boundaries = []
        for _ in range(3):
            await until(lambda: len(world.resting()) == 40)
            boundaries.append(
                (maker.boundary_level, maker.order_state.boundary_level(40), world.levels(maker, "sell")[0])
            )
            world.buy("5")

    assert boundaries == [(20, 20, 20), (21, 21, 21), (22, 22, 22)]
