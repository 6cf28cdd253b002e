"""Plan of a change, from two configurations, the ledgers, and what rests at the venue. Pure.

It sends nothing. The maker itself works the steps out anew, tick by tick, and comes to the same ones where nothing is
filled meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal

from mm_trio.account_config.changes import AccountChange, GridChange
from mm_trio.changes.change_report import GridPlan
from mm_trio.config.settings import Allocation, MarketSettings, Settings
from mm_trio.migration.foretelling import QuotedLadder, foretell_change
from mm_trio.migration.ladder_change import MigrationPlan, plan_migration
from mm_trio.migration.terms import MigrationTerms, find_inside
from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import ConfigError
from mm_trio.model.journal_entries import Adjusted, Allocated, forget
from mm_trio.model.market import Market
from mm_trio.model.numbers import EXACT
from mm_trio.model.orders import Quote, TrackedOrder
from mm_trio.model.replies import OpenOrder
from mm_trio.model.settings import QuoteSettings
from mm_trio.planning.ladder_plan import MOST_OPEN_ORDERS
from mm_trio.state.inventory import Inventory

__all__ = ["VenueState", "plan_grids"]

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueState:
    """What the venue says: its pairs, every open order of the account, and the requests left.

    `find_market` finds a configured pair. Errors: ConfigError for an unknown one.
    """

    find_market: Callable[[MarketSettings], Market]
    orders: tuple[OpenOrder, ...]
    budget: int


def plan_grids(change: AccountChange, state: VenueState, ledgers: Mapping[str, Inventory]) -> tuple[GridPlan, ...]:
    """Plan the orders of every grid of a change.

    `ledgers` are those of the journal, by the venue's name of a coin. Errors: ConfigError for a ladder that cannot be
    quoted, or more orders than the venue takes.
    """
    planner = _Planner(state, ledgers)
    grids = tuple(planner.plan(grid) for grid in change.grids)
    rest_after = len(state.orders) + sum(grid.n_wanted - grid.n_resting for grid in grids)
    if not change.is_empty and rest_after > MOST_OPEN_ORDERS:
        raise ConfigError(
            f"after the change {rest_after} orders of this account would rest, and the venue takes {MOST_OPEN_ORDERS}; "
            "set a smaller active_levels"
        )
    return grids


@dataclass(frozen=True, slots=True)
class _Planner:
    """What the plans of all grids need."""

    state: VenueState
    ledgers: Mapping[str, Inventory]

    def plan(self, change: GridChange) -> GridPlan:
        """Plan the orders of one grid."""
        settings = change.new or change.old
        assert settings is not None
        pair = self.state.find_market(settings.market)
        if change.kind == "unchanged":
            return GridPlan(change=change)
        resting = [_read_order(row) for row in self.state.orders if row.coin == pair.coin and _is_ours(row)]
        plan = self._foretell(change, pair, resting)
        widths = [find_inside(orders).width for orders in (resting, plan.target)]
        known = [width for width in widths if width is not None]
        return GridPlan(
            change=change,
            n_resting=len(resting),
            n_wanted=len(plan.target),
            plan=plan,
            bound=max(known) if len(known) == len(widths) else None,
        )

    def _foretell(self, change: GridChange, pair: Market, resting: Sequence[TrackedOrder]) -> MigrationPlan:
        if change.new is None:
            terms = MigrationTerms.of(resting, (), funds=(_NOTHING, _NOTHING), most_open=max(len(resting), 1))
            return plan_migration(resting, terms)
        before = None if change.old is None else _make_ladder(change.old, pair)
        return foretell_change(
            resting, self._find_ledger(change, pair), before=before, after=_make_ladder(change.new, pair)
        )

    def _find_ledger(self, change: GridChange, pair: Market) -> Inventory:
        """Find what the grid has once its allocation was changed."""
        assert change.new is not None
        token, usdc = _find_allocation(change.new)
        order_size = change.new.strategy.order_sz
        found = self.ledgers.get(pair.coin)
        if found is None or not any(found.allocation):
            return _expect_transfers(Inventory(order_size, token, usdc, account_token=token, account_usdc=usdc))
        ledger = _expect_transfers(copy(found))
        before = ledger.allocation
        ledger.change_order_size(order_size)
        ledger.on_allocated(Allocated(token, usdc))
        if change.old is None:
            # It goes on from its ledger, with the part of the account that this entitles it to.
            gains = (
                EXACT.subtract(ledger.virtual_token or _NOTHING, ledger.account_token),
                EXACT.subtract(ledger.virtual_usdc or _NOTHING, ledger.account_usdc),
            )
        else:
            # The maker takes no more than the account has, which it asks for then.
            raised = [max(new - (old or _NOTHING), _NOTHING) for new, old in zip((token, usdc), before, strict=True)]
            gains = raised[0], raised[1]
        ledger.on_adjusted(Adjusted(*gains, "allocation"))
        return ledger


def _expect_transfers(ledger: Inventory) -> Inventory:
    """Let a ledger judge orders as that of a maker of several grids does."""
    ledger.start_recording(forget, expects_transfers=True)
    return ledger


def _is_ours(row: OpenOrder) -> bool:
    return decode_cloid(row.cloid) is not None


def _read_order(row: OpenOrder) -> TrackedOrder:
    order = TrackedOrder.of(row.oid, Quote(row.side, 0, row.price, row.size))
    return order if row.original_size is None else replace(order, filled=row.original_size - row.size)


def _find_allocation(settings: Settings) -> tuple[Decimal, Decimal]:
    """Return base and quote. Errors: ConfigError where the grid has the whole account."""
    allocation: Allocation | None = settings.allocation
    if allocation is None:
        raise ConfigError(
            f"{settings.market.coin} has no [allocation]: what it offers is the whole account, and what a change "
            "would leave of it cannot be planned; set [allocation], and start the maker with it"
        )
    return allocation.token, allocation.usdc


def _make_ladder(settings: Settings, pair: Market) -> QuotedLadder:
    """Make the ladder of a grid. Errors: ConfigError."""
    _find_allocation(settings)
    strategy, tuning = settings.strategy, settings.tuning
    quoting = QuoteSettings(
        order_size=strategy.order_sz,
        min_notional=tuning.min_notional,
        active_levels=strategy.active_levels,
        window_slack=strategy.window_slack,
        gap_levels=strategy.gap_levels,
        dead_zone_bps=tuning.dead_zone_bps,
        price_tolerance_bps=tuning.price_tolerance_bps,
        size_tolerance_pct=tuning.size_tolerance_pct,
    )
    return QuotedLadder(settings.make_ladder(pair.base.sz_decimals), quoting)
