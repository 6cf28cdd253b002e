"""Samples of running makers: on a virtual clock, against the exchange core."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio
from builders import ALLOCATION, MAKER, World, until
from grids_kit import COINS, GridsWorld
from trio.testing import MockClock

from mm_trio.alerts.sender import ChannelReport
from mm_trio.limits.terms import RiskLimits
from mm_trio.metrics.exposition import write_metrics
from mm_trio.metrics.lateness import LOOK_EVERY_S, Lateness
from mm_trio.metrics.names import METRICS
from mm_trio.metrics.routes import MetricsRoutes
from mm_trio.metrics.samples import AlertCounts, Sample, Snapshot, take_samples
from mm_trio.views.account_status import Identity, Mode, StatusSource, take_status
from mm_trio.views.maker import Maker

BY_NAME = {metric.name: metric for metric in METRICS}


def take(maker: Maker, *, mode: Mode = "one", alerts: AlertCounts | None = None) -> tuple[Sample, ...]:
    identity = Identity(version="0.1.0", network="sandbox", account=MAKER, mode=mode, pid=7)
    status = take_status(maker, identity, now_s=trio.current_time(), started_s=0.0, at_ms=1)
    return take_samples(status, maker, alerts=alerts)


def find(samples: tuple[Sample, ...], name: str, *labels: str) -> float:
    (found,) = [each.value for each in samples if (each.name, each.labels) == (name, labels)]
    return found


def check(samples: tuple[Sample, ...]) -> None:
    """Each sample is of a metric that is documented, has its labels, and is there once."""
    assert {sample.name for sample in samples} - BY_NAME.keys() == set()
    assert [sample for sample in samples if len(sample.labels) != len(BY_NAME[sample.name].labels)] == []
    keys = [(sample.name, sample.labels) for sample in samples]
    assert len(keys) == len(set(keys))
    write_metrics(Snapshot(samples=samples), accept="")


async def test_before_its_start_a_maker_has_few_figures(autojump_clock: MockClock) -> None:
    samples = take(World().maker())

    check(samples)
    assert find(samples, "grid_state", "@107", "starting") == 1.0
    assert [each for each in samples if each.name in ("grid_boundary_price", "last_frame_age_seconds")] == []


async def test_the_figures_are_those_of_the_maker(autojump_clock: MockClock) -> None:
    world = World()
    limits = RiskLimits(max_net_spend=Decimal(500), max_loss_vs_hold=Decimal(100), budget_floor=500)
    async with world.running(world.maker(limits=limits, **ALLOCATION)) as maker:
        await trio.sleep(15)
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        await trio.sleep(5)
        samples = take(maker, alerts=AlertCounts(n_raised=2, channels=(ChannelReport("1:json://x", 3, 2, 1),)))

        check(samples)
        resting = maker.order_state.get_current_orders()
        bids = [order for order in resting if order.side == "buy"]
        assert find(samples, "grid_resting_orders", "@107", "buy") == len(bids)
        assert find(samples, "grid_resting_notional", "@107", "buy") == float(sum(o.price * o.size for o in bids))
        assert find(samples, "grid_best_price", "@107", "buy") == float(max(order.price for order in bids))
        assert find(samples, "grid_inventory", "@107", "base") == float(maker.inventory.effective_token)
        assert find(samples, "grid_fills_total", "@107") == 1.0
        assert find(samples, "grid_fill_volume_total", "@107") == float(maker.stats.fill_volume)
        assert find(samples, "grid_items_total", "@107") == maker.stats.items
        assert find(samples, "budget_remaining_requests") == maker.rate_limit.remaining()
        assert find(samples, "limit_used_ratio", "@107", "budget_floor") == 500 / maker.rate_limit.remaining()
        assert find(samples, "grid_state", "@107", "quoting") == 1.0
        assert find(samples, "account_standing", "active") == 1.0
        assert find(samples, "alerts_raised") == 2.0
        assert [find(samples, f"alerts_{n}_total", "1:json://x") for n in ("sent", "failed_attempts", "given_up")] == [
            3.0,
            2.0,
            1.0,
        ]


async def test_a_difference_from_the_venue_is_a_figure(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running(world.maker(**ALLOCATION)) as maker:
        await trio.sleep(10)
        world.withdraw(MAKER, 0, "7")
        for _ in range(200):
            world.venue.garble_next("user_non_funding_ledger_updates", lambda rows: rows[:-1])
        await until(lambda: maker.difference is not None, within_s=120)
        during = take(maker)
        await until(lambda: maker.difference is None, within_s=120)
        after = take(maker)

    assert find(during, "grid_ledger_difference", "@107", "quote") == -7.0
    assert find(after, "grid_ledger_difference", "@107", "quote") == 0.0
    assert find(after, "grid_ledger_unexplained", "@107", "quote") == -7.0


async def test_each_market_has_figures_of_its_own(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker(limits=RiskLimits(max_actions_per_hour=1_000))
    async with world.quoting(maker):
        await trio.sleep(5)
        samples = take(maker, mode="several")

        check(samples)
        for coin in COINS:
            assert find(samples, "grid_ticks_total", coin) > 0
        assert 0 < find(samples, "limit_used_ratio", "", "max_actions_per_hour") < 1


async def test_a_loop_that_is_held_up_is_late(autojump_clock: MockClock) -> None:
    lateness = Lateness()
    with trio.move_on_after(10 * LOOK_EVERY_S + 0.01):
        await lateness.watch_forever()

    assert sum(lateness.counts.counts) == 10
    assert lateness.counts.counts[0] == 10
    assert lateness.counts.sum_s == pytest.approx(0.0)


async def test_other_tasks_have_their_turn_between_two_grids(autojump_clock: MockClock) -> None:
    """An account has up to 250 of them, which together would hold up a tick."""
    world = GridsWorld()
    maker = world.account_maker()
    identity = Identity(version="0.1.0", network="sandbox", account=MAKER, mode="several", pid=7)
    n_turns = 0

    async def count_turns() -> None:
        nonlocal n_turns
        while True:
            await trio.lowlevel.checkpoint()
            n_turns += 1

    async with world.quoting(maker):
        await trio.sleep(5)
        routes = MetricsRoutes(source=StatusSource(maker=maker, identity=identity))
        whole = routes.source.take()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count_turns)
            snapshot = await routes.take()
            nursery.cancel_scope.cancel()

    assert n_turns >= 2 * len(COINS)
    told = {sample.labels[0] for sample in snapshot.samples if sample.name == "grid_ticks_total"}
    assert told == set(COINS) == {grid.name for grid in whole.grids}
