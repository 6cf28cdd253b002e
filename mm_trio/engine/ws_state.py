"""Public class of the maker."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.engine.asked_before import AskedBefore
from mm_trio.engine.assembly import open_session
from mm_trio.engine.grid_assembly import GridTerms, Seams
from mm_trio.engine.grid_face import GridFace, Vitals, take_vitals
from mm_trio.engine.session import Session
from mm_trio.guard.cover import GuardTerms
from mm_trio.halts.standing import refuse_halted
from mm_trio.halts.standing_file import KeepsStanding, VolatileStanding
from mm_trio.journal.recovery import LedgerFile
from mm_trio.journal.writer import CHECKPOINT_EVERY
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.numbers import Number
from mm_trio.model.pricing_grid import LadderRule
from mm_trio.model.settings import LedgerMode, MakerSettings
from mm_trio.recorder.recorder import Recorder
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue.sdk import quiet_sdk_logging
from mm_trio.venue.socket import discard_socket
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.opening_check import Opening

if TYPE_CHECKING:
    from mm_trio.transport.native import NativeTransport

__all__ = ["WsState"]


class WsState(GridFace):
    """HIP-2 market maker for one spot pair.

    `await WsState(...).run()` runs it from start to shutdown.
    `coin` is the pair (`@107`, `PURR/USDC`, `HYPE/USDC`). Prices are in quote per base, `order_sz` and
    `allocated_token` in base, `allocated_usdc` and `min_notional` in quote, every `_s` in seconds.
    `info` and `exchange` are objects of the official SDK or of its shape, `address` is the account that trades.
    `run_sync(fn, *args, **options)` makes a blocking call; nothing else starts a thread.
    `reopen_feed` is a blocking callable that gives `info` a fresh, connected socket. `journal` is an open
    `Journal`: the ledger and every intent are durable in it, and a restart goes on from there. Without one they are
    kept in memory. `take_over`: go on with open orders of another instance, instead of refusing to start.
    `feed_lag_limit_s`: the largest delay of messages. An order that its owner cancelled manually is placed again after
    `hand_cancel_pause_s`; `hand_cancels_to_stop` of them within a minute stop the maker. `ledger` "beside": an order
    need not wait for the disk, and a start after an unclean end waits for 14 s. After `run` ended, `orders_may_rest`
    names the orders that could not be proven cancelled. `used_weight`: request weight of this IP address that this
    process used just before. `checkpoint_every`: entries of the journal between two checkpoints. `check_opening` is
    called once the start knows the price that the ladder opens with, before anything is written or placed; an error
    that it raises ends the start. `key_life`: what is known of the signer's key; the maker looks daily when it ends,
    and warns of that. `guard`: where signs of life and signed cancels are left for `mm-trio guard`, which needs an
    exchange object that signs apart. `dead_man`: let the venue cancel all orders of the account where this process is
    silent for a minute. `recorder`: where market, own book and marks of fills are recorded; the session closes it.
    `network` is the venue's name for the journal. `transport`: sockets of the event loop, in place of the SDK's
    threads, for feeds and actions.
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
        gap_levels: int = 0,
        ladder: LadderRule | None = None,
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
        ledger: LedgerMode = "ahead",
        rng: random.Random | None = None,
        wall_ms: Callable[[], int] | None = None,
        used_weight: int = 0,
        checkpoint_every: int = CHECKPOINT_EVERY,
        check_opening: Callable[[Opening], None] | None = None,
        key_life: KeyLife | None = None,
        limits: RiskLimits | None = None,
        standing: KeepsStanding | None = None,
        guard: GuardTerms | None = None,
        dead_man: bool = False,
        recorder: Recorder | None = None,
        network: str | None = None,
        asked: AskedBefore | None = None,
        transport: NativeTransport | None = None,
    ) -> None:
        # Every parameter that is not a living object is a setting of the same name.
        given = locals()
        settings = MakerSettings(**{name: given[name] for name in MakerSettings.names()})
        rng = rng or random.Random()
        self._seams = Seams(
            info,
            exchange,
            address,
            run_sync,
            reopen_feed,
            journal,
            rng,
            wall_ms,
            used_weight,
            checkpoint_every,
            key_life,
            guard,
            dead_man,
            network,
            asked,
            transport,
        )
        terms = GridTerms(
            settings=settings,
            limits=limits or NO_LIMITS,
            standing=standing or VolatileStanding(),
            check_opening=check_opening,
            recorder=recorder,
        )
        self._session: Session | None = None
        super().__init__(terms, RateLimitBudget())

    async def run(self) -> None:
        """Start, quote until cancelled, and shut down without open orders.

        Errors: those of the start are raised as they are (ConfigError, VenueError; Halted after a halt that nobody
        ended); a failed request later is not raised. An error of our own ends all tasks and is raised in a group,
        after our orders were cancelled.
        """
        quiet_sdk_logging()
        refuse_halted(self.standing)
        if self._seams.journal is not None and not self._seams.journal.is_new:
            self.note_past()
        try:
            session = self._session = await open_session(
                self._seams, [(self._terms, self.make_blank())], self.rate_limit
            )
            (grid,) = session.grids
            self.show(grid)
            await session.run()
        finally:
            # A socket made by the SDK has threads that are not daemons.
            discard_socket(self._seams.info)
            if self._seams.transport is not None:
                self._seams.transport.close()

    @property
    def faces(self) -> dict[str, GridFace]:
        """Return what is shown of the only grid, by the coin as it is configured."""
        return {self.settings.coin: self}

    @property
    def vitals(self) -> Vitals:
        """Return the account's signs of life, and how near its limits are."""
        return take_vitals(self._session)

    @property
    def signs(self) -> Vitals:
        """Return the signs of life alone, which is quick."""
        return take_vitals(self._session, measures_limits=False)

    def describe_memory(self) -> dict[str, int]:
        """Count the items kept in memory, by name.

        Tests check that none grows without bound.
        """
        return {} if self._session is None else self._session.describe_memory()
