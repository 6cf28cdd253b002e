"""Rare faults that the maker once got wrong: lost rows, cut answers, flapping links, hung exits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from builders import ALLOCATION, COIN, MAKER, Hanging, World, booked, run_with_latency, until
from trio.testing import MockClock

from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.errors import ConfigError, Unreachable

WOULD_CROSS = "Post only order would have immediately matched, bbo was 1@2. asset=10107"


def garble_fills(world: World, is_garbled: Callable[[], bool]) -> None:
    """Make the rows of userFills frames unreadable while `is_garbled()`."""
    subscribe = world.info.subscribe

    def subscribe_garbled(subscription: dict[str, Any], callback: Callable[[Any], None]) -> int:
        def garbled(frame: Any) -> None:
            if subscription["type"] == "userFills" and is_garbled() and not frame["data"].get("isSnapshot"):
                frame = copy.deepcopy(frame)
                for row in frame["data"]["fills"]:
                    row["sz"] = None
            callback(frame)

        return subscribe(subscription, garbled)

    world.info.subscribe = subscribe_garbled  # type: ignore[method-assign]


async def test_an_unreadable_fill_is_found_however_late_the_history_can_be_read(autojump_clock: MockClock) -> None:
    """REST is down for minutes after it, while later fills are told as they should be."""
    world, down, garbled = World(token="1000"), [False], [False]
    garble_fills(world, lambda: garbled[0])

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if down[0] and fn.__name__ == "user_fills_by_time":
            raise ConnectionError("history is down")
        return fn(*args)

    maker = world.maker(run_sync=run_sync, **ALLOCATION)
    async with world.running(maker):
        down[0] = garbled[0] = True
        world.buy("2")
        garbled[0] = False
        for _ in range(10):
            await trio.sleep(20)
            world.sell("0.5")
        assert booked(maker) != world.ledger(100, 5000)
        down[0] = False
        await until(lambda: booked(maker) == world.ledger(100, 5000), within_s=90)


@pytest.mark.parametrize("text", [WOULD_CROSS, "Insufficient spot balance asset=10107", "never heard of"])
async def test_an_answer_cut_to_one_items_error_doubles_nothing(autojump_clock: MockClock, text: str) -> None:
    """All of the batch rests, its frames are late, and the one status that came says no."""
    world = World(token="20", usdc="0")
    cut = {"status": "ok", "response": {"type": "order", "data": {"statuses": [{"error": text}]}}}
    bulk_orders, calls = world.sdk_exchange.bulk_orders, [0]

    def bulk_orders_cut(requests: Any) -> Any:
        calls[0] += 1
        answer = bulk_orders(requests)
        return cut if calls[0] == 1 else answer

    world.sdk_exchange.bulk_orders = bulk_orders_cut  # type: ignore[method-assign,assignment]
    world.venue.hold_frames()
    maker = world.maker(allocated_token="20", allocated_usdc="0")
    world.guard(maker)

    async with world.running(maker):
        await trio.sleep(1)
        world.venue.release_frames()
        await until(lambda: world.levels(maker, "sell") == [36, 37, 38, 39])
        await trio.sleep(40)
        assert world.levels(maker, "sell") == [36, 37, 38, 39]


async def test_nothing_new_is_placed_after_leaving_was_asked_for(autojump_clock: MockClock) -> None:
    world, started = World(token="1000", usdc="100000"), trio.Event()

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if fn.__name__ == "_act":
            started.set()
            await trio.sleep(2)
        return fn(*args)

    maker = world.maker(run_sync=run_sync, n_orders=300)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(maker.run)
        await started.wait()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert len(world.exchange.records(MAKER)) == 100  # the batch that was under way
    assert world.resting() == []


async def test_leaving_is_bounded_and_names_every_order_when_the_venue_hangs(autojump_clock: MockClock) -> None:
    world, hanging = World(token="1000", usdc="100000"), Hanging()
    maker = world.maker(run_sync=hanging, n_orders=300)

    async with world.running(maker):
        hanging.hangs = True
        left_s = trio.current_time()

    assert trio.current_time() - left_s <= 11
    assert len(maker.orders_may_rest) == len(world.resting()) == 300


async def test_a_start_that_fails_after_taking_orders_over_names_them(autojump_clock: MockClock) -> None:
    world = World()
    world.order("sell", "21", "5", tif="Alo", address=MAKER)
    world.venue.fail_next("user_rate_limit", ConnectionError("down"), applied=False)
    maker = world.maker()

    with pytest.raises(Unreachable):
        await maker.run()

    assert len(maker.orders_may_rest) == 1


@pytest.mark.parametrize("policy", ["cancel", "keep"])
async def test_nothing_is_quoted_beside_an_orphan_whose_cancel_was_lost(autojump_clock: MockClock, policy: str) -> None:
    """It is an order of an earlier life of this program, off this ladder."""
    world = World(token="1000")
    earlier = encode_cloid(CloidParts(123, "buy", 3, 1))
    world.order("buy", "15", "5", tif="Alo", address=MAKER, cloid=earlier)
    world.venue.fail_next("bulk_cancel", ConnectionError("lost"), applied=False)
    maker = world.maker(foreign_orders=policy, **ALLOCATION)
    beside: list[int] = []
    world.gateway.checks.append(
        lambda: beside.append(len(world.resting())) if any(o.price == 15 for o in world.resting()) else None
    )

    async with world.running(maker):
        pass

    assert not beside or max(beside) == 1


@pytest.mark.parametrize("lives_s", [0.0, 0.3, 2.0])
async def test_a_flapping_link_is_not_hammered(autojump_clock: MockClock, lives_s: float) -> None:
    """The venue takes 30 new connections a minute from one address."""
    world, opened_s = World(), []

    def reopen() -> None:
        opened_s.append(trio.current_time())
        world.venue.reopen_feed()
        if not lives_s:
            world.venue.drop_feed()

    async def cut_forever() -> None:
        while True:
            await trio.sleep(lives_s or 1)
            world.venue.drop_feed()

    maker = world.maker(reopen_feed=reopen, run_sync=run_with_latency(0.05, 0.05))
    async with trio.open_nursery() as nursery, world.running(maker):
        nursery.start_soon(cut_forever)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()

    assert 3 <= len(opened_s) <= 30


async def test_trouble_every_moment_does_not_spend_the_request_weight(autojump_clock: MockClock) -> None:
    """1,200 weight a minute is what an address of the net may use, for everything."""
    weights = {"open_orders": 20, "user_fills_by_time": 20, "spot_user_state": 2, "user_rate_limit": 20}
    world = World()
    maker = world.maker()

    async with world.running(maker):
        since = len(world.venue.calls)
        for _ in range(240):
            world.say("orderUpdates", "nonsense")
            await trio.sleep(0.25)
        weight = sum(weights.get(method, 0) for method, _ in world.venue.calls[since:])

    assert weight <= 1000


async def test_an_odd_row_of_another_coin_stops_nothing(autojump_clock: MockClock) -> None:
    world = World()
    open_orders = world.info.open_orders
    odd = {"coin": "ETH", "oid": 5, "side": "B", "limitPx": None, "sz": "1", "timestamp": 1}
    world.info.open_orders = lambda *args: [*open_orders(*args), odd]  # type: ignore[method-assign]
    maker = world.maker()

    async with world.running(maker):
        world.venue.drop_feed()
        await until(lambda: maker.stats.reconnects == 1 and maker.paused_because is None)

    assert maker.orders_may_rest == ()


@pytest.mark.parametrize(
    "value", [None, True, -1, 0, "", "x", "NaN", "1e999999", "-5", [], {}, 1.5, 10**30, "٣", float("inf")]
)
@pytest.mark.parametrize("field", ["sz", "px", "oid", "tid", "time", "fee", "feeToken", "cloid", "side"])
async def test_no_value_of_a_fill_row_ends_the_maker_or_moves_its_ledger_wrongly(
    autojump_clock: MockClock, field: str, value: object
) -> None:
    world = World()
    maker = world.maker(**ALLOCATION)

    async with world.running(maker):
        row = {
            "coin": COIN, "px": "22", "sz": "1", "side": "A", "time": 1, "oid": 1, "tid": 5, "fee": "0",
            "feeToken": "USDC",
        }  # fmt: skip
        world.say("userFills", {"user": MAKER, "fills": [row | {field: value}]})
        await trio.sleep(1)

        assert booked(maker) == (Decimal(100), Decimal(5000))


@pytest.mark.parametrize("token", [[1], {"a": 1}, "150", True, 1.5])
async def test_a_balance_row_with_an_odd_token_is_refused_and_survived(
    autojump_clock: MockClock, token: object
) -> None:
    world = World(web_data2=True)
    maker = world.maker()

    async with world.running(maker):
        rows = [{"coin": "HYPE", "token": token, "total": "1"}]
        world.say("webData2", {"user": MAKER, "spotState": {"balances": rows}})
        await until(lambda: maker.stats.errors == 1)

        assert maker.inventory.effective_token == 100


@pytest.mark.parametrize(
    "changed",
    [
        {"active_levels": 5, "window_slack": 5},
        {"window_slack": -1},
        {"active_levels": 0},
        {"feed_stale_after_s": 0},
        {"min_notional": -1},
        {"size_tolerance_pct": -1},
        {"interval_s": 0},
        {"n_orders": 32_769},
        {"reconcile_every": 0},
        {"foreign_orders": "ignore"},
    ],
)
async def test_a_parameter_that_cannot_be_meant_is_refused(
    autojump_clock: MockClock, changed: dict[str, object]
) -> None:
    world = World()

    with pytest.raises(ConfigError, match=next(iter(changed)) if len(changed) == 1 else "window_slack"):
        world.maker(**changed)


async def test_what_a_failed_shrink_would_have_paid_for_is_not_placed(autojump_clock: MockClock) -> None:
    """The quote of the allocation is never exceeded by what rests, whatever the answers."""
    world = World(token="1000", usdc="20000")
    maker = world.maker(allocated_token="53", allocated_usdc="300", requote_on_fill=True)
    worst = [Decimal(0)]

    def check() -> None:
        funds = world.ledger(53, 300)[1]
        spent = sum((o.size * o.price for o in world.resting() if o.is_buy), Decimal(0))
        worst[0] = max(worst[0], spent - funds)

    world.gateway.checks.append(check)
    async with world.running(maker):
        for i in range(20):
            world.venue.fail_next("bulk_modify_orders_new", ConnectionError("lost"), applied=False)
            if i % 2:
                world.sell("7")
            else:
                world.buy("4")
            await trio.sleep(4)

    assert worst[0] <= 0


async def test_the_slot_of_an_empty_budget_serves_both_sides_alike(autojump_clock: MockClock) -> None:
    world = World()
    world.spend_budget(10_000)
    await trio.sleep(10)
    maker = world.maker()

    async with world.running(maker):
        await trio.sleep(120)
        asks, bids = world.levels(maker, "sell"), world.levels(maker, "buy")

    assert len(asks) + len(bids) >= 9
    assert abs(len(asks) - len(bids)) <= 1
