"""The maker on a network, as the configuration says; on mainnet it plans and shows, and sends nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from mm_trio.config.settings import Settings
from mm_trio.engine.startup import check_order_size, seed_state
from mm_trio.engine.ws_state import WsState
from mm_trio.journal.data_dir import hold_state_folder, open_ledger, replace_ledger
from mm_trio.model.errors import (
    ConfigError,
    HistoryLost,
    LedgerError,
    ProtocolError,
    Unreachable,
    VenueError,
    find_leaves,
)
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.plan import plan_tick
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats
from mm_trio.venue import wire
from mm_trio.venue.http_session import VENUE_FAILURES, make_read_error
from mm_trio.venue.keys import Secret, is_master_key
from mm_trio.venue.rest_client import START_PATIENCE_S, VenueClient, ask_while_busy
from mm_trio.venue.sdk import fetch_spot_meta, make_exchange, make_info, make_wallet

__all__ = ["RunSummary", "ask_at_start", "make_grid", "open_maker", "plan_forever", "run_settings"]

_log = logging.getLogger(__name__)

CLOSE_WITHIN_S = 2.0
MOST_SKEW_S = 2.0  # an action's deadline is of our clock, and is believed to have passed 4 s after it


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did."""

    stats: RunStats
    orders_may_rest: tuple[str, ...]
    halted_because: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The summary in plain JSON values."""
        return {
            **self.stats.to_json(),
            "orders_may_rest": list(self.orders_may_rest),
            "halted_because": list(self.halted_because),
        }


@asynccontextmanager
async def open_maker(
    settings: Settings, key: Secret, *, environ: Mapping[str, str], take_over: bool = False, anew: bool = False
) -> AsyncIterator[WsState]:
    """A maker on the SDK's objects and on its ledger, which it holds for as long as this is open.

    Its key and the clock are checked with the venue. `anew`: the ledger there is set aside. Errors: ConfigError,
    VenueError, LedgerError.
    """
    market = settings.market
    spot_meta = await ask_at_start(fetch_spot_meta, market.base_url)
    wallet = make_wallet(key.reveal())
    info = make_info(market.base_url, spot_meta)
    await _check_signer(info, wallet.address, market.account, network=market.network)
    coin = wire.parse_market(spot_meta, market.coin).coin
    await _check_clock(info, coin)
    parameters = settings.maker_parameters(make_grid(settings, spot_meta))
    with hold_state_folder(
        environ, network=market.network, account=market.account, coin=coin, signer=wallet.address
    ) as folder:
        if anew:
            aside = await trio.to_thread.run_sync(replace_ledger, folder, lambda journal: None)
            _log.warning("the ledger of another sandbox is set aside: %s", aside)
        open_it = partial(open_ledger, folder, on_sandbox=market.network == "sandbox")
        journal = await trio.to_thread.run_sync(open_it)
        try:
            yield WsState(
                **parameters,
                info=info,
                exchange=make_exchange(market.base_url, wallet, spot_meta, account=market.account),
                address=market.account,
                journal=journal,
                take_over=take_over,
            )
        finally:
            with trio.move_on_after(CLOSE_WITHIN_S, shield=True):  # a disk that hangs must not keep us here
                await trio.to_thread.run_sync(journal.close, abandon_on_cancel=True)


async def run_settings(
    settings: Settings,
    key: Secret,
    *,
    environ: Mapping[str, str],
    duration_s: float | None,
    stop_scope: trio.CancelScope,
    take_over: bool = False,
    attend: Callable[[WsState, trio.CancelScope], Awaitable[None]] | None = None,
) -> RunSummary:
    """Run until the duration ends or `stop_scope` is cancelled; it leaves by cancelling what rests.

    `attend` is a task beside the maker that shows it. A ledger that can no longer be kept ends it too, and the
    summary says why. Errors: ConfigError, VenueError; LedgerError where it could not begin.
    """
    lives: list[WsState] = []
    failures: list[BaseException] = []  # why the ledger of the last one could not be kept

    async def live(*, anew: bool) -> None:
        # What became of it is kept outside, since a life that is cancelled returns nothing.
        async with open_maker(settings, key, environ=environ, take_over=take_over, anew=anew) as maker:
            lives.append(maker)
            _log.info("%s", settings.describe())
            try:
                async with trio.open_nursery() as nursery:
                    if attend is not None:
                        nursery.start_soon(attend, maker, stop_scope)
                    await maker.run()
                    nursery.cancel_scope.cancel()
            except* LedgerError as group:
                failures.extend(find_leaves(group))

    with stop_scope:
        if duration_s is not None:
            stop_scope.deadline = trio.current_time() + duration_s
        await live(anew=False)
        is_other_world = settings.market.network == "sandbox" and not lives[-1].stats.ticks
        if is_other_world and any(isinstance(failure, HistoryLost) for failure in failures):
            # a sandbox forgets everything when it ends: its accounts begin anew, so do we
            failures.clear()
            await live(anew=True)
    if failures and not lives[-1].stats.ticks:
        raise failures[0]
    if not lives:
        return RunSummary(RunStats(), ())
    told = tuple(sorted({str(failure) for failure in failures}))
    return RunSummary(lives[-1].stats, lives[-1].orders_may_rest, told)


async def plan_forever(settings: Settings, *, stop_scope: trio.CancelScope, duration_s: float | None) -> RunSummary:
    """Read, plan and show what would be sent, once per interval; sends nothing and needs no key."""
    stats = RunStats()
    with stop_scope:
        spot_meta = await ask_at_start(fetch_spot_meta, settings.market.base_url)
        grid = make_grid(settings, spot_meta)
        if duration_s is not None:
            stop_scope.deadline = trio.current_time() + duration_s
        while True:
            try:
                await _show_plan(settings, spot_meta, grid)
                stats.ticks += 1
            except VenueError as error:
                stats.errors += 1
                _log.warning("plan: %s", error)
            await trio.sleep(settings.tuning.interval_s)
    return RunSummary(stats, ())


async def _show_plan(settings: Settings, spot_meta: Any, grid: PricingGrid) -> None:
    """One look at the venue, and what a maker that starts now would send."""
    parameters = settings.maker_parameters(grid)
    client = VenueClient(
        make_info(settings.market.base_url, spot_meta),
        address=settings.market.account,
        run_sync=trio.to_thread.run_sync,
    )
    market = await client.fetch_market(settings.market.coin)
    quoting = QuoteSettings(
        order_size=parameters["order_sz"],
        min_notional=parameters["min_notional"],
        active_levels=parameters["active_levels"],
        window_slack=parameters["window_slack"],
        dead_zone_bps=parameters["dead_zone_bps"],
        price_tolerance_bps=parameters["price_tolerance_bps"],
        size_tolerance_pct=parameters["size_tolerance_pct"],
    )
    check_order_size(grid, quoting.order_size, quoting.min_notional)
    inventory = Inventory(parameters["order_sz"], parameters.get("allocated_token"), parameters.get("allocated_usdc"))
    orders = OrderState()
    keep = parameters["foreign_orders"] == "keep"
    ownership, history = Ownership(market.coin, keep_foreign=keep), FillHistory(market.coin)
    state = MakerState(market, grid, orders, inventory, RateLimitBudget(), ownership, history)
    orphans = await seed_state(client, state)
    plan = plan_tick(grid, inventory, orders, quoting)
    _log.info(
        "plan boundary=%d token=%s quote=%s would cancel=%d modify=%d place=%d; nothing is sent",
        plan.boundary_level,
        inventory.effective_token,
        inventory.effective_usdc,
        len(plan.diff.cancels) + len(orphans),
        len(plan.diff.modifies),
        len(plan.diff.places),
    )
    for order in plan.diff.places:
        _log.info("plan place side=%s level=%d px=%s sz=%s", order.side, order.level_index, order.price, order.size)


def make_grid(settings: Settings, spot_meta: Any) -> PricingGrid:
    """The ladder at the market's own decimals. Errors: ConfigError."""
    strategy = settings.strategy
    market = wire.parse_market(spot_meta, settings.market.coin)
    try:
        return PricingGrid(
            strategy.start_px,
            strategy.n_orders,
            tick_size=strategy.tick_size,
            sz_decimals=market.base.sz_decimals,
        )
    except ValueError as error:
        raise ConfigError(f"[strategy] {error}") from error


