"""What a session does about news: count it, log it in one line, wake whoever must act."""

from __future__ import annotations

import logging
from collections import deque
from decimal import Decimal

import trio

from mm_trio.engine.schedule import TickSchedule
from mm_trio.model.orders import EmitResult, FillResult, TrackedOrder
from mm_trio.model.settings import MakerSettings
from mm_trio.quoting.plan import TickPlan
from mm_trio.state.inventory import BALANCE_CONFIRM_S, BalanceCheck, BalanceVerdict, Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats

__all__ = ["SessionEvents", "log_allocation_changed", "log_start", "log_tick"]

_log = logging.getLogger(__name__)

MANUAL_CANCELS_WITHIN_S = 60.0
RECENT_FILLS = 50  # For screens


class SessionEvents:
    """React to what the state announces: count it, log it, wake whoever must act.

    `stop_wanted` is set when the owner cancelled so many orders by hand that he must want the maker to stop.
    """

    def __init__(
        self, settings: MakerSettings, *, stats: RunStats, inventory: Inventory, schedule: TickSchedule
    ) -> None:
        self._settings = settings
        self._stats = stats
        self._inventory = inventory
        self._schedule = schedule
        self._manual_cancels: deque[float] = deque(maxlen=settings.hand_cancels_to_stop or 0)
        self.recent_fills: deque[tuple[float, FillResult]] = deque(maxlen=RECENT_FILLS)
        self.stop_wanted = trio.Event()

    def on_booked(self, fill: FillResult) -> None:
        """Note a fill that moved the ledger, and wake the tick where that is asked for."""
        self._stats.on_fill(fill)
        self.recent_fills.append((trio.current_time(), fill))
        _log_fill(fill, self._inventory)
        if fill.fee_token not in (None, "base", "quote"):
            self._stats.on_error()
            _log.error("unexpected fee token: tid=%d fee_token=%s", fill.tid, fill.fee_token)
        if self._settings.requote_on_fill:
            self._schedule.wake_tick()

    def on_balances(self, check: BalanceCheck) -> None:
        """Ask again for a balance that differs, or log that it was adopted."""
        if check.verdict is BalanceVerdict.ASK_AGAIN:
            self._schedule.want_reconcile(BALANCE_CONFIRM_S)
        elif check.verdict is BalanceVerdict.ADOPTED:
            _log_balances_adopted(check, self._inventory)

    def on_trouble(self, reason: str) -> None:
        """Reconcile soon: something was reported that does not fit."""
        _log.info("reconciliation wanted: %s", reason)
        self._schedule.want_reconcile(0)

    def on_cancelled_by_hand(self, order: TrackedOrder) -> None:
        """Log a manual cancel, and ask for the end where there were too many within a minute."""
        _log.warning(
            "order cancelled manually: oid=%d side=%s level=%d; placed again in %g s",
            order.oid,
            order.side,
            order.level_index,
            self._settings.hand_cancel_pause_s,
        )
        recent, now_s = self._manual_cancels, trio.current_time()
        recent.append(now_s)
        if recent and len(recent) == recent.maxlen and recent[0] >= now_s - MANUAL_CANCELS_WITHIN_S:
            _log.warning(
                "%d orders were cancelled manually within %g s; treating this as a request to stop",
                len(recent),
                MANUAL_CANCELS_WITHIN_S,
            )
            self.stop_wanted.set()


def log_start(state: MakerState, *, boundary_level: int, n_orphans: int) -> None:
    """What the maker starts from."""
    _log.info(
        "start coin=%s asset=%d levels=%d px=%s..%s boundary=%d token=%s quote=%s adopted=%d orphans=%d",
        state.market.coin,
        state.market.asset_id,
        state.grid.n_orders,
        state.grid.levels[0],
        state.grid.levels[-1],
        boundary_level,
        state.inventory.effective_token,
        state.inventory.effective_usdc,
        len(state.order_state.get_current_orders()),
        n_orphans,
    )


def _log_fill(fill: FillResult, inventory: Inventory) -> None:
    """A fill that was booked, and what may be offered after it."""
    _log.info(
        "fill side=%s level=%d px=%s sz=%s fee=%s full=%s oid=%d tid=%d token=%s quote=%s",
        fill.side,
        fill.level_index,
        fill.price,
        fill.size,
        fill.fee,
        fill.fully_filled,
        fill.oid,
        fill.tid,
        inventory.effective_token,
        inventory.effective_usdc,
    )


def log_tick(n: int, plan: TickPlan, result: EmitResult, budget: RateLimitBudget) -> None:
    """A tick, the budget after it, and where the book began elsewhere than it should: drift being repaired."""
    drift = "" if plan.observed_level == plan.boundary_level else f" drift=observed:{plan.observed_level}"
    _log.info(
        "tick=%d boundary=%d%s desired=%d cancelled=%d modified=%d placed=%d errors=%d budget=%d "
        "cum_vlm=%s n_requests=%d%s",
        n,
        plan.boundary_level,
        drift,
        len(plan.desired),
        result.n_cancelled,
        result.n_modified,
        result.n_placed,
        result.n_errors,
        budget.remaining(),
        budget.cum_vlm,
        budget.n_requests,
        " cancel_only" if result.cancel_only_mode else "",
    )


def log_allocation_changed(inventory: Inventory, allocation: tuple[Decimal | None, Decimal | None]) -> None:
    """The configuration allots other amounts than the ledger's last life had."""
    _log.warning(
        "allocation token=%s quote=%s, in the last life token=%s quote=%s: the ledger moves by the difference",
        *allocation,
        *inventory.allocation,
    )


def _log_balances_adopted(check: BalanceCheck, inventory: Inventory) -> None:
    """The venue's balances were taken over the ledger's: a transfer or a loss."""
    _log.warning(
        "balances changed by no fill of ours: token %+f quote %+f; taken over",
        check.token_change,
        check.usdc_change,
    )
    for name, allotted, held in (
        ("token", inventory.virtual_token, inventory.account_token),
        ("quote", inventory.virtual_usdc, inventory.account_usdc),
    ):
        if allotted is not None and held < allotted:
            _log.warning(
                "shortfall of %s: %s in the ledger, %s in the account; no more is offered", name, allotted, held
            )
