"""What is written to the log: one line an event, `key=value`, ids always. Decides nothing."""

from __future__ import annotations

import logging
from decimal import Decimal

from mm_trio.model.orders import EmitResult, FillResult
from mm_trio.quoting.plan import TickPlan
from mm_trio.state.inventory import BalanceCheck, Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.rate_limit import RateLimitBudget

__all__ = ["log_allocation_changed", "log_balances_adopted", "log_fill", "log_start", "log_tick"]

_log = logging.getLogger(__name__)


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


def log_fill(fill: FillResult, inventory: Inventory) -> None:
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


def log_balances_adopted(check: BalanceCheck, inventory: Inventory) -> None:
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