async def ask_at_start(call: Any, *args: Any) -> Any:
    """One blocking question at the start, again for a while where the venue is busy. Errors: Unreachable."""
    return await ask_while_busy(partial(_ask_once, call, *args), until_s=trio.current_time() + START_PATIENCE_S)


async def _ask_once(call: Any, *args: Any) -> Any:
    whom = args[0] if args else "the venue"
    try:
        with trio.fail_after(30):
            return await trio.to_thread.run_sync(call, *args, abandon_on_cancel=True)
    except trio.TooSlowError:
        raise Unreachable(f"{whom}: no answer in 30 s") from None
    except VENUE_FAILURES as error:
        raise make_read_error(whom, error) from error


async def _check_clock(info: Any, coin: str) -> None:
    """Refuse a clock that the venue's deadlines and nonces would not stand. Errors: ConfigError."""
    asked_s = time.time()
    try:
        told_ms = wire.parse_book_time(await ask_at_start(info.l2_snapshot, coin))
    except VenueError as error:
        _log.warning("could not compare the clock with the venue's: %s", error)
        return
    ahead_s = max(asked_s - told_ms / 1000, 0.0) or min(time.time() - told_ms / 1000, 0.0)
    if abs(ahead_s) > MOST_SKEW_S:
        raise ConfigError(
            f"this machine's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the venue's; at "
            f"most {MOST_SKEW_S:g} s is allowed: set the clock (NTP)"
        )


async def _check_signer(info: Any, signer: str, account: str, *, network: str) -> None:
    """Refuse a key that the venue does not let act for the account. Errors: ConfigError, ProtocolError."""
    if is_master_key(signer, account):
        if network == "mainnet":
            raise ConfigError(
                f"the key is the account's own ({account}): it could withdraw; approve an agent (API wallet) "
                "and use the agent's key"
            )
        _log.warning("the key is the account's own: on mainnet only an agent's key is taken")
        return
    try:
        role = await ask_at_start(info.user_role, signer)
    except Unreachable as error:
        _log.warning("could not check the key's role: %s", error)
        return
    try:
        master = str(role["data"]["user"]).lower() if role["role"] == "agent" else None
    except (KeyError, TypeError):
        raise ProtocolError("userRole", role) from None
    if master != account:
        told = f"an agent of {master}" if master else f"known as {role['role']!r}"
        raise Unreachable(
            f"the venue refuses this key: its address {signer} is {told}, not an agent of {account}; "
            "check [market] account, the network, and whether the agent was approved or has expired"
        )
