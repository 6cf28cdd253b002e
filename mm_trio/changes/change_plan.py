"""Plan of a change, from two configurations and what rests at the venue. Pure.

It sends nothing. The maker itself works the steps out anew, tick by tick, from its own ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.account_config.changes import AccountChange, GridChange
from mm_trio.changes.change_report import GridPlan
from mm_trio.config.settings import MarketSettings, Settings
from mm_trio.migration.ladder_change import plan_migration
from mm_trio.migration.position import Ladder, find_position, make_target, move_allocation
from mm_trio.migration.terms import MigrationTerms
from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import ConfigError
from mm_trio.model.market import Market
from mm_trio.model.orders import Quote, TrackedOrder
from mm_trio.model.replies import OpenOrder
from mm_trio.planning.ladder_plan import MOST_OPEN_ORDERS

__all__ = ["VenueState", "plan_grids"]

_NOTHING = (Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueState:
    """What the venue says: its pairs, every open order of the account, and the requests left.

    `find_market` finds a configured pair. Errors: ConfigError for an unknown one.
    """

    find_market: Callable[[MarketSettings], Market]
    orders: tuple[OpenOrder, ...]
    budget: int


def plan_grids(change: AccountChange, state: VenueState) -> tuple[GridPlan, ...]:
    """Plan the orders of every grid of a change.

    Errors: ConfigError for a ladder that cannot be quoted, or more orders than the venue takes.
    """
    grids = tuple(_plan_grid(grid, state) for grid in change.grids)
    rest_after = len(state.orders) + sum(grid.n_wanted - grid.n_resting for grid in grids)
    if not change.is_empty and rest_after > MOST_OPEN_ORDERS:
        raise ConfigError(
            f"after the change {rest_after} orders of this account would rest, and the venue takes {MOST_OPEN_ORDERS}; "
            "set a smaller active_levels"
        )
    return grids


def _plan_grid(change: GridChange, state: VenueState) -> GridPlan:
    """Plan the orders of one grid."""
    settings = change.new or change.old
    assert settings is not None
    pair = state.find_market(settings.market)
    if change.kind == "unchanged":
        return GridPlan(change=change)
    rows = [row for row in state.orders if row.coin == pair.coin and decode_cloid(row.cloid) is not None]
    resting = [TrackedOrder.of(row.oid, Quote(row.side, 0, row.price, row.size)) for row in rows]
    old = None if change.old is None else _make_ladder(change.old, pair)
    new = None if change.new is None else _make_ladder(change.new, pair)
    position = _find_funds(old, new, resting)
    target = () if new is None else make_target(new, position)
    terms = MigrationTerms.of(resting, target, funds=position, most_open=max(len(resting), len(target), 1))
    plan = plan_migration(resting, terms)
    return GridPlan(change=change, n_resting=len(resting), n_wanted=len(target), plan=plan, bound=terms.widest)


def _find_funds(old: Ladder | None, new: Ladder | None, resting: Sequence[TrackedOrder]) -> tuple[Decimal, Decimal]:
    """Find what the new ladder may offer: what the old one owns now, moved with its allocation."""
    if new is None:
        return _NOTHING
    if old is None:
        return new.allocation
    return move_allocation(find_position(old, resting), old=old.allocation, new=new.allocation)


def _make_ladder(settings: Settings, pair: Market) -> Ladder:
    """Make the ladder of a grid. Errors: ConfigError."""
    strategy, grid = settings.strategy, settings.make_ladder(pair.base.sz_decimals)
    parameters = settings.maker_parameters(grid)
    token, quote = parameters.get("allocated_token"), parameters.get("allocated_usdc")
    if token is None or quote is None:
        raise ConfigError(
            f"{settings.market.coin} has no [allocation]: what it offers is the whole account, and what a change "
            "would leave of it cannot be planned; set [allocation], and start the maker with it"
        )
    return Ladder(
        grid=grid,
        order_size=strategy.order_sz,
        allocation=(token, quote),
        gap_levels=strategy.gap_levels,
        active_levels=strategy.active_levels,
        min_notional=settings.tuning.min_notional,
    )
