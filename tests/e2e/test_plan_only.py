"""What `run` does on mainnet without `--live`, here against an exchange on loopback: it reads and plans, no more."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from mm_trio.cli.programs.plan_only import plan_forever
from mm_trio.cli.programs.run_summary import RunSummary
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.server.server import serve

pytestmark = pytest.mark.e2e

ACCOUNT = "0x" + "a1" * 20
COIN, ASSET, BASE, QUOTE = "@107", 10_107, 150, 0
DEADLINE_S = 30.0
GRID = PricingGrid("20", 40, sz_decimals=2)


@dataclass
class Plan:
    """A planner at work on an exchange, its lines, and after its end what it gave."""

    gateway: Gateway
    caplog: pytest.LogCaptureFixture
    exchange_scope: trio.CancelScope
    stop_scope: trio.CancelScope
    summary: RunSummary | None = None

    def lines(self, start: str) -> list[str]:
        return [line for record in self.caplog.records if (line := record.getMessage()).startswith(start)]

    async def until(self, condition: Callable[[], object]) -> None:
        with trio.fail_after(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - the condition lies across a socket
                await trio.sleep(0.01)

    async def end(self) -> RunSummary:
        self.stop_scope.cancel()
        await self.until(lambda: self.summary)
        assert self.summary is not None
        return self.summary


def make_settings(url: str, **tuning: object) -> Settings:
    document = {
        "market": {"coin": COIN, "account": ACCOUNT, "api_url": url},
        "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5", "active_levels": 6},
        "allocation": {"token": "100", "usdc": "2000"},
        "tuning": {"interval_s": 0.1, **tuning},
    }
    return parse_settings(document, environ={}, source="the test")


@asynccontextmanager
async def planning(
    caplog: pytest.LogCaptureFixture,
    *,
    resting: tuple[NewOrder, ...] = (),
    duration_s: float | None = None,
    **tuning: object,
) -> AsyncIterator[Plan]:
    """A planner for a funded account, some orders of which rest already."""
    caplog.set_level(logging.INFO, logger="mm_trio")
    exchange = Exchange()
    gateway = Gateway(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
    for token, amount in ((BASE, 1000), (QUOTE, 100_000)):
        gateway.apply(Deposit(ACCOUNT, token, Decimal(amount)))
    if resting:
        gateway.apply(PlaceOrders(ACCOUNT, resting))
    async with trio.open_nursery() as nursery:
        scope, url = await nursery.start(serve_in_scope, gateway)
        plan = Plan(gateway, caplog, scope, trio.CancelScope())

        async def work() -> None:
            plan.summary = await plan_forever(
                make_settings(url, **tuning), stop_scope=plan.stop_scope, duration_s=duration_s, every_s=0.1
            )

        nursery.start_soon(work)
        yield plan
        nursery.cancel_scope.cancel()


async def serve_in_scope(
    gateway: Gateway, *, task_status: trio.TaskStatus[tuple[trio.CancelScope, str]] = trio.TASK_STATUS_IGNORED
) -> None:
    """An exchange that a test can make disappear."""
    auth = Auth(lambda address: address in gateway.exchange.addresses())
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, gateway, auth))
            task_status.started((scope, server.url))


async def test_it_logs_what_would_be_placed_and_sends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with planning(caplog) as plan:
        await plan.until(lambda: plan.lines("plan: boundary="))
        await trio.sleep(0.5)
        summary = await plan.end()

        told = "plan: boundary=20 token=100 quote=2000 cancels=0 modifies=0 places=12; nothing is sent"
        # The same plan is told once.
        assert plan.lines("plan: boundary=") == [told]
        assert set(plan.lines("plan place:")) == {
            f"plan place: side={'sell' if level >= 20 else 'buy'} level={level} px={GRID.levels[level]} sz=5"
            for level in range(14, 26)
        }
        assert plan.gateway.exchange.open_orders(ACCOUNT) == ()
        assert plan.gateway.exchange.account(ACCOUNT).n_requests == 0
        assert summary.stats.ticks >= 2
        assert (summary.stats.errors, summary.stats.items, summary.orders_may_rest) == (0, 0, ())


async def test_a_plan_that_changed_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    async with planning(caplog, foreign_orders="cancel") as plan:
        await plan.until(lambda: plan.lines("plan: boundary="))
        plan.gateway.apply(PlaceOrders(ACCOUNT, (NewOrder(ASSET, True, Decimal("15"), Decimal(3), "Alo"),)))
        await plan.until(lambda: len(plan.lines("plan: boundary=")) == 2)

        assert [" cancels=1 " in line for line in plan.lines("plan: boundary=")] == [False, True]


@pytest.mark.parametrize(("foreign", "n_cancels"), [("keep", 0), ("cancel", 1)])
async def test_orders_that_rest_already_are_planned_for_and_left_alone(
    caplog: pytest.LogCaptureFixture, foreign: str, n_cancels: int
) -> None:
    """One of the account's below the ladder would be cancelled if foreign orders are; its hold bounds nothing here."""
    stray = NewOrder(ASSET, True, Decimal("15"), Decimal(3), "Alo")
    async with planning(caplog, resting=(stray,), foreign_orders=foreign) as plan:
        n_requests = plan.gateway.exchange.account(ACCOUNT).n_requests
        await plan.until(lambda: plan.lines("plan: boundary="))
        await plan.end()

        assert f" cancels={n_cancels} modifies=0 places=12;" in plan.lines("plan: boundary=")[0]
        assert [order.price for order in plan.gateway.exchange.open_orders(ACCOUNT)] == [15]
        assert plan.gateway.exchange.account(ACCOUNT).n_requests == n_requests


async def test_an_exchange_that_went_away_is_an_error_in_the_log_and_planning_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with planning(caplog) as plan:
        await plan.until(lambda: plan.lines("plan: boundary="))
        plan.exchange_scope.cancel()
        await plan.until(lambda: len(plan.lines("plan failed: ")) >= 2)
        summary = await plan.end()

        assert summary.stats.errors >= 2


async def test_its_duration_ends_it(caplog: pytest.LogCaptureFixture, mock_clock: MockClock) -> None:
    mock_clock.rate = 1
    async with planning(caplog, duration_s=1000) as plan:
        await plan.until(lambda: plan.lines("plan: boundary="))
        assert plan.summary is None
        mock_clock.jump(1000)
        await plan.until(lambda: plan.summary)

        assert plan.stop_scope.cancelled_caught


async def test_a_plan_whose_first_question_hangs_can_be_cancelled() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        document = {
            "market": {"coin": COIN, "account": ACCOUNT, "api_url": f"http://127.0.0.1:{silent.getsockname()[1]}"},
            "strategy": {"start_px": "20", "n_orders": 60, "order_sz": "5"},
        }
        settings = parse_settings(document, environ={}, source="here")
        stop_scope = trio.CancelScope()
        stop_scope.cancel()

        with trio.fail_after(DEADLINE_S):
            summary = await plan_forever(settings, stop_scope=stop_scope, duration_s=None)

    assert summary.stats.ticks == 0
