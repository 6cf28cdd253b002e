"""Demo of the maker against an exchange on loopback."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NotRequired, TypedDict

import trio

from mm_trio.cli.programs.demo_market import TAKER, DemoMarket, TapeReplay, fund_accounts
from mm_trio.config.settings import MarketSettings
from mm_trio.engine.ws_state import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.sandbox import Auth, Exchange, Gateway, NewOrder, PlaceOrders, SandboxServer, serve, trade_forever
from mm_trio.state.stats import RunStats
from mm_trio.terminal_ui.streams import tell_end
from mm_trio.venue.sdk import fetch_spot_meta, make_exchange, make_info, make_wallet

if TYPE_CHECKING:
    from mm_trio.terminal_ui.live_view import Screen

__all__ = ["DemoSummary", "run_demo"]

_log = logging.getLogger(__name__)

MAKER_FEE, TAKER_FEE = "0.0004", "0.0007"  # The venue's base tier for spot.
START_WITHIN_S = 30.0
SETTLE_WITHIN_S = 10.0  # Until the last fills of the takers are booked.
SAMPLE_EVERY_S = 0.1


class _Tuning(TypedDict):
    interval_s: float
    requote_on_fill: bool
    dead_zone_bps: int
    price_tolerance_bps: NotRequired[int]
    size_tolerance_pct: NotRequired[int]


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """Summary of a demo, as the exchange recorded it.

    `spreads_bps`: samples of best ask over best bid. `tape` is what the takers replayed.
    """

    stats: RunStats
    spreads_bps: Sequence[float]
    orders_resting: int
    orders_may_rest: tuple[str, ...]
    ledger_exact: bool
    fill_rows: tuple[tuple[str, str, str], ...]
    tape: TapeReplay | None

    def to_json(self) -> dict[str, object]:
        """Return the summary as plain JSON values.

        `fill_rows` are (side, price, size) of the maker's fills, oldest first. Rows of a tape are counted from 0.
        """
        summary: dict[str, object] = {
            **self.stats.to_json(),
            "spread_bps_median": round(median(self.spreads_bps), 3) if self.spreads_bps else None,
            "orders_resting_at_exit": self.orders_resting,
            "ledger_exact": self.ledger_exact,
            "fill_rows": self.fill_rows,
        }
        if self.tape is not None:
            phases = self.tape.phases
            recorded = tuple(_plain_row(row.is_buy, row.price, row.size) for row in phases.rows)
            summary["tape_rows"] = len(recorded)
            summary["tape_matched"] = self.fill_rows == recorded
            summary["tape_rows_by_phase"] = phases.rows_by_phase
            summary["tape_rows_unexplained"] = phases.rows_unexplained
            summary["tape_note"] = self.tape.note
        return summary


def _plain_row(is_buy: bool, price: Decimal, size: Decimal) -> tuple[str, str, str]:
    return "buy" if is_buy else "sell", f"{price.normalize():f}", f"{size.normalize():f}"


@dataclass(slots=True, kw_only=True)
class _Demo:
    """A demo under way: exchange, server and maker."""

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
    screen: Screen | None = None,
) -> DemoSummary:
    """Run a demo until its duration or tape ends.

    Cancelling `stop_scope` ends it too. `n_drops`: how often every socket is cut meanwhile. `screen` is a task beside
    the maker that shows it. Errors: VenueError if the start fails.
    """
    exchange = _make_exchange(market)
    gateway = Gateway(exchange, now_ms=_now_ms)
    # The maker has a ledger as under `run`, for this demo alone.
    # A folder that cannot be removed costs neither the summary nor the exit code.
    with TemporaryDirectory(prefix="mm_trio-demo-", ignore_cleanup_errors=True) as folder:
        async with trio.open_nursery() as nursery:
            server = await nursery.start(serve, gateway, Auth(lambda address: address in exchange.addresses()))
            demo = await _set_up(market, gateway, server, seed=seed, folder=Path(folder))
            with stop_scope:
                async with trio.open_nursery() as beside:
                    if screen is not None:
                        beside.start_soon(screen, demo.maker, stop_scope)
                    await _trade(demo, duration_s=duration_s, n_drops=n_drops)
                    beside.cancel_scope.cancel()
            summary = _sum_up(demo)
            tell_end(halted_because=(), orders_may_rest=summary.orders_may_rest)
            demo.journal.close()
            nursery.cancel_scope.cancel()
        return summary


def _make_exchange(market: DemoMarket) -> Exchange:
    return Exchange(
        market.markets,
        maker_fee="0" if market.is_fee_free else MAKER_FEE,
        taker_fee="0" if market.is_fee_free else TAKER_FEE,
        min_notional=str(market.min_notional),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _set_up(market: DemoMarket, gateway: Gateway, server: SandboxServer, *, seed: int, folder: Path) -> _Demo:
    """Fund both accounts and build the maker."""
    journal = Journal.open(folder)
    wallet = make_wallet(sha256(f"mm_trio demo {seed}".encode()).hexdigest())
    account = wallet.address.lower()
    fund_accounts(gateway, market, account)
    _place_bid_from_before(gateway, market, account)
    spot_meta = await trio.to_thread.run_sync(fetch_spot_meta, server.url, abandon_on_cancel=True)
    maker = WsState(
        coin=market.pair.name,
        start_px=market.start_px,
        n_orders=market.n_orders,
        order_sz=market.order_sz,
        active_levels=market.active_levels,
        gap_levels=market.gap_levels,
        allocated_token=market.tokens,
        allocated_usdc=market.quote,
        min_notional=market.min_notional,
        tick_size=market.step,
        **_choose_tuning(market),
        info=make_info(server.url, spot_meta),
        exchange=make_exchange(
            MarketSettings(coin=market.pair.name, api_url=server.url, account=account), wallet, spot_meta
        ),
        address=account,
        journal=journal,
    )
    return _Demo(market=market, gateway=gateway, server=server, account=account, maker=maker, journal=journal)


def _choose_tuning(market: DemoMarket) -> _Tuning:
    """Return the tuning of the maker.

    Before a tape it quotes as HIP-2 does.
    """
    if market.tape is None:
        return {"interval_s": 1.0, "requote_on_fill": True, "dead_zone_bps": 0}
    return {
        "interval_s": market.tape.period_s,
        "requote_on_fill": False,
        "dead_zone_bps": 0,
        "price_tolerance_bps": 0,
        "size_tolerance_pct": 0,
    }


def _place_bid_from_before(gateway: Gateway, market: DemoMarket, account: str) -> None:
    """Place what a tape's first bid had left.

    The maker takes it over at its start, and HIP-2's rule leaves it as it is.
    """
    start = None if market.tape is None else market.tape.phases.start
    if start is not None and start.bid_left is not None:
        price = start.levels[start.remainder_level]
        bid = NewOrder(asset=market.pair.asset, is_buy=True, price=price, size=start.bid_left, tif="Alo")
        gateway.apply(PlaceOrders(address=account, orders=(bid,)))


async def _reach_phase(maker: WsState, tape: TapeReplay) -> None:
    """Wait until the next tick is due at the tape's phase."""
    ticks = maker.stats.ticks
    while maker.stats.ticks == ticks:  # noqa: ASYNC110 - the maker has no event for a tick
        await trio.sleep(0.002)
    await trio.sleep(tape.period_s - tape.phase_s)


