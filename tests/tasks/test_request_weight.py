"""Request weight of the maker's IP address: 1,200 a minute, whoever asks or sends.

Every call of a maker passes a meter here that counts as the venue does.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

import trio
from builders import ALLOCATION, MAKER, World, run_inline, until
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.cli.programs.plan_only import LOOK_EVERY_S, _plan_once
from mm_trio.cli.programs.start_checks import make_grid, make_opening_rules
from mm_trio.config.loading import parse_settings
from mm_trio.venue.rest_client import VenueClient

WEIGHTS = {"spot_user_state": 2, "query_order_by_oid": 2, "query_order_by_cloid": 2}
WEIGHTLESS = frozenset({"append", "_replay", "reopen_feed", "subscribe", "ping"})
MOST = 1_200


class Meter:
    """A `run_sync` that knows the most weight of any minute."""

    def __init__(self) -> None:
        self.most = 0
        self._used: deque[tuple[float, int]] = deque()

    async def __call__(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        name: str = getattr(fn, "__name__", type(fn).__name__)
        if name == "post_signed":
            action = json.loads(args[0].action)
            n_items = sum(len(action.get(key, ())) for key in ("orders", "modifies", "cancels"))
            self._add(1 + n_items // 40)
        elif name not in WEIGHTLESS:
            self._add(WEIGHTS.get(name, 20))
        answer = fn(*args)
        if name == "user_fills_by_time":
            self._add(len(answer) // 20)
        return answer

    def _add(self, weight: int) -> None:
        now_s = trio.current_time()
        while self._used and self._used[0][0] <= now_s - 60:
            self._used.popleft()
        self._used.append((now_s, weight))
        self.most = max(self.most, sum(part for _, part in self._used))


def make_maker(world: World, meter: Meter, **changed: Any) -> WsState:
    return world.maker(**ALLOCATION, run_sync=meter, **changed)


async def test_answers_to_many_fills_keep_within_the_weight(autojump_clock: MockClock) -> None:
    """Twenty fills a second, each answered at once, would be 2,400 actions a minute."""
    world, meter = World(signing=True), Meter()
    maker = make_maker(world, meter, requote_on_fill=True, interval_s=1.0)

    async with world.running(maker):
        for i in range(2_400):
            (world.buy if i % 2 else world.sell)("5")
            await trio.sleep(0.05)

    assert 900 < meter.most <= MOST
    assert world.resting() == []
    assert maker.orders_may_rest == ()


async def test_quoting_goes_on_when_there_is_weight_again(autojump_clock: MockClock) -> None:
    world, meter = World(signing=True), Meter()
    maker = make_maker(world, meter)

    async with world.running(maker):
        assert maker._session is not None
        maker._session.account.client.weight.on_request(MOST, now_s=trio.current_time())
        world.cancel(*[order.oid for order in world.resting()][:10])
        await trio.sleep(50)
        n_while_used_up = len(world.resting())
        await until(lambda: len(world.resting()) == 40, within_s=30)

    assert n_while_used_up == 30


async def test_a_shutdown_without_weight_cancels_and_names_what_it_could_not_verify(autojump_clock: MockClock) -> None:
    world, meter = World(signing=True), Meter()
    maker = make_maker(world, meter)

    async with world.running(maker):
        assert maker._session is not None
        maker._session.account.client.weight.on_request(MOST, now_s=trio.current_time())
        stopped_s = trio.current_time()

    assert trio.current_time() <= stopped_s + 10.1
    assert world.resting(MAKER) == []
    assert "request weight of this minute is used up" in " ".join(maker.orders_may_rest)


async def test_a_shutdown_may_use_the_weight_kept_for_it(autojump_clock: MockClock) -> None:
    world, meter = World(signing=True), Meter()
    maker = make_maker(world, meter)

    async with world.running(maker):
        assert maker._session is not None
        weight = maker._session.account.client.weight
        weight.on_request(920 - weight.used(trio.current_time()), now_s=trio.current_time())

    assert world.resting() == []
    assert maker.orders_may_rest == ()


async def test_lost_answers_keep_within_the_weight(autojump_clock: MockClock) -> None:
    """Doubts ask for a reconciliation every few seconds, and the last ones are still open at the shutdown."""
    world, meter = World(signing=True), Meter()
    maker = make_maker(world, meter, requote_on_fill=True, interval_s=1.0, reconcile_every=1)

    async with world.running(maker):
        for i in range(600):
            for method in ("bulk_orders", "bulk_modify_orders_new", "bulk_cancel"):
                world.venue.fail_next(method, TimeoutError("no answer"), applied=i % 2 == 0)
            (world.buy if i % 3 else world.sell)("4")
            await trio.sleep(0.2)

    assert 700 < meter.most <= MOST


async def test_a_minute_of_planning_costs_a_sixth_of_the_request_weight(autojump_clock: MockClock) -> None:
    world = World()
    document = {
        "market": {"coin": "@107", "account": MAKER},
        "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5"},
        "allocation": {"token": "100", "usdc": "2000"},
    }
    settings = parse_settings(document, environ={}, source="the test")
    client = VenueClient(world.info, address=MAKER, run_sync=run_inline)
    market = await client.fetch_market("@107")
    before = client.weight.used(trio.current_time())

    await _plan_once(settings, client, market, make_grid(settings, market), make_opening_rules(settings, None))

    looks = 60 / LOOK_EVERY_S
    assert looks * (client.weight.used(trio.current_time()) - before) <= 1200 / 6
