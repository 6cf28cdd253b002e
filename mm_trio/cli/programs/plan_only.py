"""Planning without a key and without sending."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import trio

from mm_trio.cli.programs.run_summary import RunSummary
from mm_trio.cli.programs.start_checks import (
    PAIRS_WEIGHT,
    ask_for_pairs,
    find_pair,
    make_grid,
    make_opening_rules,
    warn_of_account,
)
from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.config.settings import MakerParameters, Settings
from mm_trio.grids.shared_look import SharedAnswers
from mm_trio.grids.startup import check_order_size, seed_state
from mm_trio.model.errors import VenueError
from mm_trio.model.market import Market
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.opening import read_opening
from mm_trio.quoting.plan import plan_tick
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats
from mm_trio.venue.rest_client import START_PATIENCE_S, VenueClient
from mm_trio.venue.sdk import make_info
from mm_trio.witness.opening_check import OpeningRules, find_opening_fault

__all__ = ["make_quote_settings", "plan_forever"]

_log = logging.getLogger(__name__)

# A person reads the plan. It is not the pace of a maker, which reads most of it from its feeds.
LOOK_EVERY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What is told of one plan; one that differs is told anew.

    `inside` are the boundary's price and our best two, `market` the best two of others. Of `places`: side, level, price
    and size.
    """

    inside: tuple[Decimal | None, Decimal | None, Decimal | None]
    market: tuple[Decimal | None, Decimal | None]
    fault: str | None
    boundary_level: int
    funds: tuple[Decimal, Decimal]
    counts: tuple[int, int]
    places: tuple[tuple[str, int, Decimal, Decimal], ...]


async def plan_forever(
    settings: Settings,
    *,
    stop_scope: trio.CancelScope,
    duration_s: float | None,
    accepted_px: Decimal | None = None,
    on_shown: Callable[[Market], None] | None = None,
    every_s: float = LOOK_EVERY_S,
) -> RunSummary:
    """Log what would be sent whenever that changed; send nothing.

    It is what a maker without a ledger would send. Where that would refuse to open, the log says so. `on_shown` is
    called for each plan that was told; it blocks. The venue is asked every `every_s`.
    """
    stats, rules = RunStats(), make_opening_rules(settings, accepted_px)
    with stop_scope:
        spot_meta = await ask_for_pairs(settings.market.base_url)
        market = find_pair(spot_meta, settings.market)
        _log.info("pair: %s", market.describe())
        grid = make_grid(settings, market)
        info = make_info(settings.market.base_url, spot_meta)
        await warn_of_account(info, settings.market)
        # One client for all plans, because it counts their request weight: one plan costs 84 of 1,200 a minute.
        client = VenueClient(
            info,
            address=settings.market.account,
            run_sync=ThreadPools(trio.to_thread.run_sync).reads,
            patience_s=START_PATIENCE_S,
        )
        client.weight.on_request(PAIRS_WEIGHT, now_s=trio.current_time())
        if duration_s is not None:
            stop_scope.deadline = trio.current_time() + duration_s
        told: _Shown | None = None
        while True:
            try:
                shown = await _plan_once(settings, client, market, grid, rules)
                if shown != told:
                    _tell(shown)
                    if on_shown is not None:
                        await trio.to_thread.run_sync(on_shown, market)
                told = shown
                stats.ticks += 1
            except VenueError as error:
                stats.errors += 1
                _log.warning("plan failed: %s", error)
            await trio.sleep(every_s)
    return RunSummary(stats, ())


async def _plan_once(
    settings: Settings, client: VenueClient, market: Market, grid: PricingGrid, rules: OpeningRules
) -> _Shown:
    """Find what a maker that starts now would send."""
    parameters = settings.maker_parameters(grid)
    quoting = make_quote_settings(parameters)
    check_order_size(grid, quoting.order_size, quoting.min_notional)
    inventory = Inventory(parameters["order_sz"], parameters.get("allocated_token"), parameters.get("allocated_usdc"))
    orders = OrderState()
    keep = parameters["foreign_orders"] == "keep"
    ownership, history = Ownership(market.coin, keep_foreign=keep), FillHistory(market.coin)
    state = MakerState(market, grid, orders, inventory, RateLimitBudget(), ownership, history)
    orphans = await seed_state(SharedAnswers(client).look(), state)
    plan = plan_tick(grid, inventory, orders, quoting)
    book = await client.fetch_book(market)
    opening = read_opening(state, plan, book, orphans=orphans, earlier=None)
    return _Shown(
        inside=opening.inside,
        market=(opening.market_bid, opening.market_ask),
        fault=find_opening_fault(opening, rules),
        boundary_level=plan.boundary_level,
        funds=(inventory.effective_token, inventory.effective_usdc),
        counts=(len(plan.diff.cancels) + len(orphans), len(plan.diff.modifies)),
        places=tuple((order.side, order.level_index, order.price, order.size) for order in plan.diff.places),
    )


def make_quote_settings(parameters: MakerParameters) -> QuoteSettings:
    """Make the planner's settings of the maker's."""
    return QuoteSettings(
        order_size=parameters["order_sz"],
        min_notional=parameters["min_notional"],
        active_levels=parameters["active_levels"],
        window_slack=parameters["window_slack"],
        gap_levels=parameters["gap_levels"],
        dead_zone_bps=parameters["dead_zone_bps"],
        price_tolerance_bps=parameters["price_tolerance_bps"],
        size_tolerance_pct=parameters["size_tolerance_pct"],
    )


def _tell(shown: _Shown) -> None:
    """Tell the prices that the ladder opens with, those of others, and what would be sent."""
    boundary, bid, ask = shown.inside
    _log.info(
        "plan opening: boundary_px=%s best_bid=%s best_ask=%s market_bid=%s market_ask=%s",
        *(boundary, bid, ask, *shown.market),
    )
    if shown.fault is not None:
        _log.warning("plan refused: reason=%s", shown.fault)
    _log.info(
        "plan: boundary=%d token=%s quote=%s cancels=%d modifies=%d places=%d; nothing is sent",
        *(shown.boundary_level, *shown.funds, *shown.counts, len(shown.places)),
    )
    for order in shown.places:
        _log.info("plan place: side=%s level=%d px=%s sz=%s", *order)
