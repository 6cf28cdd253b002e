"""The main job on an embedded exchange: a server on loopback, takers, and the real maker through the real SDK."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import trio

from mm_trio.cli.demo_market import TAKER, DemoMarket, fund_accounts
from mm_trio.engine.ws_state import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.sandbox import Auth, Exchange, Gateway, SandboxServer, serve, trade_forever
from mm_trio.state.stats import RunStats
from mm_trio.venue.sdk import fetch_spot_meta, make_exchange, make_info, make_wallet

__all__ = ["DemoSummary", "run_demo"]

_log = logging.getLogger(__name__)

MAKER_FEE, TAKER_FEE = "0.0004", "0.0007"  # the venue's base tier for spot
START_WITHIN_S = 30.0
SETTLE_WITHIN_S = 10.0  # for the last fills of the takers to be booked
SAMPLE_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What a demo did, as the exchange recorded it. `spreads_bps`: samples of best ask over best bid."""

    stats: RunStats
    spreads_bps: Sequence[float]
    orders_resting: int
    orders_may_rest: tuple[str, ...]
    ledger_exact: bool
    fill_rows: tuple[tuple[str, str, str], ...]
    tape_rows: tuple[tuple[str, str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """The summary in plain JSON values; `fill_rows` are (side, price, size) of ours, oldest first."""
        summary: dict[str, Any] = {
            **self.stats.to_json(),
            "spread_bps_median": round(median(self.spreads_bps), 3) if self.spreads_bps else None,
            "orders_resting_at_exit": self.orders_resting,
            "ledger_exact": self.ledger_exact,
            "fill_rows": self.fill_rows,
        }
        if self.tape_rows:
            summary["tape_rows"] = len(self.tape_rows)
            summary["tape_matched"] = self.fill_rows == self.tape_rows
        return summary


@dataclass(slots=True)
class _DemoSetup:
    """One demo under way: the exchange with its record, the server, the maker."""

    market: DemoMarket
    gateway: Gateway
    server: SandboxServer
    account: str
    maker: WsState
    journal: Journal
    spreads_bps: list[float] = field(default_factory=list)


async def run_demo(
    market: DemoMarket,
    *,
    seed: int,
    duration_s: float | None,
    n_drops: int = 0,
    stop_scope: trio.CancelScope,
    attend: Callable[[WsState, trio.CancelScope], Awaitable[None]] | None = None,
) -> DemoSummary:
    """Run a demo until its duration ends, its tape is over, or `stop_scope` is cancelled.

    `n_drops`: every socket is cut so many times on the way. `attend` is a task beside the maker that shows
    it. Errors: VenueError if the start fails.
    """
    with TemporaryDirectory(prefix="mm_trio-demo-") as state:  # a ledger as `run` keeps it, for this demo alone
        return await _run_in(Path(state), market, seed, duration_s, n_drops, stop_scope, attend)


async def _run_in(
    state: Path,
    market: DemoMarket,
    seed: int,
    duration_s: float | None,
    n_drops: int,
    stop_scope: trio.CancelScope,
    attend: Callable[[WsState, trio.CancelScope], Awaitable[None]] | None,
) -> DemoSummary:
    async with trio.open_nursery() as world:
        exchange = Exchange(
            market.markets,
            maker_fee="0" if market.is_fee_free else MAKER_FEE,
            taker_fee="0" if market.is_fee_free else TAKER_FEE,
            min_notional=str(market.min_notional),
        )
        gateway = Gateway(exchange, now_ms=_now_ms)
        server = await world.start(serve, gateway, Auth(lambda address: address in exchange.addresses()))
        desk = await _set_up(market, gateway, server, seed, state)
        with stop_scope:
            async with trio.open_nursery() as company:
                if attend is not None:
                    company.start_soon(attend, desk.maker, stop_scope)
                await _trade(desk, duration_s=duration_s, n_drops=n_drops)
                company.cancel_scope.cancel()
        summary = _sum_up(desk)
        desk.journal.close()
        world.cancel_scope.cancel()
    return summary


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _set_up(market: DemoMarket, gateway: Gateway, server: SandboxServer, seed: int, state: Path) -> _DemoSetup:
    """Fund both accounts and build the maker on the SDK's own objects and a new ledger."""
    journal = Journal.open(state)
    wallet = make_wallet(sha256(f"mm_trio demo {seed}".encode()).hexdigest())
    account = wallet.address.lower()
    fund_accounts(gateway, market, account)
    spot_meta = await trio.to_thread.run_sync(fetch_spot_meta, server.url, abandon_on_cancel=True)
    maker = WsState(
        coin=market.pair.name,
        start_px=market.start_px,
        n_orders=market.n_orders,
        order_sz=market.order_sz,
        active_levels=market.active_levels,
        allocated_token=market.tokens,
        allocated_usdc=market.quote,
        min_notional=market.min_notional,
        interval_s=1.0,
        requote_on_fill=True,
        info=make_info(server.url, spot_meta),
        exchange=make_exchange(server.url, wallet, spot_meta, account=account),
        address=account,
        journal=journal,
    )
    return _DemoSetup(market, gateway, server, account, maker, journal)


async def _trade(desk: _DemoSetup, *, duration_s: float | None, n_drops: int) -> None:
    """Let the maker quote and the takers trade; returns when the time is up and everything is booked."""
    async with trio.open_nursery() as trading:
        trading.start_soon(desk.maker.run)
        with trio.fail_after(START_WITHIN_S):
            while not desk.maker.stats.ticks:  # noqa: ASYNC110 - a demo looks, it is not told
                await trio.sleep(0.01)
        trading.start_soon(_sample_forever, desk)
        trading.start_soon(partial(_drop_sockets, desk, duration_s=duration_s or 60.0, n_drops=n_drops))
        with trio.move_on_after(duration_s if duration_s is not None else float("inf")):
            await trade_forever(desk.gateway, desk.market.takers, address=TAKER, coin=desk.market.pair.name)
            if duration_s is not None and not desk.market.tape:
                await trio.sleep_forever()
        await _settle(desk)
        trading.cancel_scope.cancel()


async def _settle(desk: _DemoSetup) -> None:
    """Wait until the last fills are booked."""
    with trio.move_on_after(SETTLE_WITHIN_S):
        while desk.maker.stats.fills < len(desk.gateway.exchange.fills(desk.account)):  # noqa: ASYNC110
            await trio.sleep(0.02)


async def _drop_sockets(desk: _DemoSetup, *, duration_s: float, n_drops: int) -> None:
    for _ in range(n_drops):
        await trio.sleep(duration_s / (n_drops + 1))
        _log.info("the exchange cuts every socket")
        desk.server.drop_sockets()


async def _sample_forever(desk: _DemoSetup) -> None:
    while True:
        bids = [o.price for o in desk.gateway.exchange.open_orders(desk.account) if o.is_buy]
        asks = [o.price for o in desk.gateway.exchange.open_orders(desk.account) if not o.is_buy]
        if bids and asks:
            desk.spreads_bps.append(float((min(asks) / max(bids) - 1) * 10_000))
        await trio.sleep(SAMPLE_EVERY_S)


def _sum_up(desk: _DemoSetup) -> DemoSummary:
    exchange, maker, market = desk.gateway.exchange, desk.maker, desk.market
    account = exchange.account(desk.account)
    # twice the allocation was paid in: what the account gained on that is what the ledger must have gained
    gained = account.total(market.pair.base.index) - 2 * market.tokens
    earned = account.total(market.pair.quote.index) - 2 * market.quote
    ledger = (maker.inventory.virtual_token, maker.inventory.virtual_usdc)
    return DemoSummary(
        stats=maker.stats,
        spreads_bps=tuple(desk.spreads_bps),
        orders_resting=len(exchange.open_orders(desk.account)),
        orders_may_rest=maker.orders_may_rest,
        ledger_exact=ledger == (market.tokens + gained, market.quote + earned),
        fill_rows=tuple(
            ("buy" if fill.is_buy else "sell", f"{fill.price.normalize():f}", f"{fill.size.normalize():f}")
            for fill in exchange.fills(desk.account)
        ),
        tape_rows=tuple(
            ("buy" if row.is_buy else "sell", f"{row.price.normalize():f}", f"{row.size.normalize():f}")
            for row in market.tape
        ),
    )
