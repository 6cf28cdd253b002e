"""Reactions of a session to events: counts, log lines, wake-ups."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial

import trio

from mm_trio.concurrency.late_lines import LateLines
from mm_trio.grids.schedule import TickSchedule
from mm_trio.guard.silence import OwnSilence
from mm_trio.model.journal_entries import Adjusted
from mm_trio.model.market import Balances
from mm_trio.model.orders import EmitResult, FillResult, Side, TrackedOrder
from mm_trio.model.replies import Refusal
from mm_trio.model.settings import MakerSettings
from mm_trio.quoting.opening import find_inside
from mm_trio.quoting.plan import TickPlan
from mm_trio.refusals.beforehand import Sendable
from mm_trio.refusals.kind_pauses import PauseNews
from mm_trio.sending.quiet_ticks import QuietTicks
from mm_trio.state.fill_history import LISTED_WITHIN_S
from mm_trio.state.inventory import BalanceCheck, BalanceVerdict, Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats
from mm_trio.witness.key_life import KeyNews

__all__ = ["SessionEvents", "log_allocation_changed", "log_key_news", "log_start", "log_tick"]

_log = logging.getLogger(__name__)

MANUAL_CANCELS_WITHIN_S = 60.0
# Fills kept for screens and for the control socket.
RECENT_FILLS = 200
CONTRADICTIONS_REMEMBERED = 100
# Pause between two looks for a fill that the history should have by now.
LOOK_AGAIN_S = 10.0


# What the operator can do about a kind of refusal.
_ADVICE = {
    Refusal.WOULD_CROSS: "an order of somebody else is in the way; it needs nothing of you",
    Refusal.BALANCE: "check the account's balances and what else uses them; they are read again",
    Refusal.MIN_NOTIONAL: "set min_notional to the venue's minimum",
    Refusal.TICK_OR_LOT: "check the pair's decimals on the venue's page and start the maker anew",
    Refusal.PRICE_BAND: "these levels are too far from the market; move the ladder or set active_levels",
    Refusal.OPEN_ORDERS: "set active_levels, or cancel other orders of the account",
    Refusal.SIGNER: "check that the agent's key is approved for this account and has not expired; three refusals "
    "in a row that do not know it end the maker",
    Refusal.BUILDER_FEE: "approve the builder fee with the account's own key",
    Refusal.HALTED: "wait until the venue trades the pair again",
    Refusal.UPGRADE: "wait until the venue's upgrade is over",
    Refusal.ASSET: "check that the venue still lists the pair",
    Refusal.TOO_LARGE: "set a smaller order_sz",
    Refusal.LIMIT: "compare [limits] with the ladder; a second order beyond a limit within a minute ends placing",
}


class SessionEvents:
    """Listener to the state: counts, logs, and wakes tasks.

    `stop_wanted` is set when the owner cancelled so many orders manually that it is a request to stop the maker; the
    grids of an account share it, and `late_lines`.
    `balance_change` is how the last balance differed from the ledger, until it is believed or equal.
    """

    def __init__(
        self,
        settings: MakerSettings,
        *,
        stats: RunStats,
        inventory: Inventory,
        schedule: TickSchedule,
        silence: OwnSilence | None = None,
        stop_wanted: trio.Event | None = None,
        late_lines: LateLines | None = None,
    ) -> None:
        self._settings = settings
        self._stats = stats
        self._inventory = inventory
        self._schedule = schedule
        self._silence = silence
        self._mark: Callable[[int], None] | None = None
        self._tell_moved: Callable[[], None] | None = None
        self.late_lines = late_lines or LateLines()
        self._quiet_ticks = QuietTicks()
        self._manual_cancels: deque[float] = deque(maxlen=settings.hand_cancels_to_stop or 0)
        self.recent_fills: deque[tuple[float, FillResult]] = deque(maxlen=RECENT_FILLS)
        self.stop_wanted = trio.Event() if stop_wanted is None else stop_wanted
        self.balance_change: Adjusted | None = None
        self._told_empty: set[Side] = set()
        self._told_left_out = False
        self._contradicted: deque[str] = deque(maxlen=CONTRADICTIONS_REMEMBERED)

    def follow(self, settings: MakerSettings) -> None:
        """Go on by other settings."""
        self._settings = settings

    def start_marking(self, mark: Callable[[int], None]) -> None:
        """Tell the times of fills to whoever records prices at them."""
        self._mark = mark

    def start_telling(self, tell: Callable[[], None]) -> None:
        """Tell who shares the account's tokens that a fill moved this grid's ledger."""
        self._tell_moved = tell

    def on_booked(self, fill: FillResult) -> None:
        """Count and log a booked fill.

        The tick is woken if that is configured.
        """
        if self._tell_moved is not None:
            self._tell_moved()
        self._stats.on_fill(fill)
        self.recent_fills.append((trio.current_time(), fill))
        self.late_lines.put(partial(_log_fill, fill, self._inventory.effective_token, self._inventory.effective_usdc))
        if fill.fee_token not in (None, "base", "quote"):
            self._stats.on_error()
            _log.error("unexpected fee token: tid=%d fee_token=%s", fill.tid, fill.fee_token)
        if self._mark is not None and fill.time_ms is not None:
            self._mark(fill.time_ms)
        if self._settings.requote_on_fill:
            self._schedule.wake_tick()
        self.want_listing(trio.current_time() + LISTED_WITHIN_S)

    def on_contradicted(self, what: str) -> None:
        """Log a frame that contradicts what we sent, and look anew.

        A frame that is told again is logged once.
        """
        if what not in self._contradicted:
            self._contradicted.append(what)
            self._stats.on_error()
            _log.error("frame not believed: %s; asking the venue's fill history", what)
        self._schedule.want_reconcile(0)

    def want_listing(self, judged_from_s: float | None) -> None:
        """Look whether the history has what frames told by then.

        `judged_from_s` is on the loop's clock; None: there is nothing to look for.
        """
        if judged_from_s is not None:
            self._schedule.want_reconcile(max(judged_from_s - trio.current_time(), LOOK_AGAIN_S))

    def on_balances(self, check: BalanceCheck) -> None:
        """Recheck a differing balance, or log its adoption."""
        self.balance_change = None
        if check.verdict is BalanceVerdict.ASK_AGAIN:
            self.balance_change = Adjusted(check.token_change, check.usdc_change, "balance")
            self._schedule.want_reconcile(self._inventory.confirm_s)
        elif check.verdict is BalanceVerdict.ADOPTED:
            _log_balances_adopted(check, self._inventory)

    def on_planned(self, empty_sides: tuple[Side, ...], *, held: Balances) -> None:
        """Tell once of a side that has nothing to offer.

        `held` is what others hold on the account.
        """
        self._stats.on_planned(empty_sides)
        for side in empty_sides:
            if side not in self._told_empty:
                self._told_empty.add(side)
                _log_empty_side(side, self._inventory, held=held)

    def on_refusals(self, news: Iterable[PauseNews]) -> None:
        """Log once that refused levels pause, and once that they go on."""
        for each in news:
            if each.lasted_s is None:
                self._stats.on_refusals_paused()
                _log_refusals_paused(each)
            else:
                _log.info(
                    "refusals ended: kind=%s of=%s paused_s=%.0f; sent as wanted again",
                    each.kind.name,
                    each.what,
                    each.lasted_s,
                )

    def on_left_out(self, sendable: Sendable) -> None:
        """Tell once of levels that the venue would refuse, and once that none are left out any more."""
        counts = sendable.n_off_band, sendable.n_over_cap
        self._stats.on_left_out(sum(counts))
        if any(counts) == self._told_left_out:
            return
        self._told_left_out = any(counts)
        if self._told_left_out:
            _log.warning(
                "levels left out: outside_band=%d beyond_cap=%d; the venue takes no price below 0.2 or above 5 times "
                "its reference, and no more than %d open orders of an account; move the ladder or set active_levels",
                *counts,
                sendable.cap,
            )
        else:
            _log.info("levels left out: none any more; quoting in full again")

    def on_ticked(self, plan: TickPlan, result: EmitResult) -> bool:
        """Write the lines that waited for an action to leave; return whether the tick deserves one too."""
        self.late_lines.tell()
        now_s = trio.current_time()
        if not self._quiet_ticks.is_quiet(plan, result, now_s=now_s):
            return True
        _log.debug("tick quiet: boundary=%d desired=%d", plan.boundary_level, len(plan.desired))
        if n_quiet := self._quiet_ticks.take_summary(now_s=now_s):
            _log.info("ticks quiet: n=%d boundary=%d desired=%d", n_quiet, plan.boundary_level, len(plan.desired))
        return False

    def on_trouble(self, reason: str) -> None:
        """Request a reconciliation after a report that does not fit."""
        _log.info("reconciliation requested: reason=%s", reason)
        self._schedule.want_reconcile(0)

    def on_cancelled_by_hand(self, order: TrackedOrder) -> None:
        """Log a manual cancel, and stop after too many.

        The maker stops after too many within a minute. What a guard may have cancelled is no wish of the owner.
        """
        now_s = trio.current_time()
        is_guards = self._silence is not None and self._silence.may_have_fired(now_s=now_s)
        _log.warning(
            "order cancelled manually: oid=%d side=%s level=%d%s; placing it again in %g s",
            order.oid,
            order.side,
            order.level_index,
            ", or by the guard, in a silence" if is_guards else "",
            self._settings.hand_cancel_pause_s,
        )
        if is_guards:
            return
        recent = self._manual_cancels
        recent.append(now_s)
        if recent and len(recent) == recent.maxlen and recent[0] >= now_s - MANUAL_CANCELS_WITHIN_S:
            _log.warning(
                "stop requested: %d orders were cancelled manually within %g s",
                len(recent),
                MANUAL_CANCELS_WITHIN_S,
            )
            self.stop_wanted.set()


def log_key_news(news: KeyNews) -> None:
    """Log that the key ends soon, or that the venue does not list it any more."""
    agent, advice = news.agent, "run `mm-trio keys rotate`, then start the maker anew"
    if news.days_left is None:
        _log.warning(
            "key not listed any more: address=%s name=%s; it was removed or replaced, or has ended; %s",
            agent.address,
            agent.name,
            advice,
        )
        return
    _log.warning(
        "key ends soon: address=%s name=%s days_left=%.1f; then every action is refused; %s",
        agent.address,
        agent.name,
        news.days_left,
        advice,
    )


def log_start(state: MakerState, plan: TickPlan, *, n_orphans: int) -> None:
    """Log the state that the maker starts from, and the prices it opens with."""
    inside = find_inside(state, plan)
    _log.info(
        "start coin=%s asset=%d levels=%d lowest_px=%s highest_px=%s boundary=%d boundary_px=%s "
        "best_bid=%s best_ask=%s token=%s quote=%s adopted=%d orphans=%d",
        state.market.coin,
        state.market.asset_id,
        state.grid.n_orders,
        state.grid.levels[0],
        state.grid.levels[-1],
        plan.boundary_level,
        *inside,
        state.inventory.effective_token,
        state.inventory.effective_usdc,
        len(state.order_state.get_current_orders()),
        n_orphans,
    )


def _log_fill(fill: FillResult, token: Decimal, usdc: Decimal) -> None:
    """Log a booked fill and the amounts left to offer."""
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
        token,
        usdc,
    )


def log_tick(n: int, plan: TickPlan, result: EmitResult, budget: RateLimitBudget, n_orders: int) -> None:
    """Log a tick and the budget after it.

    `drift` is logged where the asks rest at another level than planned, and this tick repairs it.
    """
    # A session begins without orders: an ask that was never placed is no drift.
    is_beginning = n == 1 and plan.observed_level == n_orders
    has_drifted = plan.observed_level != plan.boundary_level and not is_beginning
    drift = f" drift=observed:{plan.observed_level}" if has_drifted else ""
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


def _log_refusals_paused(news: PauseNews) -> None:
    """Log which levels wait, why, and what helps."""
    _log.warning(
        "refusals paused: kind=%s of=%s count=%d text=%s; all else goes on, one is tried again every 10 s to 5 min; %s",
        news.kind.name,
        news.what,
        news.n_items,
        news.text,
        _ADVICE.get(news.kind, "look the text up on the venue's page of error responses"),
    )


def log_allocation_changed(inventory: Inventory, allocation: tuple[Decimal | None, Decimal | None]) -> None:
    """Log that the configuration allots other amounts than before."""
    _log.warning(
        "allocation changed: token=%s quote=%s previous_token=%s previous_quote=%s; ledger adjusted by the difference",
        *allocation,
        *inventory.allocation,
    )


def _log_empty_side(side: Side, inventory: Inventory, *, held: Balances) -> None:
    """Log that there is nothing to offer on a side, and why."""
    is_sell = side == "sell"
    allocated = inventory.virtual_token if is_sell else inventory.virtual_usdc
    _log.warning(
        "nothing to offer: side=%s usable=%s held_elsewhere=%s allocated=%s; this side stays empty until funds are "
        "freed, deposited or received by fills",
        side,
        inventory.effective_token if is_sell else inventory.effective_usdc,
        held.token if is_sell else held.usdc,
        "the whole account" if allocated is None else allocated,
    )


def _log_balances_adopted(check: BalanceCheck, inventory: Inventory) -> None:
    """Log that the ledger was adjusted to the venue's balances.

    The cause is a transfer or a loss.
    """
    _log.warning(
        "balance changed without a fill of ours: base=%+f quote=%+f held_base=%f held_quote=%f; a transfer, or a loss; "
        "ledger adjusted",
        check.token_change,
        check.usdc_change,
        check.held.token,
        check.held.usdc,
    )
    for name, allotted, held in (
        ("token", inventory.virtual_token, inventory.account_token),
        ("quote", inventory.virtual_usdc, inventory.account_usdc),
    ):
        if allotted is not None and held < allotted:
            _log.warning(
                "shortfall: asset=%s ledger=%s account=%s; offering only what the account has", name, allotted, held
            )
