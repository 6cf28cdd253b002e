"""Contract 2.12: requests sent while the budget runs out, and after it comes back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import trio
from builders import MAKER, World, until
from trio.testing import MockClock

from mm_trio.model.orders import EmitResult
from mm_trio.sending.batch_emitter import BatchEmitter


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[EmitResult]:
    """What every emit came to."""
    heard: list[EmitResult] = []
    emit = BatchEmitter.emit

    async def listen(*args: Any, **options: Any) -> EmitResult:
        heard.append(await emit(*args, **options))
        return heard[-1]

    monkeypatch.setattr(BatchEmitter, "emit", listen)
    return heard


def used(world: World) -> int:
    return world.exchange.account(MAKER).n_requests


async def without_budget(world: World) -> None:
    """Somebody spent all of it, and the venue's slot is free again."""
    world.spend_budget(10_000)
    await trio.sleep(10)


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if "Too many cumulative requests" in message]


async def test_our_count_of_items_is_the_venues(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(active_levels=5)

    async with world.running(maker):
        for i in range(10):
            (world.buy if i % 3 else world.sell)("6")
            await trio.sleep(3.5)
        counted = maker.rate_limit.n_requests, maker.rate_limit.cum_vlm, maker.rate_limit.remaining()
        account = world.exchange.account(MAKER)

    assert counted == (account.n_requests, account.volume, 10_000 + int(account.volume) - account.n_requests)


async def test_what_the_budget_does_not_cover_is_left_out_from_the_far_ends_of_both_sides(
    autojump_clock: MockClock, results: list[EmitResult]
) -> None:
    world = World()
    world.spend_budget(9_990)
    maker = world.maker()

    async with world.running(maker):
        bids, asks = world.levels(maker, "buy"), world.levels(maker, "sell")

    assert asks == list(range(20, 25))
    assert bids == list(range(15, 20))
    assert not results[0].cancel_only_mode


async def test_with_nothing_left_one_order_goes_out_in_ten_seconds(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, results: list[EmitResult]
) -> None:
    world = World()
    await without_budget(world)
    maker = world.maker(interval_s=0.5)
    placed_s: list[float] = []
    n_resting = 0

    async with world.running(maker):
        begun_s = trio.current_time()
        while trio.current_time() < begun_s + 120:
            if len(world.resting()) > n_resting:
                n_resting += 1
                placed_s.append(trio.current_time())
            assert len(world.resting()) == n_resting
            await trio.sleep(0.1)
        levels = {level for _, level in world.book_of(maker)}
        modes = {result.cancel_only_mode for result in results}

    assert modes == {True}
    assert 10 <= len(placed_s) <= 12
    assert all(10 <= b - a <= 12 for a, b in pairwise(placed_s))
    assert levels <= set(range(8, 32))  # around the boundary, not at the far ends
    assert refusals(caplog) == []
    assert sum("request budget used up" in message for message in caplog.messages) == 1


async def test_the_slot_counts_from_the_answer_of_a_slow_request(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    await without_budget(world)

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        await trio.sleep(2 if fn.__name__ == "_act" else 0.1)
        return fn(*args)

    async with world.running(world.maker(run_sync=run_sync, interval_s=1)):
        await trio.sleep(100)
        n_resting = len(world.resting())

    assert n_resting >= 7
    assert refusals(caplog) == []


async def test_cancels_pass_without_budget_and_a_modify_is_dropped_and_not_made_a_cancel(
    autojump_clock: MockClock,
) -> None:
    """The last bid should grow, a level should flip and the window should move: only its cancel goes out."""
    world = World(usdc="250")
    maker = world.maker()

    async with world.running(maker):
        left = 10_000 - used(world)
        world.spend_budget(left + 500)
        world.venue.answer_next("spot_user_state", None)
        maker.rate_limit.sync_from_exchange(world.exchange.account(MAKER).volume, used(world))
        maker.rate_limit.on_slot_taken(trio.current_time())
        before = {order.oid for order in world.resting()}
        world.buy("2")
        await trio.sleep(8)
        after = {order.oid for order in world.resting()}
        n_modifies, n_cancels = world.calls("bulk_modify_orders_new"), world.calls("bulk_cancel")

    assert (n_modifies, n_cancels) == (0, 0)
    assert after == before
    assert world.resting() == []


async def test_the_window_gives_up_levels_without_budget(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(active_levels=3)

    async with world.running(maker):
        world.spend_budget(11_000)
        maker.rate_limit.sync_from_exchange(world.exchange.account(MAKER).volume, used(world))
        maker.rate_limit.on_slot_taken(trio.current_time())
        world.buy("5")
        await until(lambda: world.calls("bulk_cancel"))
        await trio.sleep(1)
        book = set(world.book_of(maker))

    assert book == {("buy", 18), ("buy", 19), ("sell", 21), ("sell", 22)}
    assert world.resting() == []
    assert maker.orders_may_rest == ()


async def test_a_refusal_for_want_of_budget_is_believed_over_our_own_count(
    autojump_clock: MockClock, results: list[EmitResult]
) -> None:
    """Somebody else used the address's budget up since we last asked."""
    world = World()
    maker = world.maker(reconcile_every=1000)

    async with world.running(maker):
        world.spend_budget(11_000)
        believed = maker.rate_limit.remaining()
        world.buy("10")
        await until(lambda: results[-1].cancel_only_mode)
        remaining = maker.rate_limit.remaining()
        await until(lambda: len(world.resting()) == 40)

    assert believed > 9_000
    assert remaining <= 0
    assert maker.stats.errors == 0


async def test_traded_volume_brings_quoting_back(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, results: list[EmitResult]
) -> None:
    """A unit of quote traded is a request: an order of 105 pays for 105."""
    caplog.set_level("INFO", logger="mm_trio")
    world = World()
    await without_budget(world)
    maker = world.maker()
    world.guard(maker)

    async with world.running(maker):
        (order,) = world.resting()
        (world.sell if order.is_buy else world.buy)("5")
        await until(lambda: not results[-1].cancel_only_mode)
        await until(lambda: len(world.resting()) == 40)

    assert any("request budget available" in message for message in caplog.messages)
    assert refusals(caplog) == []


async def test_a_batch_never_has_more_than_a_hundred_items(autojump_clock: MockClock) -> None:
    world = World(token="1000", usdc="100000")
    maker = world.maker(n_orders=300)

    async with world.running(maker):
        n_resting = len(world.resting())

    sizes = [items for method, items in world.venue.calls if method.startswith("bulk")]
    assert n_resting == 300
    assert sizes == [100] * 6
    assert world.resting() == []


async def test_what_is_refused_for_want_of_budget_is_the_last_that_a_tick_sends(autojump_clock: MockClock) -> None:
    """Our count was too high; the modify tells us, and the places behind it would be refused as well."""
    world = World(token="103")
    maker = world.maker(active_levels=5)

    async with world.running(maker):
        before = world.calls("bulk_orders")
        refusal = "Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0."
        world.venue.answer_next("bulk_modify_orders_new", {"status": "err", "response": refusal})
        world.buy("13")
        n_modifies = world.calls("bulk_modify_orders_new")
        await until(lambda: world.calls("bulk_modify_orders_new") > n_modifies)
        await trio.sleep(1)
        sent = world.calls("bulk_orders") - before

    assert sent == 0
