"""Shutdown, intended or not.

No order of ours stays open, late fills are booked, and orders still in doubt are reported.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, Hanging, Spy, World, booked, until
from trio.testing import MockClock

from mm_trio.engine import tasks
from mm_trio.grids import turns
from mm_trio.venue.ip_weight import FOR_SHUTDOWN, SLACK

CANCEL_ERROR = {"status": "err", "response": "Something broke"}


async def test_cancellation_leaves_nothing_resting(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        n_resting = len(world.resting())

    assert n_resting == 40
    assert world.resting() == []
    assert maker.orders_may_rest == ()


async def test_orders_stay_where_the_operator_wants_them_to(autojump_clock: MockClock) -> None:
    world = World()

    async with world.running(world.maker(cancel_on_shutdown=False)):
        pass

    assert len(world.resting()) == 40


async def test_fills_on_the_way_out_are_booked(autojump_clock: MockClock) -> None:
    """Their frames never come: the feed is held up from before the fill."""
    world = World()
    maker = world.maker(**ALLOCATION)

    async with world.running(maker):
        world.venue.hold_frames()
        world.buy("7")
        world.sell("3")

    assert maker.stats.fills == 3
    assert booked(maker) == world.ledger(100, 5000)
    assert world.resting() == []


@pytest.mark.parametrize("applied", [True, False])
async def test_a_cancel_whose_answer_is_lost_on_the_way_out_is_sent_again(
    autojump_clock: MockClock, applied: bool
) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.venue.fail_next("bulk_cancel", TimeoutError("answer lost"), applied=applied)

    assert world.resting() == []
    assert maker.orders_may_rest == ()


@pytest.mark.parametrize("answer", [CANCEL_ERROR, None, {"status": "ok"}])
async def test_an_error_for_the_last_cancel_is_not_taken_for_success(autojump_clock: MockClock, answer: object) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.venue.answer_next("bulk_cancel", answer)

    assert world.resting() == []
    assert maker.orders_may_rest == ()
    assert world.calls("bulk_cancel") == 2


async def test_a_place_still_unanswered_on_the_way_out_is_cancelled_by_its_cloid(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.venue.hold_frames()
        world.venue.fail_next("bulk_orders", TimeoutError("answer lost"), applied=True)
        world.venue.release_frames()
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        world.venue.hold_frames()
        await until(lambda: maker.order_state.get_intents())
        n_resting = len(world.resting())

    assert n_resting == 40
    assert world.resting() == []
    assert maker.orders_may_rest == ()
    assert world.calls("bulk_cancel_by_cloid") >= 1


async def test_a_request_on_its_way_is_not_cut_off_by_leaving(autojump_clock: MockClock) -> None:
    """The batch arrives two seconds after the maker was cancelled; its orders are known, and cancelled."""
    world = World()
    started = trio.Event()

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        if fn.__name__ == "_act":
            started.set()
            await trio.sleep(2)
        return fn(*args)

    maker = world.maker(run_sync=run_sync)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(maker.run)
        await started.wait()
        nursery.cancel_scope.cancel()

    assert len(world.exchange.records(MAKER)) == 40
    assert world.resting() == []
    assert maker.orders_may_rest == ()


async def test_orders_that_may_rest_are_told_when_the_venue_does_not_answer(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    hanging = Hanging()
    maker = world.maker(run_sync=hanging)

    async with world.running(maker):
        hanging.hangs = True
        left_s = trio.current_time()
    took_s = trio.current_time() - left_s

    assert maker.orders_may_rest
    assert 9 <= took_s <= 11
    assert any("orders may still rest" in message for message in caplog.messages)
    assert [line.partition(": ")[0] for line in maker.describe_orders_left()] == list(maker.orders_may_rest)
    lowest_ask = maker.grid.levels[20]
    assert any(line.endswith(f": sell 5 at {lowest_ask} (level 20)") for line in maker.describe_orders_left())


async def test_orders_that_may_rest_are_named_when_the_venue_refuses_to_cancel(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        for _ in range(100):
            world.venue.answer_next("bulk_cancel", CANCEL_ERROR)
        left_s = trio.current_time()
    took_s = trio.current_time() - left_s

    assert set(maker.orders_may_rest) == {f"oid {order.oid}" for order in world.resting()}
    assert len(maker.orders_may_rest) == 40
    assert 9 <= took_s <= 11


async def test_leaving_touches_no_order_that_is_not_ours(autojump_clock: MockClock) -> None:
    world = World()
    world.order("buy", "15", "3", tif="Alo", address=MAKER)
    maker = world.maker(foreign_orders="keep")

    async with world.running(maker):
        pass

    assert [order.price for order in world.resting()] == [15]
    assert maker.orders_may_rest == ()


# --- things that go wrong with us ---------------------------------------------------------------


@pytest.mark.parametrize(("module", "task"), [(turns, "tick"), (tasks, "reconcile")])
async def test_a_bug_in_a_task_cancels_our_orders_and_comes_out(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, module: ModuleType, task: str
) -> None:
    world = World()
    maker = world.maker(reconcile_every=2)
    real = getattr(module, task)

    async def fail_later(*args: Any) -> Any:
        if maker.stats.ticks >= 3:
            raise ZeroDivisionError("a bug of ours")
        return await real(*args)

    monkeypatch.setattr(module, task, fail_later)
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError, match="a bug of ours"), flatten_subgroups=True):
        async with world.running(maker):
            await trio.sleep(60)

    assert len(world.exchange.records(MAKER)) == 40
    assert world.resting() == []
    assert maker.orders_may_rest == ()


async def test_a_bug_while_applying_a_message_ends_the_maker_and_not_the_callers_thread(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    maker = world.maker()

    def fail(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError("a bug of ours")

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with world.running(maker):
            monkeypatch.setattr(maker.order_state, "on_fill", fail)
            world.buy("1")  # the callback runs within this call, and nothing of the bug comes out here
            await trio.sleep(0.005)
            monkeypatch.undo()
            await trio.sleep(60)

    assert world.resting() == []


async def test_a_failed_request_does_not_end_the_maker(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(reconcile_every=2)
    world.guard(maker)

    async with world.running(maker):
        for method in ("bulk_orders", "bulk_cancel", "open_orders", "spot_user_state", "user_rate_limit"):
            for error in (ConnectionError("cut"), TimeoutError("slow"), ValueError("bad JSON"), KeyError("status")):
                world.venue.fail_next(method, error, applied=False)
        for i in range(40):
            (world.buy if i % 3 else world.sell)("4")
            await trio.sleep(5)
        await until(lambda: len(world.resting()) == 40)

    assert maker.stats.errors >= 12
    assert world.resting() == []


async def test_a_callback_after_the_end_returns_quietly(autojump_clock: MockClock, spy: Spy) -> None:
    world = World()
    subscribed = spy(world.info, "subscribe")
    maker = world.maker()
    async with world.running(maker):
        pass
    fills = maker.stats.fills

    world.order("buy", "10", "2", tif="Alo", address=MAKER)
    world.sell("2", "10")
    for call in subscribed:
        call.args[1]({"channel": "anything", "data": None})

    assert len(world.fills()) == 1
    assert maker.stats.fills == fills


async def test_looks_on_the_way_out_keep_within_the_minutes_request_weight(autojump_clock: MockClock) -> None:
    """A cancel that gets no answer has it look again and again; a venue that is asked too much answers nobody."""
    world = World()
    maker = world.maker()

    async with world.running(maker):
        since = len(world.venue.calls)
        assert maker._session is not None
        weight, now_s = maker._session.account.client.weight, trio.current_time()
        weight.on_request(1_200 - SLACK - FOR_SHUTDOWN - weight.used(now_s), now_s=now_s)
        for _ in range(20):
            world.venue.fail_next("bulk_cancel", TimeoutError("no answer"), applied=False)

    weights = {"open_orders": 20, "user_fills_by_time": 20, "spot_user_state": 2, "user_rate_limit": 20}
    asked = sum(weights.get(method, 2 if "query" in method else 0) for method, _ in world.venue.calls[since:])
    assert 20 <= asked <= FOR_SHUTDOWN
    assert maker.orders_may_rest
