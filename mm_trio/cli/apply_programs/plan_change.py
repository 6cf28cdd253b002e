"""Plan of a change: what runs is compared with a new configuration, and with what rests at the venue.

It sends nothing. The maker itself works the steps out anew, tick by tick, from its own ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio

from mm_trio.account_config.changes import AccountChange, GridChange, compare_accounts
from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.apply_programs.change_report import ChangeReport, GridPlan
from mm_trio.cli.programs.start_checks import ask_at_start, ask_for_pairs, find_network, find_pair, make_grid
from mm_trio.config.settings import MarketSettings, Settings
from mm_trio.halts.applied_file import APPLIED_NAME, WANTED_NAME, find_applied_folder, read_settings
from mm_trio.halts.change_request import ChangeAnswer, ask_for_change, read_answer
from mm_trio.halts.maker_lock import is_held
from mm_trio.migration.ladder_change import plan_migration
from mm_trio.migration.position import Ladder, find_position, make_target, move_allocation
from mm_trio.migration.terms import MigrationTerms
from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import ConfigError, Interrupted
from mm_trio.model.market import Market, SpotMeta
from mm_trio.model.orders import Quote, TrackedOrder
from mm_trio.model.replies import OpenOrder
from mm_trio.planning.ladder_plan import MOST_OPEN_ORDERS
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue import wire
from mm_trio.venue.sdk import make_info

__all__ = ["hand_over", "plan_change"]

_NOTHING = (Decimal(0), Decimal(0))
# A change of many grids is answered once the last ladder has moved.
ANSWERED_WITHIN_S = 300.0
LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class _VenueState:
    """What the venue says: its pairs, every open order of the account, and the requests left."""

    pairs: SpotMeta
    orders: tuple[OpenOrder, ...]
    budget: int


async def plan_change(
    wanted: AccountSettings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope
) -> ChangeReport:
    """Plan the change from the configuration that runs to another one.

    Errors: ConfigError where nothing runs that could be changed, or what cannot be changed would be; VenueError;
    Interrupted once `stop_scope` is cancelled.
    """
    with stop_scope:
        market = wanted.grids[0].market
        pairs = await ask_for_pairs(market.base_url)
        folder = find_applied_folder(
            environ, wanted, network=await find_network(market), coin=find_pair(pairs, market).coin
        )
        running = await trio.to_thread.run_sync(_read_running, folder)
        change = compare_accounts(running, wanted)
        if change.refusals:
            raise ConfigError("; ".join(change.refusals))
        state = await _ask_venue(market, pairs)
        is_live = await trio.to_thread.run_sync(is_held, folder)
        grids = tuple(_plan_grid(grid, state) for grid in change.grids)
        _check_open_orders(change, grids, state)
        return ChangeReport(folder=folder, change=change, grids=grids, budget=state.budget, is_live=is_live)
    raise Interrupted


async def hand_over(folder: Path, wanted: AccountSettings, *, stop_scope: trio.CancelScope) -> ChangeAnswer:
    """Hand a planned change to the maker that runs, and wait for what it made of it.

    Errors: ConfigError where no maker runs, or it does not answer; Interrupted, and then it may still follow.
    """
    if not wanted.lists_markets:
        raise ConfigError(
            "a maker of one [market] table takes over no change while it runs, and nothing was changed; end it and "
            "start `mm-trio run` with the new file, or list the market as [[market]]"
        )
    if not await trio.to_thread.run_sync(is_held, folder):
        raise ConfigError(f"no maker runs in {folder}, and nothing was changed; start it with the new configuration")
    with stop_scope:
        digest = await trio.to_thread.run_sync(ask_for_change, folder, wanted)
        with trio.move_on_after(ANSWERED_WITHIN_S):
            while True:
                answer = await trio.to_thread.run_sync(read_answer, folder)
                if answer is not None and answer.digest in (digest, ""):
                    return answer
                await trio.sleep(LOOK_EVERY_S)
        raise ConfigError(
            f"the maker has not answered within {ANSWERED_WITHIN_S:g} s; look at its log. The request stays until it "
            f"is followed: remove {folder / WANTED_NAME} to withdraw it"
        )
    raise Interrupted


def _read_running(folder: Path) -> AccountSettings:
    """Read what runs. Blocks. Errors: ConfigError."""
    try:
        running = read_settings(folder)
    except OSError as error:
        raise ConfigError(f"{folder / APPLIED_NAME} cannot be read: {error.strerror or error}") from error
    if running is None:
        raise ConfigError(
            f"there is no {APPLIED_NAME} in {folder}: no maker has run with this account, so there is nothing to "
            "change; start `mm-trio run` with the new configuration"
        )
    return running


async def _ask_venue(market: MarketSettings, pairs: SpotMeta) -> _VenueState:
    """Ask for open orders and budget. Errors: VenueError."""
    info: Any = await trio.to_thread.run_sync(make_info, market.base_url, pairs)
    rows, _ = wire.parse_open_orders(await ask_at_start(info.open_orders, market.account), "")
    budget = RateLimitBudget()
    budget.sync_from_exchange(*wire.parse_rate_limit(await ask_at_start(info.user_rate_limit, market.account)))
    return _VenueState(pairs, tuple(rows), max(0, budget.remaining()))


def _plan_grid(change: GridChange, state: _VenueState) -> GridPlan:
    """Plan the orders of one grid."""
    settings = change.new or change.old
    assert settings is not None
    pair = find_pair(state.pairs, settings.market)
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
    strategy, grid = settings.strategy, make_grid(settings, pair)
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


def _check_open_orders(change: AccountChange, grids: Sequence[GridPlan], state: _VenueState) -> None:
    """Refuse a change after which more orders would rest than the venue takes. Errors: ConfigError."""
    rest_after = len(state.orders) + sum(grid.n_wanted - grid.n_resting for grid in grids)
    if not change.is_empty and rest_after > MOST_OPEN_ORDERS:
        raise ConfigError(
            f"after the change {rest_after} orders of this account would rest, and the venue takes {MOST_OPEN_ORDERS}; "
            "set a smaller active_levels"
        )