async def _trade(demo: _Demo, *, duration_s: float | None, n_drops: int) -> None:
    """Let maker and takers trade until the time is up.

    Returns when the last fills are booked.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(demo.maker.run)
        with trio.fail_after(START_WITHIN_S):
            while not demo.maker.stats.ticks:  # noqa: ASYNC110 - the maker has no event for its first tick
                await trio.sleep(0.01)
        nursery.start_soon(_sample_forever, demo)
        nursery.start_soon(partial(_drop_sockets, demo, duration_s=duration_s or 60.0, n_drops=n_drops))
        with trio.move_on_after(duration_s if duration_s is not None else float("inf")):
            if demo.market.tape is not None:
                await _reach_phase(demo.maker, demo.market.tape)
            await trade_forever(demo.gateway, demo.market.takers, address=TAKER, coin=demo.market.pair.name)
            if duration_s is not None and demo.market.tape is None:
                await trio.sleep_forever()
        await _wait_for_fills(demo)
        nursery.cancel_scope.cancel()


async def _wait_for_fills(demo: _Demo) -> None:
    """Wait until the last fills are booked, with a deadline."""
    with trio.move_on_after(SETTLE_WITHIN_S):
        while demo.maker.stats.fills < len(demo.gateway.exchange.fills(demo.account)):  # noqa: ASYNC110
            await trio.sleep(0.02)


async def _drop_sockets(demo: _Demo, *, duration_s: float, n_drops: int) -> None:
    for _ in range(n_drops):
        await trio.sleep(duration_s / (n_drops + 1))
        _log.info("exchange cuts every socket")
        demo.server.drop_sockets()


async def _sample_forever(demo: _Demo) -> None:
    while True:
        bids = [o.price for o in demo.gateway.exchange.open_orders(demo.account) if o.is_buy]
        asks = [o.price for o in demo.gateway.exchange.open_orders(demo.account) if not o.is_buy]
        if bids and asks:
            demo.spreads_bps.append(float((min(asks) / max(bids) - 1) * 10_000))
        await trio.sleep(SAMPLE_EVERY_S)


def _sum_up(demo: _Demo) -> DemoSummary:
    exchange, maker, market = demo.gateway.exchange, demo.maker, demo.market
    account = exchange.account(demo.account)
    # The account was funded with twice the allocation. What it gained since is what the ledger must have gained.
    gained = account.total(market.pair.base.index) - 2 * market.tokens
    earned = account.total(market.pair.quote.index) - 2 * market.quote
    ledger = (maker.inventory.virtual_token, maker.inventory.virtual_usdc)
    return DemoSummary(
        stats=maker.stats,
        spreads_bps=tuple(demo.spreads_bps),
        orders_resting=len(exchange.open_orders(demo.account)),
        orders_may_rest=maker.orders_may_rest,
        ledger_exact=ledger == (market.tokens + gained, market.quote + earned),
        fill_rows=tuple(_plain_row(fill.is_buy, fill.price, fill.size) for fill in exchange.fills(demo.account)),
        tape=market.tape,
    )
