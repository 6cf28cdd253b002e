"""The maker's public face: `await WsState(...).run()` is its whole life."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Literal

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.engine.assembly import Knowledge, Seams, open_session
from mm_trio.engine.session import Session
from mm_trio.engine.shutdown import name_remaining
from mm_trio.journal.recovery import LedgerFile
from mm_trio.model.market import Market
from mm_trio.model.numbers import Number
from mm_trio.model.orders import FillResult
from mm_trio.model.settings import MakerSettings
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats
from mm_trio.venue.sdk import quiet_sdk_logging
from mm_trio.venue.socket import discard_socket

__all__ = ["WsState"]

NOT_LOOKED_AT = ("orders of an earlier session: not looked at yet",)


class WsState:
    """A HIP-2 market maker for one spot pair: `await WsState(...).run()` is its whole life.

    `coin` is the pair (`@107`, `PURR/USDC`, `HYPE/USDC`); prices in quote per base, `order_sz` and
    `allocated_token` in base, `allocated_usdc` and `min_notional` in quote, every `_s` in seconds.
    `info` and `exchange` are objects of the official SDK or of its shape, `address` the account that trades.
    `run_sync(fn, *args, **options)` is how a blocking call is made; nothing else starts a thread.
    `reopen_feed` is a blocking callable that gives `info` a fresh, connected socket. `journal` is an open
    `Journal`: the ledger and every intent are durable in it, and a restart goes on from there; without one they
    live in memory. `take_over`: go on with resting orders of another instance, instead of refusing.
    `feed_lag_limit_s`: how late messages may come. An order that its owner cancelled manually is placed again after
    `hand_cancel_pause_s`; so many within a minute as `hand_cancels_to_stop` end the maker. After `run` ended,
    `orders_may_rest` names what could not be proven cancelled.
    Errors: ConfigError (a ValueError) for values that cannot be quoted, here or at the start of `run`.
    Source: the market maker's specification, requirements of the orchestrator.
    """

    def __init__(
        self,
        *,
        coin: str,
        start_px: Number,
        n_orders: int,
        order_sz: Number,
        info: Any,
        exchange: Any,
        address: str,
        interval_s: float = 3.0,
        dead_zone_bps: Number = 5,
        price_tolerance_bps: Number = 1,
        size_tolerance_pct: Number = 1,
        reconcile_every: int = 20,
        tick_size: Number = "0.003",
        min_notional: Number = 10,
        active_levels: int | None = None,
        window_slack: int = 0,
        allocated_token: Number | None = None,
        allocated_usdc: Number | None = None,
        cancel_on_shutdown: bool = True,
        foreign_orders: Literal["cancel", "keep"] = "cancel",
        requote_on_fill: bool = False,
        feed_stale_after_s: float | None = 30.0,
        run_sync: RunSync = trio.to_thread.run_sync,
        reopen_feed: Callable[[], object] | None = None,
        journal: LedgerFile | None = None,
        take_over: bool = False,
        feed_lag_limit_s: float | None = None,
        hand_cancel_pause_s: float = 0.0,
        hand_cancels_to_stop: int | None = None,
        rng: random.Random | None = None,
        wall_ms: Callable[[], int] | None = None,
    ) -> None:
        # Every parameter that is not a living object is a setting of the same name.
        given = locals()
        self.settings = MakerSettings(**{name: given[name] for name in MakerSettings.names()})
        self._seams = Seams(info, exchange, address, run_sync, reopen_feed, journal, rng or random.Random(), wall_ms)
        self.coin = coin
        self.grid = self.settings.make_grid()
        self.order_state, self.rate_limit, self.stats = OrderState(), RateLimitBudget(), RunStats()
        self.inventory = Inventory(order_sz, allocated_token, allocated_usdc)
        self.market: Market | None = None
        self.asset_id: int | None = None
        self._session: Session | None = None
        self._unseen: tuple[str, ...] = ()

    async def run(self) -> None:
        """Start, quote until cancelled, and shut down with nothing resting.

        Errors: the start's are raised as they are (ConfigError, VenueError); a failed request later is not
        raised; what is wrong with us ends all tasks and comes out in a group, after our orders are cancelled.
        """
        quiet_sdk_logging()
        if self._seams.journal is not None and not self._seams.journal.is_new:
            self._unseen = NOT_LOOKED_AT
        blank = Knowledge(self.order_state, self.inventory, self.rate_limit, self.stats)
        try:
            session = self._session = await open_session(self.settings, self._seams, blank)
            state = session.quoter.state
            self.market, self.coin, self.asset_id = state.market, state.market.coin, state.market.asset_id
            # The ladder has the market's decimals now; orders and inventory may be an earlier session's.
            self.grid, self.order_state, self.inventory = state.grid, state.order_state, state.inventory
            self._unseen = ()
            await session.run()
        finally:
            # Its threads are not daemons where the SDK made them.
            discard_socket(self._seams.info)

    # --- Reading, for screens, tests and summaries ------------------------------------------------

    @property
    def boundary_level(self) -> int | None:
        """Lowest level that asks; None before the start."""
        return None if self._session is None else self._session.quoter.boundary_level

    @property
    def recent_fills(self) -> Sequence[tuple[float, FillResult]]:
        """Last fills with the loop's time of each, oldest first."""
        return () if self._session is None else self._session.events.recent_fills

    @property
    def paused_because(self) -> str | None:
        """Why nothing new is placed; None while quoting."""
        return "starting" if self._session is None else self._session.account.gate.reason

    @property
    def orders_may_rest(self) -> tuple[str, ...]:
        """Orders of ours that may rest at the venue; after `run`, those it could not prove to be gone."""
        left_behind = None if self._session is None else self._session.left_behind
        return self._unseen or (name_remaining(self.order_state) if left_behind is None else left_behind)

    def describe_memory(self) -> dict[str, int]:
        """Count what is kept in memory, by name: for tests that nothing grows without bound."""
        return {} if self._session is None else self._session.describe_memory()
